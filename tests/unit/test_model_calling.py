"""Matching a call's arguments with a signature."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import SignatureMismatchError, UnknownNameError
from embedl_nb.model.calling import bind_inputs, pick_signature, restore_outputs, split_batch
from embedl_nb.model.spec import Quantization, Signature, TensorSpec


def signature(*inputs: TensorSpec, outputs: tuple[TensorSpec, ...] = ()) -> Signature:
    return Signature(key="serving_default", inputs=inputs, outputs=outputs)


def spec(name: str, shape: tuple[int, ...] = (1, 4), dtype: str = "float32", **quantization: Any) -> TensorSpec:
    scale = Quantization(**quantization) if quantization else None
    return TensorSpec(name=name, shape=shape, dtype=dtype, quantization=scale)


A, B = spec("a"), spec("b", (2,), "int32")
FLOATS, INTEGERS = np.ones((1, 4), np.float32), np.ones(2, np.int32)
INT8 = spec("x", (4,), "int8", scales=(0.5,), zero_points=(3,))


def test_inputs_are_taken_by_position_by_name_and_mixed() -> None:
    for args, named in (((FLOATS, INTEGERS), {}), ((), {"b": INTEGERS, "a": FLOATS}), ((FLOATS,), {"b": INTEGERS})):
        bound = bind_inputs(signature(A, B), args, named)
        assert list(bound) == ["a", "b"]
        assert bound["a"] is FLOATS


@pytest.mark.parametrize(
    ("args", "named", "says"),
    [
        ((FLOATS, INTEGERS, FLOATS), {}, "3 inputs were given, the model takes 2"),
        ((FLOATS,), {}, "input b is missing: 1 of 2 were given"),
        ((FLOATS,), {"c": INTEGERS}, "the model has no input 'c'"),
        ((FLOATS,), {"a": FLOATS}, "input 'a' was given twice"),
        ((FLOATS[0], INTEGERS), {}, r"input 'a' has shape \(4,\), expected a: float32 \(1, 4\)"),
        ((FLOATS.astype(np.float64), INTEGERS), {}, "input 'a' is float64, expected float32"),
        ((INTEGERS, INTEGERS), {}, "input 'a' is int32, expected float32"),
        (("picture.png", INTEGERS), {}, "input 'a' is a str, not an array of numbers"),
        (([[1, 2, 3, 4], [5]], INTEGERS), {}, "input 'a' cannot be taken as an array"),
        ((None, INTEGERS), {}, "input 'a' is a NoneType"),
        ((FLOATS, [2**40, 1]), {}, "input 'b' is int64, expected int32"),
        ((FLOATS, [1.5, 1.0]), {}, "input 'b' is float64, expected int32"),
    ],
)
def test_what_does_not_fit_is_named_with_expected_and_got(args: Any, named: Any, says: str) -> None:
    with pytest.raises(SignatureMismatchError, match=says) as error:
        bind_inputs(signature(A, B), args, named)
    assert error.value.hint


def test_plain_numbers_take_the_dtype_that_is_wanted() -> None:
    bound = bind_inputs(signature(A, B), ([[1, 2, 3, 4]], [5, 6]), {})
    assert (bound["a"].dtype, bound["b"].dtype) == (np.float32, np.int32)


def test_a_dimension_that_may_vary_takes_any_size() -> None:
    x = spec("x", (-1, 4))
    assert bind_inputs(signature(x), (np.ones((7, 4), np.float32),), {})["x"].shape == (7, 4)
    with pytest.raises(SignatureMismatchError, match=r"expected x: float32 \(\?, 4\)"):
        bind_inputs(signature(x), (np.ones((7, 5), np.float32),), {})


def test_a_tensor_is_taken_without_its_gradient() -> None:
    class Tensor:
        """As much of a torch tensor as is asked for."""

        dtype = "torch.float32"

        def detach(self) -> Tensor:
            return self

        def cpu(self) -> np.ndarray:
            return FLOATS

    assert bind_inputs(signature(A), (Tensor(),), {})["a"] is FLOATS


def test_real_values_become_the_integers_that_stand_for_them() -> None:
    real = np.array([0.0, 0.74, -1e9, 1e9], np.float32)
    assert bind_inputs(signature(INT8), (real,), {})["x"].tolist() == [3, 4, -128, 127]


def test_raw_integers_are_passed_as_they_are() -> None:
    raw = np.array([1, 2, 3, 4], np.int8)
    assert bind_inputs(signature(INT8), (raw,), {}, raw=True)["x"] is raw
    with pytest.raises(SignatureMismatchError, match="input 'x' is int8, expected float32") as error:
        bind_inputs(signature(INT8), (raw,), {})
    assert "raw=True" in error.value.hint


def test_nan_has_no_integer() -> None:
    with pytest.raises(SignatureMismatchError, match="holds NaN"):
        bind_inputs(signature(INT8), (np.full(4, np.nan, np.float32),), {})


def test_an_input_that_no_array_holds_is_refused() -> None:
    with pytest.raises(SignatureMismatchError, match="of type resource"):
        bind_inputs(signature(spec("x", dtype="resource")), (FLOATS,), {})


def test_quantized_outputs_become_real_values_unless_raw() -> None:
    called = signature(outputs=(INT8, A))
    got = {"a": FLOATS, "x": np.array([3, 4, -128, 127], np.int8)}

    assert restore_outputs(called, got)["x"].tolist() == [0.0, 0.5, -65.5, 62.0]
    assert restore_outputs(called, got, raw=True)["x"].dtype == np.int8
    assert list(restore_outputs(called, got)) == ["x", "a"]


def test_an_unknown_signature_is_answered_with_close_ones() -> None:
    with pytest.raises(UnknownNameError) as error:
        pick_signature([signature(A)], "serving_defualt")
    assert error.value.candidates == ("serving_default",)
    assert pick_signature([signature(A)], None).key == "serving_default"


@pytest.mark.parametrize("value", [-9, 8])
def test_an_integer_beyond_four_bits_is_refused_and_not_wrapped(value: int) -> None:
    with pytest.raises(SignatureMismatchError, match="int4 cannot hold"):
        bind_inputs(signature(spec("x", (1,), "int4")), (np.array([value], np.int8),), {}, raw=True)


ONE_EACH = signature(spec("a"), spec("c", (1, 2, -1)), outputs=(spec("y"),))


def test_a_stack_of_samples_is_split_into_calls() -> None:
    a, c = np.arange(12.0).reshape(3, 4), np.ones((3, 2, 5))
    calls = split_batch(ONE_EACH, [a], {"c": c})

    assert len(calls) == 3
    for i, (args, named) in enumerate(calls):
        assert args[0].tolist() == [a[i].tolist()]
        assert named["c"].shape == (1, 2, 5)


@pytest.mark.parametrize(
    ("called", "args", "named"),
    [
        (ONE_EACH, (np.ones((1, 4)), np.ones((1, 2, 5))), {}),
        (ONE_EACH, (np.ones((3, 4)), np.ones((2, 2, 5))), {}),
        (ONE_EACH, (np.ones((3, 5)), np.ones((3, 2, 5))), {}),
        (ONE_EACH, (np.ones(4), np.ones((3, 2, 5))), {}),
        (ONE_EACH, (np.ones((3, 4)),), {"d": np.ones((3, 2, 5))}),
        (ONE_EACH, ([[1.0] * 4] * 3,), {}),
        (ONE_EACH, (), {}),
        (signature(spec("a", (2, 4)), outputs=(spec("y"),)), (np.ones((3, 4)),), {}),
        (signature(spec("a"), outputs=(spec("y", (4,)),)), (np.ones((3, 4)),), {}),
        (signature(spec("a", (-1, 4)), outputs=(spec("y", (-1, 4)),)), (np.ones((3, 4)),), {}),
    ],
    ids=["one", "uneven", "other axis", "rank", "unknown name", "list", "nothing", "batch of 2", "no axis", "varies"],
)
def test_anything_else_stays_one_call(called: Signature, args: Any, named: Any) -> None:
    assert split_batch(called, args, named) == [(list(args), named)]
