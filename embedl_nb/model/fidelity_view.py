"""What a Fidelity says of itself: headline, facts, missed floors with what to try, outputs and worst layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from embedl_nb.display.names import shortened
from embedl_nb.display.view import Fact, Table, View
from embedl_nb.model.fidelity import LEAST_SQNR_DB, LEAST_TOP1_AGREEMENT, Floor
from embedl_nb.model.fidelity_rows import CalibrationSource
from embedl_nb.units import counted, format_bytes, format_count, format_ms

if TYPE_CHECKING:
    from embedl_nb.model.fidelity import Fidelity
    from embedl_nb.model.fidelity_rows import CurvePoint, LayerFidelity, OutputFidelity

__all__ = ["fidelity_view", "float_operators_words", "floor_sentence", "model_facts", "random_data_words", "sentence"]

_TOP_LAYERS = 10
_ALL_INTEGER = ("static_wi8_ai8", "auto")
_LONGEST_NAME = 48
_STEP_DB = 5.0


def sentence(fidelity: Fidelity) -> str:
    """Return the worst output's figures and on which samples they were taken."""
    degree = "exactly equal" if fidelity.sqnr_db == math.inf else f"{fidelity.sqnr_db:.1f} dB"
    if (top1 := fidelity.top1_agreement) is not None:
        degree += f", {_percent(top1)} of top-1 kept"
    return f"{degree} ({_samples(fidelity)})"


def _samples(fidelity: Fidelity) -> str:
    kind = "random" if fidelity.data == CalibrationSource.RANDOM else "held-out" if fidelity.is_held_out else ""
    count = counted(fidelity.num_samples, f"{kind} sample".strip())
    return count if fidelity.is_held_out else f"{count}, the same that calibrated it"


def random_data_words(fidelity: Fidelity) -> str:
    """Return what a headline adds for a model that never saw real data; "" for one that did."""
    if fidelity.data != CalibrationSource.RANDOM:
        return ""
    return "calibrated with random data" if fidelity.num_calibration_samples else "judged on random data"


def floor_sentence(fidelity: Fidelity, floor: Floor) -> str:
    """Return which figure fell short of ``floor``, and what to try."""
    if floor is Floor.SQNR:
        worst = min(fidelity.outputs, key=lambda output: output.sqnr_db)
        return (
            f"Output {worst.name} keeps {worst.sqnr_db:.1f} dB, below {LEAST_SQNR_DB:.0f} dB: expect other answers "
            f"than the float model's. Try {_more_accurate(fidelity)}."
        )
    if floor is Floor.TOP1:
        return (
            f"{_percent(fidelity.top1_agreement or 0.0)} of the top-1 answers are kept, below "
            f"{_percent(LEAST_TOP1_AGREEMENT)}. Try {_more_accurate(fidelity)}."
        )
    if floor is Floor.LATENCY and fidelity.latency is not None:
        check = fidelity.latency
        return (
            f"It is slower than the float model on {check.where}: {format_ms(check.quantized_p50_ms)} instead of "
            f"{format_ms(check.float_p50_ms)}. Try {_faster(fidelity)}, or keep the float model here."
        )
    if floor is Floor.RANDOM_DATA:
        return (
            f"It was {random_data_words(fidelity)}: its figures and ranges say little of real data. "
            'Try enb.quantize(model, data="folder/of/samples").'
        )
    if floor is Floor.FEW_SAMPLES:
        return (
            f"It was judged on {counted(fidelity.num_samples, 'sample')}, which shows little. "
            "Try enb.quantize(model, data) with more data: 100 samples beyond those that calibrate."
        )
    return (
        "It was judged on the same samples that calibrated it, which flatters it. Try enb.quantize(model, data) with "
        "more data, so that some can be held out."
    )


def _more_accurate(fidelity: Fidelity) -> str:
    """Return the next command on the way to a more accurate model, given the recipe that was used."""
    if fidelity.curve:
        return "enb.quantize(model, data, min_sqnr_db=...) with a higher bound, or keep the float model"
    if fidelity.recipe.get("name") != "auto":
        return 'enb.quantize(model, data, recipe="auto")'
    more = max(LEAST_SQNR_DB, fidelity.sqnr_db + _STEP_DB) if math.isfinite(fidelity.sqnr_db) else LEAST_SQNR_DB
    return f"enb.quantize(model, data, min_sqnr_db={more:.0f}), which keeps the fewest operators in float"


def _faster(fidelity: Fidelity) -> str:
    """Return what may be faster: all integers, unless that was tried; then only a quieter machine can tell more."""
    if fidelity.curve or (fidelity.recipe.get("name") in _ALL_INTEGER and not fidelity.num_float_operators):
        return "enb.benchmark(model) while nothing else runs"
    return f'enb.quantize(model, data, recipe="{_ALL_INTEGER[0]}")'


def fidelity_view(fidelity: Fidelity) -> View:
    """Describe ``fidelity``."""
    unknown, next_step = _unknown(fidelity)
    tables = [_outputs_table(fidelity)]
    tables += [_layers_table(fidelity)] if fidelity.layers else []
    tables += [_curve_table(fidelity)] if fidelity.curve else []
    parts = (
        "quantized against float",
        sentence(fidelity),
        fidelity.latency.sentence if fidelity.latency else "",
        random_data_words(fidelity),
    )
    return View(
        headline=" | ".join(part for part in parts if part),
        facts=_facts(fidelity),
        warnings=fidelity.warnings,
        tables=tuple(tables),
        pictures=("fidelity_svg",) if fidelity.layers else (),
        figures=(*(("fidelity",) if fidelity.layers else ()), *(("tradeoff",) if fidelity.curve else ())),
        unknown=unknown,
        next_step=next_step,
    )


