"""What a model takes and returns: named tensors, grouped in signatures."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Quantization", "Signature", "TensorSpec"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """How integers stand for real values: ``real = scale * (integer - zero_point)``.

    Attributes
    ----------
    scales, zero_points
        One value for the whole tensor, or one for each index along ``axis``. Empty for block-wise scales, which the
        file keeps in a tensor of their own.
    axis
        The dimension that ``scales`` belong to, where there are several.
    scheme
        ``"affine"``, ``"blockwise"``, ``"multiaxis"`` or ``"custom"``.
    """

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int = 0
    scheme: str = "affine"

    @property
    def is_per_channel(self) -> bool:
        """Whether there is more than one scale."""
        return len(self.scales) > 1

    @property
    def first(self) -> tuple[float, int]:
        """Scale and zero point of the tensor, or of its first channel."""
        return self.scales[0], self.zero_points[0] if self.zero_points else 0

    def __str__(self) -> str:
        if not self.scales:
            return self.scheme
        if self.is_per_channel:
            return f"{len(self.scales)} scales along axis {self.axis}"
        scale, zero_point = self.first
        return f"scale {scale:.6g}, zero point {zero_point}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """One input or output of a signature.

    Attributes
    ----------
    shape
        -1 stands for a dimension that may vary.
    dtype
        As numpy names it; the type in the file, which for a quantized model is the integer one.
    quantization
        None for a tensor that holds real values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None

    @property
    def is_quantized(self) -> bool:
        """Whether its integers stand for real values by one scale."""
        return self.quantization is not None and len(self.quantization.scales) == 1

    @property
    def num_elements(self) -> int | None:
        """Elements, None where a dimension may vary."""
        return None if -1 in self.shape else math.prod(self.shape)

    def __str__(self) -> str:
        sizes = ", ".join("?" if size < 0 else str(size) for size in self.shape)
        scale = f" ({self.quantization})" if self.quantization else ""
        return f"{self.name}: {self.dtype} ({sizes}){scale}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A named entry point of a model.

    Attributes
    ----------
    key
        Its name in the file; empty where the file names none and the first subgraph is meant.
    inputs, outputs
        In the order of the file.
    """

    key: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    subgraph_index: int = 0
