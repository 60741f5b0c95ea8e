"""ONNX operators on elements: arithmetic, comparisons, bits, activations, casts; against the reference or by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")

from embedl_nb.errors import UnsupportedOperatorError
from embedl_nb.testing.onnx.calling import call_operator, reference_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4)).astype(np.float32)
Y = RNG.normal(size=(3, 1)).astype(np.float32)
WHOLE = np.array([-7, -4, 3, 5, 100, -128], np.int8)
STEPS = np.array([3, -3, -2, 2, 7, 3], np.int8)
BITS = np.array([-(2**31), -1, 2**31 - 1, 123456789, 0, 5], np.int32)
MORE = np.array([-1, 2**31 - 1, -(2**31), -987654321, -1, 3], np.int32)
TRUTH = np.array([True, True, False, False])
OTHER = np.array([True, False, True, False])
UNIT = np.linspace(-0.9, 0.9, 7, dtype=np.float32)


def number(value: float) -> Any:
    return np.array(value, np.float32)


# operator, opset, inputs, attributes
AS_THE_REFERENCE: list[tuple[str, int, list[Any], dict[str, Any]]] = [
    *[(name, 14, [X, Y], {}) for name in ("Add", "Sub", "Mul", "Div")],
    *[(name, 14, [WHOLE, STEPS], {}) for name in ("Add", "Sub", "Mul")],
    *[(name, 13, [X], {}) for name in ("Abs", "Ceil", "Exp", "Floor", "Neg", "Reciprocal", "Sign", "Tanh", "Erf")],
    *[(name, 13, [X, Y, X[0]], {}) for name in ("Max", "Min", "Sum", "Mean")],
    *[(name, 13, [abs(X) + 1], {}) for name in ("Log", "Sqrt")],
    ("Round", 11, [np.array([0.5, 1.5, -2.5, 2.4], np.float32)], {}),
    ("Mod", 13, [WHOLE, STEPS], {}),
    ("Mod", 13, [WHOLE, STEPS], {"fmod": 1}),
    ("Mod", 13, [X, Y], {"fmod": 1}),
    ("Pow", 15, [abs(X), Y], {}),
    *[("Pow", 15, [abs(X) + 1, number(power)], {}) for power in (0.5, 1, 2, 3, -1.5)],
    ("Pow", 15, [np.array([2, 3], np.int32), np.array([3.0, 2.0], np.float32)], {}),
    ("Clip", 13, [X, number(-0.5), number(0.5)], {}),
    ("Clip", 13, [X, number(0)], {}),
    ("Clip", 13, [WHOLE, np.array(-5, np.int8), np.array(5, np.int8)], {}),
    *[(name, 18, [BITS, MORE], {}) for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")],
    ("BitwiseNot", 18, [WHOLE], {}),
    ("BitShift", 11, [np.array([16, 255, 1], np.uint8), np.array([1, 2, 3], np.uint8)], {"direction": "RIGHT"}),
    ("BitShift", 11, [np.array([16, 255, 1], np.uint8), np.array([1, 2, 3], np.uint8)], {"direction": "LEFT"}),
    *[(name, 16, [X, Y], {}) for name in ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")],
    *[(name, 16, [TRUTH, OTHER], {}) for name in ("And", "Or", "Xor")],
    ("Where", 16, [X > 0, X, Y], {}),
    ("IsNaN", 13, [np.array([np.nan, 1, np.inf], np.float32)], {}),
    *[
        ("IsInf", 20, [np.array([np.nan, np.inf, -np.inf], np.float32)], sides)
        for sides in ({}, {"detect_negative": 0}, {"detect_positive": 0}, {"detect_negative": 0, "detect_positive": 0})
    ],
    *[(name, 22, [UNIT], {}) for name in ("Acos", "Asin", "Atan", "Atanh", "Cos", "Sin", "Tan", "Asinh", "Cosh")],
    ("Acosh", 22, [UNIT + 2], {}),
    ("Sinh", 22, [UNIT], {}),
    *[(name, 22, [X], {}) for name in ("Elu", "HardSigmoid", "HardSwish", "Mish", "Selu", "Sigmoid", "Softsign")],
    ("Elu", 22, [X], {"alpha": 0.5}),
    ("Celu", 12, [X], {"alpha": 2.0}),
    ("Gelu", 20, [X], {}),
    ("Gelu", 20, [X], {"approximate": "tanh"}),
    ("HardSigmoid", 6, [X], {"alpha": 0.5, "beta": 0.1}),
    ("LeakyRelu", 16, [X], {"alpha": 0.2}),
    ("PRelu", 16, [X, Y], {}),
    ("PRelu", 16, [X, X[0]], {}),
    ("Relu", 14, [WHOLE], {}),
    ("Shrink", 9, [X], {"lambd": 0.3, "bias": 0.1}),
    ("Softplus", 22, [X * 100], {}),
    ("Swish", 24, [X], {"alpha": 0.7}),
    ("ThresholdedRelu", 22, [X], {"alpha": 0.4}),
    *[(name, 13, [X], {"axis": 1}) for name in ("Softmax", "LogSoftmax", "Hardmax")],
    ("Cast", 13, [X * 10], {"to": 6}),
    ("Cast", 13, [X], {"to": 9}),
    ("CastLike", 19, [abs(X) * 10, np.zeros(1, np.uint8)], {}),
    ("BitCast", 26, [X], {"to": 6}),
]
IDS = [f"{case[0]}-{position}" for position, case in enumerate(AS_THE_REFERENCE)]


@pytest.mark.parametrize(("name", "opset", "inputs", "attributes"), AS_THE_REFERENCE, ids=IDS)
def test_an_operator_gives_what_the_reference_gives(
    name: str, opset: int, inputs: list[Any], attributes: dict[str, Any]
) -> None:
    wanted = reference_of(name, inputs, attributes, opset=opset)
    for known in ((), range(len(inputs))):
        (got,) = call_operator(name, inputs, attributes, opset=opset, known=known)
        assert got.shape == wanted[0].shape
        assert got.dtype == wanted[0].dtype
        np.testing.assert_allclose(got, wanted[0], rtol=1e-5, atol=1e-6)


def test_old_opsets_align_the_second_operand_at_an_axis() -> None:
    y = np.array([1, 2, 3], np.float32)
    (found,) = call_operator("Add", [X, y], {"broadcast": 1, "axis": 1}, opset=6)
    np.testing.assert_array_equal(found, X + y[:, None])
    (found,) = call_operator("PRelu", [X, y], opset=6)
    np.testing.assert_allclose(found, np.where(X < 0, X * y[:, None], X))


def test_integers_are_divided_towards_zero() -> None:
    (found,) = call_operator("Div", [WHOLE, STEPS], opset=14)
    np.testing.assert_array_equal(found, np.trunc(WHOLE / STEPS).astype(np.int8))


def test_old_opsets_clip_by_attributes() -> None:
    (found,) = call_operator("Clip", [X], {"min": -0.1, "max": 0.2}, opset=6)
    np.testing.assert_array_equal(found, X.clip(np.float32(-0.1), np.float32(0.2)))
    np.testing.assert_array_equal(call_operator("Clip", [X], {"min": 0.0}, opset=6)[0], np.maximum(X, 0))


def test_until_opset_12_softmax_runs_over_all_axes_from_one_on() -> None:
    (found,) = call_operator("Softmax", [X], {"axis": 1}, opset=11)
    whole = np.exp(X.reshape(2, 12))
    np.testing.assert_allclose(found.reshape(2, 12), whole / whole.sum(1, keepdims=True), rtol=1e-5)


def test_dropout_drops_nothing_and_returns_a_mask_of_its_opset() -> None:
    for opset, dtype in ((7, np.float32), (12, np.bool_)):
        values, mask = call_operator("Dropout", [X], opset=opset, num_outputs=2)
        np.testing.assert_array_equal(values, X)
        assert mask.dtype == dtype
        assert mask.all()


def test_dropout_that_drops_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="training"):
        call_operator("Dropout", [X, number(0.5), np.array(True)], opset=13, known=range(3))


@pytest.mark.parametrize(("number", "name"), [(8, "string"), (17, "float8e4m3fn"), (22, "int4"), (14, "complex64")])
def test_a_cast_to_a_type_that_is_not_computed_in_is_refused_by_name(number: int, name: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=name):
        call_operator("Cast", [X], {"to": number}, opset=21)


def test_the_first_opsets_cast_to_a_name() -> None:
    assert call_operator("Cast", [X], {"to": "INT64"}, opset=1)[0].dtype == np.int64
