"""One signature of a compiled model with its inputs in place, ready to be run again and again.

Buffers are the runtime's own, made to its requirements. What is timed is ``LiteRtRunCompiledModel`` alone: inputs are
written before, outputs are read after.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from ctypes import byref, c_int, c_size_t, c_void_p
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import BenchmarkError, SignatureMismatchError
from embedl_nb.runtime import litert_c
from embedl_nb.runtime.dtypes import from_bytes, to_bytes
from embedl_nb.runtime.litert_c import Layout, RankedTensorType, call
from embedl_nb.runtime.session import CompiledModel, SignatureInfo, TensorInfo, environment

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["Invocation", "check_inputs"]


class Invocation:
    """Buffers for a signature's inputs and outputs, sized for ``inputs``.

    Parameters
    ----------
    compiled
        Must stay open for as long as this.
    signature
        One of the model's.
    inputs
        An array by input name, exactly the signature's. Where a dimension is dynamic, the array decides it.

    Raises
    ------
    SignatureMismatchError
        If names, shapes or dtypes do not fit.
    """

    def __init__(self, compiled: CompiledModel, signature: SignatureInfo, inputs: Arrays) -> None:
        check_inputs(signature, inputs)
        self._compiled, self._signature = compiled, signature
        self._shapes = {name: array.shape for name, array in inputs.items()}
        self._buffers: dict[int, c_void_p] = {}
        self._run = litert_c.library().LiteRtRunCompiledModel
        try:
            self._resize_open_inputs(inputs)
            self._inputs = self._make_buffers("Input", [self._input_layout(i) for i in range(len(signature.inputs))])
            self._outputs = self._make_buffers("Output", self._output_layouts())
            self.write(inputs)
        except BaseException:
            self.close()
            raise
        self._arguments = (
            compiled.handle,
            signature.index,
            len(self._inputs),
            self._inputs,
            len(self._outputs),
            self._outputs,
        )

    def fits(self, inputs: Arrays) -> bool:
        """Say whether other inputs have the shapes that the buffers were made for."""
        return {name: array.shape for name, array in inputs.items()} == self._shapes

    def write(self, inputs: Arrays) -> None:
        """Put other values of the same shapes into the input buffers."""
        check_inputs(self._signature, inputs)
        for index, tensor in enumerate(self._signature.inputs):
            data = to_bytes(inputs[tensor.name], tensor.kind)
            if len(data) != (size := _packed_size(self._inputs[index])):
                raise BenchmarkError(f"LiteRT wants {size} bytes for input {tensor.name!r}, and there are {len(data)}")
            address = _lock(self._inputs[index], litert_c.HOST_WRITE)
            ctypes.memmove(address, data, len(data))
            call("LiteRtUnlockTensorBuffer", self._inputs[index])

    def run_ns(self) -> int:
        """Run once and return how long it took, in ns."""
        start = time.perf_counter_ns()
        status = self._run(*self._arguments)
        elapsed = time.perf_counter_ns() - start
        if status != 0:
            raise litert_c.failure("LiteRtRunCompiledModel", status)
        return elapsed

    def read(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the outputs of the last run by name, copied."""
        arrays = {}
        for buffer, tensor, layout in zip(self._outputs, self._signature.outputs, self._output_layouts(), strict=True):
            data = ctypes.string_at(_lock(buffer, litert_c.HOST_READ), _packed_size(buffer))
            call("LiteRtUnlockTensorBuffer", buffer)
            arrays[tensor.name] = from_bytes(data, tensor.kind, layout.shape)
        return arrays

    def close(self) -> None:
        """Give the buffers back."""
        for buffer in self._buffers.values():
            litert_c.library().LiteRtDestroyTensorBuffer(buffer)
        self._buffers = {}

    def _resize_open_inputs(self, inputs: Arrays) -> None:
        for index, tensor in enumerate(self._signature.inputs):
            if -1 in tensor.shape:
                shape = inputs[tensor.name].shape
                where = (self._compiled.handle, self._signature.index, index)
                call("LiteRtCompiledModelResizeInputTensor", *where, (c_int * len(shape))(*shape), len(shape))

    def _input_layout(self, index: int) -> Layout:
        layout = Layout()
        call(
            "LiteRtGetCompiledModelInputTensorLayout",
            self._compiled.handle,
            self._signature.index,
            index,
            byref(layout),
        )
        return layout

    def _output_layouts(self) -> list[Layout]:
        count = len(self._signature.outputs)
        layouts = (Layout * count)()
        call(
            "LiteRtGetCompiledModelOutputTensorLayouts",
            self._compiled.handle,
            self._signature.index,
            count,
            layouts,
            True,
        )
        return list(layouts)

    def _make_buffers(self, side: str, layouts: list[Layout]) -> Any:
        """Return the buffers' handles, one by tensor.

        A tensor that is both input and output, or two outputs, has one buffer: given two, LiteRT 2.3 lets the second
        take the first one's place, and computes from zeros.
        """
        tensors = self._signature.inputs if side == "Input" else self._signature.outputs
        handles = (c_void_p * len(tensors))()
        for index, (tensor, layout) in enumerate(zip(tensors, layouts, strict=True)):
            if tensor.identity not in self._buffers:
                self._buffers[tensor.identity] = self._make_buffer(side, index, tensor, layout)
            handles[index] = self._buffers[tensor.identity]
        return handles

    def _make_buffer(self, side: str, index: int, tensor: TensorInfo, layout: Layout) -> c_void_p:
        requirements, buffer = c_void_p(), c_void_p()
        get_requirements = f"LiteRtGetCompiledModel{side}BufferRequirements"
        call(get_requirements, self._compiled.handle, self._signature.index, index, byref(requirements))
        kind = RankedTensorType(tensor.kind.code, layout)
        create = "LiteRtCreateManagedTensorBufferFromRequirements"
        try:
            call(create, environment(), byref(kind), requirements, byref(buffer))
        except BenchmarkError as err:
            if 0 not in layout.shape:
                raise
            raise BenchmarkError(
                f"{side.lower()} {tensor.name!r} has the shape {layout.shape}, and LiteRT makes no buffer without "
                "elements",
                hint="leave what is empty out of the model",
            ) from err
        return buffer


