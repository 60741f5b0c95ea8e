"""Benchmarks of one model on several phones or units: which is the fastest, and which gave no answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedl_nb.display import ResultSet, Table, View
from embedl_nb.display.figures import draw
from embedl_nb.errors import EmbedlError
from embedl_nb.measure.benchmark import Benchmark, FlagKind, OutputState
from embedl_nb.units import Provenance, format_bytes, format_ms

__all__ = ["Benchmarks"]

_NOT_TO_BE_MISSED = (
    FlagKind.OUTPUTS_DIFFER,
    FlagKind.FALLBACK,
    FlagKind.THROTTLED,
    FlagKind.NO_ENERGY,
    FlagKind.SUSTAIN_CUT,
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Benchmarks(ResultSet):
    """A :class:`~embedl_nb.measure.Benchmark` for each address, or for each ``"address | unit"``."""

    def chart(self) -> Any:
        """Draw the p50 of each with its 95 % interval.

        Returns
        -------
        plotly.graph_objects.Figure
            One bar a benchmark, in ms; hatched where it was not measured.

        Raises
        ------
        InputError
            If there is none.
        """
        return draw("comparison", self)

    def _view(self) -> View:
        each: list[Benchmark] = list(self)
        return View(
            headline=" | ".join(_headline(each, num_failed=len(self.errors))),
            provenance=min((result.provenance for result in each), key=_trust, default=None),
            warnings=(
                *(f"{name}: {_in_one_line(error)}" for name, error in self.errors.items()),
                *(
                    f"{name}: {flag.sentence}"
                    for name, result in self.results.items()
                    for flag in result.flags
                    if flag.kind in _NOT_TO_BE_MISSED
                ),
            ),
            tables=(_table(self.results),) if each else (),
            pictures=("comparison_svg",) if len(each) > 1 else (),
            unknown="whether it computes there what it computes here" if _is_unchecked(each) else "",
        )


def _headline(each: list[Benchmark], *, num_failed: int) -> list[str]:
    failed = f"{num_failed} of {len(each) + num_failed} failed" if num_failed else "none failed"
    if not each:
        return ["no benchmark", failed]
    right = [result for result in each if result.outputs.state is not OutputState.DIFFER] or each
    best = min(right, key=lambda result: result.latency.p50_ms)
    what = f"fastest {best.device.name} {best.placement.got} (asked {best.placement.asked})"
    return [best.model_name, best.precision, f"{what}: p50 {format_ms(best.latency.p50_ms)}", failed]


def _trust(provenance: Provenance) -> bool:
    """Sort what is no measurement first: a set is worth no more than the least of its numbers."""
    return provenance is Provenance.MEASURED


def _is_unchecked(each: list[Benchmark]) -> bool:
    return any(result.outputs.state is OutputState.NOT_CHECKED for result in each)


def _table(results: dict[str, Benchmark]) -> Table:
    rows = [_row(name, result) for name, result in results.items()]
    for column, cells in _more_columns(results).items():
        for row, cell in zip(rows, cells, strict=True):
            row[column] = cell
    return Table(
        title="One row a benchmark",
        columns=tuple(rows[0]),
        rows=tuple(tuple(row.values()) for row in rows),
        numeric=("p50 ms", "p95 ms", "peak memory", "energy mJ", "steady p50 ms"),
        note=".frame() has them all as numbers; [name] is the whole benchmark, with its layers.",
    )


def _more_columns(results: dict[str, Benchmark]) -> dict[str, list[str]]:
    """Return the columns of what only some benchmarks measure, where any of these does."""
    each = results.values()
    columns = {
        "energy mJ": [
            f"{result.energy.energy_mj:.3g} ± {result.energy.uncertainty_mj:.2g}" if result.energy else ""
            for result in each
        ],
        "steady p50 ms": [f"{result.sustained.steady_p50_ms:.3f}" if result.sustained else "" for result in each],
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def _row(name: str, result: Benchmark) -> dict[str, str]:
    latency, memory = result.latency, result.memory.peak_memory_bytes
    return {
        "where": name,
        "device": result.device.name,
        "soc": result.device.soc,
        "asked": result.placement.asked,
        "got": result.placement.got,
        "p50 ms": f"{latency.p50_ms:.3f}",
        "p95 ms": f"{latency.p95_ms:.3f}",
        "peak memory": format_bytes(memory) if memory else "",
        "outputs": str(result.outputs.state),
        "flags": ", ".join(dict.fromkeys(str(flag.kind) for flag in result.flags)),
        "numbers": str(result.provenance),
    }


def _in_one_line(error: EmbedlError) -> str:
    return f"{error.message}. Try: {error.hint}" if error.hint else error.message
