import hashlib
import io
import json
import os
import shutil
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from stemeditor import settings
from stemeditor.errors import Cancelled, UserError
from stemeditor.progress import Silent, Stoppable
from stemeditor.settings import Settings
from stemeditor.weights import catalogue, download, store
from stemeditor.weights.catalogue import Pack, Source
from tests.helpers.server import Served, Server

BYTES = save({"a": np.random.default_rng(1).normal(size=(300, 300)).astype(np.float32)})
DIGEST = hashlib.sha256(BYTES).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "PAUSE_S", 0.02)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    yield made
    made.close()


def pack(server: Server, *names: str, sha256: str = "") -> Pack:
    files = tuple(Source(name, server.address(f"/{name}"), sha256) for name in names)
    return Pack("toy", "Toy", files, 1, "MIT", "")


def left(key: str = "toy") -> set[str]:
    place = store.folder() / key
    return {one.name for one in place.iterdir()} if place.is_dir() else set()


class Told(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []
        self.fractions: list[float] = []

    def advance(self, fraction: float, text: str = "") -> None:
        self.fractions.append(fraction)
        self.texts.append(text)


def test_a_pack_comes_whole_is_noted_and_is_not_fetched_again(server: Server) -> None:
    wanted = pack(server, "one.safetensors", "two.safetensors")
    _serve(server, "one.safetensors", "two.safetensors")
    told = Told()
    assert len(store.missing(wanted)) == 2
    download.fetch(wanted, told)
    assert store.missing(wanted) == ()
    assert store.path("toy", "one.safetensors").read_bytes() == BYTES
    assert left() == {"one.safetensors", "two.safetensors", "contents.json"}
    assert told.fractions == sorted(told.fractions)
    assert told.fractions[-1] == 1.0
    assert any("MB" in text for text in told.texts)
    download.fetch(wanted, Silent())
    assert len(_served(server, "one.safetensors").asked) == 1
    assert store.verify("toy", Silent()) == ()
    store.path("toy", "two.safetensors").write_bytes(BYTES[:-1])
    assert [one.name for one in store.missing(wanted)] == ["two.safetensors"]
    changed = bytearray(BYTES)
    changed[-1] ^= 1
    store.path("toy", "one.safetensors").write_bytes(changed)
    assert set(store.verify("toy", Silent())) == {"one.safetensors", "two.safetensors"}
    assert store.keys() == ("toy",)
    assert store.remove("toy") > len(BYTES)
    assert store.keys() == ()


def _serve(server: Server, *names: str, **how: object) -> None:
    for name in names:
        server.files[f"/{name}"] = Served(BYTES, **how)  # type: ignore[arg-type]


def _served(server: Server, name: str) -> Served:
    return server.files[f"/{name}"]


def test_a_cut_line_is_taken_up_where_it_broke(server: Server) -> None:
    _serve(server, "a.safetensors", fault="cut", times=2)
    download.fetch(pack(server, "a.safetensors"), Silent())
    third = len(BYTES) // 3
    assert _served(server, "a.safetensors").asked == ["", f"bytes={third}-", f"bytes={2 * third}-"]
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES
    assert left() == {"a.safetensors", "contents.json"}


def test_a_server_that_cannot_resume_is_asked_for_all_of_it(server: Server) -> None:
    _serve(server, "a.safetensors", fault="cut", times=1, ranges=False)
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES


def test_another_version_is_not_glued_to_the_half_of_the_first(server: Server) -> None:
    _serve(server, "a.safetensors", fault="stall", times=1)
    stop = Stoppable()
    _cancelled_after(stop, 0.3, pack(server, "a.safetensors"))
    assert "a.safetensors.part" in left()
    newer = save({"b": np.ones((200, 400), np.float32)})
    server.files["/a.safetensors"] = Served(newer, version="2")
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.path("toy", "a.safetensors").read_bytes() == newer


def _cancelled_after(stop: Stoppable, seconds: float, wanted: Pack) -> float:
    threading.Timer(seconds, stop.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        download.fetch(wanted, stop)
    return time.monotonic() - began - seconds


def test_stopping_is_heard_on_a_silent_line_and_the_half_is_kept_for_the_next_time(server: Server) -> None:
    _serve(server, "a.safetensors", fault="stall", times=1)
    late = _cancelled_after(Stoppable(), 0.4, pack(server, "a.safetensors"))
    assert late < 3.0
    assert store.contents("toy") == {}
    half = store.folder() / "toy" / "a.safetensors.part"
    assert half.stat().st_size == len(BYTES) // 2
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert _served(server, "a.safetensors").asked[1] == f"bytes={len(BYTES) // 2}-"
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("403", "does not let us have"),
        ("404", "does not have a.safetensors any more"),
        ("500", "does not send a.safetensors to its end"),
        ("418", "refuses"),
        ("circle", "without end"),
        ("away", "no server"),
        ("page", "sent a page instead"),
        ("rubbish", "is not what it should be"),
    ],
)
def test_what_a_server_does_wrong_is_said_in_words_and_leaves_no_model(server: Server, fault: str, words: str) -> None:
    _serve(server, "a.safetensors", fault=fault)
    with pytest.raises(UserError, match=words) as caught:
        download.fetch(pack(server, "a.safetensors"), Silent())
    assert "127.0.0.1" in caught.value.message
    assert caught.value.hint
    assert store.contents("toy") == {}
    assert left() <= {"a.safetensors.part", "a.safetensors.part.json"}
    _served(server, "a.safetensors").fault = ""
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.missing(pack(server, "a.safetensors")) == ()


