"""Graphics cards at work: one lasting thread for each, and who has a network there."""

from __future__ import annotations

import gc
import logging
import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol, TypeVar
from weakref import WeakSet

log = logging.getLogger(__name__)

T = TypeVar("T")

_REST_S = 2.0
"""How long it waits for work before it gives back the memory that it keeps for what may come: a song seldom lets it."""

_IDLE_S = 60.0
"""How long a card's thread waits for work before it ends, if no network lies there any more."""


class Resident(Protocol):
    """Whoever has a network on a card, or had."""

    @property
    def place(self) -> str:
        """Where its network lies, a key of `methods.device`."""

    def leave(self) -> bool:
        """Take the network off its card unless it is at work; return whether that made room. The card's thread only."""


class _Card(threading.Thread):
    """What computes on a card, one thing after the other, for all networks.

    Libraries keep their plans and their working memory for each thread by itself: in a new one all is made anew.
    """

    def __init__(self, place: str) -> None:
        # Nobody waits for its end: whoever waits for what it does is waited for.
        super().__init__(name=f"card {place}", daemon=True)
        self.place = place
        self.due = 0
        self.jobs: queue.SimpleQueue[Callable[[_Card], None] | None] = queue.SimpleQueue()

    def run(self) -> None:
        keeps = False
        while True:
            try:
                job = self.jobs.get(timeout=_REST_S if keeps else _IDLE_S)
            except queue.Empty:
                if keeps:
                    _free(self.place)
                    keeps = False
                elif self._over():
                    return
                continue
            if job is None:
                if keeps:
                    _free(self.place)
                return
            keeps = True
            job(self)
            # What was found, or what went wrong, is not held any longer.
            del job

    def _over(self) -> bool:
        """Whether nothing is to be done, and nothing lies there; then it is off the list."""
        with _lock:
            if self.due or any(one.place == self.place for one in _residents):
                return False
            if _cards.get(self.place) is self:
                del _cards[self.place]
            return True


_cards: dict[str, _Card] = {}
_residents: WeakSet[Resident] = WeakSet()
_lock = threading.Lock()


def do(place: str, work: Callable[[], T]) -> T:
    """Return what `work` returns, called in the thread of a card and in this one's context; waits for its turn there.

    Parameters
    ----------
    place
        Key of `methods.device`; not the processor's.
    work
        Must not wait for anybody who may wait for the card.
    """
    here = threading.current_thread()
    if isinstance(here, _Card) and here.place == place:
        return work()
    found: list[T] = []
    problems: list[BaseException] = []
    done = threading.Event()
    known = copy_context()

    def job(card: _Card) -> None:
        try:
            found.append(known.run(work))
        except BaseException as problem:
            problems.append(problem)
        with _lock:
            card.due -= 1
        done.set()

    with _lock:
        card = _cards.get(place)
        if card is None:
            card = _cards[place] = _Card(place)
            card.start()
        card.due += 1
        card.jobs.put(job)
    done.wait()
    if problems:
        raise problems.pop()
    return found.pop()


def busy(place: str) -> bool:
    """Whether a card is at work."""
    with _lock:
        card = _cards.get(place)
        return card is not None and card.due > 0


def settle(resident: Resident) -> None:
    """Note who may have a network on a card; for as long as it lives."""
    with _lock:
        _residents.add(resident)


def make_room(place: str, besides: Resident) -> bool:
    """Take the networks of all others who are idle off a card; return whether there were any."""
    with _lock:
        others = [one for one in _residents if one is not besides]

    def work() -> bool:
        left = [one.leave() for one in others if one.place == place]
        if any(left):
            gc.collect()
            _free(place)
        return any(left)

    return do(place, work)


def free(place: str) -> None:
    """Give back what a card keeps for what may come."""
    do(place, lambda: _free(place))


def end() -> None:
    """Let the threads end once they have done what they were given, and give back memory; later there are new ones."""
    with _lock:
        for card in _cards.values():
            card.jobs.put(None)
        _cards.clear()


def _free(place: str) -> None:
    import torch

    try:
        getattr(torch, place).empty_cache()
        # What came from the card lies there; PyTorch has no public name for it yet.
        getattr(torch._C, "_host_emptyCache", bool)()
    except RuntimeError as problem:
        log.info("%s keeps its memory: %s", place, problem)
