"""Spleeter's networks: layer by layer as they were published, from a checkpoint of TensorFlow that the test writes."""

import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from stemeditor import settings
from stemeditor.audio.buffer import Audio
from stemeditor.errors import UserError
from stemeditor.jobs.models import ImportRequest, import_model
from stemeditor.methods import pretrained, processor, pytorch, registry, runner, spleeter
from stemeditor.methods.engine import Engine
from stemeditor.methods.exported import ENDING, Form, export
from stemeditor.methods.picture_core import PictureCore
from stemeditor.nets.spleeter import BINS, HOPS, Spleeter, SpleeterUNet, from_tensorflow
from stemeditor.progress import Silent
from stemeditor.settings import Settings
from stemeditor.weights import store, tensorflow
from tests.helpers.networks import noise

WIDTHS = (16, 32, 64, 128, 256, 512)


@pytest.fixture(autouse=True)
def nothing_kept():
    pretrained.forget()
    yield
    pretrained.forget()


def published(stems: int) -> dict[str, np.ndarray]:
    """Random weights under the names and with the shapes of the published checkpoints."""
    rng = np.random.default_rng(4)
    found: dict[str, np.ndarray] = {}

    def put(kind: str, number: int, **parts: tuple[int, ...]) -> None:
        for part, shape in parts.items():
            name = f"{kind}_{number}/{part}" if number else f"{kind}/{part}"
            scale = 1.0 / np.sqrt(np.prod(shape[:-1])) if len(shape) == 4 else 0.1
            base = 1.0 if part in ("gamma", "moving_variance") else 0.0
            found[name] = (base + rng.normal(0, min(scale, 0.3), shape)).astype(np.float32)

    down, up = (2, *WIDTHS), (256, 128, 64, 32, 16, 1)
    for stem in range(stems):
        for layer in range(6):
            put("conv2d", 7 * stem + layer, kernel=(5, 5, down[layer], down[layer + 1]), bias=(down[layer + 1],))
            given = 512 if layer == 0 else 2 * up[layer - 1]
            put("conv2d_transpose", 6 * stem + layer, kernel=(5, 5, up[layer], given), bias=(up[layer],))
            for at, width in ((layer, WIDTHS[layer]), (6 + layer, up[layer])):
                parts = dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (width,))
                put("batch_normalization", 12 * stem + at, **parts)
        put("conv2d", 7 * stem + 6, kernel=(4, 4, 1, 2), bias=(2,))
    return found


def number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def block(rows: list[tuple[bytes, bytes]]) -> bytes:
    """A block of a table; every name repeats what it shares with the one before by its length."""
    out, last = b"", b""
    for key, value in rows:
        shared = 0
        while shared < min(len(key), len(last)) and key[shared] == last[shared]:
            shared += 1
        out += number(shared) + number(len(key) - shared) + number(len(value)) + key[shared:] + value
        last = key
    return out + struct.pack("<II", 0, 1)


def write(folder: Path, tensors: dict[str, np.ndarray], per_block: int = 40) -> Path:
    """Write a checkpoint as TensorFlow does: data in one file, an index of names in another."""
    folder.mkdir(parents=True)
    data, rows = b"", [(b"", b"\x08\x01")]
    step = np.array(7, np.int64)
    for name, value in sorted({**tensors, "global_step": step}.items()):
        kind = 1 if value.dtype == np.float32 else 9
        shape = b"".join(b"\x12" + number(len(size)) + size for size in (b"\x08" + number(n) for n in value.shape))
        raw = value.tobytes()
        entry = b"\x08" + number(kind) + b"\x12" + number(len(shape)) + shape
        entry += b"\x20" + number(len(data)) + b"\x28" + number(len(raw)) + b"\x35" + b"\0\0\0\0"
        rows.append((name.encode(), entry))
        data += raw
    (folder / "model.data-00000-of-00001").write_bytes(data)
    table, handles = b"", []
    for at in range(0, len(rows), per_block):
        part = rows[at : at + per_block]
        made = block(part)
        handles.append((part[-1][0] + b"~", number(len(table)) + number(len(made))))
        table += made + b"\0" * 5
    meta = block([])
    meta_handle = number(len(table)) + number(len(meta))
    table += meta + b"\0" * 5
    index = block(handles)
    index_handle = number(len(table)) + number(len(index))
    table += index + b"\0" * 5
    footer = (meta_handle + index_handle).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)
    (folder / "model.index").write_bytes(table + footer)
    (folder / "checkpoint").write_text('model_checkpoint_path: "model"\n', encoding="utf-8")
    return folder


def test_a_checkpoint_is_read_without_tensorflow(tmp_path: Path) -> None:
    tensors = published(2)
    found = tensorflow.read(write(tmp_path / "2stems", tensors) / "model.index", Silent())
    assert set(found) == set(tensors)
    for name, value in tensors.items():
        assert np.array_equal(found[name], value)


