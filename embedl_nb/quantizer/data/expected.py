"""What the model itself tells about its inputs: the range it was verified with, the tables its integers pick from.

In: a model. Out: ranges and limits by input name, and sentences where the data differs from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.model.evidence import SampleSource
from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.model.spec import Signature
from embedl_nb.quantizer.data.notes import Notes
from embedl_nb.quantizer.data.report import InputStatistics
from embedl_nb.runtime.arrays import by_sample, load_arrays

if TYPE_CHECKING:
    import numpy as np

__all__ = ["VerifiedRange", "compare_ranges", "table_rows", "verified_ranges"]

# Data whose largest magnitude is this many times larger or smaller than what the model was verified with was most
# likely scaled in another way: 255 for pixels that were not divided, 100 for pixels that were not normalized.
_MOST_RATIO = 20.0
# Values that only pass through these on their way to a table.
_PASSING = ("CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedRange:
    """What one input spanned when the model was compared with its source."""

    minimum: float
    maximum: float
    is_synthetic: bool

    @property
    def magnitude(self) -> float:
        """The largest distance from 0."""
        return max(abs(self.minimum), abs(self.maximum))


def verified_ranges(model: LiteRTModel, notes: Notes) -> dict[str, VerifiedRange]:
    """Return the finite ranges of the model's floating-point inputs in the samples it was verified with."""
    if model.samples_path is None:
        return {}
    try:
        samples = by_sample(load_arrays(model.samples_path))
    except InputError:
        notes.notice("the samples that the model was verified with are gone, so their range was not compared")
        return {}
    arrays: dict[str, list[np.ndarray[Any, Any]]] = {}
    for sample in samples.values():
        for name, array in sample.items():
            if array.dtype.kind == "f":
                arrays.setdefault(name, []).append(array)
    is_synthetic = model.parity is not None and model.parity.sample_source == SampleSource.SYNTHETIC
    ranges = {name: _span(parts) for name, parts in arrays.items()}
    return {
        name: VerifiedRange(minimum=span[0], maximum=span[1], is_synthetic=is_synthetic)
        for name, span in ranges.items()
        if span is not None
    }


def _span(arrays: Sequence[np.ndarray[Any, Any]]) -> tuple[float, float] | None:
    import numpy as np

    finite = [values for array in arrays if (values := array[np.isfinite(array)]).size]
    if not finite:
        return None
    return min(float(values.min()) for values in finite), max(float(values.max()) for values in finite)


def compare_ranges(inputs: Sequence[InputStatistics], verified: Mapping[str, VerifiedRange], notes: Notes) -> None:
    """Warn where the data spans something else than what the model was verified with."""
    for given in inputs:
        known = verified.get(given.name)
        magnitude = max(abs(given.minimum), abs(given.maximum))
        if known is None or not known.magnitude or not magnitude:
            continue
        ratio = magnitude / known.magnitude
        spans = f"input {given.name!r} spans {given.minimum:.4g}..{given.maximum:.4g}"
        source = " (synthetic samples)" if known.is_synthetic else ""
        was = f"the model was verified with {known.minimum:.4g}..{known.maximum:.4g}{source}"
        if ratio > _MOST_RATIO or ratio < 1 / _MOST_RATIO:
            apart = f"{ratio:.0f} times larger" if ratio > 1 else f"{1 / ratio:.0f} times smaller"
            notes.warn(f"{spans}, {apart} than what the model expects: {was}. Is it scaled as the model wants it?")
        elif not known.is_synthetic and known.minimum < -known.magnitude / 4 and given.minimum >= 0:
            notes.warn(f"{spans}, never below 0, and {was}. Was the mean subtracted?")


def table_rows(graph: ModelGraph, signature: Signature) -> dict[str, int]:
    """Return, by input name, the rows of the constant table that an integer input picks from, where it does."""
    subgraph = graph.subgraphs[signature.subgraph_index]
    if len(subgraph.inputs) != len(signature.inputs):
        return {}
    names = {
        index: spec.name
        for index, spec in zip(subgraph.inputs, signature.inputs, strict=True)
        if spec.dtype.startswith(("int", "uint"))
    }
    limits: dict[str, int] = {}
    for operator in subgraph.operators:
        if operator.code in _PASSING and operator.inputs[0] in names:
            names[operator.outputs[0]] = names[operator.inputs[0]]
        for table, indices in _look_ups(operator.code, operator.inputs):
            if indices in names and subgraph.tensors[table].is_constant and subgraph.tensors[table].shape:
                rows = subgraph.tensors[table].shape[0]
                limits[names[indices]] = min(rows, limits.get(names[indices], rows))
    return limits


def _look_ups(code: str, inputs: Sequence[int]) -> list[tuple[int, int]]:
    """Return (table, indices) of an operator that picks rows."""
    if code == "GATHER":
        return [(inputs[0], inputs[1])]
    return [(inputs[1], inputs[0])] if code == "EMBEDDING_LOOKUP" else []