def test_a_server_that_is_tired_for_a_moment_is_asked_again(server: Server) -> None:
    _serve(server, "a.safetensors", fault="503", times=2)
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.missing(pack(server, "a.safetensors")) == ()


def test_a_hash_that_the_publisher_states_is_held_to(server: Server) -> None:
    _serve(server, "a.safetensors")
    with pytest.raises(UserError, match="its hash is another"):
        download.fetch(pack(server, "a.safetensors", sha256="0123abcd"), Silent())
    assert left() == set()
    download.fetch(pack(server, "a.safetensors", sha256=DIGEST[:8]), Silent())
    assert store.contents("toy")["a.safetensors"].sha256 == DIGEST


def test_a_hash_that_is_said_on_the_way_is_held_to(server: Server) -> None:
    _serve(server, "a.safetensors", linked=DIGEST)
    download.fetch(pack(server, "a.safetensors"), Silent())
    store.remove("toy")
    _serve(server, "a.safetensors", linked="0" * 64)
    with pytest.raises(UserError, match="its hash is another"):
        download.fetch(pack(server, "a.safetensors"), Silent())
    assert left() == set()


def test_what_only_looks_like_a_hash_is_none(server: Server) -> None:
    _serve(server, "a.safetensors", version="some storage's name for it")
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.missing(pack(server, "a.safetensors")) == ()


@pytest.mark.parametrize("fault", ["deaf", "again"])
def test_two_files_are_never_glued_together(server: Server, fault: str) -> None:
    _serve(server, "a.safetensors", fault="stall", times=1)
    _cancelled_after(Stoppable(), 0.3, pack(server, "a.safetensors"))
    newer = save({"a": np.random.default_rng(2).normal(size=(300, 300)).astype(np.float32)})
    server.files["/a.safetensors"] = Served(
        newer if fault == "deaf" else BYTES, fault=fault, version="12"[fault == "deaf"]
    )
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.path("toy", "a.safetensors").read_bytes() == (newer if fault == "deaf" else BYTES)


