"""One call of ``benchmark_model``: flags, a real measurement, and the lines of both streams in the tool's order.

The tool itself prints to standard output, the runtime to standard error. Lines and files are those of 2.2.0 on Android.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
from typing import TYPE_CHECKING

from embedl_nb.errors import EmbedlError
from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags, parse_flags, usage
from embedl_nb.testing.virtual_phone.benchmark_tool.measuring import Measured, Measurement
from embedl_nb.testing.virtual_phone.benchmark_tool.placement import cpu_lines, gpu_lines, npu_lines
from embedl_nb.testing.virtual_phone.benchmark_tool.profile_tables import profile_text
from embedl_nb.testing.virtual_phone.benchmark_tool.profiling import fitting_runs, profile_rows
from embedl_nb.testing.virtual_phone.benchmark_tool.statistics_lines import Results, count_line, result_lines
from embedl_nb.testing.virtual_phone.faults import Crash
from embedl_nb.testing.virtual_phone.programs import Call

if TYPE_CHECKING:
    from embedl_nb.testing.virtual_phone.handset import Handset

__all__ = ["run_benchmark"]

_HEADER = "benchmark_litert_model.h"
_SOURCE = "benchmark_litert_model.cc"
_PROFILER_BYTES = 70 * 2**20
_RUNTIME_LINE = re.compile(r"^(?:INFO|WARNING|ERROR): |^See instructions: ", re.MULTILINE)
_DEATHS = {
    Crash.SEGMENTATION_FAULT: (139, "Segmentation fault "),
    Crash.ABORT: (
        134,
        "libc++abi: terminating due to uncaught exception of type std::runtime_error: virtual\nAborted ",
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
    missing = call.handset.faults.missing_library
    if missing:
        await call.standard_error(
            f'CANNOT LINK EXECUTABLE "{call.name}": library "{missing}" not found: needed by main executable\n'.encode()
        )
        return 1
    return await _Tool(call).run()


class _Tool:
    """One process of the tool."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._handset: Handset = call.handset
        self._flags: ParsedFlags = parse_flags(call.args)

    async def run(self) -> int:
        await self._tool("STARTING!")
        if not await self._take_flags():
            return await self._fail()
        if self._flags.is_on("use_cpu") and self._flags.is_on("require_full_delegation"):
            await self._litert(
                _SOURCE, 120, "Requesting full delegation and CPU acceleration are incompatible.", "ERROR"
            )
            await self._error("Aborted ")
            return 134
        await self._begin()
        if self._handset.faults.crash is not None:
            code, text = _DEATHS[self._handset.faults.crash]
            await self._error(text)
            return code
        if self._handset.faults.hang:
            await asyncio.Event().wait()
        if self._needs_missing_unit():
            # Recorded: without the accelerator and without the CPU the runtime fails and does not say why.
            return await self._fail("Failed to compile model.")
        try:
            measured = await self._measure()
        except EmbedlError as err:
            return await self._refuse(err)
        await self._report(measured)
        return 0

    async def _take_flags(self) -> bool:
        for name, argument in self._flags.refused:
            await self._error(f"ERROR: Failed to parse flag '{name}' against argv '{argument}'")
        if not self._flags.is_accepted:
            await self._error(f"ERROR: {usage(self._call.name)}")
            return False
        if self._flags.unconsumed:
            await self._call.out(f"WARN: Unconsumed cmdline flags: {' '.join(self._flags.unconsumed)}\n")
        await self._tool(f"Log parameter values verbosely: [{self._flags.is_on('verbose'):d}]")
        for line in self._flags.logged():
            await self._tool(line)
        return True

    async def _begin(self) -> None:
        flags = self._flags
        await self._litert(_SOURCE, 271, f"Loading model from: {flags.text('graph')}")
        for line, name in ((231, "dispatch_library_path"), (235, "compiler_plugin_library_path")):
            await self._litert(_SOURCE, line, f"{name}: {flags.text(name)}")
        await self._litert(_SOURCE, 238, f"compiler_cache_path: {flags.text('compiler_cache_path')}")
        await self._litert("environment.cc", 36, "Creating LiteRT environment with options")
        await self._register_npu()
        if self._handset.faults.gpu_works:
            await self._register("LiteRT GPU")
            await self._litert("gpu_registry.cc", 109, "Statically linked GPU accelerator registered.")
        else:
            await self._litert("gpu_registry.cc", 130, "Loading GPU accelerator(libLiteRtClGlAccelerator.so).")
            await self._litert("gpu_registry.cc", 160, "GPU accelerator could not be loaded and registered.", "WARNING")
        await self._register("CpuAccelerator")
        await self._litert("cpu_registry.cc", 42, "CPU accelerator registered.")

    async def _register_npu(self) -> None:
        folder = self._flags.text("dispatch_library_path")
        if self._has_npu():
            library = next(name for name in self._libraries(folder) if "Dispatch" in name)
            await self._litert("litert_dispatch.cc", 138, f"Loading shared library: {folder}/{library}")
            await self._register("NpuAccelerator")
            await self._litert("npu_registry.cc", 30, "NPU accelerator registered.")
            return
        if folder:
            await self._litert("litert_dispatch.cc", 110, f"No dispatch library found in {folder}", "WARNING")
        text = "NPU accelerator could not be loaded and registered: kLiteRtStatusErrorNotFound."
        await self._litert("npu_registry.cc", 34, text, "WARNING")

    async def _measure(self) -> Measured:
        path = self._call.path(self._flags.text("graph"))
        if not self._handset.files.here(path).is_file():
            raise EmbedlError(os.strerror(errno.ENOENT))
        measurement = Measurement(self._handset.files.here(path), self._flags)
        self._handset.num_busy += 1
        try:
            return await self._handset.loop.blocking(measurement.run)
        except asyncio.CancelledError:
            measurement.stop()
            raise
        finally:
            self._handset.num_busy -= 1

    async def _refuse(self, err: EmbedlError) -> int:
        """Say what the runtime said, and that the tool gives up."""
        said = [line for line in err.details.splitlines() if _RUNTIME_LINE.match(line)]
        for line in said:
            await self._error(line)
        return await self._fail("Failed to compile model." if said else "Failed to load model.")

    async def _report(self, measured: Measured) -> None:
        times_ms = self._handset.heat.work(
            measured.times_ms, self._handset.clock.time(), celsius_per_busy_s=self._handset.faults.celsius_per_busy_s
        )
        self._handset.busy_s += sum(times_ms) / 1e3
        times_us = tuple(round(time_ms * 1e3) for time_ms in times_ms)
        slowdown = sum(times_ms) / sum(measured.times_ms) if times_ms else 1.0
        await self._litert(
            "compiled_model.cc", 829, "Flatbuffer model initialized directly from incoming litert model."
        )
        await self._error("INFO: Created TensorFlow Lite XNNPACK delegate for CPU.")
        for line in self._placement_lines(measured):
            await self._error(f"VERBOSE: {line}")
        results = self._results(measured, times_us)
        size = self._handset.files.stat(self._call.path(self._flags.text("graph"))).st_size
        await self._tool(f"The input model file size (MB): {size / 1e6:g}")
        await self._tool(f"Initialized session in {results.init_us / 1e3:g}ms.")
        for runs, seconds, times in (
            ("warmup_runs", "warmup_min_secs", results.warmup_us),
            ("num_runs", "min_secs", results.runs_us),
        ):
            await self._tool(self._running_line(runs, seconds))
            await self._tool(f"{count_line(times)}\n")
        is_full = self._flags.is_on("use_profiler") and fitting_runs(measured.raw.events, len(times_us)) < len(times_us)
        if is_full:
            await self._error("INFO: Warning: Dropping ProfileBuffer event.")
        for number, line in result_lines(results):
            await self._litert(_HEADER, number, line)
        if self._flags.is_on("use_profiler"):
            events = () if self._has_gpu() or self._has_npu_and_wants_it() else measured.raw.events
            num_runs = fitting_runs(events, len(times_us))
            text = profile_text(profile_rows(events, num_runs=num_runs, slowdown=slowdown) if num_runs else [])
            await self._litert(_HEADER, 213, f"\n{text}")

    def _results(self, measured: Measured, times_us: tuple[int, ...]) -> Results:
        peaks = measured.raw.peak_memory_bytes
        profiler_bytes = _PROFILER_BYTES if self._flags.is_on("use_profiler") else 0
        until_ready = max(peaks["start"], peaks["load"], peaks["compile"]) + profiler_bytes
        overall = max(until_ready, *(peak + profiler_bytes for peak in peaks.values()))
        return Results(
            signature_key=measured.signature.key,
            init_us=round((measured.raw.load_ms + measured.raw.compile_ms) * 1e3),
            warmup_us=times_us[: measured.num_warmup],
            runs_us=times_us[measured.num_warmup :],
            input_bytes=_input_bytes(measured),
            init_bytes=until_ready - peaks["start"],
            overall_bytes=overall - peaks["start"],
            peak_bytes=overall if self._flags.is_on("report_peak_memory_footprint") else None,
        )

    def _placement_lines(self, measured: Measured) -> list[str]:
        if self._has_npu_and_wants_it():
            return npu_lines(measured.subgraph)
        if self._has_gpu():
            return gpu_lines(measured.subgraph, measured.raw.events, self._handset.faults.gpu_refuses)
        return cpu_lines(measured.subgraph, measured.raw.events)

    def _running_line(self, runs: str, seconds: str) -> str:
        flags = self._flags
        dry = flags.is_on("dry_run")
        least_runs, least_s = (0, -1.0) if dry else (flags.number(runs), flags.number(seconds))
        return (
            f"Running benchmark for at least {least_runs:g} iterations and at least {least_s:g} seconds but "
            f"terminate if exceeding {flags.number('max_secs'):g} seconds."
        )

    def _has_gpu(self) -> bool:
        return self._handset.faults.gpu_works and self._flags.is_on("use_gpu")

    def _has_npu(self) -> bool:
        folder = self._flags.text("dispatch_library_path")
        return self._handset.faults.npu_works and any("Dispatch" in name for name in self._libraries(folder))

    def _has_npu_and_wants_it(self) -> bool:
        return self._has_npu() and self._flags.is_on("use_npu")

    def _needs_missing_unit(self) -> bool:
        """Say whether the CPU is ruled out and what was asked for instead is not there."""
        flags = self._flags
        is_cpu_out = not flags.is_on("use_cpu") and flags.is_on("require_full_delegation")
        return is_cpu_out and not (self._has_gpu() or self._has_npu_and_wants_it())

    def _libraries(self, folder: str) -> list[str]:
        try:
            names = self._handset.files.names(self._call.path(folder)) if folder else []
        except OSError:
            names = []
        return [name for name in names if name.startswith("libLiteRt") and name.endswith(".so")]

    async def _register(self, name: str) -> None:
        await self._litert("accelerator_registry.cc", 54, f"RegisterAccelerator: ptr=0xb400007da0c8a2a0, name={name}")

    async def _fail(self, why: str = "") -> int:
        if why:
            await self._litert(_SOURCE, 280, why, "ERROR")
        await self._error("ERROR: Benchmarking failed.")
        return 1

    async def _tool(self, text: str) -> None:
        await self._call.out(f"INFO: {text}\n")

    async def _litert(self, file: str, line: int, text: str, level: str = "INFO") -> None:
        await self._error(f"{level}: [{file}:{line}] {text}")

    async def _error(self, text: str) -> None:
        await self._call.standard_error(f"{text}\n".encode(errors="surrogateescape"))


def _input_bytes(measured: Measured) -> int:
    tensors = measured.subgraph.tensors
    return sum(tensors[index].num_bytes or 0 for index in measured.subgraph.inputs)
