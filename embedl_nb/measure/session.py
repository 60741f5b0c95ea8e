"""One measurement from end to end: check, lease the device, run fresh processes, and make one Benchmark of them."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.device import Device, DeviceAddress, open_device
from embedl_nb.errors import BenchmarkError, UnitUnavailableError, WrongOutputError
from embedl_nb.measure import plan
from embedl_nb.measure.afterwards import InterruptedAfterwards, measure_afterwards
from embedl_nb.measure.artifact import choose_file
from embedl_nb.measure.benchmark import (
    Benchmark,
    Flag,
    FlagKind,
    InputSource,
    Latency,
    Memory,
    OutputCheck,
    OutputState,
    PlacementSummary,
)
from embedl_nb.measure.environment import describe_environment, describe_heat
from embedl_nb.measure.flags import Window, machine_flags, profile_flags, sample_flags
from embedl_nb.measure.foreseen import compare_with_preflight
from embedl_nb.measure.layers import LayerProfile, build_layers
from embedl_nb.measure.loading import load_times
from embedl_nb.measure.phone_state import phone_flags
from embedl_nb.measure.plan import MeasureOptions
from embedl_nb.measure.samples import Golden, Sample, check_outputs, choose_golden, choose_sample
from embedl_nb.measure.statistics import join_summaries, summarize
from embedl_nb.measure.warning import warn_about
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.litert_model import LiteRTModel, as_model
from embedl_nb.runtime.raw_run import ExecutionPath, MeasureRequest, OutputsFor, RawRun
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.model.spec import Signature

__all__ = ["Subject", "as_benchmark", "choose_subject", "choose_unit", "measure", "run_process", "worst_check"]

_WARN_CALLER = 3  # the caller of whoever calls measure: the pipeline's verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is measured: the model, its entry point, its inputs and what they must give."""

    model: LiteRTModel
    signature: Signature
    sample: Sample
    golden: Golden | None

    @property
    def title(self) -> str:
        """The model's name, with the signature's where there are several."""
        return f"{self.model.name} ({self.signature.key})" if len(self.model.signatures) > 1 else self.model.name


def measure(
    model: LiteRTModel | str | Path,
    device: str | DeviceAddress = "host://",
    *,
    compute_unit: str = "cpu",
    allow_fallback: bool = True,
    golden: Any = None,
    inputs: Any = None,
    signature_key: str | None = None,
    num_threads: int | None = None,
    processes: int = 3,
    iterations: int | None = None,
    warmup: int | None = None,
    profile: bool = True,
    runtime_options: Mapping[str, str] | None = None,
    energy: bool = False,
    sustain: str | None = None,
    warn: bool = True,
) -> Benchmark:
    """Measure a model on a device, in fresh processes, one after the other.

    A model of 10 ms takes about 10 s with the defaults: 3 processes, each with up to 3 s of timed iterations and, after
    those, a pass of its own with the profiler on. Nothing else of this library runs meanwhile.

    Parameters
    ----------
    model
        A LiteRTModel or the path of a ``.tflite`` file.
    device
        An address.
    compute_unit, allow_fallback, num_threads, processes, iterations, warmup, profile, runtime_options
        See :class:`~embedl_nb.measure.plan.MeasureOptions`.
    golden
        Expected outputs: a dict by output name, or one array. By default, where the inputs are the model's own
        example, what its source made of it.
    inputs
        One sample: an array, a tuple by position, or a dict by name. By default the model's first example, else
        random values.
    signature_key
        Which signature to measure; the first by default. Only the first has examples of its own.
    energy
        Whether to measure the energy of an inference afterwards, which takes 2 minutes more, or 6 where the phone's
        gauge is slow; on phones that do not charge and say what they draw.
    sustain
        How long to run it on afterwards, ``"90s"``, ``"10m"``, for its latency once the device is warm.

        Whatever goes wrong with these two is a flag of the result, which is there all the same.
    warn
        False leaves the warnings to a caller that has many results: :func:`~embedl_nb.measure.warning.warn_about`.

    Returns
    -------
    Benchmark
        Not yet recorded.

    Raises
    ------
    InputError
        If the model, an option, the inputs or ``golden`` cannot be used.
    DeviceError
        If the device is unknown or busy, or lacks the unit asked for.
    BenchmarkError
        If the runtime crashes, hangs or runs out of memory.
    WrongOutputError
        If the outputs differ from ``golden``.
    InterruptedAfterwards
        If Ctrl-C ends what is measured after the latency: it has the result.

    Warns
    -----
    FallbackWarning
        If the model ran on another unit than the one asked for.
    UnstableMeasurementWarning, ThrottledWarning
        If the figures are doubtful; the flags of the result say why.
    """
    options = MeasureOptions.checked(
        compute_unit=compute_unit,
        allow_fallback=allow_fallback,
        num_threads=num_threads,
        processes=processes,
        iterations=iterations,
        warmup=warmup,
        profile=profile,
        runtime_options=runtime_options,
        energy=energy,
        sustain=sustain,
    )
    target = open_device(device)
    file = choose_file(as_model(model), target.info, options.compute_unit)
    unit = choose_unit(target, options)
    with tempfile.TemporaryDirectory(prefix="embedl_nb-measure-") as folder:
        subject = choose_subject(file, Path(folder), inputs=inputs, golden=golden, signature_key=signature_key)
        with target.lease():
            runs, windows, check = _run_all(target, subject, options, unit)
            more = measure_afterwards(target, _request(subject, options), options)
    result = as_benchmark(target, subject, options, unit, runs, windows, check)
    result = replace(result, energy=more.energy, sustained=more.sustained, flags=(*result.flags, *more.flags))
    if more.is_interrupted:
        raise InterruptedAfterwards(result)
    if warn:
        warn_about(result, stacklevel=_WARN_CALLER)
    return result


