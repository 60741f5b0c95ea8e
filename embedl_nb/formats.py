"""How models are named: suffixes of files, ids of runs; and how large a LiteRT model can be."""

from __future__ import annotations

__all__ = ["KERAS", "LARGEST_MODEL", "LARGEST_MODEL_BYTES", "LITERT", "MODELS", "ONNX", "PROGRAM", "RUN_ID"]

KERAS = (".keras", ".h5", ".hdf5")
LITERT = ".tflite"
ONNX = ".onnx"
PROGRAM = ".pt2"
"""Of a ``torch.export`` archive."""
MODELS = tuple(sorted((*KERAS, LITERT, ONNX, PROGRAM)))
"""Of all files that can be compiled, or are."""

RUN_ID = r"\d{6,8}(-[0-9a-f]+)*-?"
"""A pattern of what is a recorded run's id, or begins one."""

LARGEST_MODEL_BYTES = 2**31 - 1
"""Offsets in a flatbuffer have 31 bits."""
LARGEST_MODEL = "2 GiB"
"""The same, for a person."""
