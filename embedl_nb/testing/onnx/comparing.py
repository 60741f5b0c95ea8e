"""Whether outputs are what ONNX's backend tests expect, in one sentence for what is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["ATOL", "RTOL", "difference", "said_by"]

RTOL = 1e-3
ATOL = 1e-4
"""As a share of the largest expected value."""


def difference(expected: Mapping[str, Array], found: Mapping[str, Array]) -> str:
    """Say how the outputs differ; empty where they do not.

    Shapes are equal, integers and bools are equal, NaN and infinity stand in the same places, and floats are within
    ``RTOL`` of the expected value or ``ATOL`` of the largest. A compiled model has 32-bit numbers: where an output is
    float32, an expected float64 is brought down to that first.
    """
    if len(expected) != len(found):
        return f"{len(found)} outputs instead of {len(expected)}"
    for (name, want), got in zip(expected.items(), found.values(), strict=True):
        if said := _difference(want, got):
            return f"output {name!r}: {said}"
    return ""


def _difference(want: Array, got: Array) -> str:
    import numpy as np

    if want.shape != got.shape:
        return f"shape {got.shape} instead of {want.shape}"
    if _kind(want) != _kind(got):
        return f"dtype {got.dtype} instead of {want.dtype}"
    if want.dtype.kind != "f":
        num_wrong = int((want != got).sum())
        return f"{num_wrong} of {want.size} values are wrong" if num_wrong else ""
    with np.errstate(over="ignore"):
        want = want.astype(np.promote_types(got.dtype, np.float32)) if got.itemsize < want.itemsize else want
    finite = np.isfinite(want)
    if not np.array_equal(want[~finite], got[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return "NaN or infinity in other places"
    want, got = want[finite].astype(np.float64), got[finite].astype(np.float64)
    limit = RTOL * abs(want) + ATOL * abs(want).max(initial=0.0)
    if (abs(want - got) <= limit).all():
        return ""
    return f"largest error {abs(want - got).max():.3g}, largest expected value {abs(want).max():.3g}"


def _kind(array: Array) -> str:
    kinds = {"f": "float", "i": "integer", "u": "integer", "b": "bool"}
    return kinds.get(array.dtype.kind, str(array.dtype))


def said_by(err: Exception) -> str:
    """Return an exception as one line: its class and the first line of what it says."""
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return f"{type(err).__name__}: {lines[0] if lines else ''}"
