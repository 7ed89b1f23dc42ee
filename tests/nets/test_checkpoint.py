"""Networks as files."""

import json
import struct
from pathlib import Path

import pytest
import torch

from stemeditor.errors import FileProblem
from stemeditor.nets import checkpoint
from stemeditor.nets.description import Description, describe
from tests.nets.test_nets import SMALL, small, sound

DESCRIPTION = Description("unet", SMALL["unet"], ("vocals", "drums", "bass", "other"), 44100, {"licence": "CC0"})


@pytest.mark.parametrize("half", [True, False])
def test_what_is_loaded_sounds_like_what_was_saved(tmp_path: Path, half: bool) -> None:
    net, path = small("unet"), tmp_path / "net.safetensors"
    checkpoint.save(path, net, DESCRIPTION, half)
    loaded, description = checkpoint.load(path)
    assert description.stems == DESCRIPTION.stems
    assert description.provenance == {"licence": "CC0"}
    assert not loaded.training
    mix = sound(20000)
    with torch.inference_mode():
        before, after = net(mix), loaded(mix)
    error_db = 10 * torch.log10((before - after).square().sum() / before.square().sum()) if half else -300.0
    assert error_db < -50
    if not half:
        assert torch.equal(before, after)


def test_a_description_is_read_without_weights(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, small("unet"), DESCRIPTION)
    found = describe(path)
    assert (found.net, found.rate, found.provenance["licence"]) == ("unet", 44100, "CC0")


def header(document: object) -> bytes:
    text = json.dumps(document).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no network at all, but long enough to be read as one",
        header({"__metadata__": {"other": "program"}}),
        header({"__metadata__": {"stemeditor": "[]"}}),
        header([]),
    ],
)
def test_another_file_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match="no network that can be used"):
        checkpoint.load(path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    wrong = Description("unet", {"widths": (4, 6)}, ("vocals", "other"))
    checkpoint.save(path, small("unet"), wrong)
    with pytest.raises(FileProblem, match="no network that can be used"):
        checkpoint.load(path)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    checkpoint.save(path, small("unet"), DESCRIPTION)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FileProblem, match="no network that can be used"):
        checkpoint.load(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"none\.safetensors"):
        checkpoint.load(tmp_path / "none.safetensors")
