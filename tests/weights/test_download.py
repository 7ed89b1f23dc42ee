import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
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
        ("circle", "in a circle"),
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


def test_a_hash_that_the_server_states_is_held_to(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    _serve(server, "a.safetensors", hashed=True)
    download.fetch(pack(server, "a.safetensors"), Silent())
    store.remove("toy")
    monkeypatch.setattr(store, "hashed", lambda path, progress=None: "0" * 64)
    with pytest.raises(UserError, match="its hash is another"):
        download.fetch(pack(server, "a.safetensors"), Silent())


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
    with pytest.raises(UserError, match="folder for weights cannot be made"):
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
