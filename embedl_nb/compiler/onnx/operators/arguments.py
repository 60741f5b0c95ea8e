"""What operators share when they read a node: refusing it by name, axes counted from the end, lists of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from embedl_nb.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call

__all__ = ["integers", "positive_axes", "positive_axis", "refused"]


def refused(call: Call, why: str, *, hint: str) -> UnsupportedOperatorError:
    """Return the error for a node that cannot be imported, for the caller to raise; planning.py says which node."""
    return UnsupportedOperatorError(f"{why} (opset {call.opset})", operators=(call.operator,), hint=hint)


def integers(values: Iterable[int]) -> list[int]:
    """Return Python integers, torch's export takes no numpy ones; sizes that stay open as they are."""
    return [value if isinstance(value, torch.SymInt) else int(value) for value in values]


def positive_axis(axis: int, rank: int) -> int:
    """Count an axis from the front."""
    return int(axis) + rank if axis < 0 else int(axis)


def positive_axes(axes: Iterable[int] | None, rank: int) -> list[int]:
    """Count axes from the front; all of them where none are given."""
    return list(range(rank)) if axes is None else [positive_axis(axis, rank) for axis in axes]
