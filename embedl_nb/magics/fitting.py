"""Which of the user's variables fit a place in a line, told by their types alone: no object is called."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from embedl_nb.commands.kinds import Kind

__all__ = ["FITS", "is_result"]

_LOOK_INTO = 8
_LONGEST_LIST = 10_000


def _is_compiled(value: Any) -> bool:
    return _is_a(value, "embedl_nb.model", "LiteRTModel")


def is_result(value: Any) -> bool:
    """Say whether it is something that a run has recorded."""
    return _is_compiled(value) or _is_a(value, "embedl_nb.measure", "Benchmark")


def _is_subject(value: Any) -> bool:
    return is_result(value) or _is_a(value, "embedl_nb.measure.benchmarks", "Benchmarks")


def _is_source(value: Any) -> bool:
    return _is_a(value, "torch.nn", "Module") or _is_a(value, "torch.export", "ExportedProgram") or _is_compiled(value)


def _is_samples(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return 0 < len(value) <= _LONGEST_LIST and all(_is_samples(each) for each in value[:_LOOK_INTO])
    if isinstance(value, dict):
        return 0 < len(value) <= _LOOK_INTO and all(_is_samples(each) for each in value.values())
    return _is_a(value, "numpy", "ndarray") or _is_a(value, "torch", "Tensor")


def _is_data(value: Any) -> bool:
    names = ("Dataset", "DataLoader")
    is_torch = any(_is_a(value, "torch.utils.data", name) for name in names)
    return is_torch or _is_samples(value) or _is_a(value, "embedl_nb.quantizer", "ImageSet")


def _is_recipe(value: Any) -> bool:
    return _is_a(value, "embedl_nb.quantizer", "Recipe")


def _is_device(value: Any) -> bool:
    return (type(value) is str and "://" in value) or _is_a(value, "embedl_nb.widgets", "DevicePicker")


def _is_target(value: Any) -> bool:
    return _is_a(value, "embedl_nb.widgets", "DevicePicker")


def _is_function(value: Any) -> bool:
    return inspect.isfunction(value)


def _is_a(value: Any, module: str, name: str) -> bool:
    """Say whether ``value`` is an instance, without importing what nobody has imported yet."""
    kind = getattr(sys.modules.get(module), name, None)
    # type(), because a proxy object answers isinstance by running code of its own.
    return isinstance(kind, type) and issubclass(type(value), kind) and not isinstance(value, type)


FITS: dict[Kind, Callable[[Any], bool]] = {
    Kind.SOURCE: _is_source,
    Kind.MODEL: _is_compiled,
    Kind.SAMPLES: _is_samples,
    Kind.RESULT: _is_subject,
    Kind.SUBJECT: _is_subject,
    Kind.DATA: _is_data,
    Kind.RECIPE: _is_recipe,
    Kind.DEVICE: _is_device,
    Kind.TARGET: _is_target,
    Kind.FUNCTION: _is_function,
}
