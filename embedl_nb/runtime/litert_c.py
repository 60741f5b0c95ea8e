"""LiteRT's C API through ctypes: the functions and structs that a measurement needs, and nothing above them.

Every struct and function names the header it was taken from, at one commit:
https://github.com/google-ai-edge/LiteRT/tree/f67457790c9c2ab67347d6fe53270e8d3df20868/litert/c (checked against the
library in ai-edge-litert 2.3.0 by the integration tests). Only a child process loads the library: a crash in it must
not reach the user's kernel.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from pathlib import Path
from typing import Any

from embedl_nb.errors import BenchmarkError, MissingDependencyError, OutOfMemoryError

__all__ = [
    "CPU_ACCELERATOR",
    "GPU_ACCELERATOR",
    "HOST_READ",
    "HOST_WRITE",
    "EventType",
    "Layout",
    "PayloadDestructor",
    "ProfiledEventData",
    "RankedTensorType",
    "call",
    "library",
    "library_path",
    "runtime_version",
]

# litert_common.h: LiteRtStatus
_STATUS_TEXTS = {
    1: "invalid argument",
    2: "memory allocation failure",
    3: "runtime failure",
    4: "missing input tensor",
    5: "unsupported",
    6: "not found",
    7: "timeout expired",
    8: "wrong version",
    9: "unknown error",
    10: "already exists",
    100: "cancelled",
    500: "file input/output error",
    501: "invalid flatbuffer",
    502: "dynamic loading failed",
    503: "serialization failed",
    504: "compilation failed",
    1000: "index out of bounds",
    1001: "invalid type in the graph",
    1002: "invalid graph",
    1003: "graph modification failed",
    1500: "invalid tool configuration",
    2000: "no legalization matches",
    2001: "invalid legalization",
    3000: "no pattern matches",
    3001: "invalid transformation",
    4000: "unsupported runtime version",
    4001: "unsupported compiler version",
    4002: "incompatible byte code version",
    5000: "no shape inference for an operator",
    5001: "shape inference failed",
}
_STATUS_NO_MEMORY = 2

# litert_common.h: LiteRtHwAccelerators, to be added up
CPU_ACCELERATOR, GPU_ACCELERATOR = 1, 2
HOST_READ, HOST_WRITE = 0, 1  # litert_common.h: LiteRtTensorBufferLockMode

# litert_layout.h: LITERT_TENSOR_MAX_RANK
_MAX_RANK = 8


class Layout(ctypes.Structure):
    """litert_layout.h: ``LiteRtLayout`` (68 bytes); the first word holds ``rank`` in 7 bits, then ``has_strides``."""

    _fields_ = (
        ("rank", c_uint32, 7),
        ("has_strides", c_uint32, 1),
        ("dimensions", c_int32 * _MAX_RANK),
        ("strides", c_uint32 * _MAX_RANK),
    )

    @property
    def shape(self) -> tuple[int, ...]:
        """Dimensions as a tuple; -1 where dynamic."""
        return tuple(max(-1, self.dimensions[i]) for i in range(self.rank))


class RankedTensorType(ctypes.Structure):
    """litert_model_types.h: ``LiteRtRankedTensorType`` (72 bytes)."""

    _fields_ = (("element_type", c_int), ("layout", Layout))


class EventType(IntEnum):
    """litert_profiler_event.h: ``LiteRtProfilerEventType``, as far as an inference produces them."""

    DEFAULT = 1
    OPERATOR = 1 << 1
    DELEGATE_OPERATOR = 1 << 2
    DELEGATE_PROFILED_OPERATOR = 1 << 3
    TELEMETRY = 1 << 5


class _MemoryUsage(ctypes.Structure):
    """litert_profiler_event.h: ``LiteRtMemoryUsage``."""

    _fields_ = (
        ("total_allocated_bytes", c_size_t),
        ("in_use_allocated_bytes", c_size_t),
        ("private_footprint_bytes", c_size_t),
    )


class ProfiledEventData(ctypes.Structure):
    """litert_profiler_event.h: ``ProfiledEventData``; for an operator, metadata 1 is its node, 2 its subgraph."""

    _fields_ = (
        ("tag", c_char_p),
        ("event_type", c_int),
        ("start_timestamp_us", c_uint64),
        ("elapsed_time_us", c_uint64),
        ("begin_mem_usage", _MemoryUsage),
        ("end_mem_usage", _MemoryUsage),
        ("event_metadata1", c_uint64),
        ("event_metadata2", c_uint64),
        ("event_source", c_int),
    )


# litert_opaque_options.h: payload_destructor of LiteRtCreateOpaqueOptions
PayloadDestructor = ctypes.CFUNCTYPE(None, c_void_p)

_OUT = POINTER(c_void_p)  # where a function puts a handle
_COUNT = POINTER(c_size_t)
_TEXT = POINTER(c_char_p)

# Argument types by function; each returns a LiteRtStatus.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    # litert_environment.h
    "LiteRtCreateEnvironment": (c_int, c_void_p, _OUT),
    # litert_model.h
    "LiteRtCreateModelFromFile": (c_void_p, c_char_p, _OUT),
    "LiteRtGetNumModelSignatures": (c_void_p, _COUNT),
    "LiteRtGetModelSignature": (c_void_p, c_size_t, _OUT),
    "LiteRtGetSignatureKey": (c_void_p, _TEXT),
    "LiteRtGetNumSignatureInputs": (c_void_p, _COUNT),
    "LiteRtGetSignatureInputName": (c_void_p, c_size_t, _TEXT),
    "LiteRtGetSignatureInputTensorByIndex": (c_void_p, c_size_t, _OUT),
    "LiteRtGetNumSignatureOutputs": (c_void_p, _COUNT),
    "LiteRtGetSignatureOutputName": (c_void_p, c_size_t, _TEXT),
    "LiteRtGetSignatureOutputTensorByIndex": (c_void_p, c_size_t, _OUT),
    "LiteRtGetTensorTypeId": (c_void_p, POINTER(c_int)),
    "LiteRtGetRankedTensorType": (c_void_p, POINTER(RankedTensorType)),
    # litert_options.h, litert_opaque_options.h
    "LiteRtCreateOptions": (_OUT,),
    "LiteRtSetOptionsHardwareAccelerators": (c_void_p, c_int),
    "LiteRtAddOpaqueOptions": (c_void_p, c_void_p),
    "LiteRtCreateOpaqueOptions": (c_char_p, c_void_p, PayloadDestructor, _OUT),
    # litert_compiled_model.h
    "LiteRtCreateCompiledModel": (c_void_p, c_void_p, c_void_p, _OUT),
    "LiteRtCompiledModelIsNonCpuFullyAccelerated": (c_void_p, POINTER(c_bool)),
    "LiteRtGetCompiledModelInputBufferRequirements": (c_void_p, c_size_t, c_size_t, _OUT),
    "LiteRtGetCompiledModelOutputBufferRequirements": (c_void_p, c_size_t, c_size_t, _OUT),
    "LiteRtGetCompiledModelInputTensorLayout": (c_void_p, c_size_t, c_size_t, POINTER(Layout)),
    "LiteRtGetCompiledModelOutputTensorLayouts": (c_void_p, c_size_t, c_size_t, POINTER(Layout), c_bool),
    "LiteRtCompiledModelResizeInputTensor": (c_void_p, c_size_t, c_size_t, POINTER(c_int), c_size_t),
    "LiteRtRunCompiledModel": (c_void_p, c_size_t, c_size_t, _OUT, c_size_t, _OUT),
    "LiteRtCompiledModelGetProfiler": (c_void_p, _OUT),
    # litert_profiler.h
    "LiteRtStartProfiler": (c_void_p,),
    "LiteRtStopProfiler": (c_void_p,),
    "LiteRtGetNumProfilerEvents": (c_void_p, POINTER(c_int)),
    "LiteRtGetProfilerEvents": (c_void_p, c_int, POINTER(ProfiledEventData)),
    # litert_tensor_buffer.h
    "LiteRtCreateManagedTensorBufferFromRequirements": (c_void_p, POINTER(RankedTensorType), c_void_p, _OUT),
    "LiteRtGetTensorBufferPackedSize": (c_void_p, _COUNT),
    "LiteRtLockTensorBuffer": (c_void_p, _OUT, c_int),
    "LiteRtUnlockTensorBuffer": (c_void_p,),
}
# Functions that return nothing and take one handle.
_DESTRUCTORS = (
    "LiteRtDestroyCompiledModel",
    "LiteRtDestroyModel",
    "LiteRtDestroyOptions",
    "LiteRtDestroyTensorBuffer",
)


def library_path() -> Path:
    """Return the path of LiteRT's shared library, without importing its package.

    Raises
    ------
    MissingDependencyError
        If ai-edge-litert is not installed or carries no library for this platform.
    """
    spec = importlib.util.find_spec("ai_edge_litert")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    suffix = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
    # macOS wheels have used both endings.
    names = [f"libLiteRt{suffix}", "libLiteRt.so", f"LiteRt{suffix}"]
    for path in (Path(folder) / name for folder in folders for name in names):
        if path.is_file():
            return path
    raise MissingDependencyError(
        "the LiteRT runtime (ai-edge-litert) is not installed for this Python, or has no library for this platform",
        install="pip install 'ai-edge-litert>=2.3,<2.4'",
    )


def runtime_version() -> str:
    """Return the version of the installed runtime."""
    return importlib.metadata.version("ai-edge-litert")


@functools.cache
def library() -> ctypes.CDLL:
    """Load LiteRT once and declare its functions.

    Raises
    ------
    MissingDependencyError
        If there is no library for this platform.
    BenchmarkError
        If the library does not load or lacks a function (another version).
    """
    path = library_path()
    try:
        lib = ctypes.CDLL(str(path))
        for name, arguments in _FUNCTIONS.items():
            function = getattr(lib, name)
            function.argtypes, function.restype = arguments, c_int
        for name in _DESTRUCTORS:
            function = getattr(lib, name)
            function.argtypes, function.restype = (c_void_p,), None
    except (OSError, AttributeError) as err:
        raise BenchmarkError(
            f"the LiteRT runtime {runtime_version()} at {path} cannot be used: {err}",
            hint="pip install --force-reinstall 'ai-edge-litert>=2.3,<2.4'",
        ) from err
    return lib


def call(name: str, *arguments: Any) -> None:
    """Call a function and turn a status other than OK into an error that names it.

    Raises
    ------
    OutOfMemoryError
        If the runtime says so.
    BenchmarkError
        For every other status.
    """
    function: Callable[..., int] = getattr(library(), name)
    status = function(*arguments)
    if status != 0:
        raise failure(name, status)


def failure(name: str, status: int) -> BenchmarkError:
    """Describe the failure of the function ``name``."""
    said = f"{name} failed: {_STATUS_TEXTS.get(status, 'status that this version does not name')} (status {status})"
    if status == _STATUS_NO_MEMORY:
        return OutOfMemoryError(said, hint="free memory, or use a smaller model or batch")
    return BenchmarkError(said)
