"""A stand-in for the user's module: the same class, parameters and children, seen through its wrappers, in eval mode.

Running and exporting go through it, so that the module itself (train flags, hooks, buffers, device) stays as it is.
"""

from __future__ import annotations

import contextlib
import copy
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.sources.outputs import tensors_of
from embedl_nb.compiler.sources.samples import Samples
from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["as_in_eval", "cpu_copy", "unwrap", "with_flat_calls"]

_HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)


def unwrap(module: torch.nn.Module) -> torch.nn.Module:
    """Return the module inside ``torch.compile``, DataParallel and DistributedDataParallel wrappers."""
    import torch

    wrappers = (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)
    while True:
        if isinstance(module, wrappers):
            module = module.module
        elif "_orig_mod" in module._modules:
            module = module._modules["_orig_mod"]
        else:
            return module


@contextlib.contextmanager
def as_in_eval(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
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
        stand_in = _like(module, module.__dict__)
        for reference in ("_trainer", "_fabric"):  # a Lightning module drags its trainer along
            if reference in stand_in.__dict__:
                stand_in.__dict__[reference] = None
        with torch.compiler.set_stance("force_eager"):
            yield stand_in
    finally:
        for part in saved:
            part.restore()


def _like(module: torch.nn.Module, attributes: dict[str, Any]) -> torch.nn.Module:
    """Return an object of the same class with ``attributes``; copy.copy would ask the class, which may refuse."""
    stand_in: torch.nn.Module = object.__new__(type(module))
    stand_in.__dict__.update(attributes)
    return stand_in


class _Saved:
    """One module's own attributes, and the values of its buffers."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module
        self._attributes = dict(module.__dict__)
        kept = ("_parameters", "_buffers", "_modules", *_HOOKS)  # a forward of transformers adds hooks
        self._entries = {name: dict(module.__dict__[name]) for name in kept if name in module.__dict__}
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


def with_flat_calls(module: torch.nn.Module, samples: Samples, output_names: tuple[str, ...]) -> torch.nn.Module:
    """Return a stand-in whose ``forward`` takes flat tensors and returns named ones; its class stays the user's.

    The user's ``forward`` runs in ``module`` itself with its own hooks, which expect its own arguments.
    """

    def flat_forward(*tensors: torch.Tensor) -> dict[str, torch.Tensor]:
        args, kwargs = samples.call_with(tensors)
        # Not module(...): the tracer would look for ``module`` among the children of the stand-in.
        return dict(zip(output_names, tensors_of(module._call_impl(*args, **kwargs)), strict=True))

    without_hooks: dict[str, Any] = {name: OrderedDict() for name in _HOOKS if name in module.__dict__}
    return _like(module, {**module.__dict__, "forward": flat_forward, **without_hooks})


def cpu_copy(module: torch.nn.Module) -> torch.nn.Module:
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
