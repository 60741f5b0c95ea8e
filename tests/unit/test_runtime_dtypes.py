"""Values as the runtime's bytes and back."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from embedl_nb.errors import InputError
from embedl_nb.runtime.dtypes import ElementType, element_type, from_bytes, random_array, to_bytes

CODES = [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18, 19, 21]
KINDS = [element_type(code, tensor="x") for code in CODES]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (0, 4), (5, 7)])
def test_every_dtype_comes_back_as_it_was(kind: ElementType, shape: tuple[int, ...]) -> None:
    array = random_array(np.random.default_rng(0), kind, shape)
    if kind.name == "bfloat16":
        array = array.astype(ml_dtypes.bfloat16).astype(np.float32)
    back = from_bytes(to_bytes(array, kind), kind, shape)
    assert array.dtype == kind.array_dtype
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)


def test_bfloat16_is_rounded_as_the_reference_does() -> None:
    kind = element_type(19, tensor="x")
    values = np.concatenate(
        [
            np.random.default_rng(0).normal(size=10_000).astype(np.float32) * 10.0 ** np.arange(-20, 20).repeat(250),
            [0.0, -0.0, np.inf, -np.inf, 3.4e38, -3.4e38, 1e-40],
        ]
    ).astype(np.float32)
    expected = values.astype(ml_dtypes.bfloat16)
    assert to_bytes(values, kind) == expected.tobytes()


def test_bfloat16_keeps_nan() -> None:
    kind = element_type(19, tensor="x")
    bits = np.array([0x7F800001, 0x7FFFFFFF, 0xFFFFFFFF], np.uint32)
    assert np.isnan(from_bytes(to_bytes(bits.view(np.float32), kind), kind, (3,))).all()


def test_int4_is_packed_low_half_first() -> None:
    kind = element_type(18, tensor="x")
    assert to_bytes(np.array([1, -1, 7], np.int8), kind) == bytes([0xF1, 0x07])


def test_random_values_are_the_same_for_the_same_seed() -> None:
    for kind in KINDS:
        first, second = (random_array(np.random.default_rng(7), kind, (9,)) for _ in range(2))
        assert np.array_equal(first, second)


def test_random_indices_stay_in_any_table() -> None:
    for code in (2, 4):
        values = random_array(np.random.default_rng(0), element_type(code, tensor="x"), (100,))
        assert set(values.tolist()) == {0, 1}


@pytest.mark.parametrize(("code", "name"), [(5, "string"), (14, "resource"), (20, "int2"), (22, "float8"), (99, "99")])
def test_a_dtype_without_an_array_is_refused_by_name(code: int, name: str) -> None:
    with pytest.raises(InputError, match=f"'tokens' has element type .*{name}"):
        element_type(code, tensor="tokens")
