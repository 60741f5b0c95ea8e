"""Dimensions that stay open in the compiled model: how they are spelled, and at which sizes it is verified.

In: ``dynamic_shapes`` as the user wrote it, and samples of one size. Out: one :class:`Varying` a dimension, samples of
other sizes, and the same for ``torch.export``.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.units import format_bytes

if TYPE_CHECKING:
    import torch

    from embedl_nb.compiler.sources.samples import Samples

__all__ = [
    "Symbols",
    "Varying",
    "example_size",
    "export_sample",
    "read_varying",
    "torch_dimensions",
    "with_other_sizes",
    "without_symbols",
]

Symbols = Mapping[str, tuple[tuple[str, int], ...]]
"""A source's own names of open dimensions, and the dimensions that have them: input and number."""

_WAYS = 'e.g. {"audio": {2: (64, 512)}}: by input and dimension the smallest and largest size, or a name like "batch"'

_LARGEST_SAMPLE_BYTES = 2**30  # the source, torch.export and the compiled model each hold it, and what they make of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Varying:
    """One dimension of one input.

    Attributes
    ----------
    label
        Dimensions with the same one have the same size.
    low, high
        Smallest and largest size; ``high`` is None without a bound.
    """

    input: str
    dimension: int
    label: str
    low: int
    high: int | None

    def __str__(self) -> str:
        most = "any size" if self.high is None else str(self.high)
        return f"dimension {self.dimension} of input {self.input!r} may be {self.low} to {most}"


def read_varying(dynamic_shapes: Any, samples: Samples, symbols: Symbols | None = None) -> tuple[Varying, ...]:
    """Read what the user wrote; ``symbols`` are the source's own names, which may stand for dimensions there.

    Raises
    ------
    InputError
        If it cannot be meant, or the samples' own size lies outside.
    UnknownNameError
        If the source has no such input.
    """
    found = []
    tensors = dict(zip(samples.names, samples.first.tensors, strict=True))
    spelled = without_symbols(dynamic_shapes, symbols or {})
    for name, spec in _by_input(spelled, samples.names).items():
        for dimension, size in _by_dimension(name, spec, tensors[name].dim()).items():
            found.append(_varying(name, dimension, size))
    found = _of_symbols(found, symbols or {})
    for each in found:
        size = tensors[each.input].shape[each.dimension]
        if size < each.low or (each.high is not None and size > each.high):
            raise InputError(
                f"dimension {each.dimension} of input {each.input!r} has the size {size} in the example, outside of "
                f"{each.low} to {each.high}",
                hint="give an example within the range",
            )
    if not found:
        raise InputError("dynamic_shapes names no dimension", hint=_WAYS)
    return _agreed(found)


def without_symbols(dynamic_shapes: Any, symbols: Symbols) -> Any:
    """Return the same with ``{"batch": (1, 8)}`` spelled by input and dimension.

    Raises
    ------
    UnknownNameError
        If nothing has such a name.
    """
    if not symbols or not isinstance(dynamic_shapes, Mapping):
        return dynamic_shapes
    named = {key: size for key, size in dynamic_shapes.items() if isinstance(key, str) and _is_size(size)}
    spelled = {key: dict(spec) if isinstance(spec, Mapping) else spec for key, spec in dynamic_shapes.items()}
    for symbol, size in named.items():
        if symbol not in symbols:
            raise UnknownNameError.among("dimension for dynamic_shapes", symbol, list(symbols))
        del spelled[symbol]
        for name, dimension in symbols[symbol]:
            spelled.setdefault(name, {})[dimension] = size
    return spelled


def _is_size(value: Any) -> bool:
    """Say whether a value is one dimension's size, and not an input's dimensions."""
    is_range = isinstance(value, tuple | list) and len(value) == 2 and all(type(each) is int for each in value)
    return is_range or isinstance(value, str) or type(value).__name__ == "_DimHint" or hasattr(value, "__name__")


def _of_symbols(found: list[Varying], symbols: Symbols) -> list[Varying]:
    """Return all dimensions of each symbol of which one varies, under the symbol's name: they have one size."""
    symbol_of = {place: symbol for symbol, places in symbols.items() for place in places}
    opened: dict[tuple[str, int], Varying] = {}
    for each in found:
        symbol = symbol_of.get((each.input, each.dimension))
        places = symbols[symbol] if symbol else ((each.input, each.dimension),)
        for name, dimension in places:
            low, high = each.low, each.high
            known = opened.get((name, dimension))
            if known is not None:
                low, high = max(low, known.low), min((b for b in (high, known.high) if b is not None), default=None)
            opened[name, dimension] = Varying(
                input=name, dimension=dimension, label=symbol or each.label, low=low, high=high
            )
    return list(opened.values())


def torch_dimensions(samples: Samples) -> tuple[dict[int, Any], ...]:
    """Return the same as ``torch.export`` takes it for flat tensors."""
    import torch

    dims: dict[str, Any] = {}
    for number, each in enumerate(samples.varying):
        name = re.sub(r"\W", "_", each.label)
        dims.setdefault(each.label, torch.export.Dim(f"{name}_{number}", min=each.low, max=each.high))
    return tuple(
        {each.dimension: dims[each.label] for each in samples.varying if each.input == name} for name in samples.names
    )


