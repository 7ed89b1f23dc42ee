"""Models as their users bring them here: by the command line, from a server of the tests' own, and from files."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stemeditor import cli, paths
from stemeditor.errors import Cancelled, UserError
from stemeditor.jobs import models
from stemeditor.jobs.models import ImportRequest, Moved, MoveRequest, import_model
from stemeditor.methods import demucs, exported, processor, pytorch, registry
from stemeditor.methods.demucs import SOURCES
from stemeditor.progress import Silent, Stoppable
from stemeditor.weights import catalogue, reading, store
from stemeditor.weights.catalogue import Pack, Source
from tests.helpers import networks
from tests.helpers.server import Server, serving_a_model
from tests.helpers.sounds import music, write_wav


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setattr(demucs, "_TRANSFORMER_SEGMENT_S", 1.0)
    with serving_a_model(monkeypatch, tmp_path) as made:
        yield made


def run(*arguments: object) -> int:
    return cli.run([str(argument) for argument in arguments], lambda files: 0, lambda song, folder: 0)


def test_from_nothing_to_stems_by_three_commands(server: Server, tmp_path: Path, capsys) -> None:
    song = write_wav(tmp_path / "Song.wav", music(2.3))
    assert run("separate", song, "-o", tmp_path / "out", "-m", "htdemucs") == 1
    assert "stemeditor models download htdemucs" in capsys.readouterr().err
    assert run("models", "download", "htdemucs") == 0
    said = capsys.readouterr()
    assert "Licence: MIT" in said.err
    assert "htdemucs is ready" in said.out
    assert run("models", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "ready"
    assert (
        run(
            "separate",
            song,
            "-o",
            tmp_path / "out",
            "-m",
            "htdemucs",
            "--stems",
            "vocals",
            "--preset",
            "draft",
            "--json",
        )
        == 0
    )
    (result,) = json.loads(capsys.readouterr().out)
    assert [stem["name"] for stem in result["stems"]] == ["vocals", "rest"]
    assert result["device"] == "cpu"
    assert result["sum_error_db"] < -120
    assert run("models", "verify") == 0
    assert "htdemucs: whole" in capsys.readouterr().out
    file = store.path("htdemucs", "955717e8.safetensors")
    file.write_bytes(file.read_bytes()[:-4] + b"\1\2\3\4")
    assert run("models", "verify", "htdemucs") == 1
    assert "changed" in capsys.readouterr().out
    assert run("models", "remove", "htdemucs") == 0
    assert run("models", "remove", "htdemucs") == 1
    assert run("models", "list") == 0
    assert "✓ htdemucs" not in capsys.readouterr().out


def test_unknown_names_are_told_before_anything_comes(server: Server, capsys) -> None:
    assert run("models", "download", "htdemucs", "htdemuks") == 1
    assert "Did you mean htdemucs" in capsys.readouterr().err
    assert store.keys() == ()
    assert run("separate", __file__, "-o", "x", "-m", "classic", "--preset", "best") == 1
    assert "has no presets" in capsys.readouterr().err


def test_a_file_downloaded_by_hand_is_imported(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "955717e8.safetensors"
    file.write_bytes(server.files["/955717e8.safetensors"].data)
    assert import_model(ImportRequest((file,)), Silent()) == "htdemucs"
    assert registry.missing("htdemucs") is None
    store.remove("htdemucs")
    renamed = tmp_path / "my download.safetensors"
    shutil.copy(file, renamed)
    with pytest.raises(UserError, match="cannot be seen from its name"):
        import_model(ImportRequest((renamed,)), Silent())
    assert import_model(ImportRequest((renamed,), "htdemucs"), Silent()) == "htdemucs"


def test_files_that_are_missing_cut_or_evil_are_refused(server: Server, tmp_path: Path) -> None:
    cut = tmp_path / "955717e8.safetensors"
    cut.write_bytes(server.files["/955717e8.safetensors"].data[:-10])
    evil = tmp_path / "model.th"
    torch.save({"klass": Path, "state": {"a": torch.zeros(2)}}, evil)
    text = tmp_path / "page.pth"
    text.write_text("<html>", encoding="utf-8")
    cases = [
        ((tmp_path / "nothing.pth",), "", "There is no file"),
        ((cut,), "", "is cut short"),
        ((text,), "htdemucs", "holds no weights"),
        ((evil,), "htdemucs", "would run a stranger"),
    ]
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, other)
    endless = tmp_path / "endless.pth"
    torch.save({"state": {"a": torch.zeros(1).as_strided((1 << 43,), (0,))}}, endless)
    cases += [((other,), "htdemucs", "holds no network of Demucs"), ((endless,), "htdemucs", "many times")]
    assert run("models", "download", "htdemucs") == 0
    before = store.contents("htdemucs")
    for files, key, words in cases:
        with pytest.raises(UserError, match=words):
            import_model(ImportRequest(files, key), Silent())
    # What was there already is there still.
    assert store.contents("htdemucs") == before
    assert store.verify("htdemucs", Silent()) == ()
    stopped = Stoppable()
    stopped.cancel()
    with pytest.raises(Cancelled):
        store.bring("htdemucs", {"955717e8.safetensors": other}, "", stopped)
    assert {one.name for one in store.place("htdemucs").iterdir()} == {"955717e8.safetensors", "contents.json"}


def test_a_pack_of_several_files_wants_all_of_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(models, "prepare", lambda key, progress: None)
    names = ("vocals", "drums", "bass", "other")
    for name in names:
        save_file({"a": torch.full((2,), 1.0)}, tmp_path / f"{name}.safetensors")
    sources = tuple(Source(f"{name}.safetensors", f"https://x/{name}-x.safetensors") for name in names)
    monkeypatch.setattr(catalogue, "packs", lambda: {"toy": Pack("toy", "Toy", sources, 1, "MIT", "")})
    files = tuple(tmp_path / f"{name}.safetensors" for name in names)
    with pytest.raises(UserError, match=r"other\.safetensors is not among these"):
        import_model(ImportRequest(files[:3], "toy"), Silent())
    assert import_model(ImportRequest(files, "toy"), Silent()) == "toy"
    assert set(store.contents("toy")) == {file.name for file in files}


def test_a_hash_in_a_published_name_is_held_to(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "vocals-0123abcd.safetensors"
    save_file({"a": torch.zeros(2)}, file)
    source = Source("vocals.safetensors", "https://x/vocals-0123abcd.safetensors", "0123abcd")
    monkeypatch.setattr(catalogue, "packs", lambda: {"toy": Pack("toy", "Toy", (source,), 1, "MIT", "")})
    with pytest.raises(UserError, match="its hash is another"):
        import_model(ImportRequest((file,)), Silent())


def test_tensors_are_read_wherever_programs_put_them(tmp_path: Path) -> None:
    for number, whole in enumerate(
        ({"a": torch.ones(2).half()}, {"state_dict": {"a": torch.ones(2)}}, {"model": {"state": {"a": torch.ones(2)}}})
    ):
        path = tmp_path / f"{number}.pth"
        torch.save(whole, path)
        assert reading.load(path)["a"].dtype == torch.float32
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(UserError, match="no table of weights"):
        reading.load(tmp_path / "list.pth")


def test_all_weights_move_to_another_folder(server: Server, tmp_path: Path) -> None:
    assert run("models", "download", "htdemucs") == 0
    moved = move(tmp_path / "new")
    copied = tmp_path / "new" / "htdemucs" / "955717e8.safetensors"
    assert copied.read_bytes() == store.path("htdemucs", copied.name).read_bytes()
    # What was made from it goes by that.
    assert paths.written(copied) == paths.written(store.path("htdemucs", copied.name))
    assert moved == Moved((store.place("htdemucs"),), (tmp_path / "new" / "htdemucs",))
    models.delete(moved.old)
    assert store.keys() == ()


def move(target: Path) -> Moved:
    return models.copy_weights(MoveRequest(target), Silent())


def test_moving_that_fails_or_is_stopped_leaves_all_as_it_was(server: Server, tmp_path: Path) -> None:
    assert run("models", "download", "htdemucs") == 0
    blocked = tmp_path / "file"
    blocked.write_text("in the way", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be moved"):
        move(blocked / "deep")
    inside = store.place("htdemucs") / "deep"
    with pytest.raises(UserError, match="inside the folder of a model"):
        move(inside)
    assert move(store.folder()) == Moved()
    stopped = Stoppable()
    stopped.cancel()
    with pytest.raises(Cancelled):
        models.copy_weights(MoveRequest(tmp_path / "new"), stopped)
    assert not (tmp_path / "new" / "htdemucs").exists()
    assert store.verify("htdemucs", Silent()) == ()


def test_what_was_made_from_weights_goes_with_them(server: Server) -> None:
    assert run("models", "download", "htdemucs") == 0
    made = store.path("htdemucs", "955717e8.openvino.xml")
    made.write_text("made", encoding="utf-8")
    networks.keep("htdemucs", "955717e8.safetensors")
    assert not made.exists()


def test_preparing_runs_in_a_process_that_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = Stoppable()
    told: list[str] = []

    class Once(Stoppable):
        def advance(self, fraction: float, text: str = "") -> None:
            told.append(text)
            stopped.cancel()

        def check(self) -> None:
            stopped.check()

    with pytest.raises(Cancelled):
        models.prepare("htdemucs", Once())
    assert told == ["Preparing for this machine"]
    models.prepare("classic", Silent())


def test_what_is_not_here_cannot_be_prepared_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "prepare", "umxl") == 1
    assert "needs its weights" in capsys.readouterr().err


def test_who_asks_for_it_is_told_what_is_wrong(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "download", "htdemucs") == 0
    file = store.path("htdemucs", "955717e8.safetensors")
    file.write_bytes(b"rubbish" * (file.stat().st_size // 7 + 1))
    os.truncate(file, store.contents("htdemucs")[file.name].size)
    telling = Telling()
    models._prepare("htdemucs", True, telling)  # type: ignore[arg-type]
    assert "safetensors" in telling.said[0][0]


class Telling:
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def send(self, said: tuple[str, str]) -> None:
        self.said.append(said)


def test_who_asks_for_it_gets_it_prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []
    monkeypatch.setattr(models, "prepare", lambda key, progress, again=False: asked.append((key, again)))
    assert run("models", "prepare", "htdemucs", "umxl") == 0
    assert asked == [("htdemucs", True), ("umxl", True)]


def test_numbers_survive(server: Server, tmp_path: Path) -> None:
    assert run("models", "download", "htdemucs") == 0
    state = reading.load(store.path("htdemucs", "955717e8.safetensors"))
    net = networks.demucs("HTDemucs", SOURCES)
    assert all(np.array_equal(state[name].numpy(), value.numpy()) for name, value in net.state_dict().items())


def test_what_a_person_keeps_beside_the_weights_is_neither_moved_nor_removed(server: Server, tmp_path: Path) -> None:
    assert run("models", "download", "htdemucs") == 0
    mine = store.folder() / "letters"
    mine.mkdir()
    (mine / "letter.txt").write_text("dear", encoding="utf-8")
    target = tmp_path / "new"
    (target / "htdemucs").mkdir(parents=True)
    (target / "htdemucs" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="already"):
        move(target)
    assert (target / "htdemucs" / "notes.txt").read_text(encoding="utf-8") == "mine"
    models.delete(move(tmp_path / "other").old)
    assert (mine / "letter.txt").is_file()
    assert not (tmp_path / "other" / "letters").exists()
    assert run("models", "remove", "letters") == 1
    assert (mine / "letter.txt").is_file()


def test_only_what_computes_a_method_that_is_here_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(pytorch, "start", lambda: started.append("PyTorch"))
    monkeypatch.setattr(processor, "package", lambda: started.append("OpenVINO"))
    for key in ("classic", "htdemucs", "nothing of the kind"):
        models.warm(key, Silent())
    assert started == []
    models.warm("classic+compact", Silent())
    assert started == ["OpenVINO" if find_spec("openvino") else "PyTorch"]
    monkeypatch.setattr(exported, "usable", lambda form: False)
    models.warm("blend", Silent())
    assert started[1:] == ["PyTorch"]


def test_the_first_list_of_methods_waits_for_no_imports() -> None:
    """What is warmed after the start reads in all that the dialogs ask for."""
    code = (
        "import sys; from stemeditor.jobs.models import warm; from stemeditor.progress import Silent\n"
        "warm('classic', Silent()); before = set(sys.modules)\n"
        "from stemeditor.methods import registry; import stemeditor.jobs.compare\n"
        "infos = [registry.info(key) for key in registry.keys()]; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
