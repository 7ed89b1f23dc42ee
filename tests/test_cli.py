"""The command line, called as its users call it."""

import json
import os
import signal
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import soundfile

from stemeditor import __main__, __version__, cli, paths
from stemeditor.jobs import tasks
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


def test_a_project_for_a_daw_is_written_beside_the_stems(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    assert run(window, "separate", song, "-o", tmp_path, "-m", "centre", "--daw", "reaper", "--json") == 0
    (result,) = json.loads(capsys.readouterr().out)
    written = Path(result["daw"])
    assert written == tmp_path / "My song" / "My song.rpp"
    told = written.read_text(encoding="utf-8")
    assert all(f'FILE "{Path(stem["path"]).name}"' in told for stem in result["stems"])
    assert told.count("<TRACK") == len(result["stems"])


def test_parameters_reach_the_method(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    for name, focus in (("a", "0"), ("b", "40")):
        assert run(window, "separate", song, "-o", tmp_path / name, "-m", "classic", "--param", f"focus={focus}") == 0
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
        (["-m", "classic", "--param", "focuss=1"], "Did you mean focus"),
        (["-m", "classic", "--param", "focus=much"], "no value for focus"),
        (["-m", "classic", "--param", "focus=4000"], "between"),
        (["--device", "toaster"], "no device"),
        (["--overs", "shout"], "no overs"),
        (["--daw", "tape"], "no kind of project “tape”"),
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


def test_songs_of_one_name_keep_apart(window: Window, tmp_path: Path, capsys) -> None:
    songs = []
    for folder, gain in (("a", 1.0), ("b", 0.5)):
        (tmp_path / folder).mkdir()
        songs.append(write_wav(tmp_path / folder / "mixture.wav", music(1.0) * np.float32(gain)))
    assert run(window, "separate", *songs, "-o", tmp_path / "out", "-m", "centre", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert {Path(one["stems"][0]["path"]).parent.name for one in found} == {"a mixture", "b mixture"}
    assert cli._called([Path("x/a.wav"), Path("x/A.mp3"), Path("b.wav")]) == ["x a", "x A 2", "b"]


def test_a_bug_at_one_song_costs_no_other(window: Window, song: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    other = write_wav(tmp_path / "Other.wav", music(1.0))
    real = cli._separate_one

    def broken(path: Path, *rest):
        if path == other:
            raise ZeroDivisionError
        return real(path, *rest)

    monkeypatch.setattr(cli, "_separate_one", broken)
    assert run(window, "separate", other, song, "-o", tmp_path / "out", "-m", "centre", "--json") == 1
    said = capsys.readouterr()
    assert [Path(one["song"]) for one in json.loads(said.out)] == [song]
    assert "ZeroDivisionError" in said.err


def test_what_cannot_be_written_is_told_before_the_work(window: Window, song: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "out" / "My song").mkdir(parents=True)
    (tmp_path / "out" / "My song" / "bass.wav").touch()
    with mock.patch.object(tasks, "separate_song") as work:
        assert run(window, "separate", song, "-o", tmp_path / "out", "-m", "classic") == 1
    assert "bass.wav" in capsys.readouterr().err
    work.assert_not_called()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals here")
@pytest.mark.parametrize("number", [15, 1])
def test_who_is_asked_to_end_cleans_up(window: Window, song: Path, tmp_path: Path, number: int) -> None:
    def ended(*_: object) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5.0)

    before = signal.getsignal(number)
    with mock.patch.object(cli, "_separate_one", ended):
        assert run(window, "separate", song, "-o", tmp_path / "out") == 128 + number
    assert signal.getsignal(number) == before


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
    for key in ("wav", "aiff", "flac", "ogg", "mp3", "m4a"):
        assert rows[f"format {key}"]["ok"], rows[f"format {key}"]["text"]
    assert {"python", "sound output", "cache folder", "packages"} <= set(rows)
    assert "compact network by " in rows["networks"]["text"]
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


def stems_folder(folder: Path, gain: float = 1.0) -> Path:
    folder.mkdir(parents=True)
    parts = {"vocals": music(3.0, seed=1), "drums": music(3.0, seed=2)}
    for name, samples in parts.items():
        write_wav(folder / f"{name}.wav", 0.3 * samples)
    write_wav(folder / "mixture.wav", 0.3 * sum(parts.values()))
    if gain != 1.0:
        write_wav(folder / "vocals.wav", 0.3 * gain * parts["vocals"])
    return folder


def test_evaluate_prints_the_document_and_nothing_else(window: Window, tmp_path: Path, capsys) -> None:
    true, guess = stems_folder(tmp_path / "true"), stems_folder(tmp_path / "guess", 0.9)
    assert run(window, "evaluate", true, guess, "--json", "--window", "1") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["windows"] == {"vocals": 3, "drums": 3}
    assert document["stems"]["vocals"]["sdr"] == pytest.approx(20.0, abs=0.1)
    assert set(document["stems"]["drums"]) >= {"sdr", "sir", "sar", "isr", "si_sdr"}
    assert run(window, "evaluate", true, guess, "--csv", tmp_path / "scores.csv") == 0
    assert "SDR" in capsys.readouterr().out
    assert (tmp_path / "scores.csv").read_text().count("\n") == 3


def test_evaluate_of_what_does_not_fit_is_one_line(window: Window, tmp_path: Path, capsys) -> None:
    true = stems_folder(tmp_path / "true")
    assert run(window, "evaluate", true, tmp_path / "nowhere") == 1
    assert "nowhere" in capsys.readouterr().err
    assert run(window, "evaluate", tmp_path / "MUSDB18", true, "--kind", "MUSDB18") == 1
    assert "zenodo" in capsys.readouterr().err


def test_compare_scores_writes_and_draws(window: Window, tmp_path: Path, capsys) -> None:
    true = stems_folder(tmp_path / "Song")
    figure, csv, out = tmp_path / "f.png", tmp_path / "s.csv", tmp_path / "out"
    arguments = ("-m", "hpss,repet", "--oracles", "--window", "1", "--figure", figure, "--csv", csv, "-o", out)
    assert run(window, "compare", true, *arguments, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["medians"]) == {"hpss", "repet", "oracle_irm", "oracle_ibm", "oracle_mwf", "mixture"}
    assert document["medians"]["oracle_irm"]["stems"]["drums"]["sdr"] > 0
    assert document["medians"]["hpss"]["real_time_factor"] > 0
    assert figure.stat().st_size > 5000
    assert (out / "Song" / "repet" / "vocals.wav").exists()
    assert csv.read_text().startswith("song,method,stem")


def test_compare_of_a_plain_song_tells_the_time(window: Window, song: Path, capsys) -> None:
    assert run(window, "compare", song, "-m", "hpss", "--from", "1", "--to", "2") == 0
    assert "hpss" in capsys.readouterr().out
    assert run(window, "compare", song, "-m", "hppss") == 1
    assert "hpss" in capsys.readouterr().err


def test_compare_takes_the_true_stems_of_another_folder(window: Window, tmp_path: Path, capsys) -> None:
    true = stems_folder(tmp_path / "Song")
    song = write_wav(tmp_path / "elsewhere.wav", soundfile.read(true / "mixture.wav", dtype="float32")[0].T)
    assert run(window, "compare", song, "--reference", true, "-m", "hpss", "--json") == 0
    assert json.loads(capsys.readouterr().out)["medians"]["hpss"]["stems"]["drums"]["sdr"] is not None


def test_parts_are_listed(window: Window, song: Path, capsys) -> None:
    assert run(window, "parts", song, "--json") == 0
    parts = json.loads(capsys.readouterr().out)
    assert len(parts) == 32
    assert {"number", "stem", "percussive", "register_hz", "voicing", "place", "share"} <= set(parts[0])
    assert run(window, "parts", song) == 0
    assert "overrule" in capsys.readouterr().out
    assert run(window, "parts", song, "-m", "hpss") == 1
    assert "parts" in capsys.readouterr().err


def test_a_method_that_needs_stereo_explains_itself(window: Window, tmp_path: Path, capsys) -> None:
    song = write_wav(tmp_path / "mono.wav", music(2.0)[:1])
    assert run(window, "separate", song, "-o", tmp_path / "out", "-m", "auxiva") == 1
    words = capsys.readouterr().err
    assert "mono" in words
    assert "classic" in words
    assert not (tmp_path / "out").exists()


def test_compare_says_which_differences_are_more_than_chance(capsys) -> None:
    from stemeditor.cli.scoring import _show_methods
    from tests.evaluation.test_protocol import table

    _show_methods(table(12), ("good", "bad", "same"))
    words = capsys.readouterr().out
    assert "vocals: good is better than bad by 2." in words
    assert "vocals: good is better than same by 2." in words
    assert "bad is better" not in words
    _show_methods(table(3), ("good", "bad", "same"))
    assert "No difference is significant" in capsys.readouterr().out
    _show_methods(table(1), ("good", "bad", "same"))
    assert "significant" not in capsys.readouterr().out
