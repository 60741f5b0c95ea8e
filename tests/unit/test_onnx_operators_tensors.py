"""ONNX operators that shape, cut, join, look up and put values: each against onnx's own reference, or by hand."""

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
PICTURE = RNG.normal(size=(1, 2, 4, 5)).astype(np.float32)
BLOCKS = np.arange(32, dtype=np.float32).reshape(1, 8, 2, 2)


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


# operator, opset, inputs, attributes
AS_THE_REFERENCE: list[tuple[str, int, list[Any], dict[str, Any]]] = [
    ("Shape", 15, [X], {"start": -2, "end": 3}),
    ("Size", 13, [X], {}),
    ("Reshape", 13, [X, ints(0, -1)], {}),
    ("Reshape", 14, [np.zeros((0, 3), np.float32), ints(3, 0)], {"allowzero": 1}),
    ("Flatten", 13, [X], {"axis": -1}),
    ("Flatten", 13, [X], {"axis": 0}),
    ("Squeeze", 13, [X[:, :1], ints(-2)], {}),
    ("Squeeze", 13, [X[:1, :1]], {}),
    ("Unsqueeze", 13, [X, ints(-1, 0)], {}),
    ("Transpose", 13, [X], {}),
    ("Transpose", 13, [X], {"perm": [1, 2, 0]}),
    ("Expand", 13, [X, ints(2, 1, 1, 1)], {}),
    ("Tile", 13, [X, ints(1, 2, 3)], {}),
    ("Concat", 13, [X, X], {"axis": -1}),
    ("Split", 18, [X], {"axis": 2, "num_outputs": 3}),
    ("Split", 13, [X, ints(1, 3)], {"axis": 2}),
    ("Slice", 13, [X, ints(-1, 3), ints(-100, 0), ints(1, 2), ints(-2, -1)], {}),
    ("Slice", 13, [X, ints(1), ints(1000), ints(-1), ints(2)], {}),
    ("Slice", 13, [X, ints(2), ints(1), ints(1)], {}),
    ("Trilu", 14, [X, np.array(1)], {"upper": 0}),
    ("CenterCropPad", 18, [X, ints(5, 3)], {"axes": [1, -1]}),
    ("Pad", 18, [X, ints(1, 1, 2, 0), np.array(7, np.float32), ints(0, 2)], {}),
    ("Pad", 13, [PICTURE, ints(0, 0, 1, 2, 0, 0, 3, 1)], {"mode": "reflect"}),
    ("Pad", 13, [X, ints(0, 2, 0, 1, 0, 3)], {"mode": "reflect"}),
    ("Pad", 13, [PICTURE, ints(0, 0, 1, 2, 0, 1, 0, 4)], {"mode": "edge"}),
    ("Pad", 19, [PICTURE, ints(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "wrap"}),
    ("Pad", 19, [X, ints(0, 4, 0, 0, 7, 0)], {"mode": "wrap"}),
    ("ConstantOfShape", 9, [ints(2, 3)], {}),
    ("Range", 11, [np.array(10, np.int32), np.array(3, np.int32), np.array(-3, np.int32)], {}),
    ("EyeLike", 9, [X[0]], {"k": 1, "dtype": 6}),
    ("OneHot", 11, [ints(0, -1, 3, 9), np.array(4), np.array([2, 5], np.float32)], {"axis": 0}),
    ("NonZero", 13, [np.array([[1, 0], [2, 3]], np.float32)], {}),
    ("DepthToSpace", 13, [BLOCKS], {"blocksize": 2}),
    ("DepthToSpace", 13, [BLOCKS], {"blocksize": 2, "mode": "CRD"}),
    ("SpaceToDepth", 13, [PICTURE[..., :4]], {"blocksize": 2}),
    ("ReverseSequence", 10, [X, ints(3, 1)], {"batch_axis": 0, "time_axis": 1}),
    ("ReverseSequence", 10, [X, ints(2, 1, 2)], {}),
    ("Compress", 11, [X, np.array([False, True, True])], {"axis": 1}),
    ("Compress", 11, [X, np.array([False, True, True, False, True])], {}),
    ("Gather", 13, [X, ints(0, 2, -1).reshape(1, 3)], {"axis": 1}),
    ("Gather", 13, [X, ints(3, 1)], {"axis": 2}),
    ("Gather", 13, [X, np.array(-2)], {"axis": 2}),
    ("Gather", 13, [X[0], ints(2, 0, 2)], {}),
    ("GatherElements", 13, [X, ints(*[0, -1] * 4).reshape(2, 1, 4)], {"axis": 1}),
    ("GatherND", 13, [X, ints(0, 2, 1, 0).reshape(2, 2)], {}),
    ("GatherND", 13, [X, ints(2, 0).reshape(2, 1)], {"batch_dims": 1}),
    ("TopK", 11, [X, ints(2)], {"axis": 1}),
    ("TopK", 11, [X, ints(3)], {"largest": 0}),
    ("Col2Im", 18, [RNG.normal(size=(1, 8, 6)).astype(np.float32), ints(4, 5), ints(2, 2)], {"strides": [1, 2]}),
]
IDS = [f"{case[0]}-{number}" for number, case in enumerate(AS_THE_REFERENCE)]
OUTPUTS = {"TopK": 2}


@pytest.mark.parametrize("is_known", [False, True], ids=["computed", "known"])
@pytest.mark.parametrize(("name", "opset", "inputs", "attributes"), AS_THE_REFERENCE, ids=IDS)
def test_an_operator_gives_what_the_reference_gives(
    name: str, opset: int, inputs: list[Any], attributes: dict[str, Any], is_known: bool
) -> None:
    num_outputs = attributes.get("num_outputs", 2 if name == "Split" else OUTPUTS.get(name, 1))
    expected = reference_of(name, inputs, attributes, opset=opset, num_outputs=num_outputs)
    known = range(len(inputs)) if is_known else ()
    found = call_operator(name, inputs, attributes, opset=opset, known=known, num_outputs=num_outputs)
    for want, got in zip(expected, found, strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("is_known", [False, True], ids=["computed", "known"])
def test_updates_are_put_or_combined_where_rows_of_indices_point(reduction: str, is_known: bool) -> None:
    indices = ints(0, 2, 1, -1).reshape(2, 2) if reduction == "none" else ints(0, 2, 0, 2).reshape(2, 2)
    inputs = [X, indices, X[:, 0] + 1]
    expected = reference_of("ScatterND", inputs, {"reduction": reduction}, opset=18)[0]
    found = call_operator("ScatterND", inputs, {"reduction": reduction}, opset=18, known={1} if is_known else ())[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("is_known", [False, True], ids=["computed", "known"])
def test_updates_are_put_or_combined_along_an_axis(reduction: str, is_known: bool) -> None:
    indices = ints(2, -3, 1, 0).reshape(2, 2, 1) if reduction == "none" else ints(1, 1, 0, 2).reshape(2, 2, 1)
    inputs = [X, indices, np.array([4, -5, 6, 7], np.float32).reshape(2, 2, 1)]
    attributes = {"axis": 1, "reduction": reduction}
    expected = reference_of("ScatterElements", inputs, attributes, opset=18)[0]
    found = call_operator("ScatterElements", inputs, attributes, opset=18, known={1} if is_known else ())[0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_negative_pads_crop_what_is_there() -> None:
    found = call_operator("Pad", [X, ints(0, -1, 2, 0, 0, -1)], {"mode": "edge"}, opset=13)[0]
    np.testing.assert_array_equal(found, np.pad(X[:, 1:, :-1], ((0, 0), (0, 0), (2, 0)), mode="edge"))


def test_of_two_known_updates_of_a_place_the_later_one_stays() -> None:
    found = call_operator("ScatterND", [X[0], ints(1, 1).reshape(2, 1), X[1, :2]], opset=16, known={1})[0]
    np.testing.assert_array_equal(found, np.stack([X[0, 0], X[1, 1], X[0, 2]]))


def test_attributes_of_the_first_opsets_say_what_inputs_say_later() -> None:
    np.testing.assert_array_equal(call_operator("Reshape", [X], {"shape": [0, -1]}, opset=1)[0], X.reshape(2, 12))
    np.testing.assert_array_equal(call_operator("Unsqueeze", [X], {"axes": [0]}, opset=1)[0], X[None])
    np.testing.assert_array_equal(call_operator("Squeeze", [X[:1]], {"axes": [0]}, opset=1)[0], X[0])
    cut = call_operator("Slice", [X], {"starts": [1, -2], "ends": [9, -1], "axes": [1, 2]}, opset=1)[0]
    np.testing.assert_array_equal(cut, X[:, 1:, -2:-1])
    tiled = call_operator("Tile", [X, np.array(2.0), np.array(1.0)], opset=1)[0]
    np.testing.assert_array_equal(tiled, np.tile(X, (1, 2, 1)))
    np.testing.assert_array_equal(call_operator("Concat", [X, X], opset=1)[0], np.concatenate([X, X], 1))
    parts = call_operator("Split", [X], {"split": [1, 2], "axis": 1}, opset=2, num_outputs=2)
    np.testing.assert_array_equal(parts[1], X[:, 1:])
    padded = call_operator("Pad", [X], {"paddings": [0, 0, 1, 0, 0, 1], "value": 2.0}, opset=1)[0]
    np.testing.assert_array_equal(padded, np.pad(X, ((0, 0), (0, 0), (1, 1)), constant_values=2))
    values, places = call_operator("TopK", [X], {"k": 1}, opset=1, num_outputs=2)
    np.testing.assert_array_equal(values[..., 0], X.max(-1))
    np.testing.assert_array_equal(places[..., 0], X.argmax(-1))


def test_distinct_values_are_counted_in_order_of_appearance_if_not_sorted() -> None:
    x = np.array([3, 1, 3, 2], np.float32)
    values, firsts, inverse, counts = call_operator("Unique", [x], {"sorted": 0}, opset=11, num_outputs=4)
    assert values.tolist() == [3, 1, 2]
    assert firsts.tolist() == [0, 1, 3]
    assert inverse.tolist() == [0, 1, 0, 2]
    assert counts.tolist() == [2, 1, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_of_equal_values_the_first_ones_are_taken(dtype: Any) -> None:
    x = np.array([2, 3, 2, 3, 1, 1], dtype)
    for largest, expected in ((1, [1, 3, 0]), (0, [4, 5, 0])):
        values, places = call_operator("TopK", [x, ints(3)], {"largest": largest}, opset=11, num_outputs=2)
        assert places.tolist() == expected
        assert values.tolist() == x[expected].tolist()
        assert values.dtype == dtype


def test_a_cache_is_written_from_each_ones_own_place_on_and_around_its_end() -> None:
    cache, new = np.zeros((2, 3, 1), np.float32), np.ones((2, 2, 1), np.float32)
    found = call_operator("TensorScatter", [cache, new, ints(0, 2)], {"mode": "circular"}, opset=24)[0]
    assert found[..., 0].tolist() == [[1, 1, 0], [1, 0, 1]]


def test_a_border_is_cropped_as_old_models_do() -> None:
    found = call_operator("Crop", [PICTURE], {"border": [1, 0, 1, 2]}, opset=1)[0]
    np.testing.assert_array_equal(found, PICTURE[:, :, :2, 1:4])


def test_a_mode_that_onnx_has_not_is_refused_with_the_nodes_name() -> None:
    with pytest.raises(UnsupportedOperatorError, match=r"mode 'mirror'.* \(opset 13\)"):
        call_operator("Pad", [X, ints(0, 0, 1, 0, 0, 1)], {"mode": "mirror"}, opset=13)
