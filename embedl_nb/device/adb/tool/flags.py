"""The flags of both tools: which version has which, what each takes, and who sets it.

The tool ignores flags that it does not know and measures something else, so they are checked here, before a phone is
asked. Sources: phone-facts, section 1, from the tools' code at each release of LiteRT.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from embedl_nb.errors import InputError, UnknownNameError

__all__ = ["LEGACY", "TOOL_FLAGS", "FlagType", "ToolFlag", "ToolVersion", "checked_options", "find_flag"]


class FlagType(StrEnum):
    """What a flag takes."""

    BOOL = "true or false"
    INT = "a whole number"
    FLOAT = "a number"
    TEXT = "text"


LEGACY = "legacy"
"""The version to name for the older tool, which is published without one."""


@dataclass(frozen=True, slots=True, order=True)
class ToolVersion:
    """A release of LiteRT, or the older tool; releases are in order.

    Examples
    --------
    >>> ToolVersion.parse("2.0.2a1") < ToolVersion.parse("2.0.2") < ToolVersion.parse("2.2.0")
    True
    """

    numbers: tuple[int, int, int]
    alpha: int
    name: str

    @classmethod
    def parse(cls, text: str) -> ToolVersion:
        """Read ``"2.2.0"``, ``"2.0.2a1"`` or :data:`LEGACY`.

        Raises
        ------
        InputError
            If it is none of these; ``latest`` moves, so that its flags cannot be known.
        """
        if text == LEGACY:
            return cls((0, 0, 0), 0, LEGACY)
        found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?:a(\d{1,4}))?", text)
        if found is None:
            raise InputError(
                f"{text!r} is no version of benchmark_model",
                hint=f"name a release of LiteRT such as 2.2.0, or {LEGACY!r} for the older tool",
            )
        major, minor, patch = (int(number) for number in found.groups()[:3])
        return cls((major, minor, patch), int(found[4]) if found[4] else 10_000, text)

    @property
    def is_legacy(self) -> bool:
        """Whether it is the older tool."""
        return self.name == LEGACY

    def __str__(self) -> str:
        return "the older benchmark_model" if self.is_legacy else f"benchmark_model of LiteRT {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFlag:
    """One flag.

    Attributes
    ----------
    since, before
        The first release of LiteRT that has it and the first that no longer does; empty ``since``: none has it.
    is_legacy
        Whether the older tool has it.
    low, high
        Range of a number, both included.
    choices, legacy_choices
        The words that LiteRT's tool and the older one take; empty where they take any.
    set_by
        The argument of the command's builder that sets it; empty where only ``runtime_options`` do.
    instead
        What to use where a version does not have it, or no longer.
    """

    name: str
    type: FlagType
    since: str = ""
    before: str = ""
    is_legacy: bool = False
    low: float = 0
    high: float = 2**31 - 1
    choices: tuple[str, ...] = ()
    legacy_choices: tuple[str, ...] = ()
    set_by: str = ""
    instead: str = ""

    def is_in(self, version: ToolVersion) -> bool:
        """Whether the tool of that version has it."""
        if version.is_legacy:
            return self.is_legacy
        if not self.since or version < ToolVersion.parse(self.since):
            return False
        return not self.before or version < ToolVersion.parse(self.before)

    def accepts(self, version: ToolVersion) -> str:
        """Say what a value may be, for a person."""
        if choices := self._choices(version):
            return " or ".join(choices)
        if self.type in (FlagType.INT, FlagType.FLOAT):
            return f"{self.type} from {self.low:.10g} to {self.high:.10g}"
        return str(self.type)

    def write(self, value: object, version: ToolVersion) -> str:
        """Return ``--name=value`` as the tool reads it.

        Raises
        ------
        InputError
            If the value is not of the flag's type or out of its range.
        """
        text = str(value).strip()
        written = self._written(text.lower() if self.type is FlagType.BOOL else text)
        choices = self._choices(version)
        if written is None or (choices and written not in choices):
            raise InputError(f"{self.name}={text!r} is not allowed", hint=f"give {self.accepts(version)}")
        return f"--{self.name}={written}"

    def _choices(self, version: ToolVersion) -> tuple[str, ...]:
        return self.legacy_choices if version.is_legacy else self.choices

    def _written(self, text: str) -> str | None:
        if self.type is FlagType.BOOL:
            return {"true": "true", "1": "true", "false": "false", "0": "false"}.get(text)
        if self.type is FlagType.TEXT:
            return text if text and text.isprintable() and len(text) <= 4096 else None
        number = r"-?\d{1,10}" if self.type is FlagType.INT else r"-?\d{1,10}(?:\.\d{1,9})?"
        return text if re.fullmatch(number, text, re.ASCII) and self.low <= float(text) <= self.high else None


_BOOL, _INT, _FLOAT, _TEXT = FlagType.BOOL, FlagType.INT, FlagType.FLOAT, FlagType.TEXT


def _both(name: str, type_: FlagType, *, low: float = 0, high: float = 2**31 - 1, set_by: str = "") -> ToolFlag:
    return ToolFlag(name=name, type=type_, since="1.3.0", is_legacy=True, low=low, high=high, set_by=set_by)


def _litert(
    name: str,
    type_: FlagType,
    since: str,
    *,
    before: str = "",
    is_legacy: bool = False,
    high: float = 2**31 - 1,
    choices: tuple[str, ...] = (),
    legacy_choices: tuple[str, ...] = (),
    set_by: str = "",
    instead: str = "",
) -> ToolFlag:
    return ToolFlag(
        name=name,
        type=type_,
        since=since,
        before=before,
        is_legacy=is_legacy,
        high=high,
        choices=choices,
        legacy_choices=legacy_choices,
        set_by=set_by,
        instead=instead,
    )


def _legacy(
    name: str, type_: FlagType, *, choices: tuple[str, ...] = (), set_by: str = "", instead: str = ""
) -> ToolFlag:
    return ToolFlag(name=name, type=type_, is_legacy=True, choices=choices, set_by=set_by, instead=instead)


_QNN_MODES = (
    "default sustained_high_performance burst high_performance power_saver low_power_saver high_power_saver "
    "low_balanced balanced extreme_power_saver"
)
_UNIT = "compute_unit"
# fmt: off
TOOL_FLAGS: Mapping[str, ToolFlag] = {flag.name: flag for flag in (
    _both("graph", _TEXT, set_by="graph_path"),
    _both("signature_to_run_for", _TEXT, set_by="signature_key"),
    _both("num_runs", _INT, low=1, high=10**9, set_by="runs"),
    _both("min_secs", _FLOAT, high=10**6, set_by="runs"),
    _both("max_secs", _FLOAT, high=10**6, set_by="runs"),
    _both("warmup_runs", _INT, high=10**9, set_by="warmup"),
    _both("warmup_min_secs", _FLOAT, high=10**6, set_by="warmup"),
    _both("num_threads", _INT, low=1, high=1024, set_by="num_threads"),
    _both("run_delay", _FLOAT, low=-1, high=3600),
    _both("run_frequency", _FLOAT, low=-1, high=10**6),
    _both("report_peak_memory_footprint", _BOOL),
    _both("memory_footprint_check_interval_ms", _INT, low=1, high=60_000),
    _both("gpu_invoke_loop_times", _INT, low=1, high=10**6),
    _both("use_caching", _BOOL),
    _both("verbose", _BOOL),
    _both("require_full_delegation", _BOOL, set_by="require_full_delegation"),
    _litert("use_cpu", _BOOL, "1.3.0", set_by=_UNIT),
    _litert("use_gpu", _BOOL, "1.3.0", is_legacy=True, set_by=_UNIT),
    _litert("use_npu", _BOOL, "1.3.0", set_by=_UNIT),
    _litert("qnn_dispatch_library_path", _TEXT, "1.3.0", before="1.4.0", set_by="dispatch_library_path",
            instead="dispatch_library_path"),
    _litert("dispatch_library_path", _TEXT, "1.4.0", set_by="dispatch_library_path"),
    _litert("compiler_plugin_library_path", _TEXT, "1.4.0", set_by="compiler_plugin_library_path"),
    _litert("use_profiler", _BOOL, "1.4.0", set_by="profile"),
    _litert("gpu_backend", _TEXT, "2.0.2a1", is_legacy=True, choices=("webgpu", "opengl", "gl"),
            legacy_choices=("cl", "gl")),
    _litert("result_file_path", _TEXT, "2.0.2a1", is_legacy=True, set_by="result_path"),
    _litert("allow_fp16", _BOOL, "2.0.2", before="2.1.5", is_legacy=True, instead="gpu-precision"),
    _litert("gpu_low_priority", _BOOL, "2.0.2"),
    _litert("model_runtime_info_output_file", _TEXT, "2.0.2", is_legacy=True, set_by="runtime_info_path"),
    _litert("compiler_cache_path", _TEXT, "2.1.0"),
    _litert("enable_perfetto", _BOOL, "2.1.0"),
    # main() of 2.2.0 strips every flag that begins with a vendor's name, so that this one never arrives.
    _litert("mediatek_nerun_pilot_version", _TEXT, "2.1.0", before="2.2.0", instead="mediatek_sdk_version_type"),
    _litert("input_layer_value_range", _TEXT, "2.1.3", is_legacy=True),
    _litert("gpu-precision", _TEXT, "2.1.5", choices=("auto", "fp16", "fp32"), instead="allow_fp16"),
    _litert("enable_weight_sharing", _BOOL, "2.1.5"),
    _litert("convert_weights_on_gpu", _BOOL, "2.1.5"),
    _litert("xnnpack_weight_cache_file_path", _TEXT, "2.2.0", is_legacy=True),
    _litert("qualcomm_log_level", _TEXT, "2.2.0", choices=("off", "error", "warn", "info", "verbose", "debug")),
    _litert("qualcomm_htp_performance_mode", _TEXT, "2.2.0", choices=tuple(_QNN_MODES.split())),
    _litert("qualcomm_profiling", _TEXT, "2.2.0", choices=("off", "basic", "detailed", "linting", "optrace")),
    _litert("qualcomm_backend", _TEXT, "2.2.0"),
    _litert("qualcomm_optimization_level", _TEXT, "2.2.0", choices=("O1", "O2", "O3")),
    _litert("mediatek_sdk_version_type", _TEXT, "2.2.0", choices=("version7", "version8", "version9")),
    _litert("mediatek_performance_mode_type", _TEXT, "2.2.0",
            choices=("low_power", "fast_single_answer", "sustained_speed", "turbo_boost")),
    _litert("google_tensor_performance_mode", _TEXT, "2.2.0"),
    # In the tool's code after 2.2.0; 2.3.0 was not seen. A tool that lacks one says so, and the run fails.
    _litert("gpu_serialization_dir", _TEXT, "2.3.0"),
    _litert("gpu_model_cache_key", _TEXT, "2.3.0"),
    _litert("gpu_serialize_external_tensors", _BOOL, "2.3.0"),
    _litert("gpu_prefer_texture_weights", _BOOL, "2.3.0"),
    _litert("gpu_wait_for_weights_conversion_complete", _BOOL, "2.3.0"),
    _litert("gpu_cache_compiled_programs_only", _BOOL, "2.3.0"),
    _legacy("enable_op_profiling", _BOOL, set_by="profile"),
    _legacy("max_profiling_buffer_entries", _INT),
    _legacy("input_layer", _TEXT),
    _legacy("input_layer_shape", _TEXT),
    _legacy("input_layer_value_files", _TEXT),
    _legacy("output_filepath", _TEXT),
    _legacy("use_xnnpack", _BOOL),
    _legacy("xnnpack_force_fp16", _BOOL),
    _legacy("gpu_precision_loss_allowed", _BOOL, instead="gpu-precision"),
    _legacy("gpu_experimental_enable_quant", _BOOL),
    _legacy("gpu_inference_for_sustained_speed", _BOOL),
    _legacy("use_nnapi", _BOOL, instead="compute_unit"),
    _legacy("nnapi_accelerator_name", _TEXT),
    _legacy("nnapi_allow_fp16", _BOOL),
    _legacy("disable_nnapi_cpu", _BOOL),
    _legacy("external_delegate_path", _TEXT, instead="dispatch_library_path"),
    _legacy("external_delegate_options", _TEXT),
    _legacy("max_delegated_partitions", _INT),
    _legacy("min_nodes_per_partition", _INT),
)}
# fmt: on


def find_flag(name: str, version: ToolVersion) -> ToolFlag:
    """Return the flag of that name.

    Raises
    ------
    UnknownNameError
        If no version has it; close matches of this version are named.
    InputError
        If this version does not have it.
    """
    flag = TOOL_FLAGS.get(name) or TOOL_FLAGS.get(name.replace("_", "-"))
    if flag is None:
        known = [one.name for one in TOOL_FLAGS.values() if one.is_in(version) and not one.set_by]
        raise UnknownNameError.among(f"option of {version}:", name, known)
    if not flag.is_in(version):
        raise InputError(f"{version} has no flag {flag.name}{_when(flag)}", hint=_instead(flag, version))
    return flag


def checked_options(options: Mapping[str, object], version: ToolVersion) -> tuple[str, ...]:
    """Return the flags of a user's options, in the order given.

    Raises
    ------
    UnknownNameError
        If no version has such an option.
    InputError
        If this version does not have it, another argument sets it, or its value is not allowed.
    """
    written = []
    for name, value in options.items():
        flag = find_flag(name, version)
        if flag.set_by:
            raise InputError(f"option {name} is set by {flag.set_by}", hint=f"give {flag.set_by} instead")
        written.append(flag.write(value, version))
    return tuple(written)


def _when(flag: ToolFlag) -> str:
    if not flag.since:
        return ": only the older tool has it"
    return f": it is there from {flag.since}" + (f" and gone with {flag.before}" if flag.before else " on")


def _instead(flag: ToolFlag, version: ToolVersion) -> str:
    other = TOOL_FLAGS.get(flag.instead)
    if flag.instead and (other is None or other.is_in(version)):
        return f"use {flag.instead}"
    return "use a version that has it, or leave it out"
