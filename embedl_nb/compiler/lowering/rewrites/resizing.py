"""Pictures made larger or smaller by the nearest pixel, where LiteRT's own operator takes another one than torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from embedl_nb.compiler.lowering.rewrites.constants import constant
from embedl_nb.compiler.lowering.rewrites.table import WITH_RUNTIME, rewrite

__all__: list[str] = []


@rewrite(
    "upsample_nearest2d.vec",
    reason="RESIZE_NEAREST_NEIGHBOR takes other pixels, unless the size is a multiple",
    seen_with=WITH_RUNTIME,
)
def _upsample_nearest2d(
    x: torch.Tensor, output_size: Sequence[int] | None, scale_factors: Sequence[float] | None
) -> Any:
    sizes = x.shape[-2:]
    if not all(isinstance(size, int) for size in (*sizes, *(output_size or ()))):
        return NotImplemented
    factors: Sequence[float | None] = scale_factors or (None, None)
    if output_size is None:
        output_size = [int(size * float(factor or 1)) for size, factor in zip(sizes, factors, strict=True)]
    taken = [_nearest(*axis) for axis in zip(sizes, output_size, factors, strict=True)]
    if all(_repeats(places, size) for places, size in zip(taken, sizes, strict=True)):
        return NotImplemented
    rows, columns = map(constant, taken)
    return x.index_select(-2, rows).index_select(-1, columns)


def _nearest(size: int, output_size: int, factor: float | None) -> list[int]:
    """Return which pixel each of the output is, computed in float32 as torch does it."""
    step = np.float32(size / output_size if factor is None else 1 / factor)
    return [min(int(np.float32(index) * step), size - 1) for index in range(output_size)]


def _repeats(places: list[int], size: int) -> bool:
    """Tell whether each pixel is taken equally often."""
    return len(places) % size == 0 and places == [index * size // len(places) for index in range(len(places))]