def same(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution of stride 2 with "same" borders, as TensorFlow defines it, on (rows, columns, channels)."""
    rows, columns = x.shape[0] // 2, x.shape[1] // 2
    total = 2 * (rows - 1) + 5 - x.shape[0]
    padded = np.pad(x, ((total // 2, total - total // 2), (total // 2, total - total // 2), (0, 0)))
    out = np.zeros((rows, columns, kernel.shape[3]), np.float64)
    for row in range(rows):
        for column in range(columns):
            patch = padded[2 * row : 2 * row + 5, 2 * column : 2 * column + 5]
            out[row, column] = np.einsum("ijc,ijco->o", patch, kernel) + bias
    return out


def transposed(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The transpose of such a convolution: what went in comes out, (rows, columns, channels) of twice the size."""
    out = np.zeros((2 * x.shape[0] + 3, 2 * x.shape[1] + 3, kernel.shape[2]), np.float64)
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            out[2 * row : 2 * row + 5, 2 * column : 2 * column + 5] += np.einsum("ijoc,c->ijo", kernel, x[row, column])
    return out[1:-2, 1:-2] + bias


def test_layers_compute_what_tensorflows_do() -> None:
    tensors = published(2)
    net = Spleeter(2)
    net.load_state_dict(from_tensorflow(tensors, 2))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(8, 6, 2))
    layer = net.nets[1].down[0]
    picture = torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float32))
    with torch.inference_mode():
        found = layer(torch.nn.functional.pad(picture, (1, 2, 1, 2)))[0].numpy().transpose(1, 2, 0)
    assert np.allclose(found, same(x, tensors["conv2d_7/kernel"], tensors["conv2d_7/bias"]), atol=1e-5)
    deep = rng.normal(size=(3, 4, 512))
    with torch.inference_mode():
        grown = net.nets[1].up[0](torch.from_numpy(deep.transpose(2, 0, 1)[None].astype(np.float32)))[..., 1:-2, 1:-2]
    expected = transposed(deep, tensors["conv2d_transpose_6/kernel"], tensors["conv2d_transpose_6/bias"])
    assert np.allclose(grown[0].numpy().transpose(1, 2, 0), expected, atol=1e-4)


def test_the_network_is_as_large_as_the_published_one() -> None:
    assert sum(value.numel() for value in SpleeterUNet(False).parameters()) == 9_823_749
    with torch.inference_mode():
        assert SpleeterUNet(True).eval()(torch.rand(1, 2, HOPS, BINS)).shape == (1, 2, HOPS, BINS)


@pytest.mark.parametrize("stems", [2, 5])
def test_masks_of_all_stems_add_up(stems: int) -> None:
    net = Spleeter(stems).eval()
    with torch.inference_mode():
        masks = net(torch.rand(1, 2, 2049, 700))
    assert masks.shape == (1, stems, 2, BINS, 700)
    assert torch.allclose(masks.sum(dim=1), torch.ones(()), atol=1e-4)


@pytest.mark.parametrize(("stems", "packed"), [(2, True), (4, False)])
def test_a_published_set_is_imported_and_takes_songs_apart(
    tmp_path: Path, stems: int, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / f"{stems}stems", published(stems))
    given = folder
    if packed:
        given = tmp_path / f"{stems}stems.tar.gz"
        with tarfile.open(given, "w:gz") as archive:
            for file in folder.iterdir():
                archive.add(file, file.name)
    key = f"spleeter:{stems}"
    lacking = registry.missing(key)
    assert lacking is not None
    assert import_model(ImportRequest((given,)), Silent()) == key
    assert registry.missing(key) is None
    method = registry.load(key)
    inner = method.method
    if processor.package() is not None:
        inner.prepare()
        # However long the last piece is.
        monkeypatch.setattr(pytorch, "start", lambda: pytest.fail("PyTorch is not needed"))
        inner.separate(Audio(noise(14.0), 44100), {"above": "average"}, Silent())
        assert inner.engine(spleeter.WEIGHTS).program.startswith("OpenVINO")
    sound = noise(1.1)
    for above in ("average", "zeros"):
        (piece,) = runner.stream(Audio(sound, 44100), method, {"above": above}, Silent())
        assert tuple(piece.stems) == method.info.stems
        assert np.abs(sum(piece.stems.values()) - sound).max() < 1e-6
        spectrum = np.abs(np.fft.rfft(piece.stems["vocals"][0, 8000:40000]))
        high = slice(int(12000 / 44100 * 32000), None)
        # Nothing above 11 kHz is what the original gives.
        assert (np.square(spectrum[high]).sum() < 1e-4 * np.square(spectrum).sum()) == (above == "zeros")


def test_openvino_gives_the_same_pictures(tmp_path: Path) -> None:
    if processor.package() is None:
        pytest.skip("OpenVINO is not here")
    torch.manual_seed(3)
    net = Spleeter(2).eval()
    form = Form(tmp_path / f"net{ENDING}", PictureCore(2, BINS, HOPS), lambda whole: whole)
    export(net, form)
    engine = Engine(lambda: net, 44100, False, form)
    Settings(settings.file()).set("exact", True)
    for hops in (HOPS, 37, HOPS + 5):
        picture = np.random.default_rng(hops).random((2, 2049, hops), np.float32)
        with torch.inference_mode():
            expected = net(torch.from_numpy(picture)[None])[0].numpy()
        found = engine(picture, Silent())
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() < 1e-5
        # Longer ones do not fit.
        assert engine.program == ("OpenVINO, f32" if hops <= HOPS else "PyTorch on cpu")


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    tensors = published(2)
    del tensors["conv2d_3/bias"]
    broken = write(tmp_path / "broken", tensors)
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "model.index").write_bytes((broken / "model.index").read_bytes())
    rubbish = tmp_path / "rubbish.tar.gz"
    rubbish.write_bytes(b"no archive")
    text = tmp_path / "text"
    text.mkdir()
    (text / "model.index").write_bytes(b"x" * 100)
    (text / "model.data-00000-of-00001").write_bytes(b"")
    cases = [
        (broken, "holds no networks of Spleeter"),
        (alone, "is missing beside"),
        (rubbish, "cannot be unpacked"),
        (text, "is no checkpoint of TensorFlow"),
    ]
    for given, words in cases:
        with pytest.raises(UserError, match=words):
            import_model(ImportRequest((given,)), Silent())
    assert store.keys() == ()
