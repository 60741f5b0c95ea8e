"""One small function for each ONNX operator and version, by family; importing this package fills the registry."""

from embedl_nb.compiler.onnx.operators import (
    constants,
    convolution,
    gathering,
    padding,
    pooling,
    shapes,
    slicing,
)

__all__ = [
    "constants",
    "convolution",
    "gathering",
    "padding",
    "pooling",
    "shapes",
    "slicing",
]