@pytest.mark.parametrize("measured", [True, False])
def test_what_was_stopped_while_it_was_looked_at_is_looked_at_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, measured: bool
) -> None:
    _serve(server, "a.safetensors", measured=measured, linked=DIGEST)
    with monkeypatch.context() as patched:
        patched.setattr(store, "hashed", _raising(Cancelled()))
        with pytest.raises(Cancelled):
            download.fetch(pack(server, "a.safetensors"), Silent())
    assert left() == {"a.safetensors.part", "a.safetensors.part.json"}
    assert store.begun(pack(server, "a.safetensors"))
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES
    assert len(_served(server, "a.safetensors").asked) == (1 if measured else 2)


def test_what_came_in_part_can_be_removed(server: Server) -> None:
    _serve(server, "a.safetensors", fault="stall", times=1)
    wanted = pack(server, "a.safetensors")
    _cancelled_after(Stoppable(), 0.3, wanted)
    assert store.begun(wanted)
    assert store.keys() == ()
    assert store.remove("toy") >= len(BYTES) // 2
    assert not store.begun(wanted)


def test_a_file_whose_mark_is_weak_is_known_by_its_time(server: Server) -> None:
    _serve(server, "a.safetensors", fault="cut", times=1, weak=True)
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert _served(server, "a.safetensors").asked[1] == f"bytes={len(BYTES) // 3}-"
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES


def test_a_page_in_between_costs_nothing_that_came(server: Server) -> None:
    _serve(server, "a.safetensors", fault="stall", times=1)
    wanted = pack(server, "a.safetensors")
    _cancelled_after(Stoppable(), 0.3, wanted)
    _served(server, "a.safetensors").fault = "page"
    _served(server, "a.safetensors").times = 1
    with pytest.raises(UserError, match="sent a page instead"):
        download.fetch(wanted, Silent())
    download.fetch(wanted, Silent())
    assert _served(server, "a.safetensors").asked[-1] == f"bytes={len(BYTES) // 2}-"
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES


