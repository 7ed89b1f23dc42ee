"""What the verbs share on a terminal: one line for errors, bars for progress."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from stemeditor.methods.base import Remark
from stemeditor.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.table import Table


def say(text: str) -> None:
    """Print one line on stderr."""
    print(f"stemeditor: {' '.join(text.split())}", file=sys.stderr)


def listing() -> Table:
    """Return an empty table of keys and what is to be said of them."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, width=18)
    table.add_column(overflow="fold")
    return table


def show(table: Table, head: str = "") -> None:
    """Print a table on stdout, under a head if it has one."""
    from rich.console import Console

    console = Console()
    if head:
        console.print(f"[bold]{head}[/bold]")
    console.print(table)


class _Spoken(Silent):
    """Progress without a bar: remarks are said all the same."""

    def post(self, piece: object) -> None:
        if isinstance(piece, Remark):
            say(piece.text)


class _BarProgress(_Spoken):
    """Progress as a bar of rich's."""

    def __init__(self, bars: Any, task: Any) -> None:
        self._bars, self._task = bars, task

    def advance(self, fraction: float, text: str = "") -> None:
        self._bars.update(self._task, completed=fraction, text=text)


@contextlib.contextmanager
def bars(quiet: bool) -> Iterator[Callable[[str], contextlib.AbstractContextManager[Progress]]]:
    """Give a function that opens a progress bar for a name; bars only where somebody looks."""
    if quiet or not sys.stderr.isatty():

        @contextlib.contextmanager
        def silent(name: str) -> Iterator[Progress]:
            yield _Spoken()

        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), TextColumn("{task.fields[text]}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:

        @contextlib.contextmanager
        def shown(name: str) -> Iterator[Progress]:
            task = bars.add_task(name, total=1.0, text="")
            try:
                yield _BarProgress(bars, task)
            finally:
                bars.remove_task(task)

        yield shown
