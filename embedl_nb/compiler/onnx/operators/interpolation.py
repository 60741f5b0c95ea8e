"""Values between values: a resized axis as a known matrix, and the one LiteRT operator that does the same, if there is.

Whatever coordinates, kernel and borders a model asks for, each place of the output is a weighted sum along an axis with
weights that are known. So an axis is resized by one matrix product; where torch's own bilinear interpolation has the
very same weights, it does both axes of a picture as one RESIZE_BILINEAR.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.gathering import taken

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Static

__all__ = ["Axis", "Kernel", "interpolated", "nearest"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Axis:
    """An axis and its ``weights``, shape (new length, length)."""

    axis: int
    weights: Static


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """How much a value counts, by its distance: linearly up to 1, or a cubic with ``coefficient`` up to 2.

    ``is_inside_only`` leaves values beyond the borders out; else the one at the border stands for them.
    """

    is_cubic: bool = False
    coefficient: float = -0.75
    is_inside_only: bool = False

    def weights(self, places: Static, length: int, scale: float = 1.0) -> Static:
        """Return the weights of values 0 to ``length`` - 1 for each place; a scale below 1 widens the kernel."""
        reach = int(np.ceil((2 if self.is_cubic else 1) / scale))
        first = int(np.floor(places)[:, None].min()) - reach
        values = np.arange(first, int(np.ceil(places).max()) + reach + 1)
        weights = self._at((values - places[:, None]) * scale)
        inside = np.clip(values, 0, length - 1)
        if self.is_inside_only:
            weights = weights * (inside == values)
        weights = weights / weights.sum(1, keepdims=True)
        result = np.zeros((len(places), length))
        np.add.at(result.T, inside, weights.T)
        return result

    def _at(self, offset: Static) -> Static:
        distance = np.abs(offset)
        if not self.is_cubic:
            return np.asarray(np.clip(1 - distance, 0, None))
        a = self.coefficient
        near = ((a + 2) * distance - (a + 3)) * distance**2 + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


def nearest(x: Tensor, indices: dict[int, Static]) -> Tensor:
    """Take known indices along each axis, where values may be repeated."""
    times = {axis: _repeats(known, x.shape[axis]) for axis, known in indices.items()}
    if x.ndim == 4 and x.is_floating_point() and all(axis >= 2 and number for axis, number in times.items()):
        factors = [float(times.get(axis, 1)) for axis in (2, 3)]
        return F.interpolate(x, scale_factor=factors, mode="nearest")
    for axis, known in indices.items():
        x = _repeated(x, axis, times[axis]) if times[axis] else taken(x, axis, known)
    return x


def _repeats(indices: Static, length: int) -> int:
    """Return how often each index comes in a row, where that is the same for all of them; else 0."""
    times = len(indices) // length
    return times if np.array_equal(indices, np.repeat(np.arange(length), times)) else 0


def _repeated(x: Tensor, axis: int, times: int) -> Tensor:
    length = x.shape[axis]
    before, after = int(np.prod(x.shape[:axis])), int(np.prod(x.shape[axis + 1 :]))
    wide = x.reshape(before, length, 1, after).expand(before, length, times, after)
    return wide.reshape(*x.shape[:axis], length * times, *x.shape[axis + 1 :])


def interpolated(x: Tensor, axes: list[Axis]) -> Tensor:
    """Resize ``axes`` by their weights, in ``x``'s own dtype."""
    dtype = x.dtype
    if not x.is_floating_point():
        x = x.float()
    if x.ndim == 4 and all(each.axis >= 2 for each in axes):
        for is_aligned in (False, True):
            if all(_is_torchs(each.weights, is_aligned=is_aligned) for each in axes):
                sizes = list(x.shape[2:])
                for each in axes:
                    sizes[each.axis - 2] = len(each.weights)
                return F.interpolate(x, size=sizes, mode="bilinear", align_corners=is_aligned).to(dtype)
    for each in axes:
        x = _multiplied(x, each)
    return x.to(dtype)


def _is_torchs(weights: Static, *, is_aligned: bool) -> bool:
    new_length, length = weights.shape
    places = np.arange(new_length, dtype=np.float64)
    if is_aligned:
        places = places * ((length - 1) / max(new_length - 1, 1))
    else:
        places = (places + 0.5) * (length / new_length) - 0.5
    return bool(np.allclose(weights, Kernel().weights(places, length), rtol=0, atol=1e-6))


def _multiplied(x: Tensor, each: Axis) -> Tensor:
    matrix = torch.from_numpy(each.weights).to(x.dtype)
    before, after = int(np.prod(x.shape[: each.axis])), int(np.prod(x.shape[each.axis + 1 :]))
    if after == 1:
        result = torch.matmul(x.reshape(before, -1), matrix.T)
    elif before == 1:
        result = torch.matmul(matrix, x.reshape(-1, after))
    else:
        result = torch.matmul(matrix, x.reshape(before, -1, after))
    return result.reshape(*x.shape[: each.axis], len(each.weights), *x.shape[each.axis + 1 :])
