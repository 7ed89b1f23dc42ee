"""OpenVINO, which computes networks on this machine's processor, and how fast it does."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stemeditor import libraries
from stemeditor.methods import quantised
from stemeditor.methods.measured import remembered

log = logging.getLogger(__name__)

SINGLE, HALF, BYTES = "f32", "bf16", "int8"
"""Precisions. With bytes large matrices are multiplied, see `quantised`; all else is in single precision then."""

_OTHER_PLUGINS = ("_gpu_plugin", "_npu_plugin")
_PROBES = 6
_WORTH_IT = 1.1
"""Times as fast as single precision from which on another one is chosen."""


def package() -> Any:
    """Return OpenVINO, or None where it is not installed.

    When it is imported it tells its makers over the network that it was, unless the part that does so is missing:
    nobody here was asked for that, so it is.
    """
    if "openvino" not in sys.modules:
        folder = libraries.folder("openvino")
        if folder is None:
            return None
        sys.modules.setdefault("openvino_telemetry", cast(Any, None))
        libraries.read_ahead(libraries.within(folder, besides=_OTHER_PLUGINS))
    try:
        return libraries.bring("openvino")
    except (ImportError, OSError) as problem:
        log.info("OpenVINO does not start: %s", problem)
        return None


@lru_cache(maxsize=1)
def halves_pay() -> bool:
    """Whether this processor computes networks faster in half precision; measured once, in a second, then remembered.

    Those that know how to do not all gain by it: without units for products of matrices (AMX), Intel's compute
    networks in half precision at two thirds of the speed.

    Raises
    ------
    ImportError
        If OpenVINO is not installed.
    """
    return _pays("half precision", "BF16", _gain_of_halves)


@lru_cache(maxsize=1)
def bytes_pay() -> bool:
    """Whether this processor multiplies large matrices faster in bytes; only asked of those without half precision.

    Where that pays, bytes gain little more, and are less exact. Measured once, likewise. Raises as `halves_pay`.
    """
    return not halves_pay() and _pays("bytes", "INT8", _gain_of_bytes)


def _pays(what: str, known_as: str, gain: Callable[[Any], float]) -> bool:
    """Whether something that this processor may know how to do makes it faster."""
    openvino = package()
    if openvino is None:
        raise ImportError("openvino")
    program = openvino.Core()
    if known_as not in program.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return False
    name = program.get_property("CPU", "FULL_DEVICE_NAME")

    def measured() -> float:
        try:
            return gain(program)
        except RuntimeError as problem:
            # Nobody promises that every processor that is told to know it is served.
            log.info("OpenVINO knows no %s here: %s", what, problem)
            return 0.0

    return remembered(f"{what}, {name}, OpenVINO {openvino.__version__}", measured) > _WORTH_IT


def wishes(precision: str) -> dict[str, str]:
    """Return how networks are to be computed: each at once, by all cores."""
    hint = {"INFERENCE_PRECISION_HINT": SINGLE if precision == BYTES else precision, "PERFORMANCE_HINT": "LATENCY"}
    return hint | ({"DYNAMIC_QUANTIZATION_GROUP_SIZE": str(quantised.GROUP)} if precision == BYTES else {})


def small_network(layers: int, channels: int, side: int) -> Callable[[], object] | None:
    """Return what computes a small network each time it is called; None where OpenVINO is missing.

    Parameters
    ----------
    layers
        Convolutions, each of which leaves out what is negative.
    channels
        Of what each sees and finds.
    side
        Of the square picture, points.
    """
    openvino = package()
    if openvino is None:
        return None
    kinds = import_module("openvino.opset13")
    picture = seen = kinds.parameter([1, channels, side, side], np.float32)
    for _ in range(layers):
        seen = _convolved(seen, channels)
    mean = kinds.reduce_mean(seen, kinds.constant([0, 1, 2, 3]))
    model = openvino.Model([kinds.result(mean)], [picture], "probe")
    compiled = openvino.Core().compile_model(model, "CPU", wishes(HALF if halves_pay() else SINGLE))
    request = compiled.create_infer_request()
    given = [_drawn(1, channels, side, side)]
    return lambda: request.infer(given)


def _gain_of_halves(program: Any) -> float:
    """Return how many times as fast a small network is in half precision, a convolution and two layers behind it."""
    openvino = import_module("openvino")
    kinds = import_module("openvino.opset13")
    picture = kinds.parameter([1, 64, 128, 128], np.float32)
    words = kinds.parameter([1, 512, 512], np.float32)
    wide = kinds.relu(kinds.matmul(words, kinds.constant(_drawn(2048, 512)), False, True))
    told = kinds.matmul(wide, kinds.constant(_drawn(512, 2048)), False, True)
    model = openvino.Model([kinds.result(_convolved(picture, 64)), kinds.result(told)], [picture, words], "probe")
    given = [_drawn(*place.shape) for place in model.inputs]
    return _gain([program.compile_model(model, "CPU", wishes(precision)) for precision in (SINGLE, HALF)], given)


def _gain_of_bytes(program: Any) -> float:
    """Return how many times as fast a layer of a large network is whose matrix is of bytes."""
    openvino = import_module("openvino")
    kinds = import_module("openvino.opset13")
    compiled = []
    for precision in (SINGLE, BYTES):
        words = kinds.parameter([1, 2048, 512], np.float32)
        told = kinds.matmul(words, kinds.constant(_drawn(2048, 512)), False, True)
        model = openvino.Model([kinds.result(told)], [words], "probe")
        if precision == BYTES:
            quantised.quantise(model)
        compiled.append(program.compile_model(model, "CPU", wishes(precision)))
    return _gain(compiled, [_drawn(1, 2048, 512)])


def _gain(compiled: list[Any], given: list[NDArray[np.float32]]) -> float:
    """Return how many times as fast as the first of two networks the second computes, in turn."""
    requests = [one.create_infer_request() for one in compiled]
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_PROBES):
        for request, row in zip(requests, times, strict=True):
            began = time.perf_counter()
            request.infer(given)
            row.append(time.perf_counter() - began)
    # The fastest of each: whatever else the machine does makes them slower only.
    return min(times[0]) / min(times[1])


def _convolved(picture: Any, channels: int) -> Any:
    """Return what a layer finds in a picture."""
    kinds = import_module("openvino.opset13")
    weights = kinds.constant(_drawn(channels, channels, 3, 3))
    return kinds.relu(kinds.convolution(picture, weights, [1, 1], [1, 1], [1, 1], [1, 1]))


def _drawn(*shape: int) -> NDArray[np.float32]:
    """Return noise of a level that layers keep."""
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    return noise / np.float32(np.sqrt(np.prod(shape[1:])))
