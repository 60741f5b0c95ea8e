"""One result -> one section of the report: its card, its interactive charts, its whole tables.

Charts are placed as empty boxes with an id; what goes into them is kept beside the markup, as plotly's JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedl_nb import charts
from embedl_nb.charts.waterfall_svg import waterfall_picture
from embedl_nb.display import Displayable, Table, html
from embedl_nb.display.markup import Markup, element, join
from embedl_nb.measure.benchmark import Benchmark, Environment
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.units import format_bytes, format_ratio

if TYPE_CHECKING:
    from embedl_nb.model.evidence import Parity
    from embedl_nb.model.fidelity import Fidelity

__all__ = ["Section", "section"]

_MAX_ROWS = 1000
_OPEN_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page.

    Attributes
    ----------
    anchor
        Its id in the page.
    title
        Its line in the contents.
    body
        Its markup.
    figures
        Element id -> a plotly figure as JSON.
    """

    anchor: str
    title: str
    body: Markup
    figures: dict[str, str]


def section(result: Displayable, *, number: int) -> Section:
    """Lay out one result.

    Parameters
    ----------
    result
        What is shown; a Benchmark gets charts, all of its layers and its environment, a quantized model what it cost;
        others show what they say of themselves.
    number
        Its place in the report, which begins its ids.
    """
    view = result._view()
    anchor = f"result-{number}"
    figures: dict[str, str] = {}
    parts = [html.card(view)]
    if isinstance(result, Benchmark):
        figures = _figures(result, anchor)
        parts += [_box(name) for name in figures]
        parts += _without_script(result, anchor)
        parts += [_folded(table) for table in _tables(result)]
    elif isinstance(result, LiteRTModel):
        parts += [_folded(table) for table in _parity_tables(result.parity)]
        if result.fidelity is not None:
            parts.append(html.card(result.fidelity._view()))
            figures = _fidelity_figures(result.fidelity, anchor)
            parts += [_box(name) for name in figures]
    return Section(anchor=anchor, title=view.headline, body=join(parts), figures=figures)


def _figures(result: Benchmark, anchor: str) -> dict[str, str]:
    kinds = [
        *(("waterfall", "operators") if result.layer_table else ()),
        *(("latency",) if result.latency.samples_ms else ()),
    ]
    return {f"{anchor}-{kind}": charts.draw(kind, result).to_json() for kind in kinds}


def _fidelity_figures(fidelity: Fidelity, anchor: str) -> dict[str, str]:
    kinds = (["fidelity"] if fidelity.layers else []) + (["tradeoff"] if fidelity.curve else [])
    return {f"{anchor}-{kind}": charts.draw(kind, fidelity).to_json() for kind in kinds}


def _box(name: str) -> Markup:
    return element("div", element("div", id=name), class_="embedl-chart")


def _without_script(result: Benchmark, anchor: str) -> list[Markup]:
    if not result.layer_table:
        return []
    picture = waterfall_picture(result, uid=f"{anchor}-picture")
    return [element("noscript", element("div", picture, class_="embedl-chart"))]


def _folded(table: Table) -> Markup:
    return html.folded(table, max_rows=_MAX_ROWS, open_rows=_OPEN_ROWS, class_="embedl-card")


def _tables(result: Benchmark) -> list[Table]:
    tables = _parity_tables(result.outputs.parity)
    if result.layer_table:
        tables.append(_layers(result))
    tables.append(
        Table(
            title="Peak memory up to each stage",
            columns=("stage", "peak"),
            rows=tuple((stage, format_bytes(size)) for stage, size in result.memory.by_stage.items()),
            numeric=("peak",),
            note=str(result.provenance),
        )
    )
    tables.append(_environment(result.environment))
    return tables


def _parity_tables(parity: Parity | None) -> list[Table]:
    if parity is None:
        return []
    columns = ("output", "matches", "max abs error", "max rel error", "SQNR dB", "cosine", "top-1 agreement")
    rows = tuple(
        (
            match.name,
            "yes" if match.matches else f"no: {match.note}" if match.note else "no",
            f"{match.max_abs_error:.3g}",
            f"{match.max_rel_error:.3g}",
            f"{match.sqnr_db:.1f}",
            f"{match.cosine:.6f}",
            "" if match.top1_agreement is None else format_ratio(match.top1_agreement),
        )
        for match in parity.outputs
    )
    return [Table(title="Parity of each output", columns=columns, rows=rows, numeric=columns[2:], note=parity.sentence)]


def _layers(result: Benchmark) -> Table:
    return Table(
        title="All layers, in the order they ran",
        columns=("#", "source", "operator", "unit", "start ms", "mean ms", "p50 ms", "p95 ms", "share", "kernel"),
        rows=tuple(
            (
                str(layer.index),
                layer.source or layer.name,
                f"{layer.operator} +{layer.num_operators - 1}" if layer.num_operators > 1 else layer.operator,
                layer.compute_unit,
                f"{layer.start_ms:.3f}",
                f"{layer.mean_ms:.4f}",
                "" if layer.p50_ms is None else f"{layer.p50_ms:.4f}",
                "" if layer.p95_ms is None else f"{layer.p95_ms:.4f}",
                format_ratio(layer.share),
                layer.kernel,
            )
            for layer in result.layer_table
        ),
        numeric=("#", "start ms", "mean ms", "p50 ms", "p95 ms", "share"),
        note=f"Times are {result.provenance}, with profiling on; shares are of the profiled mean.",
    )


def _environment(environment: Environment) -> Table:
    limit = environment.memory_limit_bytes
    values = {
        "host": environment.hostname,
        "cpu": environment.cpu,
        "cores": f"{environment.num_cores}, {environment.num_usable_cores} usable",
        "cpu limit": "none" if environment.cpu_limit is None else f"{environment.cpu_limit:g} cores",
        "memory limit": "none" if limit is None else format_bytes(limit),
        "system": environment.os,
        "threads": str(environment.num_threads or "the runtime's choice"),
        "governor": environment.governor or "not readable",
        "load before": "not known" if environment.load_average_1m is None else f"{environment.load_average_1m:.2f}",
        "started": environment.started_at,
        **environment.versions,
    }
    return Table(title="Environment", columns=("what", "value"), rows=tuple(values.items()))
