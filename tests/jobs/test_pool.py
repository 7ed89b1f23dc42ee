import threading
import time

import pytest

from stemeditor.errors import UserError
from stemeditor.jobs.job import Advanced, Crashed, Done, Event, Failed, Posted, Started, Stopped
from stemeditor.jobs.pool import COMPUTE, DISK, Pool
from stemeditor.progress import Part, Progress, Silent, Stoppable


class Listener:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self._ended = threading.Semaphore(0)

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, (Done, Stopped, Failed, Crashed)):
            self._ended.release()

    def wait(self) -> Event:
        assert self._ended.acquire(timeout=10)
        return self.events[-1]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def pool(listener: Listener):
    pool = Pool(listener)
    yield pool
    pool.close()


def endless(request: threading.Event, progress: Progress) -> None:
    request.set()
    while True:
        progress.check()
        time.sleep(0.001)


def test_a_result_comes_back_with_its_question(pool: Pool, listener: Listener) -> None:
    job = pool.submit(COMPUTE, "double", lambda request, progress: request * 2, 21)
    ending = listener.wait()
    assert isinstance(ending, Done)
    assert ending.job is job
    assert ending.result == 42
    assert isinstance(listener.events[0], Started)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(UserError("No.", "Try yes."), Failed), (ZeroDivisionError(), Crashed), (SystemExit(), Crashed)],
)
def test_the_ending_is_decided_by_type_and_the_worker_goes_on(
    pool: Pool, listener: Listener, error: BaseException, kind: type
) -> None:
    def work(request: object, progress: Progress) -> None:
        raise error

    pool.submit(COMPUTE, "fail", work, None)
    ending = listener.wait()
    assert isinstance(ending, kind)
    assert ending.error is error  # type: ignore[union-attr]
    pool.submit(COMPUTE, "next", lambda request, progress: "fine", None)
    assert isinstance(listener.wait(), Done)


def test_no_memory_is_told_in_words(pool: Pool, listener: Listener) -> None:
    def work(request: object, progress: Progress) -> None:
        raise MemoryError

    pool.submit(COMPUTE, "big", work, None)
    ending = listener.wait()
    assert isinstance(ending, Failed)
    assert "memory" in ending.error.message


def test_cancel_reaches_a_running_job(pool: Pool, listener: Listener) -> None:
    running = threading.Event()
    job = pool.submit(COMPUTE, "endless", endless, running)
    assert running.wait(5)
    job.cancel()
    assert isinstance(listener.wait(), Stopped)


def test_a_job_cancelled_while_it_waits_never_starts(pool: Pool, listener: Listener) -> None:
    running = threading.Event()
    first = pool.submit(COMPUTE, "endless", endless, running)
    assert running.wait(5)
    ran = threading.Event()
    second = pool.submit(COMPUTE, "never", lambda request, progress: ran.set(), None)
    second.cancel()
    first.cancel()
    listener.wait()
    assert isinstance(listener.wait(), Stopped)
    assert not ran.is_set()


def test_a_result_that_comes_after_the_cancel_is_none(pool: Pool, listener: Listener) -> None:
    go = threading.Event()
    job = pool.submit(DISK, "late", lambda request, progress: go.wait(5), None)
    job.cancel()
    go.set()
    assert isinstance(listener.wait(), Stopped)


def test_queues_do_not_wait_for_each_other(pool: Pool, listener: Listener) -> None:
    running = threading.Event()
    pool.submit(COMPUTE, "endless", endless, running)
    assert running.wait(5)
    pool.submit(DISK, "quick", lambda request, progress: 1, None)
    assert isinstance(listener.wait(), Done)


def test_cancel_all_of_one_owner_spares_the_others(pool: Pool, listener: Listener) -> None:
    events = [threading.Event(), threading.Event()]
    mine = pool.submit(COMPUTE, "mine", endless, events[0], owner="song 1")
    other = pool.submit(DISK, "other", endless, events[1], owner="song 2")
    assert all(event.wait(5) for event in events)
    pool.cancel_all("song 1")
    assert listener.wait().job is mine
    assert not other.cancelled


def test_close_ends_running_work_and_takes_no_more(listener: Listener) -> None:
    pool = Pool(listener)
    running = threading.Event()
    pool.submit(COMPUTE, "endless", endless, running)
    assert running.wait(5)
    pool.close()
    pool.close()
    assert isinstance(listener.events[-1], Stopped)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(COMPUTE, "late", endless, None)


def test_progress_is_told_with_pieces_and_never_floods(pool: Pool, listener: Listener) -> None:
    def work(request: object, progress: Progress) -> None:
        for index in range(5000):
            progress.advance(index / 5000, "Counting")
        progress.post("piece")
        progress.advance(1.0, "Counting")

    pool.submit(COMPUTE, "count", work, None)
    listener.wait()
    told = [event for event in listener.events if isinstance(event, Advanced)]
    assert told[-1].fraction == 1.0
    assert told[-1].text == "Counting"
    assert len(told) < 500
    assert [event.piece for event in listener.events if isinstance(event, Posted)] == ["piece"]


def test_a_part_maps_into_its_whole() -> None:
    told: list[float] = []

    class Whole(Silent):
        def advance(self, fraction: float, text: str = "") -> None:
            told.append(fraction)

    part = Part(Part(Whole(), 0.5, 1.0), 0.0, 0.5)
    part.advance(0.0)
    part.advance(1.0)
    part.advance(7.0)
    assert told == [0.5, 0.75, 0.75]


def test_stoppable_stops() -> None:
    from stemeditor.errors import Cancelled

    progress = Stoppable()
    progress.advance(0.5)
    progress.cancel()
    with pytest.raises(Cancelled):
        progress.check()