def test_an_archive_that_is_damaged_inside_is_no_model(server: Server, tmp_path: Path) -> None:
    torch.save({"a": torch.arange(4000.0)}, tmp_path / "a.pt")
    whole = (tmp_path / "a.pt").read_bytes()
    at = len(whole) // 2
    server.files["/a.pt"] = Served(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    with pytest.raises(UserError, match="is damaged"):
        download.fetch(pack(server, "a.pt"), Silent())
    server.files["/a.pt"] = Served(whole)
    download.fetch(pack(server, "a.pt"), Silent())


def test_a_proxy_that_wants_a_password_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source("a.safetensors", "https://weights.example/a.safetensors")
    wanted = Pack("toy", "Toy", (source,), 1, "MIT", "")
    refused = OSError("Tunnel connection failed: 407 Authentication")
    monkeypatch.setattr(urllib.request.OpenerDirector, "open", _raising(refused))
    with pytest.raises(UserError, match="it answers 407") as caught:
        download.fetch(wanted, Silent())
    assert "proxy" in caught.value.hint
    wrong = ssl.SSLCertVerificationError(1, "certificate verify failed")
    wrong.verify_message = "it has expired"
    monkeypatch.setattr(urllib.request.OpenerDirector, "open", _raising(urllib.error.URLError(wrong)))
    with pytest.raises(UserError, match="cannot prove") as caught:
        download.fetch(wanted, Silent())
    assert "clock" in caught.value.hint


def _raising(problem: Exception) -> Callable[..., None]:
    def open_(*_: object, **__: object) -> None:
        raise problem

    return open_


def test_nobody_is_sent_from_a_safe_line_to_an_open_one() -> None:
    way = download._Way()
    asked = urllib.request.Request("https://weights.example/a")
    fits = way.redirect_request(
        asked, io.BytesIO(), 302, "", {"X-Linked-ETag": f'"{DIGEST}"'}, "https://other.example/a"
    )
    assert fits is not None
    assert way.stated == DIGEST
    with pytest.raises(UserError, match="anybody could change"):
        way.redirect_request(asked, io.BytesIO(), 302, "", {}, "http://other.example/a")


def test_a_folder_that_may_not_be_looked_into_hides_no_other(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(server, "a.safetensors")
    download.fetch(pack(server, "a.safetensors"), Silent())
    (store.folder() / "lost+found").mkdir()
    real = os.listdir

    def closed(folder: Path) -> list[str]:
        if folder.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "listdir", closed)
    assert store.keys() == ("toy",)


def test_a_truncated_file_that_claims_to_be_whole_is_no_model(server: Server) -> None:
    server.files["/a.safetensors"] = Served(BYTES[:-100])
    with pytest.raises(UserError, match="cut short"):
        download.fetch(pack(server, "a.safetensors"), Silent())
    assert store.contents("toy") == {}


def test_offline_is_said_in_words() -> None:
    source = Source("a.safetensors", "http://nowhere.invalid/a.safetensors")
    with pytest.raises(UserError, match=r"There is no way to nowhere\.invalid"):
        download.fetch(Pack("toy", "Toy", (source,), 1, "MIT", ""), Silent())


def test_a_full_disk_is_told_before_anything_comes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(server, "a.safetensors")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(UserError, match="There is no room"):
        download.fetch(pack(server, "a.safetensors"), Silent())
    assert not (store.folder() / "toy" / "a.safetensors.part").exists()


def test_two_programs_that_want_the_same_file_fetch_it_once(server: Server) -> None:
    _serve(server, "a.safetensors", fault="slow")
    wanted = pack(server, "a.safetensors")
    troubles: list[BaseException] = []

    def fetch() -> None:
        try:
            download.fetch(wanted, Silent())
        except BaseException as problem:
            troubles.append(problem)

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert len(_served(server, "a.safetensors").asked) == 1
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES


def test_a_proxy_of_the_environment_is_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy is asked for the whole address.
    server.files["http://weights.example/a.safetensors"] = Served(BYTES)
    monkeypatch.setenv("http_proxy", server.address(""))
    source = Source("a.safetensors", "http://weights.example/a.safetensors")
    download.fetch(Pack("toy", "Toy", (source,), 1, "MIT", ""), Silent())
    assert store.path("toy", "a.safetensors").read_bytes() == BYTES


def test_the_folder_of_the_settings_is_used(server: Server, tmp_path: Path) -> None:
    Settings(settings.file()).set("weights_folder", str(tmp_path / "elsewhere"))
    _serve(server, "a.safetensors")
    download.fetch(pack(server, "a.safetensors"), Silent())
    assert (tmp_path / "elsewhere" / "toy" / "a.safetensors").read_bytes() == BYTES


def test_a_folder_that_cannot_be_made_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    Settings(settings.file()).set("weights_folder", str(tmp_path / "file" / "deep"))
    with pytest.raises(UserError, match="cannot be kept"):
        download.fetch(pack(server, "a.safetensors"), Silent())


def test_the_catalogue_is_complete_and_its_hashes_are_read_from_the_addresses() -> None:
    packs = catalogue.packs()
    assert packs["umxhq"].files[0].sha256 == "b62c91ce"
    assert packs["htdemucs"].files[0].sha256 == ""
    for one in packs.values():
        assert one.files
        assert one.licence
        assert one.page.startswith("https://")
        assert one.size_mb > 1
        assert all(source.address.startswith("https://") for source in one.files)
    with pytest.raises(UserError, match="Did you mean htdemucs"):
        catalogue.pack("htdemuc")


def test_a_note_that_makes_no_sense_is_no_note(server: Server) -> None:
    _serve(server, "a.safetensors")
    wanted = pack(server, "a.safetensors")
    download.fetch(wanted, Silent())
    note = store.folder() / "toy" / "contents.json"
    for text in ("", "[]", json.dumps({"a.safetensors": {}})):
        note.write_text(text, encoding="utf-8")
        assert store.missing(wanted) == wanted.files


def test_nothing_is_verified_or_removed_where_nothing_is() -> None:
    for work in (lambda: store.verify("toy", Silent()), lambda: store.remove("toy"), lambda: store.remove("../..")):
        with pytest.raises(UserError, match="There are no weights"):
            work()
