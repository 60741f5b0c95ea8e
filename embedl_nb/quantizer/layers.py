"""Error along the network: each operator's output in the quantized model against the float model, and its cause.

In: both models' bytes and a few samples. Out: one plain row an operator, the fields of
:class:`~embedl_nb.model.fidelity_rows.LayerFidelity`. Runs in a child process only.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from embedl_nb import progress
from embedl_nb.errors import InputError, QuantizeError
from embedl_nb.model.calling import bind_inputs, pick_signature
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph, Subgraph, Tensor
from embedl_nb.model.likeness import decibels
from embedl_nb.model.operators import describe_operators, operator_precisions
from embedl_nb.model.spec import Signature
from embedl_nb.quantizer.counterparts import CONVERSIONS, Counterparts, find_counterparts
from embedl_nb.quantizer.probes import Array, Probe

__all__ = ["compare_layers"]


def compare_layers(
    float_content: bytes,
    quantized_content: bytes,
    samples: Sequence[Mapping[str, Array]],
    *,
    signature_key: str | None = None,
) -> list[dict[str, Any]]:
    """Compare every operator's output in both models, and separate what it adds from what it is handed.

    With f and n the value of a tensor in the float and in the quantized network (as real values), the error is n - f.
    The error made here is b - a: a is the float operator alone and b the quantized operator alone, both on the float
    network's values as the quantized model can write them. A value is rounded by the operator that makes it; only what
    no operator rounds (the network's input, a value that comes from an operator in float) is charged to the one that
    reads it. So every rounding of a weight and of a value is charged once. What is inherited is the rest,
    (n - f) - (b - a). Noise powers are sums of squares over all samples, relative to the sum of squares of f; they
    add up as far as both errors are uncorrelated.

    Parameters
    ----------
    float_content, quantized_content
        Of the ``.tflite`` files. The float one is the model that the quantized one was made from by rounding: if
        ranges were equalized before, the equalized one.
    samples
        Arrays by input name, real values; 8 to 16 suffice.
    signature_key
        Which signature; the first by default.

    Returns
    -------
    list of dict
        In the order of execution, operators whose output is real-valued and exists in both models. dB are ``inf``
        where there is no error.

    Raises
    ------
    InputError
        If there is no sample, or the models have no tensor in common.
    SignatureMismatchError
        If a sample does not fit.
    QuantizeError
        If LiteRT refuses a model with all its tensors shown. Where it only refuses to run operators on their own, what
        is made here and inherited is None.
    """
    if not samples:
        raise InputError("there is no sample to compare layers on", hint="give at least one")
    comparison = _Comparison(float_content, quantized_content, signature_key)
    for done, sample in enumerate(samples, start=1):
        comparison.add(sample)
        progress.emit("layers", done=done, total=len(samples))
    return comparison.rows()


@dataclass(slots=True)
class _Noise:
    """Sums of squares of one tensor, over the samples so far."""

    signal: float = 0.0
    total: float = 0.0
    made: float = 0.0
    inherited: float = 0.0


class _Comparison:
    """Both models, whole and taken apart, and the noise that was seen."""

    def __init__(self, float_content: bytes, quantized_content: bytes, signature_key: str | None) -> None:
        self._reference = _Side(float_content, signature_key)
        self._quantized = _Side(quantized_content, signature_key)
        tensors = self._reference.subgraph.tensors
        found = find_counterparts(self._reference.subgraph, self._quantized.subgraph)
        self._pairs = [(r, q) for r, q in found.operators if tensors[r.outputs[0]].dtype == "float32"]
        if not self._pairs:
            raise InputError(
                "the quantized model has no tensor in common with the float one",
                hint="compare a model with the one that it was quantized from",
            )
        self._counterparts = _real_only(found, self._reference.subgraph, self._quantized.subgraph)
        self._rounded = self._find_rounded()
        self._noise = [_Noise() for _ in self._pairs]
        float_outputs, outputs = [r.outputs[0] for r, _ in self._pairs], [q.outputs[0] for _, q in self._pairs]
        self._whole_float = self._reference.whole({*float_outputs, *self._counterparts.values()})
        self._whole = self._quantized.whole(set(outputs))
        self._alone = self._taken_apart(float_outputs, outputs)

    def _taken_apart(self, float_outputs: list[int], outputs: list[int]) -> tuple[Probe, Probe] | None:
        """Return both models with every operator on its own; None where a kernel refuses that."""
        try:
            return (
                self._reference.taken_apart(set(self._counterparts.values()), float_outputs),
                self._quantized.taken_apart(set(self._counterparts), outputs),
            )
        except QuantizeError as err:
            progress.emit("layers", f"which layer makes the error cannot be told: {err.message}")
            return None

    def _find_rounded(self) -> dict[int, Tensor]:
        """Return, by float tensor, the quantized tensor to which an operator rounds it."""
        subgraph = self._quantized.subgraph
        return {
            self._counterparts[index]: subgraph.tensors[index]
            for operator in subgraph.operators
            if operator.code not in CONVERSIONS
            for index in operator.outputs
            if index in self._counterparts and subgraph.tensors[index].quantization is not None
        }

    # Masks hold infinities, and the largest numbers there are next to them.
    @np.errstate(invalid="ignore", over="ignore")
    def add(self, sample: Mapping[str, Array]) -> None:
        """Run both models on a sample and add up the noise."""
        given, quantized_given = self._reference.bind(sample), self._quantized.bind(sample)
        values = given | self._whole_float.run(given)
        whole = self._whole.run(quantized_given)
        made = self._made(values, quantized_given)
        tensors = self._quantized.subgraph.tensors
        for noise, (reference, quantized) in zip(self._noise, self._pairs, strict=True):
            place = quantized.outputs[0]
            f = values[reference.outputs[0]]
            error = _real(whole[place], tensors[place]) - f
            noise.signal += _power(f, f)
            noise.total += _power(error, f)
            if place in made:
                noise.made += _power(made[place], f)
                noise.inherited += _power(error - made[place], f)

    def _made(self, values: Mapping[int, Array], quantized_given: Mapping[int, Array]) -> dict[int, Array]:
        """Return the error that each operator makes on the float network's values, by tensor of the quantized model."""
        if self._alone is None:
            return {}
        alone_float, alone = self._alone
        tensors = self._quantized.subgraph.tensors
        handed = dict(values) | {
            index: _real(_integers(values[index], tensor), tensor) for index, tensor in self._rounded.items()
        }
        given = {place: _integers(handed[index], tensors[place]) for place, index in self._counterparts.items()}
        expected, got = alone_float.run(handed), alone.run(dict(quantized_given) | given)
        return {
            q.outputs[0]: _real(got[q.outputs[0]], tensors[q.outputs[0]]) - expected[r.outputs[0]]
            for r, q in self._pairs
        }

    def rows(self) -> list[dict[str, Any]]:
        """Return one row an operator, in the order in which the float model runs them."""
        infos = describe_operators(self._reference.graph, subgraph_index=self._reference.subgraph.index)
        precisions = operator_precisions(self._quantized.subgraph)
        rows = []
        for (reference, quantized), noise in zip(self._pairs, self._noise, strict=True):
            info, both = infos[reference.index], noise.made + noise.inherited
            row = {
                "index": reference.index,
                "name": info.name,
                "operator": info.operator,
                "source": info.source,
                "precision": precisions[quantized.index],
                "sqnr_db": decibels(noise.total, signal=noise.signal),
                "made_here_db": None,
                "inherited_db": None,
                "made_here_share": None,
            }
            if self._alone is not None:
                row["made_here_db"] = decibels(noise.made, signal=noise.signal)
                row["inherited_db"] = decibels(noise.inherited, signal=noise.signal)
                row["made_here_share"] = noise.made / both if 0 < both < math.inf else 0.0
            rows.append(row)
        return sorted(rows, key=lambda row: row["index"])


class _Side:
    """One of the two models: its structure, and its probes."""

    def __init__(self, content: bytes, signature_key: str | None) -> None:
        self._content = content
        self.graph: ModelGraph = read_model(content)
        self._signature: Signature = pick_signature(self.graph.signatures, signature_key)
        self.subgraph: Subgraph = self.graph.subgraphs[self._signature.subgraph_index]
        self._made = {index for operator in self.subgraph.operators for index in operator.outputs}

    def whole(self, shown: set[int]) -> Probe:
        """Return the model with these tensors shown, as far as operators make them."""
        return Probe(self._content, subgraph_index=self.subgraph.index, shown=sorted(shown & self._made))

    def taken_apart(self, cut: set[int], shown: Collection[int]) -> Probe:
        """Return the model with these tensors given to their readers from outside."""
        return Probe(
            self._content, subgraph_index=self.subgraph.index, shown=sorted(set(shown)), cut=sorted(cut & self._made)
        )

    def bind(self, sample: Mapping[str, Array]) -> dict[int, Array]:
        """Return a sample's arrays by tensor index; a quantized input gets its integers."""
        arrays = bind_inputs(self._signature, (), sample)
        names = [spec.name for spec in self._signature.inputs]  # in the subgraph's own order
        return {index: arrays[name] for name, index in zip(names, self.subgraph.inputs, strict=True)}


def _real_only(found: Counterparts, reference: Subgraph, quantized: Subgraph) -> dict[int, int]:
    """Return the counterparts that stand for real values; indices and shapes are left to be computed."""
    return {
        place: index
        for place, index in found.tensors.items()
        if reference.tensors[index].dtype == "float32"
        and (quantized.tensors[place].quantization is not None or quantized.tensors[place].dtype == "float32")
    }


def _integers(values: Array, tensor: Tensor) -> Array:
    """Return real values as the tensor holds them."""
    if not (found := tensor.quantization):
        return values
    dtype = np.dtype(tensor.dtype)
    limits = np.iinfo(dtype)
    scale, zero_point = found.first
    integers = values * np.float32(1 / scale)
    np.rint(integers, out=integers)
    integers += np.float32(zero_point)
    return np.clip(integers, limits.min, limits.max, out=integers).astype(dtype)


def _real(values: Array, tensor: Tensor) -> Array:
    """Return what the tensor's values stand for."""
    if not (found := tensor.quantization):
        return values.astype(np.float32, copy=False)
    scale, zero_point = found.first
    real = values.astype(np.float32)
    real -= np.float32(zero_point)
    real *= np.float32(scale)
    return real


def _power(values: Array, reference: Array) -> float:
    """Return the sum of squares where the reference is finite; ``inf`` where a value there is not."""
    flat = values.reshape(-1)
    power = float(flat @ flat)
    if math.isfinite(power):
        return power
    # The largest numbers have no square in float32.
    wide = flat[np.isfinite(reference.reshape(-1))].astype(np.float64)
    power = float(wide @ wide)
    return power if math.isfinite(power) else math.inf
