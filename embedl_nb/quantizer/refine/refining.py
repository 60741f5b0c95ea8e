"""Refine a quantized model: each operator's integers are chosen for the inputs that the quantized model really has.

In: the float model, the quantized one and samples. Out: the quantized model with other weights, scales of weights and
biases; its graph and the ranges of its activations stay. Both models are walked side by side; an operator with int8
weights and integer activations is refined, whatever else there is just runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from embedl_nb.model.graph import Operator
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.progress import emit
from embedl_nb.quantizer.refine.constants import read_constant, replace_constant
from embedl_nb.quantizer.refine.network import Array, Sample, Values, Walker
from embedl_nb.quantizer.refine.pairs import Pair, Pairing, affine, real_values
from embedl_nb.quantizer.refine.problem import Problem, Solution, solve
from embedl_nb.quantizer.refine.weights import group_weights, patches, ungroup_weights

__all__ = ["refine"]

# Rows that a least-squares problem gets: this many, or this many for each of its unknowns.
_LEAST_ROWS = 16_384
_LEAST_GROUPED_ROWS = 2_048
_ROWS_BY_UNKNOWN = 24
# Values that the rows may hold together (128 MiB); beyond it there are fewer rows.
_MOST_VALUES = 2**25
# Unknowns beyond which the Gram matrix costs more than it gives; such weights stay, and the bias is corrected.
_MOST_UNKNOWNS = 2_400
# What the values of both models may take at the same time; beyond it there are fewer samples.
_MOST_BYTES = 2**30
_SEED = 0


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
        That calibrated it, or some of them; 32 to 128 are enough. The values that are still needed are held for all
        samples at once; of a model whose values are large only the first samples are taken, to stay below about 1 GiB.
    signature_key
        Which signature the samples are for; the first by default.
    rounding
        ``"least_squares"`` fits the weights and rounds them in turn; ``"nearest"`` keeps the integers that are there.
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
        self._pairing = Pairing(self.real, self.quantized, self.model)
        affordable = _MOST_BYTES // max(1, self.real.peak_bytes + self.quantized.peak_bytes)
        samples = samples[: max(1, affordable)]
        self._num_samples = len(samples)
        self._real_values = self.real.given(samples)
        self._values = self.quantized.given(samples)
        self._next_real = 0
        self._random = np.random.default_rng(_SEED)

    def take(self, operator: Operator, *, fits_weights: bool, is_bias_corrected: bool) -> None:
        """Refine an operator where that is possible, and run it."""
        values = self._values.get(operator.inputs[0]) if len(operator.inputs) else None
        pair = self._pairing.find(operator, values[0].shape) if values else None
        if pair is not None and pair.real.index < self._next_real:
            pair = None  # the models run in different orders, and what the float operator reads is gone
        part = self.quantized.slice(operator.index)
        content = part.data
        if pair is not None:
            self._advance(pair.real.index)
            problem = self._problem(pair)
            fits_weights = fits_weights and problem.weights.shape[2] <= _MOST_UNKNOWNS
            solution = solve(problem, fits_weights=fits_weights, is_bias_corrected=is_bias_corrected)
            if solution is not None:
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

    def _problem(self, pair: Pair) -> Problem:
        """Collect what the operator reads and what it should make of it, at some places of every sample."""
        targets = self._targets(pair)
        weights, bias = self._real_constants(pair)
        grouped = group_weights(weights.astype(np.float64), pair.geometry)
        groups, outputs, unknowns = grouped.shape
        least = max(_LEAST_ROWS, _ROWS_BY_UNKNOWN * unknowns) if groups == 1 else _LEAST_GROUPED_ROWS
        least = min(least, _MOST_VALUES // (groups * unknowns))
        wanted = -(-least // self._num_samples)
        tensor = self.quantized.subgraph.tensors[pair.quantized.inputs[0]]
        input_rows, target_rows = [], []
        for value, target in zip(self._values[tensor.index], targets, strict=True):
            flat = target.reshape(-1, target.shape[-1])
            rows = None if wanted >= len(flat) else np.sort(self._random.choice(len(flat), wanted, replace=False))
            input_rows.append(patches(real_values(value, tensor), pair.geometry, rows))
            target_rows.append(flat if rows is None else flat[rows])
        target = np.concatenate(target_rows)
        return Problem(
            inputs=np.concatenate(input_rows, axis=1),
            targets=target.reshape(len(target), groups, outputs).transpose(1, 0, 2),
            weights=grouped,
            bias=None if bias is None else bias.astype(np.float64).reshape(groups, outputs),
            present=self._present(pair, (groups, outputs)),
            bounds=pair.bounds,
        )

    def _present(self, pair: Pair, shape: tuple[int, int]) -> tuple[Array, Array]:
        """Return integers and scales as they are in the quantized model."""
        tensor = self.quantized.subgraph.tensors[pair.quantized.inputs[1]]
        objects = self.model.subgraphs[self.quantized.subgraph.index].tensors
        integers = read_constant(self.model, objects[tensor.index]).astype(np.float64)
        scales = np.asarray(objects[tensor.index].quantization.scale, np.float64)
        return group_weights(integers, pair.geometry), scales.reshape(shape)

    def _targets(self, pair: Pair) -> Values:
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
        self._real_values[output] = targets if pair.is_linear else [np.clip(v, *pair.bounds) for v in targets]
        inherited = self._inherited(pair) if pair.is_linear else None
        if inherited is not None:
            targets = [target + error for target, error in zip(targets, inherited, strict=True)]
        self.real.forget(pair.real.index, self._real_values)
        self._next_real = pair.real.index + 1
        return targets

    def _inherited(self, pair: Pair) -> Values | None:
        """Return float less quantized of the tensor that an operator's output is added to, None where there is none."""
        output, real_output = pair.quantized.outputs[0], pair.real.outputs[0]
        readers = self._pairing.readers(output)
        total = self._pairing.counterpart(readers[0]) if len(readers) == 1 and readers[0].code == "ADD" else None
        if total is None:
            return None
        others = [index for index in readers[0].inputs if index != output and index in self._values]
        real_others = [index for index in total.inputs if index != real_output and index in self._real_values]
        if len(others) != 1 or len(real_others) != 1:
            return None
        tensor, shape = self.quantized.subgraph.tensors[others[0]], self._real_values[real_output][0].shape
        pairs = list(zip(self._real_values[real_others[0]], self._values[tensor.index], strict=True))
        if any(real.shape != shape or value.shape != shape for real, value in pairs):
            return None
        return [real - real_values(value, tensor) for real, value in pairs]

    def _real_constants(self, pair: Pair) -> tuple[Array, Array | None]:
        tensors = self._float_model.subgraphs[self.real.subgraph.index].tensors
        values = [read_constant(self._float_model, tensors[index]) for index in pair.real.inputs[1:] if index >= 0]
        return values[0], values[1] if pair.has_bias else None

    def _write(self, pair: Pair, solution: Solution, model: Any, graph: Any, operator: Any) -> None:
        """Put a solution into an operator of a model."""
        input_scale, _ = affine(self.quantized.subgraph.tensors[pair.quantized.inputs[0]])
        weights = graph.tensors[operator.inputs[1]]
        scales = solution.scales.reshape(-1)
        integers = ungroup_weights(solution.integers, pair.geometry, tuple(int(size) for size in weights.shape))
        replace_constant(model, weights, integers.astype(np.int8), scales=scales)
        if solution.bias is None:
            return
        bias = graph.tensors[operator.inputs[2]]
        dtype = np.int64 if bias.type == schema().TensorType.INT64 else np.int32
        bias_scales = scales * input_scale
        limit = np.iinfo(np.int32).max
        whole = np.clip(np.round(solution.bias.reshape(-1) / bias_scales), -limit, limit).astype(dtype)
        replace_constant(model, bias, whole, scales=bias_scales)