def choose_subject(
    model: LiteRTModel | str | Path, folder: Path, *, inputs: Any, golden: Any, signature_key: str | None
) -> Subject:
    """Open the model and put its inputs into a file in ``folder``."""
    opened = as_model(model)
    opened.content()  # what is measured is recorded by its hash: a file that has changed since is refused
    signature = pick_signature(opened.signatures, signature_key)
    sample = choose_sample(opened, signature, inputs, folder)
    return Subject(
        model=opened, signature=signature, sample=sample, golden=choose_golden(opened, signature, golden, sample)
    )


def choose_unit(target: Device, options: MeasureOptions) -> ComputeUnit:
    """Return the unit that is asked for, else one that the device offers, if that is allowed."""
    available = target.info.compute_units
    if options.compute_unit in available:
        return options.compute_unit
    if not options.allow_fallback:
        raise UnitUnavailableError(
            f"compute_unit={str(options.compute_unit)!r} is not to be had on {target.info.name} "
            f"({target.info.address}), which offers {', '.join(available)}",
            asked=str(options.compute_unit),
            available=tuple(str(unit) for unit in available),
            address=target.info.address,
            hint=f"ask for compute_unit={str(available[0])!r}, or allow_fallback=True",
        )
    return available[0]


def _run_all(
    target: Device, subject: Subject, options: MeasureOptions, unit: ComputeUnit
) -> tuple[list[RawRun], list[Window], OutputCheck]:
    """Run the processes; the first one whose outputs differ from those the caller gave ends it all."""
    runs: list[RawRun] = []
    windows: list[Window] = []
    checks: list[OutputCheck] = []
    for number in range(options.processes):
        progress.emit("process", f"process {number + 1} of {options.processes}", done=number, total=options.processes)
        run, window, check = run_process(target, subject, options, earlier=checks[-1] if checks else None)
        runs.append(run)
        windows.append(window)
        checks.append(check)
        progress.emit("process", done=number + 1, total=options.processes, reading=_reading(run, window, options, unit))
    return runs, windows, worst_check(checks)


