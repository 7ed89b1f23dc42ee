"""The command line, called as its users call it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemeditor import __main__, __version__, cli, paths
from stemeditor.methods import registry
from tests.helpers.sounds import music, write_wav


class Window:
    """Stands in for the window and for smoke."""

    def __init__(self) -> None:
        self.opened: list[list[Path]] = []
        self.smoked: list[tuple[Path | None, Path]] = []

    def open(self, files: list[Path]) -> int:
        self.opened.append(files)
        return 0

    def smoke(self, song: Path | None, folder: Path) -> int:
        self.smoked.append((song, folder))
        return 1


@pytest.fixture
def window() -> Window:
    return Window()


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_wav(tmp_path / "My song.wav", music(3.0))


def run(window: Window, *arguments: object) -> int:
    return cli.run([str(argument) for argument in arguments], window.open, window.smoke)


def test_stems_are_written_and_add_up(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    assert run(window, "separate", song, "-o", tmp_path / "out", "--json") == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert {
        "song",
        "method",
        "device",
        "stems",
        "seconds",
        "real_time_factor",
        "sum_error_db",
        "peak_memory_mb",
    } <= set(result)
    assert [stem["name"] for stem in result["stems"]] == ["vocals", "drums", "bass", "other"]
    assert result["sum_error_db"] < -120
    total = np.zeros((0,))
    for stem in result["stems"]:
        assert Path(stem["path"]) == tmp_path / "out" / "My song" / f"{stem['name']}.wav"
        samples, rate = soundfile.read(stem["path"])
        assert rate == 44100
        total = samples if not len(total) else total + samples
    assert np.abs(total - soundfile.read(song)[0]).max() < 1e-6


def test_some_stems_and_the_rest_in_another_format(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    status = run(window, "separate", song, "-o", tmp_path, "--stems", "vocals", "--format", "flac", "--name", "{stem}")
    assert status == 0
    assert sorted(path.name for path in tmp_path.glob("*.flac")) == ["rest.flac", "vocals.flac"]
    assert "2 stems" in capsys.readouterr().out


def test_parameters_reach_the_method(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    for name, focus in (("a", "0"), ("b", "40")):
        assert run(window, "separate", song, "-o", tmp_path / name, "--param", f"focus={focus}") == 0
    first, second = (soundfile.read(tmp_path / name / "My song" / "vocals.wav")[0] for name in "ab")
    assert np.abs(first).mean() > np.abs(second).mean()


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (["-m", "clasic"], "Did you mean classic"),
        (["--stems", "kazoo"], "makes no stem"),
        (["--format", "wvv"], "Did you mean wav"),
        (["--subtype", "7"], "has no “7”"),
        (["--name", "{nobody}"], "nobody"),
        (["--param", "focuss=1"], "Did you mean focus"),
        (["--param", "focus=much"], "no value for focus"),
        (["--param", "focus=4000"], "between"),
        (["--device", "toaster"], "no device"),
        (["--overs", "shout"], "no overs"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    window: Window, song: Path, tmp_path: Path, capsys, extra: list[str], words: str
) -> None:
    assert run(window, "separate", song, "-o", tmp_path / "out", *extra) == 1
    told = capsys.readouterr()
    assert words in told.err
    assert len(told.err.strip().splitlines()) == 1
    assert "Traceback" not in told.err
    assert not list(tmp_path.rglob("vocals*"))


def test_one_bad_song_does_not_stop_the_others(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"not sound")
    assert run(window, "separate", bad, song, "-o", tmp_path / "out", "--json") == 1
    told = capsys.readouterr()
    assert [Path(result["song"]).name for result in json.loads(told.out)] == ["My song.wav"]
    assert told.err.startswith("stemeditor: bad.wav: ")


def test_existing_files_stay_unless_told_otherwise(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    assert run(window, "separate", song, "-o", tmp_path / "out") == 0
    before = (tmp_path / "out" / "My song" / "vocals.wav").stat().st_mtime_ns
    assert run(window, "separate", song, "-o", tmp_path / "out") == 1
    assert "there already" in capsys.readouterr().err
    assert (tmp_path / "out" / "My song" / "vocals.wav").stat().st_mtime_ns == before
    assert run(window, "separate", song, "-o", tmp_path / "out", "--overwrite") == 0
    assert (tmp_path / "out" / "My song" / "vocals.wav").stat().st_mtime_ns != before


@pytest.mark.parametrize("arguments", [["separate"], ["frobnicate"], ["separate", "--nonsense"], ["methods", "x"]])
def test_wrong_usage_is_two(window: Window, capsys, arguments: list[str]) -> None:
    assert run(window, *arguments) == 2
    assert capsys.readouterr().err


def test_methods_as_data_and_as_a_table(window: Window, capsys) -> None:
    assert run(window, "methods", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["key"] for row in rows] == list(registry.keys())
    assert all({"key", "family", "stems", "source", "ready", "needs"} <= set(row) for row in rows)
    assert run(window, "methods") == 0
    told = capsys.readouterr().out
    assert all(row["key"] in told for row in rows)


def test_doctor_looks_at_everything(window: Window, capsys) -> None:
    assert run(window, "doctor", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    for key in ("wav", "flac", "ogg", "mp3", "m4a"):
        assert rows[f"format {key}"]["ok"], rows[f"format {key}"]["text"]
    assert {"python", "sound output", "cache folder", "packages"} <= set(rows)
    assert run(window, "doctor") == 0
    assert "format mp3: writes and reads" in capsys.readouterr().out


def test_demo_and_smoke_are_handed_on(window: Window, tmp_path: Path) -> None:
    assert run(window, "demo") == 0
    assert window.opened == [[paths.resource("demo", "demo.flac")]]
    assert run(window, "smoke", "x.wav", "-o", tmp_path) == 1
    assert window.smoked == [(Path("x.wav"), tmp_path)]


def test_version_and_help(window: Window, capsys) -> None:
    assert run(window, "--version") == 0
    assert __version__ in capsys.readouterr().out
    assert run(window, "--help") == 0
    told = capsys.readouterr().out
    assert all(verb in told for verb in __main__.VERBS)


def test_a_word_that_is_neither_file_nor_verb_is_told(capsys) -> None:
    assert __main__.main(["seperate"]) == 1
    assert "neither a file nor a verb" in capsys.readouterr().err


def test_without_a_display_the_window_says_so(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert __main__.main([]) == 1
    assert "display" in capsys.readouterr().err
