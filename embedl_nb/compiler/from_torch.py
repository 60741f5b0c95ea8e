"""The kernel's side of compiling a PyTorch model: take it as it is, run it, export it, leave it untouched.

In: a module (wrapped, training, on a GPU, of a class from a cell) and samples. Out: reference outputs and a ``.pt2``
file whose inputs and outputs are flat tensors, for the child that lowers it. It knows nothing of LiteRT.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.fingerprint import Fingerprint, fingerprint_torch
from embedl_nb.compiler.outputs import flatten_outputs, tensors_of
from embedl_nb.compiler.samples import Samples
from embedl_nb.compiler.user_code import user_line
from embedl_nb.errors import CompileError, InputError, SignatureMismatchError

if TYPE_CHECKING:
    import numpy as np
    import torch

__all__ = ["TorchSource", "failed_forward", "output_array", "quiet", "unwrap"]

_DATA_DEPENDENT = ("data-dependent", "GuardOnDataDependentSymNode", "DataDependentOutputException")

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)


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

    def __init__(self, module: torch.nn.Module, samples: Samples) -> None:
        self.samples = samples
        self.root = unwrap(module)
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

    def run(self) -> dict[str, np.ndarray[Any, Any]]:
        """Compute the reference: every output of every sample, as ``"<sample>/<name>"``, in eval mode.

        Raises
        ------
        SignatureMismatchError
            If the inputs do not fit ``forward`` or the module fails on them.
        """
        import torch

        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for index, sample in enumerate(self.samples.samples):
            with _as_in_eval(self._module()) as module:  # anew, so that no sample sees what another has left
                _check_call(module, self.samples)
                args, kwargs = self.samples.call_with(tuple(tensor.clone() for tensor in sample.tensors))
                try:
                    with torch.no_grad():
                        returned = module(*args, **kwargs)
                except Exception as err:
                    raise failed_forward(self.name, err, self.samples) from err
                names, tensors, dropped = flatten_outputs(returned)
                if index == 0:
                    self.output_names = names
                    self.dropped = dropped
                arrays |= {
                    f"{index}/{name}": output_array(name, tensor) for name, tensor in zip(names, tensors, strict=True)
                }
        return arrays

    def export(self, path: Path) -> None:
        """Write the module as a ``.pt2`` file with flat tensors in and out.

        Raises
        ------
        CompileError
            If torch cannot export it; a control flow that depends on data is named by its line.
        """
        import torch

        with _as_in_eval(self._module()) as module:
            flat = _with_flat_calls(module, self.samples, self.output_names)
            try:
                with torch.no_grad(), quiet():
                    program = torch.export.export(flat, self.samples.first.tensors, strict=False)
            except Exception as err:
                raise _failed_export(self.name, err) from err
        try:
            with quiet():
                torch.export.save(program, path)
        except OSError:
            raise
        except Exception as err:
            raise CompileError(
                f"{self.name} was exported, but torch cannot save what came out: {err}",
                hint="replace custom operators and tensor subclasses by plain torch operators",
            ) from err

    def _module(self) -> torch.nn.Module:
        if self._on_cpu is None:
            self._on_cpu = _cpu_copy(self.root)
        return self._on_cpu


def unwrap(module: torch.nn.Module) -> torch.nn.Module:
    """Return the module inside ``torch.compile``, DataParallel and DistributedDataParallel wrappers.

    Raises
    ------
    InputError
        If it is a TorchScript module, which torch cannot export.
    """
    import torch

    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                "a TorchScript module has no Python code to export", hint="give the torch.nn.Module it was made from"
            )
        if isinstance(module, wrappers):
            module = module.module
        elif "_orig_mod" in module._modules:
            module = module._modules["_orig_mod"]
        else:
            return module


@contextlib.contextmanager
def _as_in_eval(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Yield a stand-in of ``module`` that shares everything with it, while all of it counts as being in eval mode.

    Flags are set directly: a user's own ``eval()`` may do more (merge adapters), which could not be undone here.
    Whatever a ``forward`` leaves in the module (a counter, a cache, a buffer written to) is put back at the end.
    """
    import torch

    saved = [_Saved(part) for part in module.modules()]
    try:
        for part in saved:
            part.module.training = False
            if part.module.__dict__.get("_compiled_call_impl"):
                part.module._compiled_call_impl = None
        stand_in = copy.copy(module)
        stand_in.__dict__ = {**module.__dict__}
        for reference in ("_trainer", "_fabric"):  # a Lightning module drags its trainer along
            if reference in stand_in.__dict__:
                stand_in.__dict__[reference] = None
        with torch.compiler.set_stance("force_eager"):
            yield stand_in
    finally:
        for part in saved:
            part.restore()


