"""One call of ``benchmark_model``: its flags, what goes wrong, a real measurement, and everything it prints, in order.

The tool itself prints to standard output, the runtime to standard error. Lines and files are those of 2.2.0 on Android.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Iterable

from embedl_nb.device.catalog import Chip
from embedl_nb.errors import EmbedlError, InputError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.placement.npu.stamp import is_artifact, read_stamp
from embedl_nb.placement.npu.vendors import VENDORS
from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags, parse_flags
from embedl_nb.testing.virtual_phone.benchmark_tool.lines import Line, litert, plain, tool
from embedl_nb.testing.virtual_phone.benchmark_tool.measuring import Measured, Measurement
from embedl_nb.testing.virtual_phone.benchmark_tool.placement import npu_lines
from embedl_nb.testing.virtual_phone.benchmark_tool.reporting import Report
from embedl_nb.testing.virtual_phone.benchmark_tool.starting import SOURCE, flag_lines, loading_lines
from embedl_nb.testing.virtual_phone.benchmark_tool.units import Units
from embedl_nb.testing.virtual_phone.faults import Crash
from embedl_nb.testing.virtual_phone.programs import Call

__all__ = ["run_benchmark"]

_RUNTIME_LINE = re.compile(r"^(?:INFO|WARNING|ERROR): |^See instructions: ")
_INCOMPATIBLE = "Requesting full delegation and CPU acceleration are incompatible."
_ABORT_CODE, _ABORTED = 134, "Aborted "
_DEATHS = {
    Crash.SEGMENTATION_FAULT: (139, "Segmentation fault "),
    Crash.ABORT: (
        _ABORT_CODE,
        f"libc++abi: terminating due to uncaught exception of type std::runtime_error: made up\n{_ABORTED}",
    ),
    Crash.ILLEGAL_INSTRUCTION: (
        132,
        "FATAL ERROR: This binary was compiled with dotprod enabled, but this feature is not available on this "
        "processor (go/sigill-fail-fast).\nIllegal instruction ",
    ),
    Crash.KILLED: (137, "Killed "),
}


async def run_benchmark(call: Call) -> int:
    """Run the tool and return its exit code."""
    faults = call.handset.faults
    if faults.missing_library:
        library = f'library "{faults.missing_library}" not found: needed by main executable'
        await _print(call, [plain(f'CANNOT LINK EXECUTABLE "{call.name}": {library}')])
        return 1
    flags = parse_flags(call.args)
    await _print(call, [tool("STARTING!"), *flag_lines(flags, call.name)])
    if not flags.is_accepted:
        return await _fail(call)
    chip = call.handset.hardware.phone.chip
    units = Units.of(flags, faults, chip, call.variables, lambda folder: _names(call, folder))
    await _print(call, loading_lines(flags, units))
    if flags.is_on("use_cpu") and flags.is_on("require_full_delegation"):
        await _print(call, [litert(SOURCE, 120, _INCOMPATIBLE, "ERROR"), plain(_ABORTED)])
        return _ABORT_CODE
    if faults.crash is not None:
        code, said = _DEATHS[faults.crash]
        await _print(call, [plain(said)])
        return code
    if faults.hang:
        await asyncio.Event().wait()
    if not units.can_run:
        return await _fail(call, "Failed to compile model.")  # recorded: the runtime itself does not say why
    if failure := _npu_failure(call, flags, units):
        await _print(call, failure)
        return await _fail(call, "Failed to compile model.")
    try:
        measured = await _measure(call, flags, units)
    except EmbedlError as err:
        return await _refuse(call, err)
    await _print(call, _weight_cache_lines(call, flags.text("xnnpack_weight_cache_file_path")))
    await _print(call, _report(call, flags, units, measured).lines())
    return 0


def _weight_cache_lines(call: Call, name: str) -> list[Line]:
    """Leave the file that XNNPACK leaves, where the command asks for one, or find it; one in memory has no name."""
    if not name or name.startswith(":"):
        return []
    if call.handset.files.here(call.path(name)).is_file():
        return [plain(f"INFO: XNNPack weight cache loaded from '{name}'.")]
    writer = call.handset.files.writer(call.path(name))
    writer.write(b"packed weights")
    writer.close()
    return [plain(f"INFO: XNNPack weight cache: written to '{name}'.")]


async def _measure(call: Call, flags: ParsedFlags, units: Units) -> Measured:
    handset, model = call.handset, call.path(flags.text("graph"))
    if not handset.files.here(model).is_file():
        raise InputError(os.strerror(errno.ENOENT))
    pace = handset.hardware.pace
    measurement = Measurement(handset.files.here(model), flags, has_npu=units.uses_npu, pace=pace)
    try:
        with handset.computing():
            return await handset.loop.blocking(measurement.run)
    except asyncio.CancelledError:
        measurement.stop()
        raise


def _npu_failure(call: Call, flags: ParsedFlags, units: Units) -> list[Line]:
    """Return what is said of a model for an NPU that has a dispatch library and cannot be used; empty where it can."""
    path = call.handset.files.here(call.path(flags.text("graph")))
    if not (units.npu_library and flags.is_on("use_npu") and path.is_file()):
        return []
    try:
        graph = read_model(path)
    except EmbedlError:
        return []  # what reads it next says so
    if not is_artifact(graph) or (units.uses_npu and _is_for(path.read_bytes(), call.handset.hardware.phone.chip)):
        return []
    no_api = "Failed to initialize Dispatch API: ERROR: [dispatch_delegate.cc:168]"
    no_runtime = "Failed to create a dispatch delegate kernel: No usable Dispatch runtime found"
    return [
        litert("dispatch_delegate.cc", 107, no_api, "ERROR"),
        *(plain(f"VERBOSE: {line}") for line in npu_lines(graph.main)[:1]),
        litert("dispatch_delegate.cc", 122, no_runtime, "ERROR"),
    ]


def _is_for(model: bytes, chip: Chip) -> bool:
    stamp = read_stamp(model)
    return stamp is None or stamp.chip_name == VENDORS[chip.npu_sdk].chip_name(chip)


def _report(call: Call, flags: ParsedFlags, units: Units, measured: Measured) -> Report:
    """Return what the phone makes of it: a hot one is slower, and work makes it hotter."""
    handset = call.handset
    rate = handset.faults.celsius_per_busy_s
    times_ms = handset.heat.work(measured.times_ms, handset.clock.time(), celsius_per_busy_s=rate)
    handset.busy_s += sum(times_ms) / 1e3 / handset.hardware.pace  # its other clocks are this machine's
    model_bytes = handset.files.stat(call.path(flags.text("graph"))).st_size
    return Report(flags=flags, units=units, measured=measured, times_ms=tuple(times_ms), model_bytes=model_bytes)


async def _refuse(call: Call, err: EmbedlError) -> int:
    """Say what the runtime said of the model, and that the tool gives up."""
    said = [line for line in err.details.splitlines() if _RUNTIME_LINE.match(line)]
    await _print(call, map(plain, said))
    return await _fail(call, "Failed to compile model." if said else "Failed to load model.")


async def _fail(call: Call, why: str = "") -> int:
    because = [litert(SOURCE, 280, why, "ERROR")] if why else []
    await _print(call, [*because, tool("Benchmarking failed.", "ERROR")])
    return 1


def _names(call: Call, folder: str) -> list[str]:
    try:
        return call.handset.files.names(call.path(folder))
    except OSError:
        return []


async def _print(call: Call, lines: Iterable[Line]) -> None:
    for line in lines:
        stream = call.standard_error if line.is_error else call.standard_output
        await stream(f"{line.text}\n".encode(errors="surrogateescape"))