def _reading(run: RawRun, window: Window, options: MeasureOptions, unit: ComputeUnit) -> progress.Reading:
    """Return what a process that has ended tells to whoever watches."""
    return progress.Reading(
        latency_ms=run.summary.p50_ms if run.summary is not None else statistics.median(run.samples_ms),
        temperature_celsius=window[1].temperature_celsius,
        asked=str(options.compute_unit),
        got=str(unit) if run.path is None else run.path.compute_unit,
    )


def run_process(
    target: Device, subject: Subject, options: MeasureOptions, *, earlier: OutputCheck | None = None
) -> tuple[RawRun, Window, OutputCheck]:
    """Run one process on a device that is leased.

    Parameters
    ----------
    earlier
        What came of the outputs of a process before. Where another program gave them than the one that is timed, it
        is not asked again.

    Raises
    ------
    UnitUnavailableError
        If it fell back and was not to.
    WrongOutputError
        If its outputs differ from those the caller gave.
    """
    request = _request(subject, options)
    known = earlier if earlier is not None and earlier.by else None
    if known is not None:
        request = replace(request, outputs_for=OutputsFor.NOTHING)
    before = target.conditions()
    run = target.run(request)
    window = (before, target.conditions())
    check = known or check_outputs(subject.model, subject.signature, subject.golden, subject.sample, run)
    _refuse_fallback(target, options, run)
    _refuse_wrong(check, subject, where=target.info.address)
    return run, window, check


def worst_check(checks: Sequence[OutputCheck]) -> OutputCheck:
    """Return the first process's whose outputs differ, else the first."""
    return next((check for check in checks if check.state is OutputState.DIFFER), checks[0])


def _request(subject: Subject, options: MeasureOptions) -> MeasureRequest:
    return MeasureRequest(
        model_path=str(subject.model.path),
        signature_key=subject.signature.key or None,
        inputs_path=None if subject.sample.path is None else str(subject.sample.path),
        seed=plan.SEED,
        num_threads=options.num_threads,
        warmup=options.warmup,
        iterations=options.iterations,
        min_iterations=plan.MIN_ITERATIONS,
        max_iterations=plan.MAX_ITERATIONS,
        budget_s=plan.BUDGET_S,
        settle_ratio=plan.SETTLE_RATIO,
        profile=options.profile,
        runtime_options=options.runtime_options,
        compute_unit=str(options.compute_unit),
        allow_fallback=options.allow_fallback,
        outputs_for=_outputs_for(subject.golden),
    )


def _outputs_for(golden: Golden | None) -> OutputsFor:
    if golden is None:
        return OutputsFor.NOTHING
    return OutputsFor.REQUIRED_CHECK if golden.is_given else OutputsFor.CHECK


def _refuse_wrong(check: OutputCheck, subject: Subject, *, where: str) -> None:
    if subject.golden is None or not subject.golden.is_given:
        return
    if check.state is OutputState.NOT_CHECKED:
        raise BenchmarkError(
            f"{subject.model.name} on {where} was not compared with golden: {check.sentence}",
            hint="measure it without golden, or on a device that gives its outputs",
        )
    if check.state is not OutputState.DIFFER or check.parity is None:
        return
    wrong = tuple(output.name for output in check.parity.outputs if not output.matches)
    raise WrongOutputError(
        f"{subject.model.name} on {where} computes something else than golden: {check.sentence}",
        outputs=wrong,
        hint="check that golden belongs to these inputs; without golden the model is measured all the same",
    )


