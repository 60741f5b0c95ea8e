"""What counts as the output that ONNX's tests expect."""

from __future__ import annotations

import numpy as np
import pytest

from embedl_nb.testing.onnx.comparing import difference

WANT = np.array([0.0, 1.0, -100.0], np.float32)


def said(want: np.ndarray, got: np.ndarray) -> str:
    return difference({"y": want}, {"y": got})


def test_the_same_values_pass() -> None:
    assert said(WANT, WANT.copy()) == ""


def test_an_error_within_a_thousandth_of_the_value_passes() -> None:
    assert said(WANT, WANT * np.float32(1.0009)) == ""


def test_an_error_within_a_ten_thousandth_of_the_largest_value_passes() -> None:
    assert said(WANT, WANT + np.float32(0.0099)) == ""


def test_a_larger_error_is_told_with_its_size() -> None:
    assert "largest error 0.5, largest expected value 100" in said(WANT, WANT + np.array([0.5, 0, 0], np.float32))


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_integers_and_bools_must_be_equal(dtype: type) -> None:
    want = np.array([0, 1, 1], dtype)
    assert said(want, want.copy()) == ""
    assert said(want, np.array([0, 1, 0], dtype)) == "output 'y': 1 of 3 values are wrong"


def test_an_integer_may_be_narrower_than_expected_but_not_a_float() -> None:
    want = np.array([1, 2], np.int64)
    assert said(want, want.astype(np.int32)) == ""
    assert "dtype float32 instead of int64" in said(want, want.astype(np.float32))


def test_another_shape_does_not_pass_even_with_the_same_values() -> None:
    assert "shape (3, 1) instead of (3,)" in said(WANT, WANT[:, None])


def test_nan_and_infinity_must_stand_where_they_are_expected() -> None:
    want = np.array([np.nan, np.inf, 1.0], np.float32)
    assert said(want, want.copy()) == ""
    for other in ([np.nan, -np.inf, 1.0], [0.0, np.inf, 1.0], [np.nan, np.inf, np.nan]):
        assert "NaN or infinity in other places" in said(want, np.array(other, np.float32))


def test_an_expected_double_is_brought_down_where_the_output_is_a_float() -> None:
    want = np.array([1e-300, 1e300, 2.0])
    assert said(want, np.array([0, np.inf, 2], np.float32)) == ""
    assert said(want, np.array([0, np.inf, 2], np.float64)) != ""


def test_a_missing_output_is_told() -> None:
    assert difference({"y": WANT, "z": WANT}, {"y": WANT}) == "1 outputs instead of 2"
