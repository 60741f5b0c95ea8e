"""The kernel's side of compiling a PyTorch model: take it as it is, run it, export it, leave it untouched.

In: a module (wrapped, training, on a GPU, of a class from a cell) and samples. Out: reference outputs and a ``.pt2``
file whose inputs and outputs are flat tensors, for the child that lowers it. It knows nothing of LiteRT.
"""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from embedl_nb.compiler.converter import TORCH
from embedl_nb.compiler.explaining.advice import advice_for
from embedl_nb.compiler.keys.fingerprint import Fingerprint, fingerprint_torch
from embedl_nb.compiler.one_line import one_line
from embedl_nb.compiler.sources.custom_operators import refuse_custom_operators
from embedl_nb.compiler.sources.outputs import flatten_outputs
from embedl_nb.compiler.sources.samples import Samples
from embedl_nb.compiler.sources.stand_in import as_in_eval, cpu_copy, unwrap, with_flat_calls
from embedl_nb.compiler.sources.torch_noise import quiet
from embedl_nb.compiler.sources.varying import Symbols, export_sample, torch_dimensions
from embedl_nb.compiler.user_code import user_line
from embedl_nb.errors import CompileError, InputError, SignatureMismatchError

if TYPE_CHECKING:
    import io

    import numpy as np
    import torch

__all__ = [
    "PROGRAM",
    "TorchSource",
    "failed_export",
    "failed_forward",
    "lowering_payload",
    "output_array",
    "save_program",
]

PROGRAM = "program.pt2"
"""The file in the folder of an export."""
# What torch 2.13.0's exceptions are called or say.
_DATA_DEPENDENT = ("data-dependent", "GuardOnDataDependentSymNode", "DataDependentOutputException")
_DATA_DEPENDENT_SHAPE = ("DynamicOutputShapeException", "PendingUnbackedSymbolNotFound")


class TorchSource:
    """A module and its samples, ready to be run and exported.

    Parameters
    ----------
    module
        As the user gave it; its parameters, buffers, hooks, device and train flags are never changed for longer than a
        call of this class, and wrappers are seen through.
    samples
        What it is called with.

    Raises
    ------
    InputError
        If it is a ScriptModule, has weights that are NaN, or lies on a device it cannot be copied from.
    """

    converter = TORCH
    reference_notes: tuple[str, ...] = ()
    can_vary = True
    symbols: Symbols = {}  # noqa: RUF012 - read only

    def __init__(self, module: torch.nn.Module, samples: Samples) -> None:
        self.samples = samples
        self.root = unwrap(module)
        _refuse_scripted(self.root)
        self.output_names: tuple[str, ...] = ()
        self.dropped: tuple[str, ...] = ()
        self._on_cpu: torch.nn.Module | None = None

    @property
    def name(self) -> str:
        """The class's name."""
        return type(self.root).__name__

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""
        return f"torch {self.name}"

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it."""
        return fingerprint_torch(self.root, self.samples)

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the result must know."""
        if not any(part.training for part in self.root.modules()):
            return ()
        return (
            f"{self.name} is in train mode; it was compiled as in eval mode (no dropout, BatchNorm uses its running "
            "statistics), and the module itself was left as it is",
        )

    def check(self) -> None:
        """Look at the weights.

        Raises
        ------
        InputError
            If a weight is NaN or infinite, or has no values (device "meta"); the parameter is named.
        """
        _check_values(self.root)

    def run(self, samples: Samples) -> dict[str, np.ndarray[Any, Any]]:
        """Compute the reference: every output of every sample, as ``"<sample>/<name>"``, in eval mode.

        Raises
        ------
        SignatureMismatchError
            If the inputs do not fit ``forward`` or the module fails on them.
        """
        import torch

        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for index, sample in enumerate(samples.samples):
            with as_in_eval(self._module()) as module:  # anew, so that no sample sees what another has left
                _check_call(module, samples)
                args, kwargs = samples.call_with(tuple(tensor.clone() for tensor in sample.tensors))
                try:
                    with torch.no_grad():
                        returned = module(*args, **kwargs)
                except Exception as err:
                    raise failed_forward(self.name, err, replace(samples, samples=(sample,))) from err
                names, tensors, dropped = flatten_outputs(returned)
                if index == 0:
                    self.output_names = names
                    self.dropped = dropped
                arrays |= {
                    f"{index}/{name}": output_array(name, tensor) for name, tensor in zip(names, tensors, strict=True)
                }
        return arrays

    def export(self, folder: Path) -> dict[str, Any]:
        """Write the module as a ``.pt2`` file with flat tensors in and out.

        Raises
        ------
        CompileError
            If torch cannot export it; a control flow that depends on data is named by its line.
        """
        import torch

        with as_in_eval(self._module()) as module:
            flat = with_flat_calls(module, self.samples, self.output_names)
            try:
                with torch.no_grad(), quiet():
                    program = torch.export.export(
                        flat, export_sample(self.samples), dynamic_shapes=_dynamic_shapes(self.samples), strict=False
                    )
            except Exception as err:
                raise failed_export(self.name, err) from err
        refuse_custom_operators(program, self.name)
        self.reference_notes = _lost_state(program)
        try:
            with quiet():
                save_program(program, folder / PROGRAM)
        except OSError:
            raise
        except Exception as err:
            raise CompileError(
                f"{self.name} was exported, but torch cannot save what came out: {err}",
                hint="replace custom operators and tensor subclasses by plain torch operators",
            ) from err
        return lowering_payload(folder, self.samples, self.output_names)

    def _module(self) -> torch.nn.Module:
        if self._on_cpu is None:
            self._on_cpu = cpu_copy(self.root)
        return self._on_cpu


