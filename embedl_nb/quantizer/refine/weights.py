"""An operator with int8 weights, taken apart: which problems its weights are, and which patches of its input they meet.

In: the schema's objects of one operator. Out: weights as (groups, outputs, inputs), see :mod:`.rounding`, and back into
the file. CONV_2D (also grouped), DEPTHWISE_CONV_2D and FULLY_CONNECTED; others are none of its business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from embedl_nb.model.schema import schema

__all__ = ["KINDS", "Geometry", "geometry_of", "group_weights", "patches", "ungroup_weights"]

Array = np.ndarray[Any, Any]

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
"""Operators whose weights are equalized and refined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How an operator's weights meet its input.

    Attributes
    ----------
    kind
        ``"CONV_2D"``, ``"DEPTHWISE_CONV_2D"`` or ``"FULLY_CONNECTED"``.
    num_groups
        Of channels that do not see each other.
    kernel, strides, dilations
        (height, width); of a fully connected layer (1, 1).
    is_same
        Whether the borders are padded so that the output is as large as the input divided by the strides.
    """

    kind: str
    num_groups: int
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    dilations: tuple[int, int] = (1, 1)
    is_same: bool = False


def geometry_of(
    kind: str, options: Any, input_shape: tuple[int, ...], weights_shape: tuple[int, ...]
) -> Geometry | None:
    """Return the geometry of an operator; None for one whose weights are laid out in another way."""
    if kind == "FULLY_CONNECTED" and len(weights_shape) == 2:
        plain = options.weightsFormat == schema().FullyConnectedOptionsWeightsFormat.DEFAULT
        return Geometry(kind=kind, num_groups=1) if plain else None
    if kind not in KINDS or len(weights_shape) != 4 or len(input_shape) != 4:
        return None
    channels = input_shape[3]
    groups = channels if kind == "DEPTHWISE_CONV_2D" else channels // weights_shape[3]
    return Geometry(
        kind=kind,
        num_groups=groups,
        kernel=(weights_shape[1], weights_shape[2]),
        strides=(options.strideH, options.strideW),
        dilations=(options.dilationHFactor, options.dilationWFactor),
        is_same=options.padding == schema().Padding.SAME,
    )


def group_weights(weights: Array, geometry: Geometry) -> Array:
    """Return the weights as (groups, outputs, inputs) from the layout of the file."""
    groups = geometry.num_groups
    if geometry.kind == "DEPTHWISE_CONV_2D":  # (1, height, width, channels * multiplier)
        flat = weights.reshape(-1, groups, weights.shape[3] // groups)
        return flat.transpose(1, 2, 0)
    return weights.reshape(groups, weights.shape[0] // groups, -1)


def ungroup_weights(grouped: Array, geometry: Geometry, shape: tuple[int, ...]) -> Array:
    """Undo :func:`group_weights`."""
    if geometry.kind == "DEPTHWISE_CONV_2D":
        return grouped.transpose(2, 0, 1).reshape(shape)
    return grouped.reshape(shape)


def patches(values: Array, geometry: Geometry, rows: Array | None = None) -> Array:
    """Return what each output position sees of an input.

    Parameters
    ----------
    values
        Real values, or integers less their zero point, so that padding is 0. Shape (N, H, W, C), or (..., K) for a
        fully connected layer.
    rows
        Output positions to keep, counted through (N, H, W); all without.

    Returns
    -------
    array
        Shape (groups, rows, K), in the order of :func:`group_weights`.
    """
    if geometry.kind == "FULLY_CONNECTED":
        flat = values.reshape(-1, values.shape[-1])
        return (flat if rows is None else flat[rows])[None]
    n, out_h, out_w, taps = _taps(values, geometry)
    channels, groups = values.shape[3], geometry.num_groups
    positions = n * out_h * out_w
    kept = np.arange(positions) if rows is None else rows
    sample, y, x = np.unravel_index(kept, (n, out_h, out_w))
    padded, tops, lefts = taps
    stride_h, stride_w = geometry.strides
    columns = [
        padded[sample, y * stride_h + top, x * stride_w + left].reshape(len(kept), groups, channels // groups)
        for top in tops
        for left in lefts
    ]
    stacked = np.stack(columns, axis=2)  # (rows, groups, taps, channels of a group)
    return stacked.reshape(len(kept), groups, -1).transpose(1, 0, 2)


def _taps(values: Array, geometry: Geometry) -> tuple[int, int, int, tuple[Array, list[int], list[int]]]:
    """Return the padded input, and where in it each tap of the kernel starts."""
    n, height, width, _ = values.shape
    out_h, top, bottom = _extent(height, 0, geometry)
    out_w, left, right = _extent(width, 1, geometry)
    padded = values
    if top or bottom or left or right:
        padded = np.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)))
    tops = [k * geometry.dilations[0] for k in range(geometry.kernel[0])]
    lefts = [k * geometry.dilations[1] for k in range(geometry.kernel[1])]
    return n, out_h, out_w, (padded, tops, lefts)


def _extent(size: int, axis: int, geometry: Geometry) -> tuple[int, int, int]:
    """Return the output's size along an axis, and the padding before and behind the input."""
    kernel = (geometry.kernel[axis] - 1) * geometry.dilations[axis] + 1
    stride = geometry.strides[axis]
    if not geometry.is_same:
        return (size - kernel) // stride + 1, 0, 0
    out = -(-size // stride)
    padding = max((out - 1) * stride + kernel - size, 0)
    return out, padding // 2, padding - padding // 2
