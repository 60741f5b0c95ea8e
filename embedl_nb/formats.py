"""Files that models come in: their suffixes, and how large a LiteRT model can be."""

from __future__ import annotations

__all__ = ["KERAS", "LARGEST_MODEL", "LARGEST_MODEL_BYTES", "LITERT", "MODELS", "ONNX", "PROGRAM"]

KERAS = (".keras", ".h5", ".hdf5")
LITERT = ".tflite"
ONNX = ".onnx"
PROGRAM = ".pt2"
"""Of a ``torch.export`` archive."""
MODELS = tuple(sorted((*KERAS, LITERT, ONNX, PROGRAM)))
"""Of all files that can be compiled, or are."""

LARGEST_MODEL_BYTES = 2**31 - 1
"""Offsets in a flatbuffer have 31 bits."""
LARGEST_MODEL = "2 GiB"
"""The same, for a person."""
