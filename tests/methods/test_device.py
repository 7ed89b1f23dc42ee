"""Where networks compute: what accelerators say when they cannot go on, and machines on which one cannot be opened."""

import json
from pathlib import Path

import pytest
import torch

from stemeditor import paths
from stemeditor.methods import device, measured, pytorch
from stemeditor.methods.device import FULL, LOST, UNABLE, Device

COMPLAINTS = [
    (FULL, "CUDA out of memory. Tried to allocate 2.00 GiB."),
    (FULL, "CUDA error: out of memory"),
    (FULL, "HIP out of memory. Tried to allocate 20.00 MiB."),
    (FULL, "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    (FULL, "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    (FULL, "cuFFT error: CUFFT_ALLOC_FAILED"),
    (FULL, "cuFFT error: CUFFT_INTERNAL_ERROR"),
    (FULL, "level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    (FULL, "level_zero backend failed with error: 38 (UR_RESULT_ERROR_OUT_OF_HOST_MEMORY)"),
    (FULL, "MPS backend out of memory (MPS allocated: 5.00 GB)"),
    (FULL, "Invalid buffer size: 12.00 GiB"),
    (UNABLE, "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
    (UNABLE, "CUDA error: CUBLAS_STATUS_NOT_SUPPORTED when calling `cublasGemmEx`"),
    (UNABLE, "cuDNN Frontend error: [cudnn_frontend] Error: No execution plans support the graph."),
    (UNABLE, "GET was unable to find an engine to execute this computation"),
    (UNABLE, "CUDA error: no kernel image is available for execution on the device"),
    (LOST, "CUDA error: unspecified launch failure"),
    (LOST, "CUDA driver error: unknown error"),
    (LOST, "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    (LOST, "HIP error: the operation cannot be performed in the present state"),
    (LOST, "miopenStatusUnknownError"),
    (LOST, "level_zero backend failed with error: 20 (UR_RESULT_ERROR_DEVICE_LOST)"),
    (LOST, "MPS error: command buffer exited with error status"),
    ("", "mat1 and mat2 shapes cannot be multiplied (3x4 and 5x6)"),
]


@pytest.mark.parametrize(("meant", "words"), COMPLAINTS, ids=[words for _, words in COMPLAINTS])
def test_what_an_accelerator_complains_of_is_understood(meant: str, words: str) -> None:
    assert device.trouble(RuntimeError(words)) == meant


def test_complaints_have_kinds_as_well_as_words() -> None:
    assert device.trouble(torch.OutOfMemoryError("Allocation on device")) == FULL
    lacking = "The operator 'aten::unfold_backward' is not currently implemented for the MPS device."
    assert device.trouble(NotImplementedError(lacking)) == UNABLE
    assert device.trouble(ValueError("CUDA error: in a file's name")) == ""


def test_a_card_that_failed_once_is_measured_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Device("cuda", "Card")
    asked: list[str] = []

    def full(key: str) -> float:
        asked.append(key)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(device, "_unable", {})
    monkeypatch.setattr(device, "_measured", full)
    assert device.rate(card) == device.rate(card) == 0.0
    # Not with every piece of a song.
    assert asked == ["cuda"]
    assert not (paths.cache_folder() / measured._REMEMBERED).exists()
    now = device.time.monotonic()
    monkeypatch.setattr(device.time, "monotonic", lambda: now + device._AGAIN_S)
    monkeypatch.setattr(device, "_measured", lambda key: 7.0)
    assert device.rate(card) == 7.0
    (value,) = json.loads((paths.cache_folder() / measured._REMEMBERED).read_text(encoding="utf-8")).values()
    assert value == 7.0


def test_a_card_that_cannot_be_opened_is_left_out_and_leaves_the_processor_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def name() -> str:
        raise RuntimeError("CUDA error: out of memory")

    device.found.cache_clear()
    monkeypatch.setattr(device, "_promising", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", name)
    assert [one.key for one in device.found() if one.key in ("cuda", "cpu")] == ["cpu"]
    monkeypatch.setattr(device, "found", lambda: 1 / 0)
    with device.using("cpu"):
        assert device.chosen().key == "cpu"


@pytest.mark.parametrize(
    ("system", "there"),
    [("win32", "nvcuda.dll"), ("win32", "amdhip64_7.dll"), ("win32", "amdhip64_6.dll"), ("win32", "amdhip64.dll")]
    + [("linux", "libcuda.so.1"), ("linux", "libze_loader.so.1"), ("linux", "/dev/kfd"), ("linux", "/dev/dxg")],
)
def test_a_driver_is_a_sign_of_a_card(system: str, there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.sys, "platform", system)
    monkeypatch.setattr(device, "_loads", lambda name: False)
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert not device._promising()
    monkeypatch.setattr(device, "_loads", lambda name: name == there)
    monkeypatch.setattr(Path, "exists", lambda self: self.as_posix() == there)
    assert device._promising()


@pytest.mark.parametrize(("able", "kind"), [(True, torch.bfloat16), (False, torch.float16)])
def test_halves_are_of_the_kind_that_the_card_itself_computes(
    able: bool, kind: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or able)
    chosen: list[tuple[object, ...]] = []
    monkeypatch.setattr(torch, "autocast", lambda *given, enabled: chosen.append((*given, enabled)))
    pytorch.precision(True)
    assert chosen == [("cuda", kind, True)]
