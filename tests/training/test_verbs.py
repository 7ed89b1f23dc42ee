"""The verbs that teach, as a person types them."""

import json
from pathlib import Path

import pytest

from stemeditor import cli
from stemeditor.methods import registry
from stemeditor.nets.catalogue import KINDS
from stemeditor.nets.description import describe
from stemeditor.training import curves

CONFIG = """
output = "{folder}/out"

[net]
type = "unet"
arguments = {{ widths = [4, 6], kernel = 3 }}

[songs]
folder = "{folder}/songs"
count = 3
seconds = 4.0
corpus = "{corpus}"

[training]
steps = {steps}
batch = 1
seconds = 0.5

[validation]
songs = 1
seconds = 1.0
every = 2

[provenance]
licence = "CC0"
"""


def run(*arguments: object) -> int:
    return cli.run([str(part) for part in arguments], lambda files: 0, lambda song, folder: 0)


def test_one_command_makes_songs_learns_and_goes_on(
    corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "small.toml"
    config.write_text(CONFIG.format(folder=tmp_path, corpus=corpus_folder, steps=2))
    assert run("train", config, "--make-only") == 0
    assert len(list((tmp_path / "songs" / "made").glob("*.npy"))) == 3
    assert not (tmp_path / "out").exists()
    assert run("train", config, "--device", "cpu") == 0
    assert "2 steps" in capsys.readouterr().out
    config.write_text(CONFIG.format(folder=tmp_path, corpus=corpus_folder, steps=4))
    assert run("train", config, "--device", "cpu") == 0
    assert "4 steps" in capsys.readouterr().out
    found = describe(tmp_path / "out" / curves.BEST)
    assert found.provenance["licence"] == "CC0"
    assert found.provenance["device"].startswith("cpu")


def test_a_network_of_two_stems_is_trained_and_kept(
    corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "small.toml"
    text = CONFIG.format(folder=tmp_path, corpus=corpus_folder, steps=2)
    text = text.replace('type = "unet"', 'type = "wave_unet"\nrate = 22050').replace(
        "widths = [4, 6], kernel = 3", "levels = 4"
    )
    config.write_text('stems = ["vocals", "accompaniment"]\n' + text + "[losses]\ntime_l1 = 1.0\n")
    assert run("train", config, "--device", "cpu", "--install", "two") == 0
    assert "chosen as own:two" in capsys.readouterr().out
    info = registry.info("own:two")
    assert info.stems == ("vocals", "accompaniment")
    assert (info.rate, info.segment_s) == (22050, 4.0)


def test_the_networks_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("networks", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["key"] for row in rows] == list(KINDS)
    assert run("networks") == 0
    assert "conv_tasnet" in capsys.readouterr().out


def test_a_training_without_its_corpus_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "small.toml"
    config.write_text(CONFIG.format(folder=tmp_path, corpus=tmp_path / "nowhere", steps=2))
    assert run("train", config) == 1
    assert "There is no corpus" in capsys.readouterr().err


def test_made_songs_are_written_to_be_heard(
    corpus_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("songs", "-o", tmp_path, "--corpus", corpus_folder, "--count", 2, "--seconds", 4) == 0
    assert "2 songs and 1 sheets" in capsys.readouterr().out
    assert (tmp_path / "000001" / "vocals.flac").stat().st_size > 1000
    assert (tmp_path / "sheet-01.png").is_file()