def check_inputs(signature: SignatureInfo, inputs: Arrays) -> None:
    """Compare arrays with a signature.

    Raises
    ------
    SignatureMismatchError
        Naming the first input that is missing, unknown, or of another shape or dtype.
    """
    names = [tensor.name for tensor in signature.inputs]
    if set(inputs) != set(names):
        raise SignatureMismatchError(
            f"signature {signature.key!r} takes inputs {names}, and was given {list(inputs)}",
            hint=f"pass exactly {', '.join(names)}",
        )
    for tensor in signature.inputs:
        _check_input(tensor, inputs[tensor.name])


def _check_input(tensor: TensorInfo, array: np.ndarray[Any, Any]) -> None:
    fits = len(array.shape) == len(tensor.shape) and all(
        wanted in (-1, given) for wanted, given in zip(tensor.shape, array.shape, strict=True)
    )
    if not fits:
        raise SignatureMismatchError(
            f"input {tensor.name!r} has shape {tuple(array.shape)}, and the model takes {tensor.shape}",
            hint=f"give an array of shape {tensor.shape}" + (" (-1 is any size)" if -1 in tensor.shape else ""),
        )
    if array.dtype != tensor.kind.array_dtype:
        carried = "" if tensor.kind.name == tensor.kind.array_dtype else f" (which carries {tensor.kind.name})"
        raise SignatureMismatchError(
            f"input {tensor.name!r} has dtype {array.dtype}, and the model takes {tensor.kind.array_dtype}{carried}",
            hint=f"convert it with .astype({tensor.kind.array_dtype!r})",
        )


def _packed_size(buffer: int) -> int:
    size = c_size_t()
    call("LiteRtGetTensorBufferPackedSize", buffer, byref(size))
    return size.value


def _lock(buffer: int, mode: int) -> int:
    address = c_void_p()
    call("LiteRtLockTensorBuffer", buffer, byref(address), mode)
    return address.value or 0
