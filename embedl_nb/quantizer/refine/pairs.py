"""Find the operators that can be refined, each with its counterpart in the float model.

In: the structure of both models. Out: :class:`Pair`; None for an operator that is not of the kind: its weights are no
int8 constants of its own with a scale a channel, its activations are no integers, or the float model lacks it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedl_nb.errors import QuantizeError
from embedl_nb.model.graph import Operator, Tensor
from embedl_nb.model.schema import schema
from embedl_nb.quantizer.refine.constants import shared_buffers
from embedl_nb.quantizer.refine.network import Array, Walker
from embedl_nb.quantizer.refine.weights import KINDS, Geometry, geometry_of

__all__ = ["Pair", "Pairing", "affine", "real_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An operator of the quantized model that can be refined.

    Attributes
    ----------
    quantized, real
        It, and its counterpart in the float model.
    geometry
        How its weights meet its input.
    bounds
        Between which its fused activation function clips.
    has_bias
        Whether it adds one.
    """

    quantized: Operator
    real: Operator
    geometry: Geometry
    bounds: tuple[float, float]
    has_bias: bool

    @property
    def is_linear(self) -> bool:
        """Whether there is no fused activation function."""
        return not np.isfinite(self.bounds).any()


class Pairing:
    """Pairs the operators of a quantized model with those of the float model, by the names of what they make.

    Parameters
    ----------
    real, quantized
        Walkers of the two models.
    model
        The quantized model's object tree.
    """

    def __init__(self, real: Walker, quantized: Walker, model: Any) -> None:
        self._real, self._quantized = real.subgraph, quantized.subgraph
        self._objects = model.subgraphs[self._quantized.index].operators
        tensors = self._real.tensors
        self._makers = {tensors[index].name: operator for operator in real.operators for index in operator.outputs}
        self._readers: dict[int, list[Operator]] = {}
        for operator in quantized.operators:
            for index in operator.inputs:
                self._readers.setdefault(index, []).append(operator)
        self._shared = shared_buffers(model)

    def counterpart(self, operator: Operator) -> Operator | None:
        """Return the float operator that makes what ``operator`` makes."""
        return self._makers.get(self._quantized.tensors[operator.outputs[0]].name) if operator.outputs else None

    def readers(self, tensor: int) -> list[Operator]:
        """Return the quantized model's operators that read a tensor."""
        return self._readers.get(tensor, [])

    def find(self, operator: Operator, input_shape: tuple[int, ...]) -> Pair | None:
        """Return the pair of ``operator``, whose first input has ``input_shape``; None where it cannot be refined."""
        real = self.counterpart(operator)
        if operator.code not in KINDS or real is None or real.code != operator.code:
            return None
        tensors = self._quantized.tensors
        constants = [tensors[index] for index in operator.inputs[1:] if index >= 0]
        real_constants = [self._real.tensors[index] for index in real.inputs[1:] if index >= 0]
        if not 1 <= len(constants) == len(real_constants) <= 2 or not self._are_own(constants):
            return None
        if any(not tensor.is_constant or tensor.dtype != "float32" for tensor in real_constants):
            return None
        weights = constants[0]
        if weights.dtype != "int8" or not _is_integer(tensors[operator.inputs[0]], tensors[operator.outputs[0]]):
            return None
        options = self._objects[operator.index].builtinOptions
        geometry = geometry_of(operator.code, options, input_shape, weights.shape)
        bounds = _bounds().get(int(options.fusedActivationFunction))
        if geometry is None or bounds is None or not _has_scale_a_channel(weights, operator.code):
            return None
        return Pair(quantized=operator, real=real, geometry=geometry, bounds=bounds, has_bias=len(constants) == 2)

    def _are_own(self, constants: list[Tensor]) -> bool:
        """Say whether tensors are constants that nothing else reads."""
        return all(
            tensor.is_constant and tensor.buffer not in self._shared and len(self._readers[tensor.index]) == 1
            for tensor in constants
        )


def _has_scale_a_channel(weights: Tensor, code: str) -> bool:
    num_outputs = weights.shape[-1] if code == "DEPTHWISE_CONV_2D" else weights.shape[0]
    return weights.quantization is not None and len(weights.quantization.scales) == num_outputs


@functools.cache
def _bounds() -> dict[int, tuple[float, float]]:
    """Return between which values each fused activation function clips; others are not known here."""
    kinds = schema().ActivationFunctionType
    return {
        kinds.NONE: (-np.inf, np.inf),
        kinds.RELU: (0.0, np.inf),
        kinds.RELU6: (0.0, 6.0),
        kinds.RELU_N1_TO_1: (-1.0, 1.0),
    }


def _is_integer(*tensors: Tensor) -> bool:
    """Say whether tensors hold integers with one scale each."""
    return all(
        tensor.dtype in ("int8", "int16") and tensor.quantization is not None and len(tensor.quantization.scales) == 1
        for tensor in tensors
    )


def affine(tensor: Tensor) -> tuple[float, int]:
    """Return scale and zero point of a tensor of integers.

    Raises
    ------
    QuantizeError
        If it has none.
    """
    if tensor.quantization is None:
        raise QuantizeError(f"tensor {tensor.name} has no scale")
    return tensor.quantization.first


def real_values(value: Array, tensor: Tensor) -> Array:
    """Return the real values that a tensor's integers stand for, float32; real values as they are."""
    if value.dtype.kind == "f":
        return value
    scale, zero_point = affine(tensor)
    return (value.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