class _Saved:
    """One module's own attributes, and the values of its buffers."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self._attributes = dict(module.__dict__)
        self._entries = {name: dict(module.__dict__[name]) for name in ("_parameters", "_buffers", "_modules")}
        self._values = {name: buffer.clone() for name, buffer in module._buffers.items() if buffer is not None}

    def restore(self) -> None:
        import torch

        for name, entries in self._entries.items():
            _refill(self._attributes[name], entries)
        _refill(self.module.__dict__, self._attributes)
        for name, value in self._values.items():
            buffer = self._entries["_buffers"][name]
            if not torch.equal(buffer, value):
                with torch.no_grad():
                    buffer.copy_(value)


def _refill(target: dict[str, Any], content: dict[str, Any]) -> None:
    target.clear()
    target.update(content)


def _with_flat_calls(module: torch.nn.Module, samples: Samples, output_names: tuple[str, ...]) -> torch.nn.Module:
    """Return a stand-in whose ``forward`` takes flat tensors and returns named ones; its class stays the user's.

    The user's ``forward`` runs in ``module`` itself with its own hooks, which expect its own arguments.
    """
    from collections import OrderedDict

    def flat_forward(*tensors: torch.Tensor) -> dict[str, torch.Tensor]:
        args, kwargs = samples.call_with(tensors)
        # Not module(...): the tracer would look for ``module`` among the children of the stand-in.
        return dict(zip(output_names, tensors_of(module._call_impl(*args, **kwargs)), strict=True))

    flat = copy.copy(module)
    flat.__dict__ = {**module.__dict__, "forward": flat_forward}
    flat.__dict__ |= {name: OrderedDict() for name in _HOOKS if name in module.__dict__}
    return flat


def _cpu_copy(module: torch.nn.Module) -> torch.nn.Module:
    """Return ``module`` itself where all of it is on the CPU, else a copy there."""
    import torch

    tensors = [*module.parameters(), *module.buffers()]
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return module
    try:
        with torch.no_grad():
            return copy.deepcopy(module).cpu()
    except Exception as err:
        raise InputError(
            f"{type(module).__name__} is not on the CPU and cannot be copied there: {err}",
            hint="compile module.cpu()",
        ) from err


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


def _failed_export(name: str, err: Exception) -> CompileError:
    line, text = user_line(err), f"{type(err).__name__}: {err}"
    if any(sign in text for sign in _DATA_DEPENDENT):
        return CompileError(
            f"{name} decides by the values of its inputs which way to go, in {line or 'its forward'}",
            hint="compute both ways and choose with torch.where, or move the decision out of forward",
            details=text,
        )
    first = next((part for part in str(err).splitlines() if part.strip()), type(err).__name__)
    return CompileError(
        f"torch cannot export {name}: {first}" + (f"\nin {line}" if line else ""),
        hint="see .details; torch.export.export(module.eval(), inputs, strict=False) shows the same",
        details=text,
    )


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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what torch says to its own developers out of the notebook; errors are raised all the same."""
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] == "torch"]
    handlers = [handler for logger in loggers for handler in logger.handlers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for handler in handlers:
            handler.addFilter(_nothing)
        try:
            yield
        finally:
            for handler in handlers:
                handler.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False
