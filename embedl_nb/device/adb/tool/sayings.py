"""What runtimes, drivers and the phone's shell say when a model does not run, or not where it was asked to: one table.

placement.py reads causes of a fallback from it, failures.py why a run failed. Each entry has a sample made from the
format's rules and names the recorded outputs that have such a line; a test holds it against both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from embedl_nb.units import ComputeUnit

__all__ = ["SAYINGS", "CauseKind", "FailureKind", "Saying"]


class CauseKind(StrEnum):
    """Why operators, or the whole model, fell back."""

    OPERATOR = "operator not supported"
    COUNT = "part of the model not supported"
    BACKEND = "another backend"
    LIBRARY = "library missing"
    DISPATCH = "dispatch runtime failed"
    COMPILER = "compiler plugin failed"
    APPLYING = "delegate not applied"
    NOT_TAKEN = "delegate took nothing, or not all"


class FailureKind(StrEnum):
    """Why a run failed."""

    OUT_OF_MEMORY = "out of memory"
    NOT_STARTED = "not started"
    CRASHED = "crashed"
    NO_UNIT = "unit not available"
    NO_OPERATOR = "operator not implemented"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """One thing that is said.

    Attributes
    ----------
    pattern
        Of a whole line without logger's heads; its group ``operator`` names an operator.
    sample
        A line of this kind.
    logs
        Recorded outputs that have one, by number; empty where only the source code has it.
    cause
        The cause of a fallback that it tells; None where it tells none.
    failure
        What it means where a run has failed; None where something else says that.
    unit
        The unit that it concerns; None where it could be any.
    only_if_asked
        Whether every run prints it: then it explains a failure only where that unit was asked for.
    is_listed
        Whether it counts only within the GPU delegate's list of what it does not support.
    hint
        What to try after a failure.
    signal
        The signal behind a crash.
    """

    pattern: re.Pattern[str]
    sample: str
    logs: tuple[str, ...]
    cause: CauseKind | None
    failure: FailureKind | None
    unit: ComputeUnit | None
    only_if_asked: bool
    is_listed: bool
    hint: str
    signal: str


def _say(
    pattern: str,
    sample: str,
    *logs: str,
    cause: CauseKind | None = None,
    failure: FailureKind | None = None,
    unit: ComputeUnit | None = None,
    only_if_asked: bool = False,
    is_listed: bool = False,
    hint: str = "",
    signal: str = "",
) -> Saying:
    return Saying(
        pattern=re.compile(pattern),
        sample=sample,
        logs=logs,
        cause=cause,
        failure=failure,
        unit=unit,
        only_if_asked=only_if_asked,
        is_listed=is_listed,
        hint=hint,
        signal=signal,
    )


_C, _F = CauseKind, FailureKind
_GPU, _NPU = ComputeUnit.GPU, ComputeUnit.NPU
_LESS = "use a smaller model or batch, or close what else runs on the phone"
_CPU = "run it on the CPU, or look at the output for what the delegate does not support"
_LIBRARIES = "push the vendor's runtime and the dispatch library of the same LiteRT version beside the tool"
_BEFORE = "look at the lines before it in the output"
# A line is the first entry that matches it; a failure is the first entry that any line matches: what causes another
# stands before it.
# fmt: off
SAYINGS: tuple[Saying, ...] = (
    _say(r".*std::bad_alloc.*",
         "terminating due to uncaught exception of type std::bad_alloc", "47",
         failure=_F.OUT_OF_MEMORY, hint=_LESS),
    _say(r".*(?:Out of host memory|CL_OUT_OF_|mmap failed errno 12 ).*",
         "Failed to build program executable - Out of host memory", "47",
         failure=_F.OUT_OF_MEMORY, hint=_LESS),
    _say(r".*: not executable: \d\d-bit ELF file",
         "/system/bin/sh: ./benchmark_model: not executable: 64-bit ELF file", "43",
         failure=_F.NOT_STARTED, hint="use the tool's build for this phone's ABI"),
    _say(r".*: can't execute: Permission denied",
         "/system/bin/sh: ./benchmark_model: can't execute: Permission denied", "44",
         failure=_F.NOT_STARTED, hint="chmod 755 the tool, and keep it under /data/local/tmp"),
    _say(r"CANNOT LINK EXECUTABLE .*",
         'CANNOT LINK EXECUTABLE "./benchmark_model": library "libx.so" not found: needed by main executable',
         failure=_F.NOT_STARTED, hint="push the library beside the tool, and name its folder in library_paths"),
    _say(r"FATAL ERROR: This binary was compiled with \w{1,40} enabled, but this feature is not available.*",
         "FATAL ERROR: This binary was compiled with dotprod enabled, but this feature is not available here", "57",
         failure=_F.CRASHED, signal="SIGILL", hint="use a build for this processor"),
    _say(r"Segmentation fault(?: \(core dumped\))?",
         "Segmentation fault", "45",
         failure=_F.CRASHED, signal="SIGSEGV", hint="run it again; if it crashes each time, try the CPU"),
    _say(r"(?:libc\+\+abi: terminating due to uncaught exception.*|Aborted(?: \(core dumped\))?)",
         "libc++abi: terminating due to uncaught exception of type E: no runtime", "46",
         failure=_F.CRASHED, signal="SIGABRT", hint="run it again; if it crashes each time, try the CPU"),
    _say(r"Failed to parse flag '.*' against argv '.*",
         "Failed to parse flag 'num_runs' against argv '--num_runs=x'",
         failure=_F.FAILED, hint="give the flag a value of its type"),
    _say(r"Encountered unresolved custom op: DISPATCH_OP\.",
         "Encountered unresolved custom op: DISPATCH_OP.", "63",
         cause=_C.DISPATCH, failure=_F.NO_UNIT, unit=_NPU, hint=f"the model is compiled for an NPU: {_LIBRARIES}"),
    _say(r"(?:Failed to initialize Dispatch API|Failed to create a dispatch delegate kernel|No usable Dispatch).*",
         "Failed to create a dispatch delegate kernel: No usable Dispatch runtime found", "50",
         cause=_C.DISPATCH, failure=_F.NO_UNIT, unit=_NPU, hint=_LIBRARIES),
    _say(r"No dispatch library found in .*",
         "No dispatch library found in /data/local/tmp",
         cause=_C.LIBRARY, failure=_F.NO_UNIT, unit=_NPU, hint=_LIBRARIES),
    _say(r"Encountered unresolved custom op: (?P<operator>.{1,80}?)\.",
         "Encountered unresolved custom op: MyOp.",
         failure=_F.NO_OPERATOR, hint="replace the operator, or use a tool that has it"),
    _say(r"Didn't find op for builtin opcode '(?P<operator>\w{1,80})' version '\d{1,9}'.*",
         "Didn't find op for builtin opcode 'CONV_2D' version '9'.",
         failure=_F.NO_OPERATOR, hint="use a tool of a newer LiteRT version"),
    _say(r"Failed to apply compiler plugins: .*",
         "Failed to apply compiler plugins: 504",
         cause=_C.COMPILER, failure=_F.NO_UNIT, unit=_NPU, only_if_asked=True, hint=_LIBRARIES),
    _say(r"NN API returned error ANEURALNETWORKS_\w{1,60} at line \d{1,9} while .*",
         "NN API returned error ANEURALNETWORKS_BAD_DATA at line 1 while adding operation.", "06", "07", "45",
         cause=_C.APPLYING, failure=_F.NO_UNIT, hint=_CPU),
    _say(r"TfLiteGpuDelegate (?:Init|Prepare|Invoke): .*",
         "TfLiteGpuDelegate Prepare: delegate is not initialized", "42", "48",
         cause=_C.APPLYING, failure=_F.NO_UNIT, unit=_GPU, hint=_CPU),
    _say(r"Failed to apply .{1,60} delegate\.",
         "Failed to apply GPU delegate.", "06", "07",
         cause=_C.APPLYING, failure=_F.NO_UNIT, hint=_CPU),
    _say(r"Restored original execution plan after delegate application failure\.",
         "Restored original execution plan after delegate application failure.", "06", "42", "45",
         cause=_C.APPLYING, failure=_F.NO_UNIT, hint=_CPU),
    _say(r"(?:Some ops are not accelerated\..*|Disallowed CPU fallback detected\.)",
         "Disallowed CPU fallback detected.",
         cause=_C.NOT_TAKEN, failure=_F.NO_UNIT, hint="allow the fallback, or use a model that the unit takes whole"),
    _say(r"Unable to load external delegate from : .*",
         'Unable to load external delegate from : /tmp/libx.so (dlopen failed: library "liby.so" not found)', "41",
         cause=_C.LIBRARY, failure=_F.NO_UNIT, hint="push the library that is missing beside the delegate"),
    _say(r"GPU accelerator could not be (?:dynamically )?loaded and registered.*",
         "GPU accelerator could not be loaded and registered.", "56", "60", "63", "65",
         cause=_C.LIBRARY, failure=_F.NO_UNIT, unit=_GPU, only_if_asked=True,
         hint="push libLiteRtClGlAccelerator.so of the same LiteRT version beside the tool"),
    _say(r"NPU accelerator could not be loaded and registered.*",
         "NPU accelerator could not be loaded and registered: kLiteRtStatusErrorNotFound.", "02", "46", "60", "65",
         cause=_C.LIBRARY, failure=_F.NO_UNIT, unit=_NPU, only_if_asked=True, hint=_LIBRARIES),
    _say(r"Node number \d{1,9} \((?P<operator>.{1,80})\) failed to (?:prepare|invoke)\.",
         "Node number 3 (BATCH_MATMUL) failed to prepare.", "13", "63",
         failure=_F.FAILED, hint=_BEFORE),
    _say(r"(?:Failed to load model|Failed to compile model|Failed to create litert environment)\..*",
         "Failed to compile model.",
         failure=_F.FAILED, hint=_BEFORE),
    _say(r"(?:Failed to allocate tensors!?|Run failed(?:: .*)?)",
         "Failed to allocate tensors!", "13", "63",
         failure=_F.FAILED, hint=_BEFORE),
    # What follows explains a fallback; a run is not over for it.
    _say(r"\d{1,9} operations will run on the GPU, and the remaining \d{1,9} operations will run on the CPU\.",
         "12 operations will run on the GPU, and the remaining 3 operations will run on the CPU.", "48",
         cause=_C.COUNT, unit=_GPU),
    _say(r"No operations will run on the GPU, and all \d{1,9} operations will run on the CPU\.",
         "No operations will run on the GPU, and all 15 operations will run on the CPU.",
         cause=_C.COUNT, unit=_GPU),
    _say(r"No selector for (?P<operator>\S{1,80})",
         "No selector for cumsum", "53",
         cause=_C.BACKEND, unit=_GPU),
    _say(r"Falling back to OpenGL",
         "Falling back to OpenGL", "42", "53",
         cause=_C.BACKEND, unit=_GPU),
    _say(r"Can not open OpenCL library on this device.*",
         "Can not open OpenCL library on this device - dlopen failed",
         cause=_C.BACKEND, unit=_GPU),
    _say(r"Though .{1,60} delegate is explicitly applied, the model graph will not be executed by the delegate\.?",
         "Though GPU delegate is explicitly applied, the model graph will not be executed by the delegate.", "04", "37",
         cause=_C.NOT_TAKEN),
    _say(r"(?P<operator>[A-Z][A-Z0-9_]{0,79}): \S.*",
         "CUMSUM: Operation is not supported.", "36", "48",
         cause=_C.OPERATOR, unit=_GPU, is_listed=True),
)
# fmt: on
