"""A model in the LiteRT runtime of this process: loaded, compiled for the CPU or the GPU, profiled.

Above it are the worker's commands, below it the C API. Handles are closed explicitly, in reverse order; this module
runs in a child process only.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ctypes import byref, c_bool, c_char_p, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from pathlib import Path

from embedl_nb.errors import BenchmarkError, InputError, OutOfMemoryError, UnknownNameError
from embedl_nb.runtime import litert_c
from embedl_nb.runtime.dtypes import ElementType, element_type
from embedl_nb.runtime.litert_c import Layout, ProfiledEventData, RankedTensorType, call
from embedl_nb.runtime.logs import own_log_since, own_log_size_bytes
from embedl_nb.runtime.options import options_toml
from embedl_nb.runtime.refusals import refusal_error

__all__ = [
    "CompiledModel",
    "LoadedModel",
    "RawEvent",
    "SignatureInfo",
    "TensorInfo",
    "environment",
    "refusals_explained",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """An input or output of a signature.

    Attributes
    ----------
    name
        As the signature calls it.
    identity
        Equal for two names of the same tensor: an input that is returned unchanged, a value returned twice.
    shape
        With -1 where it is dynamic.
    """

    name: str
    identity: int
    kind: ElementType
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureInfo:
    """A named entry point and its position in the model."""

    index: int
    key: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawEvent:
    """One event of the profiler, as it came."""

    name: str
    type: int
    start_us: int
    elapsed_us: int
    node_index: int
    subgraph_index: int


class LoadedModel:
    """A model file in memory, with its signatures.

    Raises
    ------
    InputError
        If there is no such file or the runtime does not take it for a model.
    """

    def __init__(self, path: str | Path) -> None:
        if not Path(path).is_file():
            raise InputError(f"there is no model file {str(path)!r}")
        self.path = Path(path)
        self.handle = c_void_p()
        with refusals_explained(self.path):
            try:
                call("LiteRtCreateModelFromFile", environment(), os.fsencode(path), byref(self.handle))
            except OutOfMemoryError:
                raise
            except BenchmarkError as err:
                raise InputError(
                    f"{self.path.name} is not a model that LiteRT can read ({err.message})",
                    hint="check that the .tflite file is whole",
                ) from err
        try:
            count = c_size_t()
            call("LiteRtGetNumModelSignatures", self.handle, byref(count))
            self.signatures = tuple(_read_signature(self.path, self.handle, index) for index in range(count.value))
        except BaseException:
            self.close()
            raise

    def signature(self, key: str | None) -> SignatureInfo:
        """Return the signature with this key; None for the first.

        Raises
        ------
        UnknownNameError
            If the model has no such signature.
        InputError
            If it has none at all.
        """
        if not self.signatures:
            raise InputError(f"{self.path.name} holds no graph that could be run", hint="check that the file is whole")
        if key is None:
            return self.signatures[0]
        for signature in self.signatures:
            if signature.key == key:
                return signature
        raise UnknownNameError.among(f"signature of {self.path.name}", key, [s.key for s in self.signatures])

    def close(self) -> None:
        """Give the memory back."""
        litert_c.library().LiteRtDestroyModel(self.handle)


class CompiledModel:
    """A loaded model made ready to run.

    Parameters
    ----------
    model
        Must stay open for as long as this.
    num_threads
        At least 1.
    runtime_options
        See :data:`embedl_nb.runtime.options.RUNTIME_OPTIONS`.
    profile
        Whether operators can be timed; costs memory, and a little time while the profiler is started.
    accelerators
        What may run it: the sum of the units' numbers in litert_c.py.

    Raises
    ------
    UnsupportedOperatorError
        If the runtime has no kernel for some of the model's operators.
    BenchmarkError
        If it refuses the model for another reason.
    """

    def __init__(
        self,
        model: LoadedModel,
        *,
        num_threads: int,
        runtime_options: Mapping[str, str],
        profile: bool = False,
        accelerators: int = litert_c.CPU_ACCELERATOR,
    ) -> None:
        self.model = model
        self.handle = c_void_p()
        self._profiler = c_void_p()
        sections = options_toml(runtime_options, num_threads=num_threads, profile=profile)
        with refusals_explained(model.path), _compilation_options(sections, accelerators) as options:
            call("LiteRtCreateCompiledModel", environment(), model.handle, options, byref(self.handle))
        if profile:
            call("LiteRtCompiledModelGetProfiler", self.handle, byref(self._profiler))

    @property
    def is_all_off_cpu(self) -> bool:
        """Whether no operator is left to the CPU."""
        answer = c_bool()
        call("LiteRtCompiledModelIsNonCpuFullyAccelerated", self.handle, byref(answer))
        return answer.value

    @contextmanager
    def profiling(self) -> Iterator[None]:
        """Record the events of the inferences in this block, instead of any earlier ones."""
        call("LiteRtStartProfiler", self._profiler)
        try:
            yield
        finally:
            call("LiteRtStopProfiler", self._profiler)

    def num_events(self) -> int:
        """Return how many events there are so far."""
        count = c_int()
        call("LiteRtGetNumProfilerEvents", self._profiler, byref(count))
        return count.value

    def events(self) -> tuple[RawEvent, ...]:
        """Return what was recorded, in order of beginning."""
        count = self.num_events()
        events = (ProfiledEventData * count)()
        call("LiteRtGetProfilerEvents", self._profiler, count, events)
        return tuple(
            RawEvent(
                name=(event.tag or b"").decode(errors="replace"),
                type=event.event_type,
                start_us=event.start_timestamp_us,
                elapsed_us=event.elapsed_time_us,
                node_index=event.event_metadata1,
                subgraph_index=event.event_metadata2,
            )
            for event in events
        )

    def close(self) -> None:
        """Give the memory back."""
        litert_c.library().LiteRtDestroyCompiledModel(self.handle)


@functools.cache
def environment() -> c_void_p:
    """Return this process's one LiteRT environment; it lives as long as the process."""
    handle = c_void_p()
    call("LiteRtCreateEnvironment", 0, None, byref(handle))
    return handle


