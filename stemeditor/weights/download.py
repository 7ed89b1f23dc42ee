"""Bringing published files here over lines that break: resumed, checked, and in place only when whole."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import shutil
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from stemeditor import __version__
from stemeditor.errors import FileProblem, UserError
from stemeditor.progress import Part, Progress
from stemeditor.weights import reading, store
from stemeditor.weights.catalogue import Pack, Source

TRIES = 4
PAUSE_S = 1.0
SILENCE_S = 20.0

_BLOCK = 1 << 16
_SPARE_BYTES = 200 << 20
_LOOK_S = 0.05
_HEX = set("0123456789abcdef")
_TIRED = (408, 425, 429, 500, 502, 503, 504)


class _Broken(Exception):
    """The line broke; what came so far is good, and the rest may come another time."""


def fetch(pack: Pack, progress: Progress) -> None:
    """Download those files of a pack that are not here.

    A file that is half here from another time is continued; a file becomes part of the pack only when its length, its
    hash (as far as its publisher states one) and its inside are right. Two programs that want the same file: one
    waits for the other. A proxy is taken from the environment.

    Parameters
    ----------
    pack
        What to fetch.
    progress
        Told how much is here and how fast it comes; stopping keeps the half file for the next time.

    Raises
    ------
    UserError
        In words what is wrong: no way to the server, no such file, no room on the disk, not what was promised.
    """
    wanted = store.missing(pack)
    for number, source in enumerate(wanted):
        stretch = Part(progress, number / len(wanted), (number + 1) / len(wanted))
        _fetch_one(pack, source, stretch)


def _fetch_one(pack: Pack, source: Source, progress: Progress) -> None:
    target = store.path(pack.key, source.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise FileProblem(
            f"The folder for weights cannot be made ({problem.strerror or problem}).", "Choose another in the settings."
        ) from problem
    with _alone(target, progress):
        if source.name not in {one.name for one in store.missing(pack)}:
            return
        half = target.with_name(f"{target.name}.part")
        failures = 0
        while True:
            before = _size(half)
            try:
                promised = _continue(source, half, progress)
                break
            except _Broken as problem:
                # A line that brings something each time may break as often as it likes.
                failures = 0 if _size(half) > before else failures + 1
                if failures >= TRIES:
                    raise UserError(
                        f"{_server(source)} does not send {source.name} to its end ({problem}).",
                        "Try again later: what has come is kept.",
                    ) from problem
                _pause(progress, PAUSE_S * 2 ** max(failures - 1, 0))
        progress.advance(1.0, "Checking")
        digest = store.hashed(half, progress)
        stated = promised or source.sha256
        trouble = ""
        if not digest.startswith(source.sha256) or not digest.startswith(stated):
            trouble = "is not the file that was published: its hash is another"
        else:
            try:
                reading.check(half, source.name)
            except UserError as problem:
                trouble = f"is not what it should be ({problem.message})"
        if trouble:
            _forget(half)
            raise FileProblem(f"What {_server(source)} sent as {source.name} {trouble}.", "Try again, or later.")
        store.keep(pack.key, source.name, half, source.address, digest)
        _forget(half)


@contextlib.contextmanager
def _alone(target: Path, progress: Progress) -> Iterator[None]:
    """Wait until no other program fetches this file."""
    lock = FileLock(f"{target}.lock")
    while True:
        try:
            lock.acquire(timeout=_LOOK_S)
            break
        except Timeout:
            progress.advance(0.0, "Another program is downloading this")
        except OSError as problem:
            raise FileProblem(
                f"The folder for weights cannot be written to ({problem.strerror or problem}).",
                "Choose another in the settings.",
            ) from problem
    try:
        yield
    finally:
        lock.release()
        # Another program may just have opened it: then it goes with that one.
        with contextlib.suppress(OSError):
            Path(f"{target}.lock").unlink()


def _continue(source: Source, half: Path, progress: Progress) -> str:
    """Fetch what is missing behind the half file, and return the whole file's hash if the server states it."""
    have, mark = _size(half), _mark(half)
    request = urllib.request.Request(source.address, headers={"User-Agent": f"stemeditor/{__version__}"})
    if have and mark:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", mark)
    else:
        _forget(half)
        have = 0
    with _answer(source, request, progress) as answer:
        if answer.status != 206 and have:
            _forget(half)
            have = 0
        length = answer.headers.get("Content-Length")
        whole = have + int(length) if length and length.isdigit() else 0
        _see_to_room(half.parent, whole - have)
        _note_mark(half, answer)
        _receive(source, answer, half, have, whole, progress)
        if whole and _size(half) < whole:
            raise _Broken("the line was cut")
        return _promise(answer)


@contextlib.contextmanager
def _answer(source: Source, request: urllib.request.Request, progress: Progress) -> Iterator[HTTPResponse]:
    """Ask the server; what it says no to becomes words. The asking is done elsewhere, so that it can be stopped."""
    found: queue.Queue[HTTPResponse | Exception] = queue.Queue()
    unwanted = threading.Event()

    def ask() -> None:
        try:
            # An opener of its own: the shared one keeps the proxy that the environment named first.
            answer = urllib.request.build_opener().open(request, timeout=SILENCE_S)
        except Exception as problem:  # handed to whoever asked
            found.put(problem)
            return
        found.put(answer)
        if unwanted.is_set():
            answer.close()

    thread = threading.Thread(target=ask, name="download-ask", daemon=True)
    thread.start()
    try:
        while True:
            progress.check()
            try:
                answer = found.get(timeout=_LOOK_S)
                break
            except queue.Empty:
                continue
    except BaseException:
        unwanted.set()
        raise
    if isinstance(answer, Exception):
        raise _refusal(source, answer) from answer
    try:
        yield answer
    finally:
        _hang_up(answer)


