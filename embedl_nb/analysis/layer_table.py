"""The layers of one result, or of two side by side: times, work, traffic, error and where each ran.

Of two, rows are those of their layer diff (layer_diff.py): layers of either side that do the same work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.analysis.layer_diff import LayerChange, diff_layers
from embedl_nb.analysis.layer_facts import LayerFacts, ModelLayers, facts_of_layers
from embedl_nb.analysis.naming import distinct_names
from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import Benchmark, Layer
from embedl_nb.model import LiteRTModel
from embedl_nb.units import Provenance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerRow", "LayerSide", "LayerTable", "layer_table"]

_METRICS = ("mean_ms", "macs", "moved_bytes", "relative_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSide:
    """What one result says of a row.

    Attributes
    ----------
    start_ms
        From the start of the inference; None for what belongs to no layer.
    share
        Of the profiled mean, 0 to 1.
    """

    start_ms: float | None
    mean_ms: float
    p50_ms: float | None
    p95_ms: float | None
    share: float
    compute_unit: str
    kernel: str
    facts: LayerFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One layer, or the layers of either side that do the same work.

    Attributes
    ----------
    sides
        One for each result; None where that one has no such layer.
    """

    index: int
    name: str
    operator: str
    sides: tuple[LayerSide | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerTable:
    """Every layer of one or two results.

    Attributes
    ----------
    names
        What the results are called.
    totals_ms
        Profiled mean of each.
    missing
        Why a metric is known of no layer of any of them, by its name.
    """

    names: tuple[str, ...]
    totals_ms: tuple[float, ...]
    rows: tuple[LayerRow, ...]
    missing: dict[str, str]
    provenance: Provenance

    def frame(self) -> pd.DataFrame:
        """Return one row a layer; of two results each metric of both, and second less first."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in self.rows])


def layer_table(result: Benchmark, other: Benchmark | None = None, *, models: Sequence[LiteRTModel] = ()) -> LayerTable:
    """Put the layers of one or two results into a table.

    Parameters
    ----------
    models
        Those that were measured, as far as they are at hand; each is known by its hash.

    Raises
    ------
    InputError
        If one of the results has no layers, their numbers are of different provenance, or a model belongs to neither.
    """
    results = [result] if other is None else [result, other]
    for each in results:
        if not isinstance(each, Benchmark):
            raise InputError(
                f"layers are those of a Benchmark, not of a {type(each).__name__}",
                hint="result = enb.benchmark(model), then enb.LayerExplorer(result)",
            )
        if not each.layer_table or each.profiled_mean_ms is None:
            raise InputError(
                f"the benchmark of {each.model_name} has no layers: its profile was off",
                hint="measure it with enb.benchmark(model, profile=True)",
            )
    measured = {each.model_sha256 for each in results}
    strange = next((model for model in models if model.sha256 not in measured), None)
    if strange is not None:
        raise InputError(
            f"{strange.name} ({strange.sha256[:12]}) is in none of these results",
            hint="give the models that were measured",
        )
    at_hand = {model.sha256: model for model in models}
    facts = [facts_of_layers(each, at_hand.get(each.model_sha256)) for each in results]
    missing = {
        metric: "; ".join(dict.fromkeys(each.missing[metric] for each in facts))
        for metric in _METRICS
        if all(metric in each.missing for each in facts)
    }
    return LayerTable(
        names=distinct_names(results),
        totals_ms=tuple(each.profiled_mean_ms or 0.0 for each in results),
        rows=_single_rows(result, facts[0]) if other is None else _paired_rows(result, other, facts),
        missing=missing,
        provenance=result.provenance,
    )


def _single_rows(result: Benchmark, facts: ModelLayers) -> tuple[LayerRow, ...]:
    return tuple(
        LayerRow(
            index=layer.index,
            name=layer.source or layer.name,
            operator=layer.operator,
            sides=(_side([layer], [known], result),),
        )
        for layer, known in zip(result.layer_table, facts.layers, strict=True)
    )


def _paired_rows(first: Benchmark, second: Benchmark, facts: Sequence[ModelLayers]) -> tuple[LayerRow, ...]:
    names = distinct_names([first, second])
    diff = diff_layers(first, second, names=(names[0], names[1]))
    return tuple(_pair(change, (first, second), facts) for change in diff.changes)


def _pair(change: LayerChange, results: Sequence[Benchmark], facts: Sequence[ModelLayers]) -> LayerRow:
    sides: list[LayerSide | None] = []
    for result, known, places, mean_ms in zip(
        results,
        facts,
        (change.first_layers, change.second_layers),
        (change.first_ms, change.second_ms),
        strict=True,
    ):
        if places:
            sides.append(
                _side(
                    [result.layer_table[place] for place in places], [known.layers[place] for place in places], result
                )
            )
        else:
            sides.append(None if change.is_layer else _rest(mean_ms, result))
    return LayerRow(index=change.index, name=change.name, operator=change.operator, sides=tuple(sides))


def _side(layers: Sequence[Layer], facts: Sequence[LayerFacts], result: Benchmark) -> LayerSide:
    """Join the layers of one result that are one row; percentiles do not add up."""
    is_one = len(layers) == 1
    mean_ms = sum(layer.mean_ms for layer in layers)
    return LayerSide(
        start_ms=min(layer.start_ms for layer in layers),
        mean_ms=mean_ms,
        p50_ms=layers[0].p50_ms if is_one else None,
        p95_ms=layers[0].p95_ms if is_one else None,
        share=mean_ms / (result.profiled_mean_ms or mean_ms or 1.0),
        compute_unit=" + ".join(dict.fromkeys(layer.compute_unit for layer in layers)),
        kernel=" + ".join(dict.fromkeys(layer.kernel for layer in layers)),
        facts=facts[0] if is_one else _joined(facts),
    )


def _joined(facts: Sequence[LayerFacts]) -> LayerFacts:
    macs = [each.macs for each in facts if each.macs is not None]
    moved = [each.moved_bytes for each in facts if each.moved_bytes is not None]
    errors = [each.relative_error for each in facts if each.relative_error is not None]
    return LayerFacts(
        macs=sum(macs) if len(macs) == len(facts) else None,
        moved_bytes=sum(moved) if len(moved) == len(facts) else None,
        relative_error=errors[-1] if errors else None,
        operators=tuple(line for each in facts for line in each.operators),
    )


def _rest(mean_ms: float, result: Benchmark) -> LayerSide:
    """Return what belongs to no layer."""
    return LayerSide(
        start_ms=None,
        mean_ms=mean_ms,
        p50_ms=None,
        p95_ms=None,
        share=mean_ms / (result.profiled_mean_ms or 1.0),
        compute_unit="",
        kernel="",
        facts=LayerFacts(),
    )


def _flat(row: LayerRow) -> dict[str, object]:
    flat: dict[str, object] = {"index": row.index, "name": row.name, "operator": row.operator}
    if len(row.sides) == 1:
        return flat | _values(row.sides[0])
    first, second = (_values(side) for side in row.sides)
    for name, value in first.items():
        flat |= {f"first_{name}": value, f"second_{name}": second[name]}
    return flat | {f"{metric}_change": _change(row, metric) for metric in _METRICS}


def _change(row: LayerRow, metric: str) -> float | None:
    """Return second less first; a side without the layer does none of its work."""
    nothing = None if metric == "relative_error" else 0
    first, second = (nothing if side is None else _values(side)[metric] for side in row.sides)
    return None if first is None or second is None else second - first


def _values(side: LayerSide | None) -> dict[str, Any]:
    names = ("start_ms", "mean_ms", "p50_ms", "p95_ms", "share", "compute_unit", "kernel")
    own: dict[str, Any] = {name: getattr(side, name) if side else None for name in names}
    facts = side.facts if side else LayerFacts()
    return own | {name: getattr(facts, name) for name in _METRICS[1:]}