def _refuse_scripted(module: torch.nn.Module) -> None:
    import torch

    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            what = f"part {name!r}" if name else "the module"
            raise InputError(
                f"{what} is a TorchScript module, which has no Python code to export",
                hint="put the torch.nn.Module it was made from in its place",
            )


def _check_values(module: torch.nn.Module) -> None:
    import torch

    for kind, named in (("parameter", module.named_parameters()), ("buffer", module.named_buffers())):
        for name, tensor in named:
            if tensor.device.type == "meta":
                raise InputError(
                    f"{kind} {name!r} is on the device 'meta' and has no values", hint="load the weights first"
                )
            if not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()):
                continue
            num_nan = int(torch.isnan(tensor).sum())
            if num_nan or kind == "parameter":  # an infinite buffer is a mask's way to say "never"
                what = f"{num_nan} NaN" if num_nan else "infinite values"
                raise InputError(
                    f"{kind} {name!r} holds {what} (shape {tuple(tensor.shape)})",
                    hint="load a checkpoint from before the training diverged",
                )


def _check_call(module: torch.nn.Module, samples: Samples) -> None:
    """Say which input is missing or too many, before the module does so in its own words."""
    try:
        signature = inspect.signature(module.forward)
    except (TypeError, ValueError):  # a forward in C has no signature; its own error will have to do
        return
    try:
        signature.bind(*samples.first.args, **samples.first.kwargs)
    except TypeError as err:
        raise SignatureMismatchError(
            f"the inputs do not fit {type(module).__name__}.forward{signature}: {err}",
            hint=f"given were {samples.describe()}; a tuple is positional inputs, a dict keyword inputs",
        ) from err


def failed_forward(name: str, err: Exception, samples: Samples) -> SignatureMismatchError:
    """Return the error for a source that fails on its own example inputs; it names the user's line."""
    line = user_line(err)
    return SignatureMismatchError(
        f"{name} fails on its example inputs ({samples.describe()}): {err}" + (f"\nin {line}" if line else ""),
        hint="check the inputs' shapes and dtypes; the module has to run on them in eval mode",
    )


def _dynamic_shapes(samples: Samples) -> Any:
    """Return what torch.export asks of a ``forward(*tensors)``, None where every size is fixed."""
    return (torch_dimensions(samples),) if samples.varying else None


