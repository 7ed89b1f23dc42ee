"""Bringing published files here over lines that break: resumed, checked, and in place only when whole."""

from __future__ import annotations

import contextlib
import http.client
import queue
import re
import shutil
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from stemeditor import __version__, paths
from stemeditor.errors import FileProblem, UserError
from stemeditor.progress import Part, Progress
from stemeditor.weights import half as halves
from stemeditor.weights import reading, store
from stemeditor.weights.catalogue import Pack, Source
from stemeditor.weights.half import Half, Told

TRIES = 4
PAUSE_S = 1.0
SILENCE_S = 20.0

_BLOCK = 1 << 16
_SPARE_BYTES = 200 << 20
_LOOK_S = 0.05
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_TIRED = (408, 425, 429, 500, 502, 503, 504)


class _Broken(Exception):
    """The line broke; what came so far is good, and the rest may come another time."""


class _Beyond(_Broken):
    """What was asked for is behind the file's end.

    Parameters
    ----------
    whole
        Length of the file, bytes; 0 if the server does not say it.
    """

    def __init__(self, whole: int) -> None:
        super().__init__("it has another file now")
        self.whole = whole


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
        with _alone(pack, source, progress):
            if source.name in {one.name for one in store.missing(pack)}:
                target.parent.mkdir(parents=True, exist_ok=True)
                half = Half(target)
                _bring_all(source, half, progress)
                _put(pack, source, half, progress)
    except OSError as problem:
        raise FileProblem(
            f"{source.name} cannot be kept ({problem.strerror or problem}).",
            "Free some space, or choose another folder for models.",
        ) from problem


def _bring_all(source: Source, half: Half, progress: Progress) -> None:
    """Ask until all has come."""
    failures = 0
    while True:
        before = half.size
        try:
            _continue(source, half, progress)
            return
        except _Broken as problem:
            # A line that brings something each time may break as often as it likes.
            failures = 0 if half.size > before else failures + 1
            if failures >= TRIES:
                kept = half.size and half.told.mark
                raise UserError(
                    f"{_server(source)} does not send {source.name} to its end ({problem}).",
                    f"Try again later{': what has come is kept' if kept else ''}.",
                ) from problem
            _pause(progress, PAUSE_S * 2 ** max(failures - 1, 0))


def _put(pack: Pack, source: Source, half: Half, progress: Progress) -> None:
    """Put what has come in its place, if it is what was published."""
    progress.advance(1.0, "Checking")
    digest = store.hashed(half.path, progress)
    trouble = ""
    if not all(digest.startswith(stated) for stated in (source.sha256, half.told.sha256)):
        trouble = "is not the file that was published: its hash is another"
    else:
        try:
            reading.check(half.path, source.name, whole=True)
        except UserError as problem:
            trouble = f"is not what it should be ({problem.message})"
    if trouble:
        half.forget()
        raise FileProblem(f"What {_server(source)} sent as {source.name} {trouble}.", "Try again, or later.")
    store.keep(pack.key, source.name, half.path, source.address, digest)
    half.forget()


@contextlib.contextmanager
def _alone(pack: Pack, source: Source, progress: Progress) -> Iterator[None]:
    """Wait until no other program fetches this file."""
    # Not beside the file, and never deleted: whoever deleted it would let a third program in beside the second.
    place = paths.cache_folder() / "locks" / f"{store.place(pack.key).name}-{source.name}.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(place)
    while True:
        try:
            lock.acquire(timeout=_LOOK_S)
            break
        except Timeout:
            progress.advance(0.0, "Another program is downloading this")
    try:
        yield
    finally:
        lock.release()


def _continue(source: Source, half: Half, progress: Progress) -> None:
    """Fetch what is missing behind the half file."""
    have, before = half.size, half.told
    if have and have == before.whole:
        # It was not looked at any more.
        return
    request = urllib.request.Request(source.address, headers={"User-Agent": f"stemeditor/{__version__}"})
    if have and before.mark:
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", before.mark)
    else:
        half.forget()
        have, before = 0, Told()
    way = _Way()
    try:
        with _answer(source, request, way, progress) as answer:
            if answer.headers.get_content_type() == "text/html":
                raise UserError(
                    f"{_server(source)} sent a page instead of {source.name}.",
                    "Does this network ask for a login first? Try again later: what has come before is kept.",
                )
            if answer.status != 206 and have:
                half.forget()
                have, before = 0, Told()
            told = halves.told(answer.headers, have, way.stated)
            if have and not _goes_on(answer, have, before, told):
                half.forget()
                raise _Broken("it sends something else now")
            _see_to_room(half.path.parent, told.whole - have)
            half.note(told)
            _receive(source, answer, half.path, have, told.whole, progress)
            if told.whole and half.size != told.whole:
                raise _Broken("the line was cut")
    except _Beyond as problem:
        if problem.whole != have:
            half.forget()
            raise


def _goes_on(answer: HTTPResponse, have: int, before: Told, told: Told) -> bool:
    """Whether an answer goes on where the half file ends, and in the same file."""
    begin, _ = halves.stretch(answer.headers)
    known = before.whole and told.whole
    return begin == have and told.mark == before.mark and (not known or told.whole == before.whole)


class _Way(urllib.request.HTTPRedirectHandler):
    """Follows where a server sends us, and hears what it says of the file meanwhile."""

    stated = ""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """See `urllib.request.HTTPRedirectHandler`."""
        self.stated = halves.linked(headers) or self.stated
        if (urlsplit(req.full_url).scheme, urlsplit(newurl).scheme) == ("https", "http"):
            fp.close()
            raise UserError(f"{req.host} sends us where anybody could change the file.", "Try again later.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextlib.contextmanager
def _answer(source: Source, request: urllib.request.Request, way: _Way, progress: Progress) -> Iterator[HTTPResponse]:
    """Ask the server; what it says no to becomes words. The asking is done elsewhere, so that it can be stopped."""
    found: queue.Queue[HTTPResponse | Exception] = queue.Queue()
    unwanted = threading.Event()

    def ask() -> None:
        try:
            # An opener of its own: the shared one keeps the proxy that the environment named first.
            answer = urllib.request.build_opener(way).open(request, timeout=SILENCE_S)
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
    if isinstance(problem, UserError):
        return problem
    inner = problem.reason if isinstance(problem, urllib.error.URLError) else problem
    code = 0
    if isinstance(problem, urllib.error.HTTPError):
        code = problem.code
        problem.close()
        if code == 416:
            return _Beyond(halves.stretch(problem.headers)[1])
    elif tunnel := _TUNNEL.match(str(inner)):
        code = int(tunnel[1])
    if code:
        if code in _TIRED:
            return _Broken(f"it answers {code}")
        if 300 <= code < 400:
            return UserError(f"{server} sends us on without end, or to what is no server.", "Try again later.")
        if code in (401, 403, 407, 451):
            hint = "Is there a proxy or a filter in between? Download it with a browser, then: stemeditor models import"
            return UserError(f"{server} does not let us have {source.name} (it answers {code}).", hint)
        if code in (404, 410):
            return UserError(
                f"{server} does not have {source.name} any more (it answers {code}).",
                "A newer version of the program may know where it is.",
            )
        return UserError(f"{server} refuses to send {source.name} (it answers {code}).", "Try again later.")
    if isinstance(inner, ssl.SSLCertVerificationError):
        return UserError(
            f"What answers for {server} cannot prove that it is {server} ({inner.verify_message}).",
            "Is this machine's clock right? Is there a filter in between?",
        )
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
