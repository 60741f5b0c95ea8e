"""What a source model returns, as named tensors: dicts, tuples, dataclasses and any nesting of them.

A dict's or dataclass's fields keep their names; tuples and lists are numbered (``output_0`` at the top, ``logits_1``
below a name). None is left out. Numbers, strings and caches of transformers are what a LiteRT model does not return.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.sources.samples import unique_names
from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import torch

__all__ = ["flatten_outputs", "tensors_of"]


def flatten_outputs(returned: Any) -> tuple[tuple[str, ...], tuple[torch.Tensor, ...], tuple[str, ...]]:
    """Return the names and tensors of what the source model returned, and the names of constants that are dropped.

    Raises
    ------
    InputError
        If there is no tensor in it, or something that is neither a tensor nor plain data.
    """
    import torch

    names: list[str] = []
    tensors: list[torch.Tensor] = []
    dropped: list[str] = []
    for path, leaf in _leaves(returned, ()):
        name = _name(path)
        if isinstance(leaf, torch.Tensor):
            names.append(name)
            tensors.append(leaf)
        elif isinstance(leaf, bool | int | float | str) or _is_cache(leaf):
            dropped.append(name)
        else:
            raise InputError(
                f"the module returns a {type(leaf).__name__} in {name!r}; a LiteRT model returns tensors only",
                hint="wrap the module in one that returns tensors, tuples, dicts or dataclasses of tensors",
            )
    if not tensors:
        raise InputError(
            f"the module returns no tensor (a {type(returned).__name__})",
            hint="wrap the module in one that returns what you want to compute",
        )
    return _numbered(names), tuple(tensors), tuple(dropped)


def _is_cache(leaf: Any) -> bool:
    """Whether it is what a model of transformers keeps for its next call; without it the call computes the same."""
    return any(
        kind.__name__ == "Cache" and kind.__module__.partition(".")[0] == "transformers" for kind in type(leaf).__mro__
    )


def tensors_of(returned: Any) -> tuple[torch.Tensor, ...]:
    """Return the tensors of what a source model returned, in the order of :func:`flatten_outputs`."""
    import torch

    return tuple(leaf for _, leaf in _leaves(returned, ()) if isinstance(leaf, torch.Tensor))


def _leaves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if value is None:
        return
    children: list[tuple[str | int, Any]]
    # A transformers ModelOutput is both a dict and a dataclass; as a dict it leaves its None fields out.
    if isinstance(value, Mapping):
        children = [(str(key), item) for key, item in value.items()]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        children = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        children = [(name, getattr(value, name)) for name in value._fields]
    elif isinstance(value, tuple | list):
        children = list(enumerate(value))
    else:
        yield path, value
        return
    for key, child in children:
        yield from _leaves(child, (*path, key))


def _name(path: tuple[str | int, ...]) -> str:
    named = any(isinstance(part, str) for part in path)
    parts = [str(part) for part in path]
    if not named or isinstance(path[0], int):
        parts = ["output", *parts]
    return "_".join(parts)


def _numbered(names: list[str]) -> tuple[str, ...]:
    """Return plain outputs numbered through, as litert-torch does, and other names as they are."""
    plain = [name for name in names if all(part == "output" or part.isdigit() for part in name.split("_"))]
    if len(plain) == len(names):
        return tuple(f"output_{index}" for index in range(len(names)))
    return unique_names(names)
