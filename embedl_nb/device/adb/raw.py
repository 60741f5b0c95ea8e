"""From what a phone's tool said to the raw run that every device gives: times, memory, layers, and where it ran."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedl_nb.device.adb.tool.binary import TOOL_NAME
from embedl_nb.device.adb.tool.profile import RowKind
from embedl_nb.errors import UnparsableOutputError
from embedl_nb.runtime.raw_run import EventKind, ExecutionPath, HeatReading, ProfiledEvent, RawRun, TimesSummary
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.device.adb.running import PhoneRun, ToolProcess
    from embedl_nb.device.adb.tool.output import ToolOutput
    from embedl_nb.device.adb.tool.placement import Delegation
    from embedl_nb.device.adb.tool.profile import Profile
    from embedl_nb.device.conditions import Conditions

__all__ = ["execution_path", "to_raw_run"]

_KINDS = {
    RowKind.OPERATOR: EventKind.OPERATOR,
    RowKind.DELEGATE_KERNEL: EventKind.DELEGATE,
    RowKind.DELEGATE: EventKind.DELEGATE,
}
_UNKNOWN = "unknown"
# The runtime's words where it finds what an earlier process left; each process of the tool starts with nothing else.
_IS_CACHED = re.compile(r"XNNPack weight cache:? loaded from |API from serialized data", re.IGNORECASE)
_SILENT_CACHE = re.compile(r"--(?:compiler_cache_path|use_caching)=")  # nothing is said of what is in these
_MEMORY_ORDER = ("peak_memory", "overall_footprint", "init_footprint")
"""The first that was printed is the headline."""


def to_raw_run(run: PhoneRun, *, num_threads: int | None, wall_start: float) -> RawRun:
    """Return a phone's two processes as one raw run: latency and memory of the plain one, layers of the profiled one.

    Raises
    ------
    UnparsableOutputError
        If the tool did not say what a benchmark cannot be without.
    """
    output = run.plain.output
    summary = _summary(run.plain)
    figures = {figure.name: figure for figure in output.memory}
    headline = next((figures[name] for name in _MEMORY_ORDER if name in figures), None)
    events, profiled_ms = _layers(run.profiled, run.compute_unit)
    return RawRun(
        runtime_version=f"LiteRT {run.tool.version}",
        num_threads=num_threads,
        load_ms=0.0,
        compile_ms=_said(output.init_ms, "how long it took to load the model", run.plain),
        first_ms=_said(_first_ms(output), "how long the first inference took", run.plain),
        warmup_ms=(),
        samples_ms=(),
        settled=None,
        peak_memory_bytes={figure.name: figure.num_bytes for figure in (headline, *output.memory) if figure},
        memory_source=headline.definition if headline else "",
        profiled_ms=profiled_ms,
        profile_note=_profile_note(run.profiled.profile if run.profiled else None, is_wanted=run.profiled is not None),
        events=events,
        outputs_path=run.outputs.path,
        outputs_note=run.outputs.note,
        outputs_in_float16=run.outputs.in_float16,
        load_kind=_load_kind(run.plain),
        inputs="random",
        pid=0,
        wall_start=wall_start,
        summary=summary,
        path=execution_path(run.plain.delegation, run.compute_unit),
        tool={
            TOOL_NAME: f"LiteRT {run.tool.version}, {run.tool.abi}, SHA-256 {run.tool.sha256}",
            **({"output checker": run.outputs.tool} if run.outputs.tool else {}),
        },
        during=tuple(_heat(reading) for process in (run.plain, run.profiled) if process for reading in process.during),
    )


def _load_kind(process: ToolProcess) -> str:
    if _IS_CACHED.search(process.text):
        return "cached"
    return "" if _SILENT_CACHE.search(process.command) else "cold"


def _heat(conditions: Conditions) -> HeatReading:
    return HeatReading(
        temperature_celsius=conditions.temperature_celsius,
        skin_celsius=conditions.skin_celsius,
        thermal_status=conditions.thermal_status,
        clock_hz=conditions.clock_hz,
    )


def _summary(process: ToolProcess) -> TimesSummary:
    timed = process.output.timed
    if timed is None:
        raise _unsaid("the timed runs", process)
    if timed.are_all_same or timed.num_runs == 1:
        same_ms = _said(timed.curr_us, "the times of its runs", process) / 1e3
        return TimesSummary(
            n=timed.num_runs,
            min_ms=same_ms,
            max_ms=same_ms,
            mean_ms=same_ms,
            std_ms=0.0,
            p50_ms=same_ms,
            p95_ms=same_ms,
        )
    values = {
        "min_ms": timed.min_us,
        "max_ms": timed.max_us,
        "mean_ms": timed.avg_us,
        "std_ms": timed.std_us,
        "p50_ms": timed.median_us,
        "p95_ms": timed.p95_us,
    }
    return TimesSummary(
        n=timed.num_runs, **{name: _said(value, f"the {name[:-3]}", process) / 1e3 for name, value in values.items()}
    )


def _first_ms(output: ToolOutput) -> float | None:
    if output.first_ms is not None:
        return output.first_ms
    # Without a warm-up the first timed run is the first of all.
    first_us = output.timed.first_run_us if output.timed else None
    return None if first_us is None else first_us / 1e3


def _said(value: float | None, what: str, process: ToolProcess) -> float:
    if value is None:
        raise _unsaid(what, process)
    return value


def _unsaid(what: str, process: ToolProcess) -> UnparsableOutputError:
    return UnparsableOutputError(
        f"{TOOL_NAME} does not say {what}",
        tool=TOOL_NAME,
        excerpt=process.text[-500:],
        hint="use a newer one: embedl-nb fetch-tool 2.2.0",
    )


def _layers(process: ToolProcess | None, asked: ComputeUnit) -> tuple[tuple[ProfiledEvent, ...], tuple[float, ...]]:
    """Return the rows of the table as events of one duration each, and the mean of the inferences they are of."""
    if process is None or process.profile is None:
        return (), ()
    mean_ms = _profiled_mean_ms(process.output, process.profile)
    events = tuple(_events(process.profile, process.delegation, asked))
    return (events, (mean_ms,)) if events and mean_ms is not None else ((), ())


def _profiled_mean_ms(output: ToolOutput, profile: Profile) -> float | None:
    """Return the mean of the inferences that the table covers: newer layouts have the warm-up's in it as well."""
    phases = [phase for phase in (output.warmup, output.timed) if phase is not None and phase.mean_us is not None]
    num_runs = sum(phase.num_runs for phase in phases)
    if not num_runs or num_runs != profile.num_runs:
        return output.mean_ms
    return sum(phase.num_runs * (phase.mean_us or 0.0) for phase in phases) / num_runs / 1e3