def _lost_state(program: torch.export.ExportedProgram) -> tuple[str, ...]:
    """Name the buffers that forward changes: a LiteRT model has nothing that lasts from call to call."""
    buffers = program.graph_signature.inputs_to_buffers
    writing = [node for node in program.graph.nodes if (schema := _schema(node)) and schema.is_mutable]
    written = {_root(node).name for node in writing}
    changed = sorted(buffers[name] for name in written if name in buffers)
    if not changed:
        return ()
    return (
        f"forward changes its own {', '.join(changed)}: the compiled model begins every call with what is there now; "
        "to carry it on, take it as an input, return it as an output, and give state={output: input}",
    )


def _root(node: torch.fx.Node) -> torch.fx.Node:
    """Return the tensor that ``node`` is a view of, or writes into."""
    while (schema := _schema(node)) and any(value.alias_info is not None for value in schema.returns):
        first = node.args[0]
        if not hasattr(first, "op"):  # a list of tensors
            break
        node = first
    return node


def _schema(node: torch.fx.Node) -> Any:
    return getattr(node.target, "_schema", None) if node.op == "call_function" else None


def failed_export(name: str, err: Exception) -> CompileError:
    """Return the error for a source that torch cannot export; it names the user's line."""
    line, text = user_line(err), f"{type(err).__name__}: {err}"
    if any(sign in text for sign in _DATA_DEPENDENT):
        return CompileError(
            f"{name} decides by the values of its inputs which way to go, in {line or 'its forward'}",
            hint="compute both ways and choose with torch.where, or move the decision out of forward",
            details=text,
        )
    if any(sign in text for sign in _DATA_DEPENDENT_SHAPE):
        return CompileError(
            f"{name} computes something whose size depends on the values of its inputs, in {line or 'its forward'}",
            hint=advice_for(["aten.nonzero"]),
            details=text,
        )
    first = one_line(err)
    if "must always be equal" in text:
        return CompileError(
            f"{name} needs dimensions to be equal that dynamic_shapes leaves open apart: {first}",
            hint="give them one name, e.g. 'sequence' or torch.export.Dim('sequence', max=512); .details says which",
            details=text,
        )
    if "Constraints violated" in text:
        return CompileError(
            f"{name} fixes a dimension that dynamic_shapes leaves open: {first}",
            hint="leave that dimension out of dynamic_shapes, or narrow its range; .details says which",
            details=text,
        )
    return CompileError(
        f"torch cannot export {name}: {first}" + (f"\nin {line}" if line else ""),
        hint="see .details; torch.export.export(module.eval(), inputs, strict=False) shows the same",
        details=text,
    )


def lowering_payload(folder: Path, samples: Samples, output_names: tuple[str, ...]) -> dict[str, Any]:
    """Return what the child that lowers a ``.pt2`` file is asked."""
    return {
        "program_path": str(folder / PROGRAM),
        "input_names": list(samples.names),
        "output_names": list(output_names),
    }


def save_program(program: torch.export.ExportedProgram, path: Path) -> None:
    """Write ``program`` to ``path``.

    Raises
    ------
    OSError
        If the disk is full. torch's own writer would end the whole process: its destructor throws.
    """
    import torch

    with path.open("wb") as file:
        sink = _Sink(file)
        torch.export.save(program, cast("io.BytesIO", sink))
        if sink.error is not None:
            raise sink.error


class _Sink:
    """A file that remembers its first error instead of raising it into torch's C++."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write, or lose the data after an error."""
        if self.error is None:
            try:
                self._file.write(data)
                self._file.flush()
            except OSError as err:
                self.error = err
        return len(data)

    def flush(self) -> None:
        """Do nothing: every write is flushed."""


def output_array(name: str, tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """Return an output as an array of its own.

    Raises
    ------
    InputError
        If numpy has no such dtype (bfloat16).
    """
    try:
        array: np.ndarray[Any, Any] = tensor.detach().cpu().resolve_conj().resolve_neg().numpy().copy()
        return array
    except TypeError as err:
        raise InputError(
            f"output {name!r} has dtype {str(tensor.dtype).removeprefix('torch.')}, which cannot be compared here",
            hint="compile the module in float32: module.float()",
        ) from err
