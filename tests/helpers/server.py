"""A server of files that can misbehave in every way that servers do."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stemeditor.jobs import models
from stemeditor.methods import pretrained
from stemeditor.methods.demucs import SOURCES
from stemeditor.weights import catalogue, download
from stemeditor.weights.catalogue import Pack, Source
from tests.helpers import networks

_TIME = "Wed, 21 Oct 2015 07:28:00 GMT"


@dataclass
class Served:
    """A file and how it is served.

    `fault`: "" for none, "cut" (ends early, every time a little later), "stall" (says nothing any more), "slow",
    "circle" (redirects to itself), "rubbish" (something else under status 200), "page" (the same, and says so),
    "deaf" (goes on whatever it has now), "again" (says that it goes on, and begins anew), "away" (redirects to what is
    no server), or a status such as "404"; `times`: how often the fault happens, -1 for ever. `linked`: the hash that is
    said on the way to where the file is.
    """

    data: bytes
    fault: str = ""
    times: int = -1
    ranges: bool = True
    linked: str = ""
    weak: bool = False
    measured: bool = True
    version: str = "1"
    asked: list[str] = field(default_factory=list)


class Server:
    """Serves `files` by path on a port of this machine, in a thread."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        files = self.files
        self._ending = threading.Event()
        ending = self._ending

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                path, _, arrived = self.path.partition("?")
                served = files.get(path)
                if served is None:
                    self.send_error(404)
                    return
                if served.linked and not arrived:
                    self._send_on(f"{path}?here", served.linked)
                    return
                served.asked.append(self.headers.get("Range", ""))
                fault = served.fault if served.times else ""
                if served.times > 0:
                    served.times -= 1
                if fault.isdigit():
                    self.send_error(int(fault))
                elif fault == "circle":
                    self._send_on(self.path)
                elif fault == "away":
                    self._send_on("file:///etc/passwd")
                else:
                    self._send(served, fault)

            def _send_on(self, address: str, linked: str = "") -> None:
                self.send_response(302)
                self.send_header("Location", address)
                if linked:
                    self.send_header("X-Linked-ETag", f'"{linked}"')
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _send(self, served: Served, fault: str) -> None:
                data = b"<html>please log in</html>" * 4 if fault in ("rubbish", "page") else served.data
                # Looks like the file's hash, as that of some storages does, and is none.
                mark = f'"{hashlib.sha256(served.version.encode()).hexdigest()}"'
                if served.weak:
                    mark = f"W/{mark}"
                start = 0
                asked = self.headers.get("Range", "")
                known = (mark, _TIME) if not served.weak else (_TIME,)
                if (
                    served.ranges
                    and asked
                    and fault != "page"
                    and (fault == "deaf" or self.headers.get("If-Range") in known)
                ):
                    start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(data) > 0:
                    self.send_response(416)
                    self.send_header("Content-Range", f"bytes */{len(data)}")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                ranged = start > 0
                if fault == "again":
                    start = 0
                self.send_response(206 if ranged else 200)
                self.send_header("ETag", mark)
                self.send_header("Last-Modified", _TIME)
                if fault == "page":
                    self.send_header("Content-Type", "text/html; charset=utf-8")
                if ranged:
                    self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
                if served.measured:
                    self.send_header("Content-Length", str(len(data) - start))
                else:
                    self.close_connection = True
                self.end_headers()
                body = data[start:]
                try:
                    if fault == "cut":
                        self.wfile.write(body[: max(len(data) // 3, 1)])
                        self.close_connection = True
                    elif fault == "stall":
                        self.wfile.write(body[: len(body) // 2])
                        self.wfile.flush()
                        ending.wait(20)
                        self.close_connection = True
                    elif fault == "slow":
                        step = max(len(body) // 20, 1)
                        for at in range(0, len(body), step):
                            self.wfile.write(body[at : at + step])
                            time.sleep(0.05)
                    else:
                        self.wfile.write(body)
                except (BrokenPipeError, ConnectionError):
                    self.close_connection = True

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = False
            block_on_close = True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Quiet(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="server")
        self._thread.start()

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def close(self) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextlib.contextmanager
def serving_a_model(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[Server]:
    """Serve one small network of Demucs, and let the catalogue know no other."""
    made = Server()
    monkeypatch.setattr(download, "PAUSE_S", 0.01)
    # The form for this machine is made in a process of its own, which knows nothing of the tests' folders.
    monkeypatch.setattr(models, "prepare", lambda key, progress: None)
    networks.save_demucs(networks.demucs("HTDemucs", SOURCES), folder / "net.safetensors")
    made.files["/955717e8.safetensors"] = Served((folder / "net.safetensors").read_bytes())
    source = Source("955717e8.safetensors", made.address("/955717e8.safetensors"))
    packs = {"htdemucs": Pack("htdemucs", "Hybrid Transformer Demucs", (source,), 1.0, "MIT", "https://example.org")}
    monkeypatch.setattr(catalogue, "packs", lambda: packs)
    try:
        yield made
    finally:
        made.close()
        pretrained.forget()
