"""What a separation method is, and what it says about itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from stemeditor.audio.buffer import Audio, Samples
from stemeditor.errors import UserError
from stemeditor.progress import Progress

ParamValue: TypeAlias = float | int | bool | str
Params: TypeAlias = Mapping[str, ParamValue]
Stems: TypeAlias = dict[str, Samples]
"""Stem name -> float32 (channels, frames)."""


@dataclass(frozen=True, slots=True)
class Param:
    """One thing a person can set on a method. Form, command line and checks derive from it.

    Parameters
    ----------
    name
        Key in `Params`.
    label
        Name in the window.
    default
        Its type (bool, int, float, str) is the parameter's type.
    help
        What the ear will notice when it is raised or lowered, one sentence.
    minimum, maximum
        Inclusive bounds of a number.
    unit
        Unit of a number, such as "Hz" or "s"; empty if it has none.
    choices
        Allowed values of a text and their labels.
    """

    name: str
    label: str
    default: ParamValue
    help: str
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    choices: tuple[tuple[str, str], ...] = ()

    def checked(self, value: ParamValue) -> ParamValue:
        """Return `value` as this parameter's type.

        Raises
        ------
        ValueError
            If it has another type or lies out of bounds; the text names the parameter and what is allowed.
        """
        if isinstance(self.default, bool) != isinstance(value, bool):
            raise ValueError(f"{self.label} is {'yes or no' if isinstance(self.default, bool) else 'no yes-or-no'}")
        if isinstance(self.default, str):
            if not isinstance(value, str) or (self.choices and value not in dict(self.choices)):
                raise ValueError(f"{self.label} is one of {', '.join(dict(self.choices))}, not {value!r}")
            return value
        if isinstance(value, str):
            raise ValueError(f"{self.label} is a number, not {value!r}")
        if isinstance(self.default, bool):
            return bool(value)
        number = int(value) if isinstance(self.default, int) else float(value)
        low = -float("inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        if not low <= number <= high:
            raise ValueError(
                f"{self.label} lies between {low:g} and {high:g} {self.unit}".rstrip() + f", not {number:g}"
            )
        return number


OVERLAP = "overlap"
"""Parameter: how much of a segment the next one covers again, a share; only of methods whose pieces are `whole`."""

SHIFTS = "shifts"
"""Parameter: how often the song is gone over, each time with other places for the joins; the mean is the result."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One of a few ways to set a method, for people who want a result rather than parameters.

    Parameters
    ----------
    name
        "Draft", "Good" or "Best".
    params
        What differs from the defaults.
    """

    name: str
    params: Mapping[str, ParamValue]


BETTER = "htdemucs"
"""What a person who wants more than the program brings along is shown first."""


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """What a method says about itself.

    Parameters
    ----------
    key
        Short name for files and the command line.
    name
        Name in the window.
    family
        "factorisation", "low rank", "independence", "repetition", "median filtering", "network", ...
    sentence
        What it does and for whom, in the user's words.
    source
        The paper: authors, title, venue, year; several joined by "; ".
    stems
        Names of what it returns, in the order of the lanes.
    needs
        "nothing", "a download" or "training".
    rate
        The only rate it works at, Hz; None if any.
    channels
        The only number of channels it works with; None if any.
    segment_s
        Length of a piece in seconds, context included; None if it wants the whole song at once.
    overlap_s
        How much neighbouring pieces share, seconds; less than half a segment.
    grid
        Whether pieces lie at equal distances, as the parameter `OVERLAP` says, and add up with triangular weights.
    whole
        Whether pieces at the ends of a song are filled up to a whole segment: with what lies beside them, and on the
        grid with silence beyond the song.
    rest
        The stem that takes what the others leave, so that all add up to the song; None if the runner shall keep
        the difference as a residual of its own.
    speed
        Rough real-time factor on two cores (seconds of song a second), for the estimate before the first run.
    listening
        Share of its time that a method which listens first has for that.
    stereo
        Whether it lives on differences between two channels; a song without any is refused in words.
    instead
        Key of the nearest method for songs that this one does not suit.
    better
        Key of a method that gives cleaner stems of the same names, for the price of a download.
    params
        What a person can set.
    presets
        Ways to set it for people who want a result rather than parameters; the first is the quickest.
    """

    key: str
    name: str
    family: str
    sentence: str
    source: str
    stems: tuple[str, ...]
    needs: str = "nothing"
    rate: int | None = None
    channels: int | None = None
    segment_s: float | None = None
    overlap_s: float = 0.0
    grid: bool = False
    whole: bool = False
    rest: str | None = None
    speed: float = 1.0
    listening: float = 0.5
    stereo: bool = False
    instead: str = ""
    better: str = ""
    params: tuple[Param, ...] = field(default=())
    presets: tuple[Preset, ...] = field(default=())

    def cost(self, params: Params) -> float:
        """Return about how much longer than with its defaults a method takes with these parameters, as a factor."""
        if not self.grid:
            return 1.0
        given, default = self.settle(params), self.settle({})

        def goes(values: Params) -> float:
            return max(int(values.get(SHIFTS, 0)), 1) / (1.0 - float(values.get(OVERLAP, 0.0)))

        return goes(given) / goes(default)

    def settle(self, given: Params) -> dict[str, ParamValue]:
        """Return all parameters: the given ones, checked, and the defaults of the others.

        Raises
        ------
        ValueError
            For a name the method does not have, or a value it does not take.
        """
        rows = {row.name: row for row in self.params}
        for name in given:
            if name not in rows:
                raise ValueError(f"{self.name} has no parameter {name!r}")
        return {name: row.checked(given.get(name, row.default)) for name, row in rows.items()}


class Method(Protocol):
    """A way to take sound apart. Holds no state between calls; the same input gives the same output."""

    @property
    def info(self) -> MethodInfo:
        """What it says about itself; constant."""

    def separate(self, mix: Audio, params: Params, progress: Progress) -> Stems:
        """Take one piece apart.

        Parameters
        ----------
        mix
            (channels, frames) at the rate and channels that `info` asks for; any length of one frame or more.
        params
            Complete and checked (`MethodInfo.settle`).
        progress
            Asked by `check` at least every 50 ms of work.

        Returns
        -------
        Stems
            Every name of `info.stems` except `info.rest` (which the runner makes), each of the shape of `mix`.
        """


@runtime_checkable
class Learner(Protocol):
    """A method that first listens to the song, and then takes it apart piece by piece with what it has learned.

    What is learned (spectral templates, demixing matrices) is bounded in size, and it is learned from a bounded
    stretch of sound: memory does not grow with the length of the song.
    """

    @property
    def info(self) -> MethodInfo:
        """What the method says about itself; constant."""

    def learn(self, song: Audio, params: Params, progress: Progress) -> Method:
        """Return a method with the same `info` for the pieces of this song.

        Parameters
        ----------
        song
            The whole song at its own rate and channels; may be memory-mapped, so read no more than is needed
            (`excerpt`).
        params
            Complete and checked.
        progress
            Asked by `check` at least every 50 ms of work; `advance` runs from 0 to 1 over the learning.
        """


@dataclass(frozen=True, slots=True)
class Missing:
    """What a method lacks on this machine.

    Parameters
    ----------
    text
        One sentence.
    command
        What to type to get it.
    pack
        Key of the weights, if they are all that is missing.
    """

    text: str
    command: str
    pack: str = ""

    def problem(self) -> UserError:
        """Return what stops whoever uses the method all the same."""
        return UserError(self.text, f"Get it with: {self.command}")


@runtime_checkable
class Preparable(Protocol):
    """A method with a network that OpenVINO may compute."""

    def prepare(self, again: bool = False) -> None:
        """Bring it into the form in which this machine's processor computes it fastest.

        Takes a minute and a few gigabytes for a large one; does nothing where there is no such form, or where it is,
        unless it shall be made again.
        """


@runtime_checkable
class Warmable(Protocol):
    """A method that other programs compute, which take a while to start."""

    def warm(self) -> None:
        """Start them, while nobody waits for it."""


@runtime_checkable
class Needy(Protocol):
    """A method that needs something that may not be on this machine."""

    def missing(self) -> Missing | None:
        """Return what is not here, or None if the method can be used."""


@runtime_checkable
class Narrow(Protocol):
    """A method that is quicker if only some of its stems are wanted."""

    def only(self, stems: Iterable[str]) -> Method:
        """Return the method for these stems; what it gives for them is the same."""


@runtime_checkable
class Levelled(Protocol):
    """A method for one song to which silence is not 0: what lies beyond the ends of the song is filled with it."""

    @property
    def silence(self) -> float:
        """The value of silence."""


@runtime_checkable
class Grouping(Protocol):
    """A method for one song that is quicker with several pieces at a time; the first one it gets alone."""

    @property
    def together(self) -> int:
        """How many pieces it is given at most."""

    def separate_all(self, mixes: Sequence[Audio], params: Params, progress: Progress) -> list[Stems]:
        """Return what `separate` gives for each."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Posted by a method that goes on, but not as asked: one sentence for the user."""

    text: str
