"""Refine a quantized model: each operator's integers are chosen for the inputs that the quantized model really has.

In: the float model, the quantized one and samples. Out: the quantized model with other weights, scales of weights and
biases; its graph and the ranges of its activations stay. Both models are walked side by side; an operator with int8
weights and integer activations is refined, whatever else there is just runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from embedl_nb.errors import QuantizeError
from embedl_nb.model.graph import Operator, Tensor
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.progress import emit
from embedl_nb.quantizer.refine.constants import read_constant, replace_constant
from embedl_nb.quantizer.refine.network import Array, Sample, Values, Walker
from embedl_nb.quantizer.refine.problem import Problem, Solution, solve
from embedl_nb.quantizer.refine.weights import Geometry, geometry_of, group_weights, patches, ungroup_weights

__all__ = ["refine"]

# Rows that a least-squares problem gets: this many, or this many for each of its unknowns.
_LEAST_ROWS = 16_384
_LEAST_GROUPED_ROWS = 2_048
_ROWS_BY_UNKNOWN = 24
_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """An operator of the quantized model that can be refined, and its counterpart in the float one."""

    quantized: Operator
    real: Operator
    geometry: Geometry
    activation: int


def refine(
    float_content: bytes,
    quantized_content: bytes,
    samples: Sequence[Sample],
    *,
    signature_key: str | None = None,
    rounding: Literal["nearest", "least_squares"] = "least_squares",
    is_bias_corrected: bool = True,
) -> bytes:
    """Return the quantized model with better weights and biases.

    Parameters
    ----------
    float_content
        The model that the other was quantized from.
    quantized_content
        What ai-edge-quantizer made of it.
    samples
        That calibrated it, or some of them; 32 to 128 are enough. All activations of two neighbouring layers are held
        for all samples at once.
    signature_key
        Which signature the samples are for; the first by default.
    rounding
        ``"least_squares"`` fits the weights and rounds them in turn; ``"nearest"`` keeps them as they are.
    is_bias_corrected
        Whether biases make up for the mean error of each channel.

    Returns
    -------
    bytes
        Deterministic for given samples. Operators that cannot be refined are as they were.

    Raises
    ------
    InputError
        If a model is damaged, or cannot be cut into its operators.
    QuantizeError
        If LiteRT does not run one of the operators alone.
    """
    if not samples or (rounding == "nearest" and not is_bias_corrected):
        return quantized_content
    work = _Refinement(float_content, quantized_content, samples, signature_key)
    total = len(work.quantized.operators)
    for operator in work.quantized.operators:
        emit("refine", operator.code, done=operator.index, total=total)
        work.take(operator, fits_weights=rounding == "least_squares", is_bias_corrected=is_bias_corrected)
    emit("refine", done=total, total=total)
    return pack(work.model)


class _Refinement:
    """Both models on their way through the samples."""

    def __init__(
        self, float_content: bytes, quantized_content: bytes, samples: Sequence[Sample], signature_key: str | None
    ) -> None:
        self.real = Walker(float_content, signature_key=signature_key)
        self.quantized = Walker(quantized_content, signature_key=signature_key)
        self.model = unpack(quantized_content)
        self._float_model = unpack(float_content)
        self._num_samples = len(samples)
        self._real_values = self.real.given(samples)
        self._values = self.quantized.given(samples)
        self._next_real = 0
        self._random = np.random.default_rng(_SEED)
        tensors = self.real.subgraph.tensors
        self._makers = {tensors[i].name: operator for operator in self.real.operators for i in operator.outputs}
        self._readers: dict[int, list[Operator]] = {}
        for operator in self.quantized.operators:
            for index in operator.inputs:
                self._readers.setdefault(index, []).append(operator)
        buffers = [tensor.buffer for graph in self.model.subgraphs for tensor in graph.tensors]
        self._shared = {buffer for buffer in buffers if buffers.count(buffer) > 1}

    def take(self, operator: Operator, *, fits_weights: bool, is_bias_corrected: bool) -> None:
        """Refine an operator where that is possible, and run it."""
        pair = self._pair(operator)
        part = self.quantized.slice(operator.index)
        content = part.data
        if pair is not None:
            self._advance(pair.real.index)
            problem = self._problem(pair)
            solution = solve(problem, fits_weights=fits_weights, is_bias_corrected=is_bias_corrected)
            piece = unpack(content)
            self._write(pair, solution, piece, piece.subgraphs[0], piece.subgraphs[0].operators[0])
            graph = self.model.subgraphs[self.quantized.subgraph.index]
            self._write(pair, solution, self.model, graph, graph.operators[operator.index])
            content = pack(piece)
        outputs = self.quantized.run_slice(
            content, part.inputs, part.outputs, self._values, num_samples=self._num_samples
        )
        self._values.update(outputs)
        self.quantized.forget(operator.index, self._values)

    def _advance(self, stop: int) -> None:
        """Run the float model up to operator ``stop``, which itself is left for later."""
        for index in range(self._next_real, stop):
            self._real_values.update(self.real.run(index, self._real_values, num_samples=self._num_samples))
            self.real.forget(index, self._real_values)
        self._next_real = max(self._next_real, stop)

    def _pair(self, operator: Operator) -> _Pair | None:
        """Return what is needed to refine an operator; None where it is not of the kind that can be."""
        tensors = self.quantized.subgraph.tensors
        if operator.code not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED") or len(operator.inputs) != 3:
            return None
        real = self._makers.get(tensors[operator.outputs[0]].name)
        if real is None or real.code != operator.code or min(operator.inputs) < 0 or len(real.inputs) != 3:
            return None
        values, weights, bias = (tensors[index] for index in operator.inputs)
        if values.index not in self._values or not _is_integer(values, tensors[operator.outputs[0]]):
            return None
        if weights.dtype != "int8" or not weights.is_constant or not bias.is_constant:
            return None
        if self._shared & {weights.buffer, bias.buffer} or not self._is_float_constant(real):
            return None
        if len(self._readers[weights.index]) > 1 or len(self._readers[bias.index]) > 1:
            return None
        options = self.model.subgraphs[self.quantized.subgraph.index].operators[operator.index].builtinOptions
        geometry = geometry_of(operator.code, options, self._values[values.index][0].shape, weights.shape)
        num_outputs = weights.shape[3] if operator.code == "DEPTHWISE_CONV_2D" else weights.shape[0]
        if geometry is None or weights.quantization is None or len(weights.quantization.scales) != num_outputs:
            return None
        activation = int(options.fusedActivationFunction)
        if activation not in _bounds():
            return None
        return _Pair(quantized=operator, real=real, geometry=geometry, activation=activation)

    def _is_float_constant(self, real: Operator) -> bool:
        tensors = [self.real.subgraph.tensors[index] for index in real.inputs[1:] if index >= 0]
        return len(tensors) == 2 and all(tensor.is_constant and tensor.dtype == "float32" for tensor in tensors)

    def _problem(self, pair: _Pair) -> Problem:
        targets = self._targets(pair)
        tensors = self.quantized.subgraph.tensors
        values = self._values[pair.quantized.inputs[0]]
        geometry = pair.geometry
        weights, bias = self._real_constants(pair)
        grouped = group_weights(weights.astype(np.float64), geometry)
        groups, outputs, unknowns = grouped.shape
        least = max(_LEAST_ROWS, _ROWS_BY_UNKNOWN * unknowns) if groups == 1 else _LEAST_GROUPED_ROWS
        inputs_rows, target_rows = [], []
        for value, target in zip(values, targets, strict=True):
            flat = target.reshape(-1, target.shape[-1])
            wanted = -(-least // self._num_samples)
            rows = None if wanted >= len(flat) else np.sort(self._random.choice(len(flat), wanted, replace=False))
            inputs_rows.append(patches(_real(value, tensors[pair.quantized.inputs[0]]), geometry, rows))
            target_rows.append(flat if rows is None else flat[rows])
        target = np.concatenate(target_rows)
        return Problem(
            inputs=np.concatenate(inputs_rows, axis=1),
            targets=target.reshape(len(target), groups, outputs).transpose(1, 0, 2),
            weights=grouped,
            bias=bias.astype(np.float64).reshape(groups, outputs),
            bounds=_bounds()[pair.activation],
        )

    def _targets(self, pair: _Pair) -> Values:
        """Run the float operator; return its outputs before the activation function.

        Where the output is added to another tensor and to nothing else, the sum is what counts: the error that the
        other tensor brings along is made part of the target.
        """
        part = self.real.slice(pair.real.index)
        piece = unpack(part.data)
        piece.subgraphs[0].operators[0].builtinOptions.fusedActivationFunction = 0
        made = self.real.run_slice(
            pack(piece), part.inputs, part.outputs, self._real_values, num_samples=self._num_samples
        )
        (output,) = part.outputs
        targets = made[output]
        low, high = _bounds()[pair.activation]
        self._real_values[output] = [np.clip(value, low, high) for value in targets] if pair.activation else targets
        inherited = self._inherited(pair) if not pair.activation else None
        if inherited is not None:
            targets = [target + error for target, error in zip(targets, inherited, strict=True)]
        self.real.forget(pair.real.index, self._real_values)
        self._next_real = pair.real.index + 1
        return targets

    def _inherited(self, pair: _Pair) -> Values | None:
        """Return float less quantized of the tensor that an operator's output is added to, None where there is none."""
        readers = self._readers.get(pair.quantized.outputs[0], [])
        if len(readers) != 1 or readers[0].code != "ADD":
            return None
        others = [index for index in readers[0].inputs if index != pair.quantized.outputs[0]]
        tensors = self.quantized.subgraph.tensors
        sum_maker = self._makers.get(tensors[readers[0].outputs[0]].name)
        if (
            len(others) != 1
            or others[0] not in self._values
            or sum_maker is None
            or not _is_integer(tensors[others[0]])
        ):
            return None
        real_others = [index for index in sum_maker.inputs if index != pair.real.outputs[0]]
        if len(real_others) != 1 or real_others[0] not in self._real_values:
            return None
        tensor = tensors[others[0]]
        shape = self._real_values[pair.real.outputs[0]][0].shape
        if self._values[tensor.index][0].shape != shape:
            return None
        pairs = zip(self._real_values[real_others[0]], self._values[tensor.index], strict=True)
        return [real - _real(value, tensor) for real, value in pairs]

    def _real_constants(self, pair: _Pair) -> tuple[Array, Array]:
        tensors = self._float_model.subgraphs[self.real.subgraph.index].tensors
        weights, bias = (read_constant(self._float_model, tensors[index]) for index in pair.real.inputs[1:])
        return weights, bias

    def _write(self, pair: _Pair, solution: Solution, model: Any, graph: Any, operator: Any) -> None:
        """Put a solution into an operator of a model."""
        input_scale, _ = _affine(self.quantized.subgraph.tensors[pair.quantized.inputs[0]])
        weights, bias = (graph.tensors[index] for index in operator.inputs[1:3])
        scales = solution.scales.reshape(-1)
        integers = ungroup_weights(solution.integers, pair.geometry, tuple(int(size) for size in weights.shape))
        replace_constant(model, weights, integers.astype(np.int8), scales=scales)
        dtype = np.int64 if bias.type == schema().TensorType.INT64 else np.int32
        bias_scales = scales * input_scale
        limit = np.iinfo(np.int32).max
        whole = np.clip(np.round(solution.bias.reshape(-1) / bias_scales), -limit, limit).astype(dtype)
        replace_constant(model, bias, whole, scales=bias_scales)


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


def _real(value: Array, tensor: Tensor) -> Array:
    """Return the real values that a tensor's integers stand for, float32."""
    scale, zero_point = _affine(tensor)
    return (value.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)


def _affine(tensor: Tensor) -> tuple[float, int]:
    """Return scale and zero point of a tensor of integers."""
    if tensor.quantization is None:
        raise QuantizeError(f"tensor {tensor.name} has no scale")
    return tensor.quantization.scales[0], next(iter(tensor.quantization.zero_points), 0)
