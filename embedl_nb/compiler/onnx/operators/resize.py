"""Resize and Upsample, all versions: which size, which coordinates; the values themselves: interpolation.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedl_nb.compiler.onnx.operators.arguments import integers, positive_axes, refused
from embedl_nb.compiler.onnx.operators.interpolation import Axis, Kernel, interpolated, nearest
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Static

_ROUND: dict[str, Callable[[Static], Static]] = {
    "round_prefer_floor": lambda places: np.floor(places) + (places % 1 > 0.5),
    "round_prefer_ceil": lambda places: np.floor(places) + (places % 1 >= 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """What happens to one axis: its length before and after, the scale, and the part that is read (0 to 1)."""

    axis: int
    length: int
    new_length: int
    scale: float
    part: tuple[float, float] = (0.0, 1.0)


@operator("Upsample")
def upsample_image(call: Call, x: Tensor) -> Tensor:
    scales = [1.0, 1.0, call.attributes["height_scale"], call.attributes["width_scale"]]
    return _scaled(call, x, np.array(scales))


@operator("Upsample", since=7)
def upsample_by_attribute(call: Call, x: Tensor) -> Tensor:
    return _scaled(call, x, np.array(call.attributes["scales"]))


@operator("Upsample", since=9)
def upsample(call: Call, x: Tensor, scales: Static) -> Tensor:
    return _scaled(call, x, scales)


@operator("Resize", since=10)
def resize_by_scales(call: Call, x: Tensor, scales: Static) -> Tensor:
    return _scaled(call, x, scales)


def _scaled(call: Call, x: Tensor, scales: Static) -> Tensor:
    """Resize as before opset 11: coordinates are divided by the scale."""
    stretches = _by_scales(x, range(x.ndim), scales)
    return _resized(call, x, stretches, coordinates="asymmetric", rounding="before opset 11")


@operator("Resize", since=11)
def resize(
    call: Call,
    x: Tensor,
    roi: Static | None = None,
    scales: Static | None = None,
    sizes: Static | None = None,
) -> Tensor:
    axes = positive_axes(call.get("axes"), x.ndim)
    coordinates = call.get("coordinate_transformation_mode", "half_pixel")
    if scales is not None and scales.size:
        stretches = _by_scales(x, axes, scales)
    elif sizes is not None and sizes.size:
        stretches = _by_sizes(x, axes, sizes, call.get("keep_aspect_ratio_policy", "stretch"))
    else:
        raise refused(call, "it has neither scales nor sizes", hint="export the model again: its file is not valid")
    if coordinates == "tf_crop_and_resize" and roi is not None:
        stretches = [
            _Stretch(
                axis=stretch.axis,
                length=stretch.length,
                new_length=stretch.new_length,
                scale=stretch.scale,
                part=(float(roi[index]), float(roi[index + len(axes)])),
            )
            for index, stretch in enumerate(stretches)
        ]
    rounding = call.get("nearest_mode", "round_prefer_floor")
    if rounding not in _ROUND:
        raise refused(call, f"nearest_mode {rounding!r} is not one of ONNX's", hint=f"use {', '.join(_ROUND)}")
    return _resized(call, x, stretches, coordinates=coordinates, rounding=rounding)


def _by_scales(x: Tensor, axes: list[int] | range, scales: Static) -> list[_Stretch]:
    stretches = []
    for axis, scale in zip(axes, scales.tolist(), strict=True):
        length = int(x.shape[axis])
        stretches.append(_Stretch(axis=axis, length=length, new_length=int(np.floor(length * scale)), scale=scale))
    return stretches


def _by_sizes(x: Tensor, axes: list[int], sizes: Static, policy: str) -> list[_Stretch]:
    lengths = [int(x.shape[axis]) for axis in axes]
    scales = [size / length for size, length in zip(integers(sizes), lengths, strict=True)]
    if policy != "stretch":
        scales = [min(scales) if policy == "not_larger" else max(scales)] * len(scales)
    return [
        _Stretch(axis=axis, length=length, new_length=int(np.floor(length * scale + 0.5)), scale=scale)
        for axis, length, scale in zip(axes, lengths, scales, strict=True)
    ]


def _resized(call: Call, x: Tensor, stretches: list[_Stretch], *, coordinates: str, rounding: str) -> Tensor:
    mode = call.get("mode", "nearest")
    is_crop = coordinates == "tf_crop_and_resize"
    stretches = [each for each in stretches if is_crop or each.length != each.new_length or each.scale != 1]
    places = [_places(call, each, coordinates) for each in stretches]
    if mode == "nearest":
        indices = {}
        for each, place in zip(stretches, places, strict=True):
            round_ = _ROUND.get(rounding, np.ceil if each.scale < 1 else np.floor)
            rounded = np.clip(round_(place), 0, each.length - 1)
            indices[each.axis] = rounded.astype(np.int64)
        x = nearest(x, indices) if indices else x
    elif mode in ("linear", "bilinear", "cubic"):
        kernel = Kernel(
            is_cubic=mode == "cubic",
            coefficient=call.get("cubic_coeff_a", -0.75),
            is_inside_only=bool(call.get("exclude_outside", 0)),
        )
        is_smooth = bool(call.get("antialias", 0))
        axes = []
        for each, place in zip(stretches, places, strict=True):
            weights = kernel.weights(place, each.length, min(each.scale, 1.0) if is_smooth else 1.0)
            axes.append(Axis(axis=each.axis, weights=weights))
        x = interpolated(x, axes) if axes else x
    else:
        raise refused(call, f"mode {mode!r} is not one of ONNX's", hint="use nearest, linear or cubic")
    return _with_outside(call, x, stretches, places) if is_crop else x


def _places(call: Call, each: _Stretch, coordinates: str) -> Static:
    """Return where in the input each place of the output lies.

    In float32, as onnxruntime does: which of two values is the nearest can depend on the last bit.
    """
    out = np.arange(each.new_length, dtype=np.float32)
    last, new_last = each.length - 1, each.new_length - 1
    scale = np.float32(each.scale)
    half = np.float32(0.5)
    centres = (out + half) / scale - half
    if coordinates == "half_pixel":
        return centres
    if coordinates == "half_pixel_symmetric":
        offset = np.float32(each.length / 2 * (1 - each.new_length / (each.scale * each.length)))
        return offset + (out + half) / scale - half
    if coordinates == "pytorch_half_pixel":
        return centres if new_last else np.zeros(1)
    if coordinates == "align_corners":
        return out * last / new_last if new_last else np.zeros(1)
    if coordinates == "asymmetric":
        return out / scale
    if coordinates == "tf_crop_and_resize":
        begin, end = each.part
        if not new_last:
            return np.full(1, 0.5 * (begin + end) * last)
        return begin * last + out * (end - begin) * last / new_last
    raise refused(
        call,
        f"coordinate_transformation_mode {coordinates!r} is not supported",
        hint="use half_pixel, align_corners or asymmetric",
    )


def _with_outside(call: Call, x: Tensor, stretches: list[_Stretch], places: list[Static]) -> Tensor:
    """Put ``extrapolation_value`` where the part that is read reaches beyond the input."""
    import torch

    is_outside = np.zeros((1,) * x.ndim, bool)
    for each, place in zip(stretches, places, strict=True):
        sizes = [1] * x.ndim
        sizes[each.axis] = len(place)
        is_outside = is_outside | ((place < 0) | (place > each.length - 1)).reshape(sizes)
    if not is_outside.any():
        return x
    value = torch.tensor(call.get("extrapolation_value", 0.0), dtype=x.dtype)
    return torch.where(torch.from_numpy(is_outside), value, x)