@contextmanager
def refusals_explained(path: Path) -> Iterator[None]:
    """Turn a failure of the runtime into the error that its log explains.

    Raises
    ------
    UnsupportedOperatorError
        If the runtime has no kernel for an operator.
    InputError
        If an output's shape is only known from the inputs' values.
    """
    start = own_log_size_bytes()
    try:
        yield
    except OutOfMemoryError:
        raise
    except BenchmarkError as err:
        said = own_log_since(start)
        explained = refusal_error(said, model=path.name)
        if explained is not None:
            raise explained from err
        err.details = err.details or said
        raise


@contextmanager
def _compilation_options(sections: Mapping[str, str], accelerators: int) -> Iterator[c_void_p]:
    options = c_void_p()
    call("LiteRtCreateOptions", byref(options))
    texts = {section: ctypes.create_string_buffer(toml.encode()) for section, toml in sections.items()}
    try:
        call("LiteRtSetOptionsHardwareAccelerators", options, accelerators)
        for section, text in texts.items():
            opaque = c_void_p()
            call(
                "LiteRtCreateOpaqueOptions",
                section.encode(),
                ctypes.cast(text, c_void_p),
                _keep_payload,
                byref(opaque),
            )
            call("LiteRtAddOpaqueOptions", options, opaque)  # takes it over
        yield options
    finally:
        litert_c.library().LiteRtDestroyOptions(options)


# The payloads are Python's, and outlive the options.
_keep_payload = litert_c.PayloadDestructor(lambda _payload: None)


def _read_signature(path: Path, model: c_void_p, index: int) -> SignatureInfo:
    signature, key = c_void_p(), c_char_p()
    call("LiteRtGetModelSignature", model, index, byref(signature))
    call("LiteRtGetSignatureKey", signature, byref(key))
    outputs = _read_tensors(signature, "Output")
    if len({tensor.name for tensor in outputs}) < len(outputs):
        # A value that is returned under two names: LiteRT 2.3 calls both by the last of them.
        names = _output_names_in_file(path, index)
        outputs = tuple(dataclasses.replace(tensor, name=name) for tensor, name in zip(outputs, names, strict=True))
    return SignatureInfo(
        index=index, key=(key.value or b"").decode(), inputs=_read_tensors(signature, "Input"), outputs=outputs
    )


def _output_names_in_file(path: Path, signature_index: int) -> list[str]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(path.read_bytes(), 0)
    signature = model.SignatureDefs(signature_index)
    return [signature.Outputs(i).Name().decode() for i in range(signature.OutputsLength())]


def _read_tensors(signature: c_void_p, side: str) -> tuple[TensorInfo, ...]:
    count = c_size_t()
    call(f"LiteRtGetNumSignature{side}s", signature, byref(count))
    tensors = []
    for index in range(count.value):
        name, tensor = c_char_p(), c_void_p()
        call(f"LiteRtGetSignature{side}Name", signature, index, byref(name))
        call(f"LiteRtGetSignature{side}TensorByIndex", signature, index, byref(tensor))
        tensors.append(_read_tensor((name.value or b"").decode(), tensor))
    return tuple(tensors)


def _read_tensor(name: str, tensor: c_void_p) -> TensorInfo:
    type_id, ranked = c_int(), RankedTensorType(0, Layout())
    call("LiteRtGetTensorTypeId", tensor, byref(type_id))
    if type_id.value != 0:  # litert_model_types.h: kLiteRtRankedTensorType
        raise InputError(
            f"tensor {name!r} has no fixed number of dimensions, which cannot be run here",
            hint="export the model with a fixed rank for each input and output",
        )
    call("LiteRtGetRankedTensorType", tensor, byref(ranked))
    return TensorInfo(
        name=name,
        identity=tensor.value or 0,
        kind=element_type(ranked.element_type, tensor=name),
        shape=ranked.layout.shape,
    )
