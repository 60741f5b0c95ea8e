"""The tool's command line: ``--name=value`` only, unknown flags passed over with a warning, bad values refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["FLAGS", "ParsedFlags", "parse_flags", "usage"]

Value = bool | int | float | str

FLAGS: dict[str, Value] = {
    "num_runs": 50,
    "min_secs": 1.0,
    "max_secs": 150.0,
    "run_delay": -1.0,
    "run_frequency": -1.0,
    "num_threads": -1,
    "use_caching": False,
    "benchmark_name": "",
    "output_prefix": "",
    "warmup_runs": 1,
    "warmup_min_secs": 0.5,
    "verbose": False,
    "dry_run": False,
    "report_peak_memory_footprint": False,
    "memory_footprint_check_interval_ms": 50,
    "gpu_invoke_loop_times": 1,
    "graph": "",
    "signature_to_run_for": "",
    "use_cpu": True,
    "use_gpu": False,
    "use_npu": False,
    "require_full_delegation": False,
    "dispatch_library_path": "",
    "compiler_plugin_library_path": "",
    "compiler_cache_path": "",
    "gpu_backend": "",
    "gpu-precision": "auto",
    "gpu_low_priority": False,
    "enable_weight_sharing": False,
    "convert_weights_on_gpu": False,
    "use_profiler": False,
    "enable_perfetto": False,
    "result_file_path": "",
    "model_runtime_info_output_file": "",
    "xnnpack_weight_cache_file_path": "",
    "input_layer_value_range": "",
}
"""The flags of version 2.2.0 and their defaults, whose types are the flags' types."""

# main() takes these before the tool sees them.
_VENDOR_PREFIXES = ("--qualcomm_", "--mediatek_", "--google_tensor_", "--intel_openvino_", "--samsung_")
# What is printed for a flag that was set, in the tool's order; it prints nothing for the others.
_LOGGED = {
    "num_runs": "Min num runs",
    "min_secs": "Min runs duration (seconds)",
    "max_secs": "Max runs duration (seconds)",
    "run_delay": "Inter-run delay (seconds)",
    "run_frequency": "Number of prorated runs per second",
    "num_threads": "Num threads",
    "use_caching": "Use caching",
    "benchmark_name": "Benchmark name",
    "output_prefix": "Output prefix",
    "warmup_runs": "Min warmup runs",
    "warmup_min_secs": "Min warmup runs duration (seconds)",
    "dry_run": "Run w/o invoking kernels",
    "report_peak_memory_footprint": "Report the peak memory footprint",
    "memory_footprint_check_interval_ms": "Memory footprint check interval (ms)",
}
_TYPE_NAMES = {bool: "bool", int: "int32", float: "float", str: "string"}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclass(slots=True)
class ParsedFlags:
    """What a command line says.

    Attributes
    ----------
    given
        The flags that were set.
    refused
        Flags with the argument that could not be read.
    unconsumed
        Arguments that are no flag of the tool's.
    """

    given: dict[str, Value] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    unconsumed: list[str] = field(default_factory=list)

    @property
    def is_accepted(self) -> bool:
        """Whether the tool goes on."""
        return not self.refused and self.unconsumed[:1] != ["--help"]

    def text(self, name: str) -> str:
        """Return a flag's text."""
        return str(self.given.get(name, FLAGS[name]))

    def is_on(self, name: str) -> bool:
        """Say whether a switch is on."""
        return bool(self.given.get(name, FLAGS[name]))

    def number(self, name: str) -> float:
        """Return a flag's number."""
        return float(self.given.get(name, FLAGS[name]))

    def logged(self) -> list[str]:
        """Return the lines about what was set."""
        names = _LOGGED if self.is_on("verbose") else [name for name in _LOGGED if name in self.given]
        return [f"{_LOGGED[name]}: [{_shown(self.given.get(name, FLAGS[name]))}]" for name in names]


def parse_flags(args: Sequence[str]) -> ParsedFlags:
    """Read a command line; of a flag that is given twice the first counts, and the second is unknown."""
    parsed = ParsedFlags()
    for argument in args:
        if argument.startswith(_VENDOR_PREFIXES):
            continue
        name, is_flag, text = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or not is_flag or name not in FLAGS or name in parsed.given:
            parsed.unconsumed.append(argument)
            continue
        value = _read(text, type(FLAGS[name]))
        if value is None:
            parsed.refused.append((name, argument))
        else:
            parsed.given[name] = value
    return parsed


def usage(program: str) -> str:
    """Return the help text."""
    width = max(len(f"--{name}={_default(value)}") for name, value in FLAGS.items())
    rows = [
        f"\t{f'--{name}={_default(value)}':<{width}}\t{_TYPE_NAMES[type(value)]}\toptional\t{name.replace('_', ' ')}\n"
        for name, value in FLAGS.items()
    ]
    return f"usage: {program} <flags>\nFlags:\n{''.join(rows)}"


def _read(text: str, kind: type) -> Value | None:
    if kind is bool:
        return _BOOLEANS.get(text)
    try:
        return text if kind is str else int(text) if kind is int else float(text)
    except ValueError:
        return None


def _default(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else _shown(value)


def _shown(value: Value) -> str:
    return f"{value:d}" if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
