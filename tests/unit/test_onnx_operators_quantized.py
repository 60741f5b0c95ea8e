"""ONNX quantization and products of integers: against onnx's reference or by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")

from embedl_nb.errors import UnsupportedOperatorError
from embedl_nb.testing.onnx.calling import call_operator, reference_of

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(2, 3, 4)) * 5).astype(np.float32)
BYTES = RNG.integers(-128, 128, (2, 3, 4)).astype(np.int8)
SCALE = np.array(0.05, np.float32)
SCALES = np.array([0.05, 0.1, 0.02], np.float32)
SHIFTS = np.array([3, -5, 0], np.int8)
LEFT = RNG.integers(0, 256, (2, 600)).astype(np.uint8)
RIGHT = RNG.integers(-128, 128, (600, 3)).astype(np.int8)
KERNEL = RNG.integers(-128, 128, (5, 3, 2, 2)).astype(np.int8)
PICTURE = RNG.integers(0, 256, (1, 3, 4, 4)).astype(np.uint8)
ZERO = np.array(7, np.uint8)

# operator, opset, inputs, attributes
AS_THE_REFERENCE: list[tuple[str, int, list[Any], dict[str, Any]]] = [
    ("QuantizeLinear", 13, [X, SCALE, np.array(-3, np.int8)], {}),
    ("QuantizeLinear", 13, [X, SCALE, np.array(100, np.uint8)], {}),
    ("QuantizeLinear", 13, [X, SCALE], {}),
    ("QuantizeLinear", 13, [X, SCALES, SHIFTS], {"axis": 1}),
    ("QuantizeLinear", 21, [X, SCALE, np.array(9, np.int16)], {}),
    ("QuantizeLinear", 21, [X, SCALES[:2].repeat(6).reshape(2, 3, 2)], {"axis": 2, "block_size": 2, "output_dtype": 3}),
    ("DequantizeLinear", 19, [BYTES, SCALE, np.array(-3, np.int8)], {}),
    ("DequantizeLinear", 19, [BYTES, SCALE], {}),
    ("DequantizeLinear", 19, [BYTES, SCALES, SHIFTS], {"axis": -2}),
    ("DequantizeLinear", 19, [BYTES.astype(np.int32), SCALE], {}),
    ("DequantizeLinear", 21, [BYTES, SCALES[:2].repeat(6).reshape(2, 3, 2)], {"axis": 2, "block_size": 2}),
    ("MatMulInteger", 10, [LEFT, RIGHT, ZERO, np.array([1, -2, 3], np.int8)], {}),
    ("MatMulInteger", 10, [LEFT, RIGHT], {}),
    ("ConvInteger", 10, [PICTURE, KERNEL, ZERO], {"pads": [1, 0, 1, 1]}),
    (
        "QLinearMatMul",
        10,
        [LEFT[:, :9], SCALE, ZERO, RIGHT[:9], SCALE, np.array(0, np.int8), np.array(1.7, np.float32), ZERO],
        {},
    ),
    (
        "QLinearConv",
        10,
        [PICTURE, SCALE, ZERO, KERNEL, SCALES[[0, 1, 2, 0, 1]], np.zeros(5, np.int8), np.array(3.3, np.float32), ZERO],
        {},
    ),
]
IDS = [f"{case[0]}-{position}" for position, case in enumerate(AS_THE_REFERENCE)]


@pytest.mark.parametrize(("name", "opset", "inputs", "attributes"), AS_THE_REFERENCE, ids=IDS)
def test_an_operator_gives_what_the_reference_gives(
    name: str, opset: int, inputs: list[Any], attributes: dict[str, Any]
) -> None:
    (wanted,) = reference_of(name, inputs, attributes, opset=opset)
    for known in ((), range(len(inputs))):
        (got,) = call_operator(name, inputs, attributes, opset=opset, known=known)
        assert got.dtype == wanted.dtype
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_rows_may_have_zero_points_of_their_own() -> None:
    (found,) = call_operator("MatMulInteger", [LEFT, RIGHT, np.array([7, 200], np.uint8)], opset=10)
    shifted = LEFT.astype(np.int32) - np.array([[7], [200]], np.int32)
    np.testing.assert_array_equal(found, shifted @ RIGHT.astype(np.int32))


def test_a_bias_is_added_before_the_result_is_quantized() -> None:
    one = np.array(1.0, np.float32)
    zero = np.array(0, np.int8)
    x, kernel = np.full((1, 1, 1, 1), 4, np.int8), np.full((2, 1, 1, 1), 3, np.int8)
    bias = np.array([5, -100], np.int32)
    (found,) = call_operator("QLinearConv", [x, one, zero, kernel, one, zero, one, zero, bias], opset=10)
    assert found.reshape(-1).tolist() == [17, -88]


def test_values_are_quantized_by_their_own_range_which_holds_zero() -> None:
    x = np.array([1.0, 2.0, 3.0], np.float32)
    values, scale, zero_point = call_operator("DynamicQuantizeLinear", [x], opset=11, num_outputs=3)
    assert values.tolist() == [85, 170, 255]
    assert zero_point == 0
    np.testing.assert_allclose(scale, 3 / 255, rtol=1e-6)


def test_quantizing_to_8_bit_floats_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError):
        call_operator("QuantizeLinear", [X, SCALE], {"output_dtype": 17}, opset=21)
