"""A model's structure as plain data: subgraphs, operators and tensors, without the constants' values."""

from __future__ import annotations

import math
from dataclasses import dataclass

from embedl_nb.model.schema import bits_of
from embedl_nb.model.spec import Quantization, Signature

__all__ = ["ModelGraph", "Operator", "Subgraph", "Tensor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of a subgraph.

    Attributes
    ----------
    shape
        -1 stands for a dimension that may vary.
    buffer
        Index of its buffer in the file; tensors with the same constant share it.
    constant_bytes
        Size of its value in the file; 0 for a tensor that is computed.
    is_variable
        Whether it keeps its value from one inference to the next.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: int
    constant_bytes: int
    quantization: Quantization | None = None
    is_variable: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether its value is in the file."""
        return self.constant_bytes > 0

    @property
    def num_elements(self) -> int | None:
        """Elements, None where a dimension may vary."""
        return None if -1 in self.shape else math.prod(self.shape)

    @property
    def num_bytes(self) -> int | None:
        """Bytes of its value, None where a dimension or the size of an element may vary."""
        if self.constant_bytes:
            return self.constant_bytes
        bits, elements = bits_of(self.dtype), self.num_elements
        return None if bits is None or elements is None else (bits * elements + 7) // 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A node of a subgraph.

    Attributes
    ----------
    code
        ``"CONV_2D"``; ``"CUSTOM"`` for one that is named by ``custom_name`` alone.
    inputs, outputs
        Tensor indices within the subgraph; -1 for an optional input that is left out.
    transposes
        Of a ``BATCH_MATMUL``: whether its left and its right input are taken transposed.
    calls
        Subgraphs that it runs: the body of a composite or a call, the branches of an ``IF``.
    """

    index: int
    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    version: int = 1
    custom_name: str = ""
    transposes: tuple[bool, bool] = (False, False)
    calls: tuple[int, ...] = ()

    @property
    def type_name(self) -> str:
        """What a person calls it: the code, or a custom operator's own name."""
        return self.custom_name or self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Subgraph:
    """A function of the model; the first is where a model without signatures starts."""

    index: int
    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGraph:
    """What a ``.tflite`` file holds.

    Attributes
    ----------
    metadata
        Name and size in bytes of each metadata entry, e.g. ``("min_runtime_version", 16)``.
    """

    subgraphs: tuple[Subgraph, ...]
    signatures: tuple[Signature, ...]
    description: str = ""
    version: int = 3
    metadata: tuple[tuple[str, int], ...] = ()

    @property
    def main(self) -> Subgraph:
        """The subgraph of the first signature."""
        return self.subgraphs[self.signatures[0].subgraph_index]
