"""Operators on windows of a picture: overlapping blocks added up, and where in a window the largest value stands."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from embedl_nb.compiler.lowering.rewrites.constants import constant
from embedl_nb.compiler.lowering.rewrites.table import NO_LOWERING, WITH_RUNTIME, WITH_TORCH, rewrite

__all__: list[str] = []

_Pair = tuple[torch.Tensor, torch.Tensor]
_Windows = list[list[int]]
"""For each output along an axis, the positions it looks at."""


@rewrite(
    "col2im.default",
    reason="it becomes a STABLEHLO_SCATTER that LiteRT's runtime refuses to prepare",
    seen_with=WITH_RUNTIME,
)
def _col2im(
    x: torch.Tensor,
    output_size: Sequence[int],
    kernel_size: Sequence[int],
    dilation: Sequence[int],
    padding: Sequence[int],
    stride: Sequence[int],
) -> torch.Tensor:
    """Put each value of a block in its place with a transposed convolution whose weights are zeros and ones."""
    reach = [step * (size - 1) + 1 for step, size in zip(dilation, kernel_size, strict=True)]
    padded = [size + 2 * pad for size, pad in zip(output_size, padding, strict=True)]
    blocks = [(size - span) // step + 1 for size, span, step in zip(padded, reach, stride, strict=True)]
    places = list(itertools.product(*(range(0, span, step) for span, step in zip(reach, dilation, strict=True))))
    ones = [[int(place == other) for other in itertools.product(*map(range, reach))] for place in places]
    weight = constant(ones).to(x.dtype).reshape(len(places), 1, *reach)
    added = F.conv_transpose2d(x.reshape(-1, len(places), *blocks), weight, stride=list(stride))
    added = F.pad(added, (0, padded[1] - added.shape[-1], 0, padded[0] - added.shape[-2]))
    inner = added[..., padding[0] : padding[0] + output_size[0], padding[1] : padding[1] + output_size[1]]
    return inner.reshape(*x.shape[:-2], -1, *output_size)


@rewrite("adaptive_max_pool2d.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _adaptive_max_pool2d(x: torch.Tensor, output_size: Sequence[int]) -> _Pair:
    rows, columns = (_shares(*sizes) for sizes in zip(x.shape[-2:], output_size, strict=True))
    if all(size % number == 0 for size, number in zip(x.shape[-2:], output_size, strict=True)):
        kernel = [size // number for size, number in zip(x.shape[-2:], output_size, strict=True)]
        return F.max_pool2d(x, kernel), _places(x, rows, columns)
    values = x.index_select(-1, _flat(columns)).unflatten(-1, (len(columns), -1)).amax(-1)
    values = values.index_select(-2, _flat(rows)).unflatten(-2, (len(rows), -1)).amax(-2)
    return values, _places(x, rows, columns)


@rewrite("max_pool2d_with_indices.default", reason="its lowering returns zeros for the indices", seen_with=WITH_TORCH)
def _max_pool2d_with_indices(
    x: torch.Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> _Pair:
    sizes, moves, pads, steps = map(_both, (kernel_size, stride or kernel_size, padding, dilation))
    values = F.max_pool2d(x, sizes, moves, pads, steps, ceil_mode)
    shapes = zip(x.shape[-2:], values.shape[-2:], sizes, moves, pads, steps, strict=True)
    rows, columns = (_filled_up(_windows(*axis)) for axis in shapes)
    return values, _places(x, rows, columns)


def _windows(size: int, number: int, kernel: int, move: int, pad: int, step: int) -> _Windows:
    reach = kernel * step
    return [
        [place for place in range(first, first + reach, step) if 0 <= place < size]
        for first in range(-pad, number * move - pad, move)
    ]


def _both(sizes: Sequence[int]) -> list[int]:
    return [*sizes] if len(sizes) == 2 else [*sizes, *sizes]


def _shares(size: int, number: int) -> _Windows:
    """Return the windows that together cover an axis, ``number`` of them, as adaptive pooling does."""
    return _filled_up(
        [list(range(index * size // number, -(-(index + 1) * size // number))) for index in range(number)]
    )


def _filled_up(windows: _Windows) -> _Windows:
    """Repeat the last position of windows that are shorter: that changes neither the largest value nor the first."""
    longest = max(map(len, windows))
    return [window + window[-1:] * (longest - len(window)) for window in windows]


def _flat(windows: _Windows) -> torch.Tensor:
    return constant(list(itertools.chain.from_iterable(windows)))


def _places(x: torch.Tensor, rows: _Windows, columns: _Windows) -> torch.Tensor:
    """Return where in the flattened picture the largest value of each window stands; of equal ones, the first."""
    places = [
        [row * x.shape[-1] + column for row in window for column in other] for window in rows for other in columns
    ]
    number, size = len(places), len(places[0])
    seen = x.flatten(-2).index_select(-1, _flat(places)).unflatten(-1, (number, size))
    chosen = torch.arange(number) * size + seen.argmax(-1)
    return _flat(places).index_select(0, chosen.flatten()).reshape(*x.shape[:-2], len(rows), len(columns))
