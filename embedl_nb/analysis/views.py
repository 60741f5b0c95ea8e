"""What a comparison says of itself: the sentence, both latencies, in what they are unlike, and the layers behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.display import Fact, Table, View
from embedl_nb.units import Provenance, counted, format_ms

if TYPE_CHECKING:
    from embedl_nb.analysis.comparison import Comparison, Comparisons
    from embedl_nb.measure.benchmark import Benchmark

__all__ = ["comparison_view", "comparisons_view"]


def comparison_view(comparison: Comparison) -> View:
    """Describe ``comparison``."""
    verdict = comparison.verdict
    facts = [
        Fact("compared", f"{comparison.about}: {_described(comparison.second)} against {_described(comparison.first)}"),
        Fact(comparison.first_name, _latency(comparison.first)),
        Fact(comparison.second_name, _latency(comparison.second)),
    ]
    if verdict.method:
        facts.append(Fact("method", f"{verdict.method}; below {verdict.margin * 100:g} % a difference is none"))
    tables: tuple[Table, ...] = ()
    pictures: tuple[str, ...] = ("comparison_svg",)
    if _has_layers(comparison):
        layers = comparison.layers
        facts += [Fact("layers", layers.sentence), Fact("operators", layers.operators_sentence)]
        tables, pictures = layers._view().tables, (*pictures, "layer_diff_svg")
    unknown, next_step = _unknown(comparison)
    return View(
        headline=comparison.sentence,
        provenance=comparison.provenance,
        facts=tuple(facts),
        warnings=tuple(f"unlike: {each.sentence}" for each in comparison.unlike),
        tables=tables,
        pictures=pictures,
        unknown=unknown,
        next_step=next_step,
    )


def comparisons_view(comparisons: Comparisons) -> View:
    """Describe each comparison in a row."""
    each: list[Comparison] = list(comparisons)
    rows = tuple((name, comparison.sentence) for name, comparison in comparisons.results.items())
    provenances = {comparison.provenance for comparison in each}
    return View(
        headline=" | ".join((f"{len(each)} against {each[0].first_name}", *(one.sentence for one in each[:2]))),
        provenance=provenances.pop() if len(provenances) == 1 else None,
        facts=(Fact("method", _methods(each)),),
        warnings=tuple(f"{one.second_name}: unlike: {what.sentence}" for one in each for what in one.unlike),
        tables=(
            Table(
                title=f"Each against {each[0].first_name}",
                columns=("result", "answer"),
                rows=rows,
                note="[name] is the whole comparison, with its layers; each interval is at 95 % by itself.",
            ),
        ),
        pictures=("comparison_svg",),
    )


def _methods(each: list[Comparison]) -> str:
    return "; ".join(dict.fromkeys(one.verdict.method for one in each if one.verdict.method)) or "none"


def _has_layers(comparison: Comparison) -> bool:
    is_one_kind = comparison.provenance is not None
    return is_one_kind and all(
        result.layer_table and result.profiled_mean_ms is not None for result in (comparison.first, comparison.second)
    )


def _described(result: Benchmark) -> str:
    return f"{result.model_name} {result.precision} on {result.device.name} {result.placement.got}"


def _latency(result: Benchmark) -> str:
    low, high = result.latency.ci95_ms
    run = f", run {result.run_id}" if result.run_id else ""
    return (
        f"p50 {format_ms(result.latency.p50_ms)}, 95 % interval {format_ms(low)} to {format_ms(high)} "
        f"({result.provenance}, {counted(result.latency.num_processes, 'process', 'processes')}, "
        f"n = {result.latency.n}{run})"
    )


def _unknown(comparison: Comparison) -> tuple[str, str]:
    if comparison.is_different is None and comparison.ratio is not None:
        if not comparison.can_take_turns:
            return "which of the two is faster", "enb.benchmark(model, device, processes=20) of each, then enb.compare"
        if not comparison.first.in_turns:
            return (
                "which of the two is faster",
                "enb.compare(model_a, model_b)  # measured in turns, so that drift cancels",
            )
        return "which of the two is faster", "enb.compare(model_a, model_b, processes=20)"
    if comparison.provenance is Provenance.VIRTUAL:
        return "how a real device answers: these numbers are made up", ""
    if not _has_layers(comparison) and comparison.provenance is not None:
        return "which layers make the difference", "enb.benchmark(model, profile=True) of both, then enb.compare"
    return "", ""
