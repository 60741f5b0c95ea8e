"""One small function for each ONNX operator and version, by family; importing this package fills the registry."""

from embedl_nb.compiler.onnx.operators import constants, shapes

__all__ = ["constants", "shapes"]
