"""Equalize channels: scale each channel of a tensor so that one range suits them all, and undo it where it is read.

In: a float model and samples. Out: a float model that computes the same, whose channels use the whole range that int8
gives to their tensor. Tensors that are added to each other, pooled or averaged have to share their channels' scales:
they form one class, which is scaled where operators with weights write it and unscaled in the weights of those that
read it. What a ReLU6 bounds is left alone: its bound would have to move along with each channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from embedl_nb.model.graph import Operator, Subgraph
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.progress import emit
from embedl_nb.quantizer.refine.constants import read_constant, replace_constant, shared_buffers
from embedl_nb.quantizer.refine.network import Array, Sample, Walker
from embedl_nb.quantizer.refine.weights import KINDS

__all__ = ["equalize"]

# Operators that scale along with each channel of what they read, as long as the channels stay the last axis.
_SAME_SHAPE = ("ADD", "SUB")
_POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")
# A channel that is nearly always 0 is not blown up beyond this.
_LARGEST_FACTOR = 64.0
# Samples whose values are held at the same time.
_CHUNK = 16


@dataclass(slots=True)
class _Class:
    """Tensors whose channels share their scales."""

    tensors: set[int] = field(default_factory=set)
    largest: Array = field(default_factory=lambda: np.zeros(1))


def equalize(float_content: bytes, samples: Sequence[Sample], *, signature_key: str | None = None) -> bytes:
    """Return an equal function whose channels have friendlier ranges.

    Parameters
    ----------
    float_content
        Of a ``.tflite`` file with real weights.
    samples
        What the channels' largest values are taken from.
    signature_key
        Which signature; the first by default. Others that run the same subgraph change with it, equally.

    Returns
    -------
    bytes
        The model itself where nothing can be scaled.

    Raises
    ------
    InputError
        If the model is damaged, or cannot be cut into its operators.
    QuantizeError
        If LiteRT does not run one of its operators alone.
    """
    walker = Walker(float_content, signature_key=signature_key)
    model = unpack(float_content)
    network = _Network(model, walker.subgraph)
    classes = network.classes()
    if not classes or not samples:
        return float_content
    _observe(walker, samples, classes)
    for group in classes:
        network.scale(group, _factors(group))
    return pack(model)


def _observe(walker: Walker, samples: Sequence[Sample], classes: Sequence[_Class]) -> None:
    """Find the largest absolute value of each channel of each class."""
    class_of = {tensor: group for group in classes for tensor in group.tensors}
    for start in range(0, len(samples), _CHUNK):
        emit("equalize", "observing the channels", done=start, total=len(samples))
        for step in walker.walk(samples[start : start + _CHUNK]):
            for tensor in class_of.keys() & step.outputs.keys():
                by_sample = [np.abs(v).reshape(-1, v.shape[-1]).max(axis=0) for v in step.outputs[tensor]]
                group = class_of[tensor]
                group.largest = np.maximum(group.largest, np.max(by_sample, axis=0))
    emit("equalize", done=len(samples), total=len(samples))


def _factors(group: _Class) -> Array:
    """Return the factor of each channel: all reach the same largest value, or nearly so."""
    largest = group.largest.astype(np.float64)
    is_used = largest > 0
    if not is_used.any() or not np.isfinite(largest).all():
        return np.ones_like(largest)
    bound = float(largest.max())
    factors = np.where(is_used, bound / np.where(is_used, largest, 1.0), 1.0)
    return np.clip(factors, 1.0, _LARGEST_FACTOR)


class _Network:
    """The operators of one subgraph, and the constants behind them."""

    def __init__(self, model: Any, subgraph: Subgraph) -> None:
        self._model, self._subgraph = model, subgraph
        self._objects = model.subgraphs[subgraph.index]
        self._readers: dict[int, list[Operator]] = {}
        self._writer: dict[int, Operator] = {}
        for operator in subgraph.operators:
            for tensor in operator.inputs:
                self._readers.setdefault(tensor, []).append(operator)
            self._writer.update(dict.fromkeys(operator.outputs, operator))
        self._shared = shared_buffers(model)

    def classes(self) -> list[_Class]:
        """Return the classes that can be scaled."""
        parent = {tensor.index: tensor.index for tensor in self._subgraph.tensors}

        def find(tensor: int) -> int:
            while parent[tensor] != tensor:
                tensor = parent[tensor]
            return tensor

        for operator in self._subgraph.operators:
            values = self._tied(operator)
            for tensor in values[1:]:
                parent[find(tensor)] = find(values[0])
        groups: dict[int, _Class] = {}
        for tensor in (*self._writer, *self._subgraph.inputs):
            groups.setdefault(find(tensor), _Class()).tensors.add(tensor)
        return [group for group in groups.values() if self._can_scale(group)]

    def _tied(self, operator: Operator) -> list[int]:
        """Return the tensors of a class that an operator ties together; none for one that changes channels."""
        tensors = self._subgraph.tensors
        values = [i for i in operator.inputs if i >= 0 and not tensors[i].is_constant]
        ends = [*values, *operator.outputs]
        if operator.code in _SAME_SHAPE:
            same = len({tensors[i].shape for i in ends}) == 1 and len(values) == len(operator.inputs)
            return ends if same else []
        if operator.code in _POOLS:
            return ends
        if operator.code == "MEAN" and self._keeps_channels(operator):
            return ends
        return []

    def _keeps_channels(self, operator: Operator) -> bool:
        """Say whether a MEAN leaves the last axis alone."""
        if not self._subgraph.tensors[operator.inputs[1]].is_constant:
            return False
        axes = read_constant(self._model, self._objects.tensors[operator.inputs[1]])
        rank = len(self._subgraph.tensors[operator.inputs[0]].shape)
        return all(axis % rank != rank - 1 for axis in axes.reshape(-1))

    def _can_scale(self, group: _Class) -> bool:
        ends = {*self._subgraph.inputs, *self._subgraph.outputs}
        if group.tensors & ends or len({self._subgraph.tensors[i].shape[-1:] for i in group.tensors}) != 1:
            return False
        for tensor in group.tensors:
            if not self._readers.get(tensor) or self._subgraph.tensors[tensor].dtype != "float32":
                return False
            if not self._can_write(self._writer[tensor]):
                return False
            if not all(self._can_read(reader, tensor) for reader in self._readers[tensor]):
                return False
        return True

    def _can_write(self, operator: Operator) -> bool:
        kinds = schema().ActivationFunctionType
        activation = getattr(self._objects.operators[operator.index].builtinOptions, "fusedActivationFunction", 0)
        if activation not in (kinds.NONE, kinds.RELU):  # a bound would have to move along with each channel
            return False
        return bool(self._tied(operator)) or self._has_own_weights(operator)

    def _can_read(self, operator: Operator, tensor: int) -> bool:
        if self._tied(operator):
            return True
        if not self._has_own_weights(operator) or operator.inputs[0] != tensor:
            return False
        tensors = self._subgraph.tensors
        channels, weights = tensors[tensor].shape[-1], tensors[operator.inputs[1]].shape
        return operator.code == "DEPTHWISE_CONV_2D" or weights[-1] == channels

    def _has_own_weights(self, operator: Operator) -> bool:
        """Say whether an operator's weights and bias are float constants that nothing else reads."""
        if operator.code not in KINDS:
            return False
        constants = [index for index in operator.inputs[1:] if index >= 0]
        tensors = self._subgraph.tensors
        return all(
            tensors[index].is_constant
            and tensors[index].dtype == "float32"
            and tensors[index].buffer not in self._shared
            and len(self._readers[index]) == 1
            for index in constants
        )

    def scale(self, group: _Class, factors: Array) -> None:
        """Multiply the channels of a class by ``factors``, in the weights around it."""
        for tensor in group.tensors:
            writer = self._writer[tensor]
            if writer.code in KINDS and not self._tied(writer):
                axis = 3 if writer.code == "DEPTHWISE_CONV_2D" else 0
                self._multiply(writer.inputs[1], factors, axis)
                if len(writer.inputs) > 2 and writer.inputs[2] >= 0:
                    self._multiply(writer.inputs[2], factors, 0)
            for reader in self._readers[tensor]:
                if self._tied(reader):
                    continue
                inverse = 1.0 / factors
                if reader.code == "DEPTHWISE_CONV_2D":
                    channels = self._subgraph.tensors[reader.inputs[1]].shape[3]
                    inverse = np.repeat(inverse, channels // len(factors))
                self._multiply(reader.inputs[1], inverse, -1)

    def _multiply(self, index: int, factors: Array, axis: int) -> None:
        tensor = self._objects.tensors[index]
        value = read_constant(self._model, tensor)
        shape = [1] * value.ndim
        shape[axis] = -1
        replace_constant(self._model, tensor, (value * factors.reshape(shape)).astype(np.float32))
