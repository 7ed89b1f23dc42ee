"""Work in other threads."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from weakref import ref

import pytest

from stemeditor import threads
from stemeditor.errors import Cancelled
from stemeditor.progress import Progress, Silent, Stoppable
from stemeditor.threads import Turns, aside, each, elsewhere


@pytest.fixture(params=[1, 3])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(threads.os, "cpu_count", lambda: request.param)
    count: int = request.param
    return count


@pytest.mark.parametrize(("chosen", "used"), [(None, "16"), ("20", "20")])
def test_the_program_lets_idle_threads_rest_before_they_are_there(chosen: str | None, used: str) -> None:
    name = threads.PATIENCE[0]
    outside = {key: value for key, value in os.environ.items() if key != name}
    words = (
        "import os, sys; from stemeditor.__main__ import main; early = 'numpy' not in sys.modules; "
        f"main(['nothing-there']); print(early, os.environ[{name!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", words],
        env=outside if chosen is None else outside | {name: chosen},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", used]


def test_what_is_made_of_each_comes_in_order(cores: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (7 - number))
        return number**2

    assert each(work, range(7)) == [number**2 for number in range(7)]
    assert each(work, ()) == []


def test_as_many_work_at_once_as_there_are_cores(cores: int) -> None:
    if cores == 1:
        assert each(lambda _: threading.current_thread(), range(3)) == [threading.current_thread()] * 3
        return
    meeting = threading.Barrier(cores, timeout=30)
    each(lambda _: meeting.wait(), range(2 * cores))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("each")]


def test_what_fails_is_told_and_ends_the_rest(cores: int) -> None:
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        time.sleep(0.01)
        raise ZeroDivisionError(number)

    with pytest.raises(ZeroDivisionError, match="0"):
        each(work, range(100))
    assert len(begun) < 20


def test_who_stops_meanwhile_is_heard(cores: int) -> None:
    progress = Stoppable()
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        progress.cancel()

    with pytest.raises(Cancelled):
        each(work, range(100), progress)
    assert len(begun) <= cores


def test_who_stops_is_asked_once_and_nothing_is_kept(cores: int) -> None:
    class Stopping(Silent):
        asked = 0

        def check(self) -> None:
            self.asked += 1
            if self.asked == 5:
                # Others have time to come.
                time.sleep(0.02)
            if self.asked >= 5:
                raise Cancelled

    class Sound:
        """Something large."""

    progress = Stopping()
    kept: list[ref[Sound]] = []

    def work(number: int) -> None:
        sound = Sound()
        kept.append(ref(sound))
        time.sleep(0.001)
        if number == 3:
            raise ZeroDivisionError(number)

    gc.disable()
    try:
        with pytest.raises(Cancelled):
            each(lambda number: work(0), range(100), progress)
        assert progress.asked == 5
        with pytest.raises(ZeroDivisionError):
            each(work, range(4))
        assert not [one for one in kept if one() is not None]
    finally:
        gc.enable()


def test_whoever_is_told_to_stop_by_one_thread_is_not_asked_by_the_other() -> None:
    class Stopping(Silent):
        told, again = False, 0

        def check(self) -> None:
            self.again += self.told
            if threading.current_thread().name == "aside":
                self.told = True
                raise Cancelled

    def work(seen: Progress) -> None:
        try:
            seen.check()
        finally:
            # The other one looks up meanwhile.
            time.sleep(0.2)

    progress = Stopping()
    with pytest.raises(Cancelled):
        aside(work, progress)
    assert progress.told
    assert not progress.again


def test_what_fails_after_everybody_left_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    progress = Stoppable()
    gone = threading.Event()

    def work(seen: Progress) -> None:
        gone.wait(10)
        with pytest.raises(Cancelled):
            seen.advance(0.5)
        raise ValueError("too late")

    threading.Timer(0.1, progress.cancel).start()
    with pytest.raises(Cancelled):
        aside(work, progress)
    gone.set()
    for thread in threading.enumerate():
        if thread.name == "aside":
            thread.join(10)
    assert [record.message for record in caplog.records] == ["work that nobody waited for failed"]
    caplog.clear()
    with pytest.raises(ZeroDivisionError):
        aside(lambda seen: 1 / 0, Silent())


def test_the_end_of_the_program_waits_for_what_nobody_waits_for() -> None:
    """A thread that is torn out of a library's work takes the process with it."""
    code = (
        "import threading, time; from stemeditor.progress import Stoppable; from stemeditor.threads import aside\n"
        "progress = Stoppable()\n"
        "def work(seen): time.sleep(1.0); print('done', flush=True)\n"
        "threading.Thread(target=aside, args=(work, progress), daemon=True).start()\n"
        "time.sleep(0.2); progress.cancel()\n"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert found.stdout == "done\n"
    code = (
        "import signal, time; from stemeditor.progress import Silent; from stemeditor.threads import aside\n"
        "def work(seen): print('begun', flush=True); time.sleep(1.5); print('done', flush=True)\n"
        "aside(work, Silent())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "done\n"


def started(turns: Turns, numbers: Iterable[int], work: Callable[[int], None]) -> list[threading.Thread]:
    def run(number: int) -> None:
        with turns.turn(number):
            work(number)

    workers = [threading.Thread(target=run, args=(number,)) for number in numbers]
    for worker in workers:
        worker.start()
    return workers


def test_whoever_has_the_lowest_number_comes_next() -> None:
    turns = Turns(1)
    order: list[int] = []
    turns.take(0)
    workers = started(turns, (7, 3, 5, 2), order.append)
    while len(turns._waiting) < 4:
        time.sleep(0.001)
    assert order == []
    turns.give_back()
    for worker in workers:
        worker.join()
    assert order == [2, 3, 5, 7]


def test_no_more_work_at_a_time_than_have_a_turn() -> None:
    meeting = threading.Barrier(2, timeout=30)
    lock = threading.Lock()
    at_work, most = 0, 0

    def work(number: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        meeting.wait()
        with lock:
            at_work -= 1

    for worker in started(Turns(2), range(8), work):
        worker.join()
    assert most == 2


def test_while_another_works_for_it_a_thread_lends_its_turn() -> None:
    turns = Turns(1)
    order: list[str] = []
    lent = threading.Event()

    def work(number: int) -> None:
        if number:
            lent.set()
        else:
            with elsewhere():
                assert lent.wait(30)
        order.append(f"{number} works")

    for worker in started(turns, (0, 1), work):
        worker.join()
    assert order == ["1 works", "0 works"]
    turns.take(2)
    with elsewhere():
        # Who has none lends none.
        assert turns._free == 0
    turns.give_back()
    with turns.turn(3), elsewhere(), elsewhere():
        # What is lent is not lent again.
        assert turns._free == 1
    assert turns._free == 1