def as_benchmark(
    target: Device,
    subject: Subject,
    options: MeasureOptions,
    unit: ComputeUnit,
    runs: Sequence[RawRun],
    windows: Sequence[Window],
    check: OutputCheck,
) -> Benchmark:
    """Make one result of what the processes gave."""
    profile = build_layers(runs, subject.model.graph, subgraph_index=subject.signature.subgraph_index)
    environment, thermal = describe_environment(runs, windows[0][0]), describe_heat(windows, runs)
    path = _path(runs)
    foreseen = compare_with_preflight(subject.model, subject.signature, target.info, options.compute_unit, path)
    placement = replace(_placement(target, options, unit, profile=profile, path=path), foreseen=foreseen)
    flags = (
        *_verdict_flags(placement, check),
        *sample_flags(runs),
        *machine_flags(windows, num_cores=target.info.num_cores, is_phone=bool(target.info.soc)),
        *phone_flags(windows, thermal, environment, num_cores=target.info.num_cores),
        *profile_flags(profile, runs),
    )
    return Benchmark(
        model_name=subject.title,
        model_sha256=subject.model.sha256,
        signature_key=subject.signature.key,
        precision=subject.model.precision,
        device=target.info,
        latency=_latency(runs),
        **asdict(load_times(runs)),
        first_ms=statistics.median(run.first_ms for run in runs),
        layer_table=profile.layers,
        profiled_mean_ms=profile.mean_ms,
        unattributed_ms=profile.unattributed_ms,
        unattributed_operators=profile.unattributed_operators,
        memory=_memory(runs),
        thermal=thermal,
        placement=placement,
        outputs=check,
        environment=environment,
        options=options,
        input_source=InputSource.RANDOM if runs[0].inputs == "random" else subject.sample.source,
        flags=flags,
        provenance=target.info.provenance,
    )


def _latency(runs: Sequence[RawRun]) -> Latency:
    summaries = [run.summary for run in runs if run.summary is not None]
    if summaries:
        return join_summaries(summaries, seed=plan.SEED)
    return summarize([run.samples_ms for run in runs], seed=plan.SEED)


def _path(runs: Sequence[RawRun]) -> ExecutionPath | None:
    """Return where the processes went; of several ways the one that is farthest from what was asked."""
    return next((run.path for run in runs if run.path is not None and not run.path.is_whole), runs[0].path)


def _refuse_fallback(target: Device, options: MeasureOptions, run: RawRun) -> None:
    path = run.path
    if options.allow_fallback or path is None or path.is_whole:
        return
    raise UnitUnavailableError(
        f"compute_unit={str(options.compute_unit)!r} did not take all of it on {target.info.name} "
        f"({target.info.address}): {path.sentence}" + (f"; {path.cause}" if path.cause else ""),
        asked=str(options.compute_unit),
        available=tuple(str(unit) for unit in target.info.compute_units),
        address=target.info.address,
        hint="allow_fallback=True measures it as it runs there",
    )


def _verdict_flags(placement: PlacementSummary, check: OutputCheck) -> list[Flag]:
    flags = []
    if not placement.is_as_asked:
        flags.append(Flag(kind=FlagKind.FALLBACK, sentence=f"fallback: {placement.sentence}"))
    if check.state is OutputState.DIFFER:
        flags.append(Flag(kind=FlagKind.OUTPUTS_DIFFER, sentence=f"outputs differ: {check.sentence}"))
    return flags


def _memory(runs: Sequence[RawRun]) -> Memory:
    stages = {stage: max(run.peak_memory_bytes[stage] for run in runs) for stage in runs[0].peak_memory_bytes}
    return Memory(peak_memory_bytes=max(stages.values(), default=0), by_stage=stages, definition=runs[0].memory_source)


def _placement(
    target: Device,
    options: MeasureOptions,
    unit: ComputeUnit,
    *,
    profile: LayerProfile,
    path: ExecutionPath | None,
) -> PlacementSummary:
    asked, got = str(options.compute_unit), str(unit) if path is None else path.compute_unit
    sentence = f"asked {asked}, got {got}"
    if path is not None:
        sentence += f": {path.sentence}" + (f"; {path.cause}" if path.cause else "")
    elif asked != got:
        offers = ", ".join(target.info.compute_units)
        sentence += f": {target.info.name} offers {offers} only"
    elif profile.layers:
        by_runtime = sum(layer.num_operators for layer in profile.layers if layer.kernel == layer.operator)
        in_layers = sum(layer.num_operators for layer in profile.layers)
        sentence += f": {in_layers - by_runtime} operators by XNNPACK, {by_runtime} by the runtime's own kernels"
    is_whole = asked == got and (path is None or path.is_whole)
    return PlacementSummary(asked=asked, got=got, sentence=sentence, is_as_asked=is_whole)