def with_other_sizes(samples: Samples) -> Samples:
    """Add a sample of the smallest and one of the largest size of all dimensions that vary.

    Where there is no largest size, twice the example's and one more stands for it. Both are made up.

    Raises
    ------
    InputError
        If an input of the largest size is more than a machine may be asked to hold.
    """
    tensors = dict(zip(samples.names, samples.first.tensors, strict=True))

    def sizes(pick: int) -> dict[str, int]:
        return {
            each.label: (each.low, each.high or 2 * tensors[each.input].shape[each.dimension] + 1)[pick]
            for each in samples.varying
        }

    _refuse_too_large(samples, tensors, sizes(1))
    added = []
    for wanted in (sizes(0), sizes(1)):
        resized = dataclasses.replace(samples, samples=(samples.first,)).mapped(
            lambda name, tensor, _, wanted=wanted: _resized(samples, name, tensor, wanted)  # type: ignore[misc]  # no type for a default
        )
        added.append(resized.first)
    return dataclasses.replace(samples, samples=(*samples.samples, *added), is_made_up=True)


def _refuse_too_large(samples: Samples, tensors: Mapping[str, torch.Tensor], sizes: Mapping[str, int]) -> None:
    for name, tensor in tensors.items():
        open_sizes = {each.dimension: sizes[each.label] for each in samples.varying if each.input == name}
        shape = [open_sizes.get(dimension, size) for dimension, size in enumerate(tensor.shape)]
        size_bytes = math.prod(max(size, 1) for size in shape) * tensor.element_size()
        if size_bytes > _LARGEST_SAMPLE_BYTES:
            raise InputError(
                f"input {name!r} has {format_bytes(size_bytes)} at the largest sizes of dynamic_shapes "
                f"({', '.join(map(str, shape))}), at which it is verified",
                hint="give smaller largest sizes, and a smallest and largest size in the place of a name",
            )


def export_sample(samples: Samples) -> tuple[torch.Tensor, ...]:
    """Return a sample of which no dimension that varies is 1: torch.export takes a size of 1 for fixed."""
    if not samples.varying:
        return samples.first.tensors
    return samples.samples[-1].tensors


def _by_input(given: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if isinstance(given, Mapping) and given and all(isinstance(key, int) for key in given):
        if len(names) > 1:
            raise InputError(f"dynamic_shapes names no input, and there are {', '.join(names)}", hint=_WAYS)
        return {names[0]: given}
    if isinstance(given, Mapping):
        unknown = [str(key) for key in given if key not in names]
        if unknown:
            raise UnknownNameError.among("input for dynamic_shapes", unknown[0], names)
        return dict(given)
    if isinstance(given, tuple | list) and len(given) == len(names):
        return dict(zip(names, given, strict=True))
    raise InputError(f"dynamic_shapes={given!r} does not fit the inputs {', '.join(names)}", hint=_WAYS)


def _by_dimension(name: str, spec: Any, rank: int) -> dict[int, Any]:
    if spec is None:
        return {}
    if isinstance(spec, tuple | list) and len(spec) == rank:
        spec = dict(enumerate(spec))
    if not isinstance(spec, Mapping) or not all(isinstance(key, int) and -rank <= key < rank for key in spec):
        raise InputError(f"dynamic_shapes[{name!r}]={spec!r} does not fit its {rank} dimensions", hint=_WAYS)
    return {key % rank: size for key, size in spec.items() if size is not None}


def _varying(name: str, dimension: int, size: Any) -> Varying:
    own = f"{name}_{dimension}"
    if isinstance(size, str) and size:
        return Varying(input=name, dimension=dimension, label=size, low=1, high=None)
    if isinstance(size, tuple | list) and len(size) == 2 and all(type(each) is int for each in size):
        low, high = size
        if 1 <= low < high:
            return Varying(input=name, dimension=dimension, label=own, low=low, high=high)
    if type(size).__name__ == "_DimHint" and size.type.name in ("AUTO", "DYNAMIC"):
        return Varying(input=name, dimension=dimension, label=own, low=size.min or 1, high=size.max)
    if hasattr(size, "__name__") and hasattr(size, "min") and not hasattr(size, "root"):  # torch.export.Dim
        high = size.max if isinstance(size.max, int) and size.max < 2**31 else None
        return Varying(input=name, dimension=dimension, label=size.__name__, low=max(1, size.min), high=high)
    raise InputError(f"dynamic_shapes gives dimension {dimension} of {name!r} the size {size!r}", hint=_WAYS)


def example_size(size: Any) -> int:
    """Return a size for an example that nobody gave: one within the range, and not 1 where there is a choice."""
    each = _varying("", 0, size)
    return max(each.low, 2)


def _agreed(found: list[Varying]) -> tuple[Varying, ...]:
    """Return dimensions of one label with one range."""
    ranges: dict[str, tuple[int, int | None]] = {}
    for each in found:
        low, high = ranges.get(each.label, (1, None))
        highs = [bound for bound in (high, each.high) if bound is not None]
        ranges[each.label] = max(low, each.low), min(highs, default=None)
    return tuple(dataclasses.replace(each, low=ranges[each.label][0], high=ranges[each.label][1]) for each in found)


def _resized(samples: Samples, name: str, tensor: torch.Tensor, sizes: Mapping[str, int]) -> torch.Tensor:
    """Return a tensor of other sizes: its own values over again, floats scaled by noise so that no two are equal."""
    import torch

    for each in samples.varying:
        if each.input == name:
            index = torch.arange(sizes[each.label]) % tensor.shape[each.dimension]
            tensor = tensor.index_select(each.dimension, index)
    if not tensor.is_floating_point():
        return tensor
    generator = torch.Generator().manual_seed(0)
    mixing = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
    return tensor * (0.5 + mixing / 2)
