"""The one place where a benchmark_model command line is built: wishes in, one line for a phone's shell out.

Nothing here talks to a phone. Every word goes through :func:`shlex.quote`, so that no name can end one command and
begin another, and every flag through flags.py, because the tool ignores what it does not know and measures something
else.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from embedl_nb.device.adb.tool.flags import LEGACY, ToolVersion, checked_options, find_flag
from embedl_nb.errors import InputError
from embedl_nb.units import ComputeUnit

__all__ = ["BenchmarkCommand", "RunLimits"]

_LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """How long one phase goes on: while fewer than ``num_runs`` or less than ``min_s`` seconds, and not over ``max_s``.

    Attributes
    ----------
    max_s
        Seconds; the tool has one limit for both phases, and the timed runs' is used.
    """

    num_runs: int
    min_s: float = 0.0
    max_s: float = 150.0

    @classmethod
    def exactly(cls, num_runs: int) -> RunLimits:
        """Ask for this many runs, however long they take; the caller limits the time of the whole process."""
        return cls(num_runs=num_runs, min_s=0.0, max_s=_LONGEST_S)

    @property
    def is_exact(self) -> bool:
        """Whether nothing but the number of runs ends the phase, within a day."""
        return self.min_s == 0 and self.max_s >= _LONGEST_S


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkCommand:
    """One process of the tool: what it measures, where and how.

    Attributes
    ----------
    version
        The tool's: a release of LiteRT, ``"2.2.0"``, or ``"legacy"`` for the older tool.
    directory
        Folder on the phone in which it runs; the other paths are relative to it, or absolute.
    tool_path
        The tool, as the shell is to call it.
    compute_unit
        What is asked for. The runtime falls back to the CPU in silence: where it ran is read from its output.
    require_full_delegation
        Whether the run is to fail where the unit does not take the whole model.
    num_threads
        Of the CPU; None leaves it to the runtime.
    cpu_mask
        Cores it may use, bit n for core n; None for all.
    runs, warmup
        The timed phase and the one before.
    profile
        Whether operators are timed. It costs about 70 MB of memory from LiteRT 2.2.0 on, and a GPU's priority: take
        neither memory nor the latency from such a run.
    signature_key
        None for the model's first one.
    dispatch_library_path, compiler_plugin_library_path
        Folders of an NPU's libraries; the second only to compile on the phone.
    result_path, runtime_info_path
        Files on the phone for the tool's own records; None for none.
    library_paths
        Folders for ``LD_LIBRARY_PATH``.
    dsp_library_paths
        Folders for ``ADSP_LIBRARY_PATH``: where Qualcomm's DSP finds its part of the libraries.
    runtime_options
        Further flags by name, see :data:`embedl_nb.device.adb.tool.flags.TOOL_FLAGS`.

    Examples
    --------
    >>> command = BenchmarkCommand(version="2.2.0", directory="/data/nb", graph_path="m.tflite", cpu_mask=0xF0)
    >>> command.to_shell()[:75]
    'cd /data/nb && taskset f0 ./benchmark_model --graph=m.tflite --use_cpu=true'
    """

    version: str
    directory: str
    graph_path: str
    tool_path: str = "./benchmark_model"
    compute_unit: ComputeUnit = ComputeUnit.CPU
    require_full_delegation: bool = False
    num_threads: int | None = None
    cpu_mask: int | None = None
    runs: RunLimits = RunLimits(num_runs=50, min_s=1.0)
    warmup: RunLimits = RunLimits(num_runs=1, min_s=0.5)
    profile: bool = False
    signature_key: str | None = None
    dispatch_library_path: str | None = None
    compiler_plugin_library_path: str | None = None
    result_path: str | None = None
    runtime_info_path: str | None = None
    library_paths: tuple[str, ...] = ()
    dsp_library_paths: tuple[str, ...] = ()
    runtime_options: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what this version of the tool cannot do.

        Raises
        ------
        UnknownNameError
            If no version has one of the options.
        InputError
            If this version lacks a flag, a value is not allowed, or two wishes exclude each other.
        """
        for name in ("directory", "graph_path", "tool_path"):
            _printable(name, getattr(self, name))
        for name in ("library_paths", "dsp_library_paths"):
            for path in getattr(self, name):
                _printable(name, path)
                if ":" in path or ";" in path:
                    raise InputError(f"{name}: {path!r} holds a separator of paths", hint="choose another folder")
        if self.cpu_mask is not None and not 0 < self.cpu_mask < 2**64:
            raise InputError(
                f"cpu_mask {self.cpu_mask} names no core", hint="set bit n for core n, e.g. 0xf0 for 4 to 7"
            )
        self.arguments()

    def arguments(self) -> tuple[str, ...]:
        """Return the tool's arguments, not quoted."""
        version = ToolVersion.parse(self.version)
        written = [find_flag(name, version).write(value, version) for name, value in self._wishes(version)]
        return (*written, *checked_options(self.runtime_options, version))

    def environment(self) -> dict[str, str]:
        """Return the variables that it needs."""
        variables = {}
        if self.library_paths:
            variables["LD_LIBRARY_PATH"] = ":".join(self.library_paths)
        if self.dsp_library_paths:
            variables["ADSP_LIBRARY_PATH"] = ";".join(self.dsp_library_paths)
        return variables

    def to_shell(self) -> str:
        """Return the line for the phone's shell; what the tool prints on standard error keeps its place in between."""
        variables = [f"{name}={shlex.quote(value)}" for name, value in self.environment().items()]
        affinity = ["taskset", f"{self.cpu_mask:x}"] if self.cpu_mask is not None else []
        words = [shlex.quote(word) for word in (*affinity, self.tool_path, *self.arguments())]
        return f"cd {shlex.quote(self.directory)} && {' '.join([*variables, *words])} 2>&1"

    def _wishes(self, version: ToolVersion) -> Iterator[tuple[str, object]]:
        """Yield flags by name, with what they are to be."""
        yield "graph", self.graph_path
        yield from self._unit_wishes(version)
        if self.num_threads is not None:
            yield "num_threads", self.num_threads
        yield "num_runs", self.runs.num_runs
        yield "min_secs", _seconds(self.runs.min_s)
        yield "max_secs", _seconds(self.runs.max_s)
        yield "warmup_runs", self.warmup.num_runs
        yield "warmup_min_secs", _seconds(self.warmup.min_s)
        if self.profile:
            yield "enable_op_profiling" if version.is_legacy else "use_profiler", True
        for name, value in (
            ("signature_to_run_for", self.signature_key),
            ("dispatch_library_path", self.dispatch_library_path),
            ("compiler_plugin_library_path", self.compiler_plugin_library_path),
            ("result_file_path", self.result_path),
            ("model_runtime_info_output_file", self.runtime_info_path),
        ):
            if value is not None:
                yield name, value

    def _unit_wishes(self, version: ToolVersion) -> Iterator[tuple[str, object]]:
        unit = self.compute_unit
        if self.require_full_delegation and unit is ComputeUnit.CPU:
            raise InputError(
                "require_full_delegation makes no sense for the CPU, which takes what others leave",
                hint="leave it out, or ask for the GPU or NPU",
            )
        if version.is_legacy:
            if unit is ComputeUnit.NPU:
                raise InputError(
                    f"version {LEGACY!r} has no flag for an NPU",
                    hint="use a release of LiteRT, or name a delegate in runtime_options: external_delegate_path",
                )
            yield "use_gpu", unit is ComputeUnit.GPU
        else:
            # Without the CPU, operators that the unit refuses end the run; with it, they fall back.
            yield "use_cpu", not self.require_full_delegation
            if unit is not ComputeUnit.CPU:
                yield f"use_{unit}", True
        if self.require_full_delegation:
            yield "require_full_delegation", True


def _seconds(value_s: float) -> str:
    return f"{value_s:.9f}".rstrip("0").rstrip(".")


def _printable(name: str, value: str) -> None:
    if not value or not value.isprintable():
        raise InputError(f"{name} {value!r} is empty or holds characters that cannot be printed", hint="rename it")
