"""The two endings that are not bugs: the user's own wish, and something the user can mend."""


class Cancelled(Exception):
    """The user changed their mind. Nobody shows it; whoever catches it cleans up and is silent."""


class UserError(Exception):
    """Something outside the program went wrong, and the user can understand or mend it.

    Parameters
    ----------
    message
        One sentence that says what happened, in the user's words; no path of ours, no type name.
    hint
        What to do about it, one sentence, may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class FileProblem(UserError):
    """A file cannot be read or written as asked."""


class UnsuitableSong(UserError):
    """A method cannot take this song; the hint names what would suit."""


class DeviceProblem(UserError):
    """A sound device or an accelerator cannot be used."""
