"""The use-cases: do a step, show its progress, record it. Commands and magics only call these."""

from __future__ import annotations

from embedl_nb.pipeline.again import rerun
from embedl_nb.pipeline.catalog import catalog
from embedl_nb.pipeline.comparing import compare
from embedl_nb.pipeline.doctor import doctor
from embedl_nb.pipeline.picking import pick
from embedl_nb.pipeline.preflight import preflight
from embedl_nb.pipeline.quantizing import quantize, sensitivity
from embedl_nb.pipeline.quickstart import quickstart
from embedl_nb.pipeline.reporting import report
from embedl_nb.pipeline.steps import (
    benchmark,
    bisect,
    cache_clear,
    compile,  # noqa: A004
    devices,
    fetch_tool,
    load,
    runs,
    ui,
)
from embedl_nb.pipeline.transfer import export_runs, import_runs

__all__ = [
    "benchmark",
    "bisect",
    "cache_clear",
    "catalog",
    "compare",
    "compile",
    "devices",
    "doctor",
    "export_runs",
    "fetch_tool",
    "import_runs",
    "load",
    "pick",
    "preflight",
    "quantize",
    "quickstart",
    "report",
    "rerun",
    "runs",
    "sensitivity",
    "ui",
]
