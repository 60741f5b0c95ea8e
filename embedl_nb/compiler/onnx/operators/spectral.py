"""ONNX Fourier transforms in real arithmetic, windows, and the matrix of mel bands.

A transform is a product with a matrix of cosines and sines, which is constant: LiteRT's own transform takes powers of
two and returns complex numbers. Complex values have a last axis of two. The cost is that of a matrix product.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.dtypes import constant, torch_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call, Static

    _Array = np.ndarray[Any, Any]

_FLOAT = 1


@operator("DFT", since=17)
def transform_along_attribute(call: Call, x: Tensor, length: Static | None = None) -> Tensor:
    """Transform along the axis that an attribute names."""
    return _transformed(call, x, length, call.get("axis", 1))


@operator("DFT", since=20)
def transform_along_input(call: Call, x: Tensor, length: Static | None = None, axis: Static | None = None) -> Tensor:
    """Transform along the axis that an input names."""
    return _transformed(call, x, length, -2 if axis is None else int(axis.reshape(-1)[0]))


def _transformed(call: Call, x: Tensor, length: Static | None, axis: int) -> Tensor:
    axis %= x.ndim
    is_inverse, is_onesided = bool(call.get("inverse")), bool(call.get("onesided"))
    available = x.shape[axis]
    default = 2 * (available - 1) if is_inverse and is_onesided else available
    size = default if length is None else int(length.reshape(-1)[0])
    values = x.movedim(axis, -2)  # shape (..., samples, 1 or 2)
    if is_inverse and is_onesided:
        result = _real_inverse(values, size)
    else:
        result = _forward(values, size, num_bins=size // 2 + 1 if is_onesided else size, sign=1 if is_inverse else -1)
        result = result / size if is_inverse else result
    return result.movedim(-2, axis)


def _forward(values: Tensor, size: int, *, num_bins: int, sign: int) -> Tensor:
    """Sum ``x[n] exp(sign * 2 pi i k n / size)`` over n; what is missing of ``size`` samples is zero."""
    num_samples = min(size, values.shape[-2])
    angles = _angles(num_samples, num_bins, size)
    cosines, sines = constant(np.cos(angles), values.dtype), constant(sign * np.sin(angles), values.dtype)
    real = values[..., :num_samples, 0]
    if values.shape[-1] == 1:
        return torch.stack([real @ cosines, real @ sines], -1)
    imaginary = values[..., :num_samples, 1]
    return torch.stack([real @ cosines - imaginary @ sines, real @ sines + imaginary @ cosines], -1)


def _real_inverse(values: Tensor, size: int) -> Tensor:
    """Invert half a spectrum: every bin but the first and the middle one stands for its mirror image too."""
    num_bins = min(size // 2 + 1, values.shape[-2])
    angles = _angles(num_bins, size, size)
    weights = np.full((num_bins, 1), 2.0 / size)
    weights[0] = 1.0 / size
    if size % 2 == 0 and num_bins == size // 2 + 1:
        weights[-1] = 1.0 / size
    result = values[..., :num_bins, 0] @ constant(weights * np.cos(angles), values.dtype)
    if values.shape[-1] == 2:
        result = result - values[..., :num_bins, 1] @ constant(weights * np.sin(angles), values.dtype)
    return result.unsqueeze(-1)


def _angles(num_rows: int, num_columns: int, size: int) -> _Array:
    products = np.outer(np.arange(num_rows), np.arange(num_columns)) % size  # small angles keep their digits
    return products * (2 * np.pi / size)


@operator("STFT", since=17)
def short_time_transform(
    call: Call, signal: Tensor, step: Static, window: Tensor | None = None, length: Static | None = None
) -> Tensor:
    """Transform frames of a signal, shape (N, samples, 1 or 2), to shape (N, frames, bins, 2)."""
    if length is not None:
        size = int(length.reshape(-1)[0])
    elif window is not None:
        size = window.shape[0]
    else:
        raise refused(call, "has neither a window nor a frame_length", hint="give one of them")
    hop = int(step.reshape(-1)[0])
    if signal.ndim == 2:
        signal = signal.unsqueeze(-1)
    num_frames = 1 + (signal.shape[1] - size) // hop
    frames = torch.stack([signal.narrow(1, frame * hop, size) for frame in range(num_frames)], 1)
    if window is not None:
        frames = frames * window.reshape(-1, 1)
    num_bins = size // 2 + 1 if call.get("onesided", 1) else size
    return _forward(frames, size, num_bins=num_bins, sign=-1)


def _window(name: str, function: Callable[[_Array], _Array]) -> None:
    @operator(name, since=17)
    def window(call: Call, size: Static) -> Tensor:
        length = int(size.reshape(-1)[0])
        period = length if call.get("periodic", 1) else length - 1
        turns = np.arange(length) * (2 * np.pi / max(period, 1))
        return constant(function(turns), torch_dtype(call, call.get("output_datatype", _FLOAT)))


for _name, _function in {
    "BlackmanWindow": lambda turns: 0.42 - 0.5 * np.cos(turns) + 0.08 * np.cos(2 * turns),
    "HammingWindow": lambda turns: 25 / 46 - 21 / 46 * np.cos(turns),
    "HannWindow": lambda turns: 0.5 - 0.5 * np.cos(turns),
}.items():
    _window(_name, _function)


@operator("MelWeightMatrix", since=17)
def mel_weights(call: Call, num_bands: Static, dft_length: Static, rate: Static, low: Static, high: Static) -> Tensor:
    """Return the share of each frequency bin in each mel band, shape (bins, bands): triangles that overlap."""
    bands, length = int(num_bands.reshape(-1)[0]), int(dft_length.reshape(-1)[0])
    lowest, highest = (2595 * np.log10(1 + float(edge.reshape(-1)[0]) / 700) for edge in (low, high))
    mels = lowest + np.arange(bands + 2) * ((highest - lowest) / (bands + 2))
    edges = ((length + 1) * 700 * (10 ** (mels / 2595) - 1) // float(rate.reshape(-1)[0])).astype(int)
    weights = np.zeros((length // 2 + 1, bands))
    for band in range(bands):
        start, centre, end = edges[band : band + 3]
        if centre == start:
            weights[centre, band] = 1
        else:
            weights[start : centre + 1, band] = np.arange(centre - start + 1) / (centre - start)
        if end > centre:
            weights[centre:end, band] = np.arange(end - centre, 0, -1) / (end - centre)
    return constant(weights, torch_dtype(call, call.get("output_datatype", _FLOAT)))