def _events(profile: Profile, delegation: Delegation, asked: ComputeUnit) -> Iterator[ProfiledEvent]:
    start_ms = 0.0
    unsaid = str(asked) if asked is ComputeUnit.CPU else _UNKNOWN  # nothing leaves the CPU unless it is asked to
    rows = [row for row in profile.rows if not row.graph and row.kind in _KINDS]
    for index, row in enumerate(rows):
        duration_ms = row.per_inference_ms
        if duration_ms is None:
            continue
        yield ProfiledEvent(
            index=index,
            name=row.node_type,
            kind=_KINDS[row.kind],
            node_index=row.node_index,
            subgraph_index=0,
            start_ms=start_ms,  # the table's own starts are 0 in newer builds; one step follows the other
            durations_ms=(duration_ms,),
            compute_unit=str(delegation.unit_of(row) or unsaid),
        )
        start_ms += duration_ms


def _profile_note(profile: Profile | None, *, is_wanted: bool) -> str:
    if profile is None:
        return "the tool printed no profile" if is_wanted else ""
    notes = [*profile.notes, *(() if profile.is_whole else ("the profile is cut short",))]
    return "; ".join(notes)


def execution_path(delegation: Delegation, asked: ComputeUnit) -> ExecutionPath:
    """Say where the model ran, by what the runtime wrote while it built the model."""
    taken, of = delegation.num_on(asked), delegation.num_nodes
    causes = "; ".join(dict.fromkeys(cause.said for cause in delegation.causes_for(asked)))
    if asked is ComputeUnit.CPU:
        return ExecutionPath(compute_unit=str(asked), sentence=_on_cpu(delegation))
    if taken is None or of is None:
        unknown = "; ".join(delegation.unknown) or "the tool does not say where it ran"
        return ExecutionPath(compute_unit=_UNKNOWN, sentence=unknown, cause=causes, is_whole=False)
    how = delegation.npu_vendor if asked is ComputeUnit.NPU else delegation.backend
    title = str(asked).upper() + (f" ({how})" if how else "")
    # What was compiled ahead of time is one operator for many of the model that it was made from.
    operators = "operators" if asked is not ComputeUnit.NPU else "operators of the compiled model"
    if taken == of:
        sentence = f"all {of} {operators} on the {title}"
    elif taken:
        sentence = f"{taken} of {of} {operators} on the {title}, the others on the CPU"
    else:
        sentence = f"none of {of} {operators} on the {title}, all on the CPU"
    return ExecutionPath(
        compute_unit=str(asked if taken else ComputeUnit.CPU),
        sentence=sentence,
        cause="" if taken == of else causes or "the runtime does not say why",
        is_whole=taken == of,
        num_taken=taken,
        num_operators=of,
    )


def _on_cpu(delegation: Delegation) -> str:
    of = delegation.num_nodes
    if of is None:
        return "the runtime does not say what XNNPACK took"
    by_xnnpack = sum(one.num_replaced for one in delegation.replacements)
    return f"{by_xnnpack} operators by XNNPACK, {of - by_xnnpack} by the runtime's own kernels"
