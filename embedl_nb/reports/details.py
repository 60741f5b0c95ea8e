"""What a report shows of a result beyond what the result says of itself: every layer, the environment, each output.

A result that is not named here is shown by its own view alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.display import Displayable, Table
from embedl_nb.measure.benchmark import Benchmark, Environment
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.units import format_bytes, format_ratio

if TYPE_CHECKING:
    from embedl_nb.model.evidence import Parity

__all__ = ["more_tables"]


def more_tables(result: Displayable) -> list[Table]:
    """Return the tables that follow the result's own."""
    if isinstance(result, Benchmark):
        return _of_benchmark(result)
    if isinstance(result, LiteRTModel):
        return _parity_tables(result.parity)
    return []


def _of_benchmark(result: Benchmark) -> list[Table]:
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