def model_facts(fidelity: Fidelity) -> tuple[Fact, ...]:
    """Return what the view of a quantized model shows of its fidelity."""
    facts = [Fact("against float", fidelity.latency.sentence)] if fidelity.latency else []
    return (*facts, *_facts(fidelity))


def _facts(fidelity: Fidelity) -> tuple[Fact, ...]:
    facts = []
    if words := fidelity.recipe_sentence or str(fidelity.recipe.get("name", "")):
        facts.append(Fact("recipe", words))
    if fidelity.num_operators:
        facts.append(Fact("left in float", float_operators_words(fidelity)))
    if fidelity.num_calibration_samples:
        words = counted(fidelity.num_calibration_samples, f"{fidelity.data} sample")
        facts.append(Fact("calibrated with", fidelity.calibration_sentence or words))
    if fidelity.curve:
        facts.append(Fact("kept in float", "chosen on the samples that judge, so the judgement is a little kind"))
    if fidelity.price_sentence:
        facts.append(Fact("priced by", fidelity.price_sentence))
    if fidelity.evaluation:
        facts.append(Fact("evaluate", fidelity.evaluation.sentence))
    return tuple(facts)


def float_operators_words(fidelity: Fidelity) -> str:
    """Return how many operators were left in float, and of which types."""
    if not fidelity.num_float_operators:
        return f"none of {counted(fidelity.num_operators, 'operator')}"
    most_first = sorted(fidelity.float_operators.items(), key=lambda item: -item[1])
    types = ", ".join(f"{count} {name}" for name, count in most_first if count)
    return f"{fidelity.num_float_operators} of {counted(fidelity.num_operators, 'operator')}: {types}"


def _outputs_table(fidelity: Fidelity) -> Table:
    return Table(
        title="Outputs",
        columns=("output", "SQNR dB", "PSNR dB", "cosine", "max error", "top-1", "top-5"),
        rows=tuple(_output_row(output) for output in fidelity.outputs),
        numeric=("SQNR dB", "PSNR dB", "cosine", "max error", "top-1", "top-5"),
        note=" ".join(f"{output.name}: {output.note}." for output in fidelity.outputs if output.note),
    )


def _output_row(output: OutputFidelity) -> tuple[str, ...]:
    return (
        shortened(output.name, _LONGEST_NAME),
        _db(output.sqnr_db),
        _db(output.psnr_db),
        f"{output.cosine:.4f}",
        f"{output.max_error:.3g}",
        "" if output.top1_agreement is None else _percent(output.top1_agreement),
        "" if output.top5_agreement is None else _percent(output.top5_agreement),
    )


def _layers_table(fidelity: Fidelity) -> Table:
    # The noise that is made somewhere counts; what flows through a layer has its cause before it.
    able = [layer for layer in fidelity.layers if layer.made_here_db is not None]
    worst = sorted(able, key=_made_here)[:_TOP_LAYERS]
    return Table(
        title=f"Layers that add most noise ({len(worst)} of {len(fidelity.layers)})",
        columns=("#", "source", "operator", "precision", "SQNR dB", "made here dB", "inherited dB"),
        rows=tuple(_layer_row(layer) for layer in worst),
        numeric=("#", "SQNR dB", "made here dB", "inherited dB"),
        note="Signal to noise: fewer dB, more noise. Made here: the operator alone, on the float network's values.",
    )


def _made_here(layer: LayerFidelity) -> float:
    return math.inf if layer.made_here_db is None else layer.made_here_db


def _layer_row(layer: LayerFidelity) -> tuple[str, ...]:
    return (
        str(layer.index),
        shortened(layer.source or layer.name, _LONGEST_NAME),
        layer.operator,
        layer.precision,
        _db(layer.sqnr_db),
        _db(layer.made_here_db),
        _db(layer.inherited_db),
    )


def _curve_table(fidelity: Fidelity) -> Table:
    points = fidelity.curve
    at = next((place for place, point in enumerate(points) if point.is_chosen), 0)
    shown = sorted({0, max(0, at - 1), at, min(len(points) - 1, at + 1), len(points) - 1})
    has_metric = any(point.metric is not None for point in points)
    figures = ("in float", "SQNR dB", "top-1", *(("metric",) if has_metric else ()), "latency", "size")
    return Table(
        title=f"Accuracy against latency ({len(shown)} of {len(points)} points)",
        columns=("model", *figures),
        rows=tuple(_curve_row(points[place], has_metric=has_metric) for place in shown),
        numeric=figures,
    )


def _curve_row(point: CurvePoint, *, has_metric: bool) -> tuple[str, ...]:
    metric = "" if point.metric is None else f"{point.metric:.4g}"
    return (
        f"{point.label} (chosen)" if point.is_chosen else point.label,
        format_count(point.num_float_operators),
        _db(point.sqnr_db),
        "" if point.top1_agreement is None else _percent(point.top1_agreement),
        *((metric,) if has_metric else ()),
        f"{format_ms(point.latency_ms)} ({point.provenance})",
        format_bytes(point.size_bytes),
    )


def _unknown(fidelity: Fidelity) -> tuple[str, str]:
    if fidelity.evaluation is None:
        return "what it costs in your own metric", "enb.quantize(model, data, evaluate=my_metric)"
    if fidelity.latency is None:
        return "how fast it runs", "enb.benchmark(model)"
    return "how it does on a phone, whose kernels may round differently", "model.save(...)"


def _percent(share: float) -> str:
    """Write a share so that only all is 100 %."""
    return f"{share * 100:.0f} %" if share in (0.0, 1.0) or 0.01 <= share < 0.995 else f"{share * 100:.2f} %"


def _db(value_db: float | None) -> str:
    return "" if value_db is None else "no error" if value_db == math.inf else f"{value_db:.1f}"
