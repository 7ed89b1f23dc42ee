"""Large matrices of a network as bytes: processors without half precision multiply those faster, and they are smaller.

Each number of a weight matrix becomes one of 255 steps, whose size every row has of its own for every `GROUP` columns.
What is multiplied with them is brought to bytes while it is computed, in groups as long, so nothing depends on what
level the sound has.

References
----------
B. Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only inference,
CVPR 2018, section 2.1, without the zero point.
S. Shen et al., Q-BERT: Hessian based ultra low precision quantization of BERT, AAAI 2020, on a step for each group.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

GROUP = 64
"""Columns that share a step."""

_MOST = 127
_LEAST = 1 << 16
"""Numbers from which on a matrix is worth it."""

_LEAST_STEP = np.float32(1e-30)


def quantise(model: Any) -> int:
    """Put matrices of bytes in the place of a model's large weight matrices; return how many there were.

    Parameters
    ----------
    model
        An `openvino.Model`. Layers whose weights do not come in whole groups stay as they are.
    """
    kinds = import_module("openvino.opset13")
    count = 0
    for layer in model.get_ordered_ops():
        if layer.get_type_name() != "MatMul":
            continue
        given, told = layer.input_value(0), layer.get_attributes()
        kept = layer.input_value(1).get_node()
        if kept.get_type_name() != "Constant" or len(kept.get_output_shape(0)) != 2:
            continue
        matrix = kept.get_data() if told["transpose_b"] else kept.get_data().T
        rows, columns = matrix.shape
        if matrix.size < _LEAST or columns % GROUP:
            continue
        steps, numbers = in_bytes(matrix)
        groups = kinds.multiply(kinds.convert(kinds.constant(numbers), np.float32), kinds.constant(steps))
        weights = kinds.reshape(groups, kinds.constant(np.array([rows, columns])), False)
        multiplied = kinds.matmul(given, weights, told["transpose_a"], True)
        multiplied.set_friendly_name(layer.get_friendly_name())
        layer.output(0).replace(multiplied.output(0))
        count += 1
    return count


def in_bytes(matrix: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    """Return the steps, (rows, groups, 1), and how many of them each number is, (rows, groups, `GROUP`).

    Parameters
    ----------
    matrix
        (rows, columns), with a whole number of groups; their product is the matrix to half a step.
    """
    rows, columns = matrix.shape
    groups = np.ascontiguousarray(matrix, np.float32).reshape(rows, columns // GROUP, GROUP)
    steps = np.maximum(np.abs(groups).max(axis=-1, keepdims=True) / np.float32(_MOST), _LEAST_STEP)
    return steps, np.rint(groups / steps).astype(np.int8)
