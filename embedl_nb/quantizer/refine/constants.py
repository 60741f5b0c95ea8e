"""Read and replace the constants of one operator in the schema's object tree: weights, bias, their scales."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import numpy as np

from embedl_nb.model.schema import dtype_name

__all__ = ["read_constant", "replace_constant", "shared_buffers"]

Array = np.ndarray[Any, Any]


def read_constant(model: Any, tensor: Any) -> Array:
    """Return the value of a constant tensor of ``model`` (a ``ModelT``), in its own shape and dtype."""
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    return np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.dtype(dtype_name(tensor.type))).reshape(shape)


def replace_constant(model: Any, tensor: Any, value: Array, *, scales: Array | None = None) -> None:
    """Give a tensor another value of its shape and dtype; with ``scales``, also these, and zero points of 0."""
    model.buffers[tensor.buffer].data = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    if scales is not None:
        tensor.quantization = copy.copy(tensor.quantization)
        tensor.quantization.scale = scales.astype(np.float32)
        tensor.quantization.zeroPoint = np.zeros(scales.size, np.int64)


def shared_buffers(model: Any) -> set[int]:
    """Return the buffers that several tensors of ``model`` hold: changing one would change the others."""
    uses = Counter(int(tensor.buffer) for graph in model.subgraphs for tensor in graph.tensors)
    return {buffer for buffer, count in uses.items() if count > 1}
