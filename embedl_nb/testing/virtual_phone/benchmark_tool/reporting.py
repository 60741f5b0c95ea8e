"""What the tool prints once it has measured: placement, summaries, results, and the profile where it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags
from embedl_nb.testing.virtual_phone.benchmark_tool.lines import Line, litert, plain, tool
from embedl_nb.testing.virtual_phone.benchmark_tool.measuring import Measured
from embedl_nb.testing.virtual_phone.benchmark_tool.placement import cpu_lines, gpu_lines, npu_lines
from embedl_nb.testing.virtual_phone.benchmark_tool.profile_tables import profile_text
from embedl_nb.testing.virtual_phone.benchmark_tool.profiling import fitting_runs, profile_rows
from embedl_nb.testing.virtual_phone.benchmark_tool.statistics_lines import Results, count_line, result_lines
from embedl_nb.testing.virtual_phone.benchmark_tool.units import Units

__all__ = ["Report"]

_HEADER = "benchmark_litert_model.h"
_PROFILER_BYTES = 70 * 2**20  # its buffer of events, recorded with 2.2.0
_ON_OPENCL = "I0000 00:00:1795366861.000000    4243 delegate_kernel.cc:794] Initializing OpenCL-based API from graph."


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One measurement on one phone.

    Attributes
    ----------
    times_ms
        Of every inference on the phone: as measured, or longer where it is hot.
    model_bytes
        Size of the model's file.
    """

    flags: ParsedFlags
    units: Units
    measured: Measured
    times_ms: tuple[float, ...]
    model_bytes: int

    def lines(self) -> list[Line]:
        """Return all of it."""
        results = self._results()
        return [
            litert("compiled_model.cc", 829, "Flatbuffer model initialized directly from incoming litert model."),
            plain("INFO: Created TensorFlow Lite XNNPACK delegate for CPU."),
            *self._placement(),
            tool(f"The input model file size (MB): {self.model_bytes / 1e6:g}"),
            tool(f"Initialized session in {results.init_us / 1e3:g}ms."),
            tool(self._intention("warmup_runs", "warmup_min_secs")),
            tool(f"{count_line(results.warmup_us)}\n"),
            tool(self._intention("num_runs", "min_secs")),
            tool(f"{count_line(results.runs_us)}\n"),
            *self._dropping(),
            *(litert(_HEADER, number, text) for number, text in result_lines(results)),
            *self._profile(),
        ]

    def _placement(self) -> list[Line]:
        measured, lines = self.measured, []
        if self.units.uses_npu:
            said = npu_lines(measured.subgraph)
        elif self.units.uses_gpu:
            said = gpu_lines(measured.subgraph, measured.events, self.units.gpu_refuses)
        else:
            said = cpu_lines(measured.subgraph, measured.events)
        for line in said:
            lines.append(plain(f"VERBOSE: {line}"))
            lines += [plain(_ON_OPENCL)] if "(LITERT_CL)" in line else []
        return lines

    def _intention(self, runs: str, seconds: str) -> str:
        flags = self.flags
        least, least_s = (0.0, -1.0) if flags.is_on("dry_run") else (flags.number(runs), flags.number(seconds))
        return (
            f"Running benchmark for at least {least:g} iterations and at least {least_s:g} seconds but "
            f"terminate if exceeding {flags.number('max_secs'):g} seconds."
        )

    def _results(self) -> Results:
        peaks = self.measured.peak_memory_bytes
        profiler_bytes = _PROFILER_BYTES if self.flags.is_on("use_profiler") else 0
        until_ready = max(peaks["start"], peaks["load"], peaks["compile"]) + profiler_bytes
        overall = max(until_ready, *(peak + profiler_bytes for peak in peaks.values()))
        times_us = tuple(round(time_ms * 1e3) for time_ms in self.times_ms)
        return Results(
            signature_key=self.measured.signature.key,
            init_us=round(self.measured.init_ms * 1e3),
            warmup_us=times_us[: self.measured.num_warmup],
            runs_us=times_us[self.measured.num_warmup :],
            input_bytes=self.measured.input_bytes,
            init_bytes=until_ready - peaks["start"],
            overall_bytes=overall - peaks["start"],
            peak_bytes=overall if self.flags.is_on("report_peak_memory_footprint") else None,
        )

    def _num_profiled(self) -> int:
        return fitting_runs(self.measured.events, len(self.times_ms)) if self.flags.is_on("use_profiler") else 0

    def _dropping(self) -> list[Line]:
        is_full = 0 < self._num_profiled() < len(self.times_ms)
        return [plain("INFO: Warning: Dropping ProfileBuffer event.")] if is_full else []

    def _profile(self) -> list[Line]:
        if not self.flags.is_on("use_profiler"):
            return []
        # A GPU or an NPU times none of its kernels, and the CPU's are not those that would run beside it.
        is_elsewhere = self.units.uses_gpu or self.units.uses_npu or not self.times_ms
        events = () if is_elsewhere else self.measured.events
        slowdown = sum(self.times_ms) / sum(self.measured.times_ms) if events else 1.0
        rows = profile_rows(events, num_runs=self._num_profiled(), slowdown=slowdown)
        return [litert(_HEADER, 213, f"\n{profile_text(rows)}")]
