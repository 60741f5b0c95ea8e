"""What a phone computes from given inputs: pushed as files, run by the older benchmark_model, pulled back as arrays.

LiteRT's own programs cannot do it: its benchmark_model takes no input files, and its run_model writes no outputs. The
older benchmark_model does both, with another build of the runtime than the one that is timed, and no NPU; so what it
says is told together with its name, its hash and the unit on which it ran.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedl_nb import progress
from embedl_nb.device.adb.raw import execution_path
from embedl_nb.device.adb.tool.binary import TOOL_NAME, ToolBinary, find_checker
from embedl_nb.device.adb.tool.command import BenchmarkCommand, RunLimits
from embedl_nb.device.adb.tool.flags import LEGACY
from embedl_nb.errors import (
    BenchmarkError,
    DeviceError,
    EmbedlError,
    InputError,
    RemoteCommandError,
    UnitUnavailableError,
    UnsupportedOperatorError,
)
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.runtime.dtypes import element_type_named, from_bytes, to_bytes
from embedl_nb.runtime.raw_run import OutputsFor
from embedl_nb.runtime.samples import first_sample, save_outputs
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.device.adb.phone import AdbPhone
    from embedl_nb.device.adb.running import ToolProcess
    from embedl_nb.model.spec import Signature, TensorSpec
    from embedl_nb.runtime.raw_run import ExecutionPath, MeasureRequest

__all__ = ["PhoneCheck", "PhoneOutputs", "prepare_check"]

_OUTPUTS_NAME = "outputs.raw"
_MOST_BYTES = 1 << 30
_HALF_ALLOWED = re.compile(r"Allow lower precision in gpu ?: \[1\]")
_PRECISION = ("gpu-precision", "gpu_precision")
_PROGRAM_FAILED = (BenchmarkError, InputError, RemoteCommandError, UnitUnavailableError, UnsupportedOperatorError)
_CHECKER = f"the older {TOOL_NAME}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneOutputs:
    """What came back.

    Attributes
    ----------
    path
        ``.npz`` with ``"0/<output name>"``; None where nothing came.
    note
        Which program gave them and on which unit, or why there are none.
    tool
        That program with its whole hash; empty where there are none.
    in_float16
        Whether it said that it may compute in half precision.
    """

    path: str | None = None
    note: str = ""
    tool: str = ""
    in_float16: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneCheck:
    """A run for the outputs, ready to go; see :func:`prepare_check`.

    Attributes
    ----------
    inputs
        By the order of the signature, as the tool reads them: shape and bytes.
    """

    tool: ToolBinary
    signature: Signature
    inputs: tuple[tuple[tuple[int, ...], bytes], ...]
    is_required: bool

    def outputs(
        self,
        phone: AdbPhone,
        *,
        like: BenchmarkCommand,
        timed: ExecutionPath,
        run: Callable[[BenchmarkCommand], ToolProcess],
    ) -> PhoneOutputs:
        """Run once on the inputs and bring the outputs back; the model is on the phone.

        Parameters
        ----------
        like
            What was timed.
        timed
            Where that ran: outputs of another unit would say nothing of it.
        run
            Runs the command on the phone.

        Raises
        ------
        BenchmarkError, RemoteCommandError, UnitUnavailableError, UnsupportedOperatorError
            If the program fails, and outputs are required.
        DeviceError
            If the phone goes away.
        """
        try:
            return self._outputs(phone, like, timed, run)
        except _PROGRAM_FAILED as err:  # a phone that is gone is another matter
            if self.is_required:
                raise
            return _none(err.message)

    def _outputs(
        self,
        phone: AdbPhone,
        like: BenchmarkCommand,
        timed: ExecutionPath,
        run: Callable[[BenchmarkCommand], ToolProcess],
    ) -> PhoneOutputs:
        if timed.compute_unit not in (ComputeUnit.CPU, ComputeUnit.GPU):
            return _none(f"{_CHECKER} runs on the CPU and the GPU, and what was timed ran on: {timed.compute_unit}")
        unit = ComputeUnit(timed.compute_unit)
        progress.emit("check", f"outputs on {phone.info.name}")
        remote_outputs = f"{like.directory}/{_OUTPUTS_NAME}"
        tool_path = phone.put(self.tool.path, name=TOOL_NAME)
        phone.shell(f"rm -f {remote_outputs}")  # an earlier run's are not to be taken for this one's
        with tempfile.TemporaryDirectory(prefix="embedl_nb-check-") as folder:
            here = Path(folder)
            with _inputs_on_phone(phone, here, [data for _shape, data in self.inputs]) as remote_inputs:
                process = run(self._command(like, tool_path, unit, remote_inputs, remote_outputs))
            ran = execution_path(process.delegation, unit)
            if ran.compute_unit != unit:
                return _none(f"{_CHECKER} ran it on: {ran.compute_unit}, and what was timed ran on: {unit}")
            phone.pull(remote_outputs, here / _OUTPUTS_NAME, max_bytes=self._num_output_bytes)
            path = self._read(here / _OUTPUTS_NAME)
        phone.shell(f"rm -f {remote_outputs}")
        where = "on the CPU" if unit is ComputeUnit.CPU else f"with {ran.sentence}"
        by = f"{_CHECKER} (no version, SHA-256 {self.tool.sha256[:12]}) {where}"
        note = f"outputs by {by}; the times are of LiteRT {like.version} on random inputs"
        return PhoneOutputs(
            path=path,
            note=note,
            tool=f"{_CHECKER}, {self.tool.abi}, SHA-256 {self.tool.sha256}",
            in_float16=_HALF_ALLOWED.search(process.text) is not None,
        )

    def _command(
        self,
        like: BenchmarkCommand,
        tool_path: str,
        unit: ComputeUnit,
        remote_inputs: Sequence[str],
        remote_outputs: str,
    ) -> BenchmarkCommand:
        # The tool goes by the order of inputs; their names only have to agree with each other here, so that no name
        # of the model's can be taken for a separator. Where they are not the model's it warns.
        names = [f"input{number}" for number in range(len(self.inputs))]
        files = [f"{name}:{path}" for name, path in zip(names, remote_inputs, strict=True)]
        options = {
            "input_layer": ",".join(names),
            "input_layer_shape": ":".join(",".join(map(str, shape)) for shape, _data in self.inputs),
            "input_layer_value_files": ",".join(files),
            "output_filepath": remote_outputs,
        }
        if unit is ComputeUnit.GPU:  # said aloud, so that the tool says it back
            is_float32 = "fp32" in (like.runtime_options.get(name) for name in _PRECISION)
            options["gpu_precision_loss_allowed"] = "false" if is_float32 else "true"
        return BenchmarkCommand(
            version=LEGACY,
            directory=like.directory,
            graph_path=like.graph_path,
            tool_path=tool_path,
            compute_unit=unit,
            num_threads=like.num_threads,
            cpu_mask=like.cpu_mask,
            runs=RunLimits.exactly(1),
            warmup=RunLimits(num_runs=0),
            signature_key=like.signature_key,
            runtime_options=options,
        )

    @property
    def _num_output_bytes(self) -> int:
        return sum(_num_bytes(spec) for spec in self.signature.outputs)

    def _read(self, path: Path) -> str:
        """Take the file apart: one output after the other, as they are in memory."""
        data, arrays, start = path.read_bytes(), {}, 0
        if len(data) != self._num_output_bytes:
            raise BenchmarkError(
                f"{_CHECKER} wrote {len(data)} bytes of outputs, and the model's are {self._num_output_bytes}",
                hint="fetch it again, or measure without golden",
            )
        for spec in self.signature.outputs:
            end = start + _num_bytes(spec)
            kind = element_type_named(spec.dtype, tensor=spec.name)
            arrays[f"0/{spec.name}"] = from_bytes(data[start:end], kind, spec.shape)
            start = end
        return save_outputs(arrays)


def prepare_check(request: MeasureRequest, abis: Sequence[str]) -> PhoneCheck | PhoneOutputs:
    """Find the program and read the inputs, before anything is measured; without them, say why there are no outputs.

    Raises
    ------
    InputError, MissingDependencyError
        If outputs are required and cannot be had.
    """
    if request.outputs_for == OutputsFor.NOTHING or request.inputs_path is None:
        return PhoneOutputs()
    is_required = request.outputs_for == OutputsFor.REQUIRED_CHECK
    try:
        return _prepared(request, request.inputs_path, abis, is_required=is_required)
    except EmbedlError as err:
        if is_required:
            raise
        return _none(f"{err.message}" + (f" ({err.hint})" if err.hint else ""))


def _prepared(request: MeasureRequest, inputs_path: str, abis: Sequence[str], *, is_required: bool) -> PhoneCheck:
    if request.compute_unit == ComputeUnit.NPU:
        raise InputError(f"{_CHECKER} has no way to an NPU", hint="check the outputs on the CPU or the GPU")
    graph = read_model(Path(request.model_path))
    signature = pick_signature(graph.signatures, request.signature_key)
    subgraph = graph.subgraphs[signature.subgraph_index]
    told_apart = len(subgraph.inputs) == len(signature.inputs) and len(subgraph.outputs) == len(signature.outputs)
    sample = first_sample(inputs_path)
    inputs = []
    for spec in signature.inputs:
        array = sample[spec.name]
        told_apart = told_apart and array.ndim > 0
        inputs.append((array.shape, to_bytes(array, element_type_named(spec.dtype, tensor=spec.name))))
    if not told_apart or any(spec.num_elements is None for spec in signature.outputs):
        raise InputError(
            f"{_CHECKER} cannot be given these inputs, or tell these outputs apart: scalars, outputs of open size, and "
            "tensors with two names",
            hint="check the outputs on this machine: device='host://'",
        )
    if sum(_num_bytes(spec) for spec in signature.outputs) > _MOST_BYTES:
        raise InputError("the model's outputs are larger than 1 GiB", hint="check the outputs on this machine")
    return PhoneCheck(tool=find_checker(abis), signature=signature, inputs=tuple(inputs), is_required=is_required)


def _none(why: str) -> PhoneOutputs:
    return PhoneOutputs(note=why)


def _num_bytes(spec: TensorSpec) -> int:
    import numpy as np

    kind = element_type_named(spec.dtype, tensor=spec.name)
    return len(to_bytes(np.zeros(spec.shape, kind.array_dtype), kind))


@contextmanager
def _inputs_on_phone(phone: AdbPhone, folder: Path, inputs: Sequence[bytes]) -> Iterator[list[str]]:
    """Have the inputs on the phone, each in a file; a phone that is gone by the end does not hide why."""
    remote: list[str] = []
    try:
        for number, data in enumerate(inputs):
            file = folder / f"input{number}.raw"
            file.write_bytes(data)
            remote.append(phone.put(file))
        yield remote
    except BaseException:
        with contextlib.suppress(DeviceError):
            phone.remove(*remote)
        raise
    phone.remove(*remote)
