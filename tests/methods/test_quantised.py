from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemeditor.methods import processor, quantised


@given(st.integers(0, 2**16), st.floats(-30, 30), st.integers(1, 4), st.integers(1, 4))
def test_a_matrix_comes_back_to_half_a_step(seed: int, level: float, rows: int, groups: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.standard_normal((rows, groups * quantised.GROUP)) * 10**level).astype(np.float32)
    # A row that says nothing, and a group with one number that is much larger than its neighbours.
    matrix[0] = 0.0
    matrix[-1, -1] *= 100.0
    steps, numbers = quantised.in_bytes(matrix)
    assert numbers.dtype == np.int8
    assert np.abs(numbers.astype(int)).max() <= 127
    assert (np.abs(steps * numbers - matrix.reshape(numbers.shape)) <= 0.5001 * steps).all()
    # Another group's loud number does it no harm.
    first = np.abs(matrix[:, : quantised.GROUP]).max(axis=1)
    assert np.allclose(steps[:, 0, 0], np.maximum(first / 127, 1e-30), rtol=1e-5)


@pytest.mark.parametrize("turned", [False, True])
def test_large_matrices_are_replaced_and_others_are_not(turned: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino = processor.package()
    if openvino is None:
        pytest.skip("OpenVINO is not here")
    monkeypatch.setattr(quantised, "_LEAST", 64 * 64)
    kinds = import_module("openvino.opset13")
    rng = np.random.default_rng(1)

    def layer(seen, columns: int, rows: int):
        matrix = (rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)
        return kinds.matmul(seen, kinds.constant(matrix if turned else matrix.T.copy()), False, turned)

    words = kinds.parameter([1, 50, 128], np.float32)
    # Large; two groups and a half; small; and a product without weights.
    hidden = layer(layer(layer(words, 128, 160), 160, 64), 64, 8)
    model = openvino.Model([kinds.result(kinds.matmul(hidden, hidden, False, True))], [words], "net")
    program = openvino.Core()
    sound = rng.standard_normal((1, 50, 128)).astype(np.float32)

    def computed(precision: str) -> np.ndarray:
        return program.compile_model(model, "CPU", processor.wishes(precision))([sound])[0]

    expected = computed(processor.SINGLE)
    names = [one.get_friendly_name() for one in model.get_ordered_ops() if one.get_type_name() == "MatMul"]
    assert quantised.quantise(model) == 1
    layers = [one for one in model.get_ordered_ops() if one.get_type_name() == "MatMul"]
    assert [one.get_friendly_name() for one in layers] == names
    kept = [one.get_element_type().to_dtype() for one in model.get_ops() if one.get_type_name() == "Constant"]
    assert kept.count(np.dtype(np.int8)) == 1
    assert quantised.quantise(model) == 0
    off = computed(processor.BYTES) - expected
    assert 0 < np.square(off).sum() < 1e-3 * np.square(expected).sum()
