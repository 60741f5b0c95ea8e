"""One measurement on a phone: the tool and the model are pushed, an unprofiled process is run, then a profiled one.

What comes out is what the tool said, read but not judged: latency and memory are the first process's, layers the
second's, because the profile costs both. Whatever happens, the model and the tool's processes are gone at the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedl_nb import progress
from embedl_nb.device.adb.checking import PhoneCheck, PhoneOutputs, prepare_check
from embedl_nb.device.adb.npu_runtime import NpuRuntime, find_runtime
from embedl_nb.device.adb.phone import FOLDER, AdbPhone
from embedl_nb.device.adb.raw import execution_path
from embedl_nb.device.adb.settings import PhoneSettings
from embedl_nb.device.adb.tool.binary import TOOL_NAME, ToolBinary, find_tool
from embedl_nb.device.adb.tool.command import BenchmarkCommand, RunLimits
from embedl_nb.device.adb.tool.failures import classify_failure
from embedl_nb.device.adb.tool.lines import MAX_OUTPUT_CHARS
from embedl_nb.device.adb.tool.output import ToolOutput, parse_output
from embedl_nb.device.adb.tool.placement import Delegation, parse_delegation
from embedl_nb.device.adb.tool.profile import Profile, parse_profile
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.watch import Watch
from embedl_nb.errors import DeviceError, DeviceTimeout, InputError, RuntimeTimeoutError
from embedl_nb.runtime.logs import ChildLog
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.runtime.raw_run import MeasureRequest

__all__ = ["PhoneRun", "ToolProcess", "run_on_phone"]

_MODEL_NAME = "model.tflite"
_START_LIMIT_S = 300.0
_ITERATION_LIMIT_S = 2.0
_TOOL_MIN_S = 1.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolProcess:
    """One process of the tool.

    Attributes
    ----------
    command
        What the phone's shell was given.
    text
        All that it printed, in order.
    output, delegation
        The same, read.
    profile
        Times of operators; None where they were not asked for.
    during
        What went on at the phone while it ran; of a profiled process only, whose times are not the headline's.
    """

    command: str
    text: str
    output: ToolOutput
    delegation: Delegation
    profile: Profile | None
    during: tuple[Conditions, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneRun:
    """What a phone did, in the tool's own words.

    Attributes
    ----------
    tool
        The program, with its version and SHA-256.
    compute_unit
        What was asked for.
    plain
        The process whose latency and memory count.
    profiled
        The process whose layers count; None where none was asked for.
    outputs
        What the phone made of the request's inputs, in a process of another program.
    """

    tool: ToolBinary
    compute_unit: ComputeUnit
    plain: ToolProcess
    profiled: ToolProcess | None
    outputs: PhoneOutputs


def run_on_phone(
    phone: AdbPhone,
    request: MeasureRequest,
    *,
    tool_path: str | Path | None = None,
) -> PhoneRun:
    """Measure a model on a phone. While it is leased the model stays there for the next run.

    Parameters
    ----------
    request
        Its ``runtime_options`` are flags of the tool, or of :class:`~embedl_nb.device.adb.settings.PhoneSettings`.
        What is timed runs on the tool's own, random inputs; the request's go to the program that gives outputs.
    tool_path
        See :func:`embedl_nb.device.adb.tool.binary.find_tool`.

    Raises
    ------
    InputError
        If the model cannot be read, or an option is none of the tool's.
    UnitUnavailableError
        If the NPU is asked for and the vendor's libraries are not on this machine.
    BenchmarkError, RemoteCommandError
        If the tool fails, by its exit status and its words.
    DeviceError
        If the phone goes away.
    """
    model_path = Path(request.model_path)
    if not model_path.is_file():
        raise InputError(f"there is no model {model_path}", hint="compile it again, or correct the path")
    # What is wrong is told before anything is pushed.
    settings, flags = PhoneSettings.split(request.runtime_options, allowed_cpus=phone.facts.allowed_cpus)
    tool = find_tool(phone.facts.abis, version=settings.tool_version, path=tool_path)
    draft = _command(request, tool, flags=flags, cpu_mask=settings.cpu_mask)
    npu = find_runtime(phone.facts, phone.info, tool) if draft.compute_unit is ComputeUnit.NPU else NpuRuntime()
    outputs = prepare_check(request, phone.facts.abis)
    draft = replace(draft, tool_path=phone.put(tool.path, name=TOOL_NAME))
    files = ((model_path, _MODEL_NAME), *((library, library.name) for library in npu.files))
    with _on_phone(phone, files, keep=settings.keep_on_phone) as (remote_model, *libraries):
        command = npu.placed(replace(draft, directory=remote_model.removesuffix(f"/{_MODEL_NAME}")), libraries)
        progress.emit("measure", f"on {phone.info.name}")
        plain = _run(phone, command, request)
        profiled = None
        if request.profile:
            progress.emit("profile", f"on {phone.info.name}")
            with Watch(phone.conditions, every_s=_LOOK_S) as watch:
                profiled = _run(phone, replace(command, profile=True), request)
            profiled = replace(profiled, during=tuple(watch.readings))
        if isinstance(outputs, PhoneCheck):
            outputs = outputs.outputs(
                phone,
                like=command,
                timed=execution_path(plain.delegation, draft.compute_unit),
                run=lambda check: _run(phone, check, request),
            )
    return PhoneRun(tool=tool, compute_unit=draft.compute_unit, plain=plain, profiled=profiled, outputs=outputs)


def _command(
    request: MeasureRequest, tool: ToolBinary, *, flags: Mapping[str, str], cpu_mask: int | None
) -> BenchmarkCommand:
    """Return what is to be run, but for where the files are on the phone."""
    unit = ComputeUnit(request.compute_unit)
    return BenchmarkCommand(
        version=tool.version,
        directory=FOLDER,
        graph_path=_MODEL_NAME,
        compute_unit=unit,
        require_full_delegation=unit is not ComputeUnit.CPU and not request.allow_fallback,
        num_threads=request.num_threads,
        cpu_mask=cpu_mask,
        runs=_timed(request),
        warmup=_warmup(request),
        signature_key=request.signature_key,
        runtime_options=flags,
    )


@contextmanager
def _on_phone(phone: AdbPhone, files: Iterable[tuple[Path, str]], *, keep: bool) -> Iterator[list[str]]:
    """Have files on the phone, each by a name, until the block ends; a phone that is gone by then does not hide why."""
    remote: list[str] = []
    try:
        for path, name in files:
            remote.append(phone.put(path, name=name, keep=keep))
        yield remote
    except BaseException:
        with contextlib.suppress(DeviceError):
            phone.stop_leftovers()
            phone.remove(*remote)
        raise
    if not keep and not phone.is_leased:
        phone.remove(*remote)


def _run(phone: AdbPhone, command: BenchmarkCommand, request: MeasureRequest) -> ToolProcess:
    line, limit_s = command.to_shell(), _time_limit_s(request)
    try:
        done = phone.shell(line, timeout_s=limit_s, max_bytes=MAX_OUTPUT_CHARS, check=False)
    except DeviceTimeout as err:
        if not phone.stop_leftovers():
            raise
        raise RuntimeTimeoutError(
            f"{TOOL_NAME} on {phone.info.address} did not end within {limit_s:.0f} s and was stopped",
            hint="ask for fewer iterations, or for another compute unit",
        ) from err
    text = done.stdout + done.stderr  # the command sends all to the first; the second is the shell's own
    failure = classify_failure(
        done.returncode,
        text,
        asked=command.compute_unit,
        exact_runs=command.runs.num_runs if command.runs.is_exact else None,
        address=phone.info.address,
        command=line,
        log_path=str(_kept(text)),
    )
    if failure is not None:
        raise failure
    output = parse_output(text)
    runs = (output.num_warmup_runs, output.num_runs)
    return ToolProcess(
        command=line,
        text=text,
        output=output,
        delegation=parse_delegation(text),
        profile=parse_profile(text, num_runs=sum(filter(None, runs)) or None) if command.profile else None,
    )


def _timed(request: MeasureRequest) -> RunLimits:
    if request.iterations is not None:
        return RunLimits.exactly(request.iterations)
    return RunLimits(
        num_runs=request.min_iterations,
        min_s=min(_TOOL_MIN_S, request.budget_s),
        max_s=max(_TOOL_MIN_S, request.budget_s),
    )


def _warmup(request: MeasureRequest) -> RunLimits:
    return RunLimits(num_runs=1, min_s=0.5) if request.warmup is None else RunLimits(num_runs=request.warmup)


def _time_limit_s(request: MeasureRequest) -> float:
    """Return a limit that only a hang exceeds."""
    asked = (request.iterations or 0) + (request.warmup or 0)
    return _START_LIMIT_S + 2 * request.budget_s + _ITERATION_LIMIT_S * asked


def _kept(text: str) -> Path:
    """Keep what a run printed, beside the logs of this machine's own runs, for a person to read."""
    log = ChildLog("phone")
    try:
        with open(log.fd, "w", encoding="utf-8", errors="replace", closefd=False) as file, contextlib.suppress(OSError):
            file.write(text)  # a full disk costs the log, not the run
    finally:
        log.close()
    return log.path