def _receive(source: Source, answer: HTTPResponse, half: Path, have: int, whole: int, progress: Progress) -> None:
    """Write what comes behind the half file. Reading is done elsewhere: a silent line must keep nobody waiting."""
    blocks: queue.Queue[bytes | Exception] = queue.Queue(maxsize=64)
    stopped = threading.Event()

    def read() -> None:
        try:
            while not stopped.is_set():
                block = answer.read1(_BLOCK)
                blocks.put(block)
                if not block:
                    return
        except Exception as problem:  # handed to whoever writes
            blocks.put(problem)

    thread = threading.Thread(target=read, name="download", daemon=True)
    thread.start()
    began, came = time.monotonic(), 0
    try:
        with half.open("ab") as file:
            while True:
                progress.check()
                try:
                    block = blocks.get(timeout=_LOOK_S)
                except queue.Empty:
                    continue
                if isinstance(block, Exception):
                    raise _Broken(_reason(block)) from block
                if not block:
                    return
                file.write(block)
                came += len(block)
                progress.advance(
                    min((have + came) / whole, 1.0) if whole else 0.0, _words(have + came, whole, came, began)
                )
    except OSError as problem:
        raise FileProblem(
            f"{source.name} cannot be written ({problem.strerror or problem}).",
            "Free some space, or choose another folder.",
        ) from problem
    finally:
        stopped.set()
        _hang_up(answer)
        while thread.is_alive():
            with contextlib.suppress(queue.Empty):
                blocks.get_nowait()
            thread.join(_LOOK_S)


def _hang_up(answer: HTTPResponse) -> None:
    """End the conversation at once, also for a thread that waits in it."""
    with contextlib.suppress(Exception):
        raw = getattr(getattr(answer, "fp", None), "raw", None)
        line = getattr(raw, "_sock", None)
        if line is not None:
            line.shutdown(socket.SHUT_RDWR)
    with contextlib.suppress(Exception):
        answer.close()


def _refusal(source: Source, problem: Exception) -> Exception:
    """Return what to raise about a question that brought no answer."""
    server = _server(source)
    if isinstance(problem, urllib.error.HTTPError):
        code = problem.code
        problem.close()
        if code == 416:
            return _Broken("it has another file now")
        if code in _TIRED:
            return _Broken(f"it answers {code}")
        if 300 <= code < 400:
            return UserError(f"{server} sends from address to address, in a circle.", "Try again later.")
        if code in (401, 403, 407, 451):
            hint = "Is there a proxy or a filter in between? Download it with a browser, then: stemeditor models import"
            return UserError(f"{server} does not let us have {source.name} (it answers {code}).", hint)
        if code in (404, 410):
            return UserError(
                f"{server} does not have {source.name} any more (it answers {code}).",
                "A newer version of the program may know where it is.",
            )
        return UserError(f"{server} refuses to send {source.name} (it answers {code}).", "Try again later.")
    inner = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    if isinstance(inner, socket.gaierror):
        return UserError(
            f"There is no way to {server}: this machine seems to be offline.",
            "Everything that needs no download goes on working.",
        )
    if isinstance(inner, (OSError, http.client.HTTPException)):
        return _Broken(_reason(inner))
    return UserError(f"{server} cannot be asked for {source.name} ({inner}).", "Try again later.")


def _reason(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return f"nothing came for {SILENCE_S:.0f} s"
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror.lower()
    return "the line was cut"


def _see_to_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _SPARE_BYTES > free:
        raise FileProblem(
            f"There is no room: {needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free.",
            "Free some space, or choose another folder for weights in the settings.",
        )


def _promise(answer: HTTPResponse) -> str:
    """Return the hash that the server states for the file; empty if it states none."""
    for name in ("X-Linked-ETag", "ETag"):
        stated = (answer.headers.get(name) or "").removeprefix("W/").strip('"').lower()
        if len(stated) == sha256().digest_size * 2 and set(stated) <= _HEX:
            return stated
    return ""


def _note_mark(half: Path, answer: HTTPResponse) -> None:
    """Keep by what the server knows this version of the file: another one must not be continued."""
    mark = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    if mark.startswith("W/"):
        mark = ""
    _marked(half).write_text(json.dumps({"mark": mark}), encoding="utf-8")


def _mark(half: Path) -> str:
    try:
        return str(json.loads(_marked(half).read_text(encoding="utf-8"))["mark"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _marked(half: Path) -> Path:
    return half.with_name(f"{half.name}.json")


def _forget(half: Path) -> None:
    half.unlink(missing_ok=True)
    _marked(half).unlink(missing_ok=True)


def _size(half: Path) -> int:
    try:
        return half.stat().st_size
    except OSError:
        return 0


def _pause(progress: Progress, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        progress.check()
        time.sleep(_LOOK_S)


def _server(source: Source) -> str:
    return urlsplit(source.address).hostname or source.address


def _words(here: int, whole: int, came: int, began: float) -> str:
    of = f" of {whole / 1e6:.0f}" if whole else ""
    spent = time.monotonic() - began
    speed = f", {came / 1e6 / spent:.1f} MB/s" if spent > 0.5 else ""
    return f"{here / 1e6:.0f}{of} MB{speed}"
