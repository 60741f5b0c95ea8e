"""What a model's file says of each layer of a profile: work, traffic and what quantizing did to it.

In come a Benchmark and the model that it measured, out come facts a layer, in the order of the profile. What is not
known is None, with the reason beside it; a 0 is a 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark, Layer
from embedl_nb.model import LiteRTModel
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.fidelity_rows import LayerFidelity
from embedl_nb.model.graph import Subgraph
from embedl_nb.model.operators import OperatorInfo, describe_operators

__all__ = ["LayerFacts", "ModelLayers", "facts_of_layers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """What is known of one layer besides its time.

    Attributes
    ----------
    macs
        Multiply-accumulates of its operators.
    moved_bytes
        Of the values and weights that it reads and writes; values that stay within a fused layer are not moved.
    relative_error
        Of its output against the float network's: root mean square of the difference over that of the value, >= 0.
    operators
        One line an operator: type, shapes, dtypes.
    """

    macs: int | None = None
    moved_bytes: int | None = None
    relative_error: float | None = None
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLayers:
    """The facts of every layer of one profile.

    Attributes
    ----------
    missing
        Why a fact is known of no layer, by its name.
    """

    layers: tuple[LayerFacts, ...]
    missing: dict[str, str] = field(default_factory=dict)


def facts_of_layers(result: Benchmark, model: LiteRTModel | None) -> ModelLayers:
    """Look up every layer in its model.

    Parameters
    ----------
    model
        The one that was measured; None where it is not at hand.

    Raises
    ------
    InputError
        If another model was measured.
    """
    if model is None:
        reason = f"the model file of {result.model_name} is not at hand: give models=model"
        nothing = tuple(LayerFacts() for _ in result.layer_table)
        return ModelLayers(layers=nothing, missing=dict.fromkeys(("macs", "moved_bytes", "relative_error"), reason))
    if model.sha256 != result.model_sha256:
        raise InputError(
            f"{model.name} ({model.sha256[:12]}) is not the model that was measured ({result.model_sha256[:12]})",
            hint="give the model that enb.benchmark was given",
        )
    subgraph = model.graph.subgraphs[_subgraph_index(result, model)]
    infos = describe_operators(model.graph, subgraph_index=subgraph.index)
    errors = _errors(result.layer_table, infos, model)
    uses = Counter(index for operator in subgraph.operators for index in operator.inputs)
    layers = tuple(
        LayerFacts(
            macs=_total(infos[index].macs for index in layer.operator_indices) if layer.operator_indices else None,
            moved_bytes=_moved_bytes(layer, subgraph, uses),
            relative_error=error,
            operators=tuple(_line(infos[index]) for index in layer.operator_indices),
        )
        for layer, error in zip(result.layer_table, errors, strict=True)
    )
    missing = {}
    if all(facts.macs is None for facts in layers):
        missing["macs"] = f"no layer of {result.model_name} could be mapped to operators whose MACs are known"
    if all(facts.moved_bytes is None for facts in layers):
        missing["moved_bytes"] = f"no layer of {result.model_name} could be mapped to tensors of a known size"
    if all(error is None for error in errors):
        missing["relative_error"] = _no_errors(model)
    return ModelLayers(layers=layers, missing=missing)


def _subgraph_index(result: Benchmark, model: LiteRTModel) -> int:
    """Return the subgraph that was measured."""
    return pick_signature(model.signatures, result.signature_key or None).subgraph_index


def _total(counts: Iterable[int | None]) -> int | None:
    """Add up; None where one of them is."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)


def _moved_bytes(layer: Layer, subgraph: Subgraph, uses: Counter[int]) -> int | None:
    if not layer.operator_indices:
        return None
    operators = [subgraph.operators[index] for index in layer.operator_indices]
    read = Counter(index for operator in operators for index in operator.inputs if index >= 0)
    written = {index for operator in operators for index in operator.outputs if index >= 0}
    outputs = set(subgraph.outputs)
    # A value that is made and used up inside the layer never leaves it.
    inner = {index for index in written if index not in outputs and 0 < uses[index] == read[index]}
    return _total(subgraph.tensors[index].num_bytes for index in (set(read) | written) - inner)


def _errors(layers: Sequence[Layer], infos: Sequence[OperatorInfo], model: LiteRTModel) -> list[float | None]:
    """Return the error of each layer's last operator that was compared with the float network's."""
    rows = model.fidelity.layers if model.fidelity else ()
    by_name = _unique({(row.name,): row for row in rows}, [(row.name,) for row in rows])
    places = [(row.source, row.operator) for row in rows]
    by_place = _unique(dict(zip(places, rows, strict=True)), places)
    ours = Counter((info.source, info.operator) for info in infos)

    def row_of(info: OperatorInfo) -> LayerFidelity | None:
        place = (info.source, info.operator)
        named = by_name.get((info.name,))
        return named or (by_place.get(place) if info.source and ours[place] == 1 else None)

    def error_of(layer: Layer) -> float | None:
        found = [row for row in (row_of(infos[index]) for index in layer.operator_indices) if row]
        return _relative(found[-1].sqnr_db) if found else None

    return [error_of(layer) for layer in layers]


def _unique(
    rows: dict[tuple[str, ...], LayerFidelity], keys: Sequence[tuple[str, ...]]
) -> dict[tuple[str, ...], LayerFidelity]:
    counts = Counter(keys)
    return {key: row for key, row in rows.items() if counts[key] == 1}


def _relative(sqnr_db: float) -> float | None:
    return None if math.isnan(sqnr_db) or sqnr_db == -math.inf else 10 ** (-sqnr_db / 20)


def _no_errors(model: LiteRTModel) -> str:
    if model.fidelity is None:
        return f"{model.name} has no fidelity: enb.quantize measures it"
    if not model.fidelity.layers:
        return f"the layers of {model.name} were not compared with the float model's when it was quantized"
    return f"no layer of {model.name} is one of those that its fidelity compares"


def _line(info: OperatorInfo) -> str:
    shapes = [", ".join(map(_shape, sides)) or "nothing" for sides in (info.inputs, info.outputs)]
    weights = f", weights {info.weights_dtype}" if info.weights_dtype else ""
    return f"{info.operator} #{info.index}: {shapes[0]} → {shapes[1]}, {info.dtype}{weights}"


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join('?' if size < 0 else str(size) for size in shape)})"
