"""The arithmetic that a graph does on its own shapes, where a size stays open: on torch's symbolic integers.

Shape gives an array of Python's and torch's integers; each function here is one operator on such arrays. They are
called while the graph is planned, and again while torch exports what was planned, then on that program's own symbols.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from embedl_nb.compiler.onnx.dtypes import torch_dtype

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call

__all__ = ["FUNCTIONS", "has_open", "settled", "size_array", "stays_open"]

_Array = np.ndarray[Any, Any]


def has_open(values: Iterable[Any]) -> bool:
    """Say whether one of ``values`` is symbolic."""
    return any(isinstance(value, torch.SymInt) for value in values)


def stays_open(value: Any) -> bool:
    """Say whether a value is an array of sizes, one of which is symbolic."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "O" and has_open(value.reshape(-1))


def settled(value: Any) -> Any:
    """Return an array of objects that holds plain integers only as what it is, and anything else as it is."""
    return value.astype(np.int64) if isinstance(value, np.ndarray) and value.dtype.kind == "O" else value


def size_array(sizes: Sequence[Any]) -> _Array:
    """Return sizes as an array: of int64 where all are known, else of objects."""
    array = np.empty(len(sizes), dtype=object)
    array[:] = sizes
    return array if has_open(sizes) else settled(array)


def _compared(compare: Callable[[Any, Any], Any]) -> Callable[..., _Array]:
    def function(_call: Call, x: _Array, y: _Array) -> _Array:
        return np.asarray(np.frompyfunc(lambda a, b: bool(compare(a, b)), 2, 1)(x, y), dtype=bool)

    return function


def _each(combine: Callable[[Any, Any], Any]) -> Callable[..., _Array]:
    def function(_call: Call, first: _Array, *others: _Array) -> _Array:
        for other in others:
            first = np.asarray(np.frompyfunc(combine, 2, 1)(first, other), dtype=object)
        return first

    return function


def _cast(call: Call, x: _Array) -> Any:
    dtype = torch_dtype(call.attributes["to"])
    return NotImplemented if dtype.is_floating_point or dtype is torch.bool else x


def _concat(call: Call, *parts: _Array) -> _Array:
    return np.concatenate(parts, call.get("axis", 0))


def _gather(call: Call, x: _Array, indices: _Array) -> Any:
    if x.ndim != 1 or call.get("axis", 0):
        return NotImplemented
    taken = np.empty(indices.shape, dtype=object)
    for place, index in np.ndenumerate(indices):
        taken[place] = x[int(index)]
    return taken


def _shape(call: Call, x: _Array) -> _Array:
    return np.array(x.shape[call.get("start", 0) : call.get("end", x.ndim)], np.int64)


def _slice(call: Call, x: _Array, *bounds: _Array) -> Any:
    starts, ends, *others = bounds if bounds else (call.attributes["starts"], call.attributes["ends"])
    step = int(others[1][0]) if len(others) > 1 and others[1] is not None else 1
    return x[int(starts[0]) : int(ends[0]) : step] if x.ndim == 1 else NotImplemented


def _squeeze(_call: Call, x: _Array, _axes: _Array | None = None) -> _Array:
    return x.reshape(())


def _unsqueeze(_call: Call, x: _Array, _axes: _Array | None = None) -> Any:
    return x.reshape(1) if x.ndim == 0 else NotImplemented


def _reshape(_call: Call, x: _Array, sizes: _Array) -> _Array:
    return x.reshape([int(size) for size in sizes])


def _reduce_prod(call: Call, x: _Array, _axes: _Array | None = None) -> _Array:
    product = np.empty((1,), dtype=object)
    product[0] = math.prod(x.reshape(-1).tolist())
    return product if call.get("keepdims", 1) else product.reshape(())


def _where(_call: Call, condition: _Array, x: _Array, y: _Array) -> _Array:
    return np.where(condition.astype(bool), x, y)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": _each(lambda a, b: a + b),
    "Cast": _cast,
    "Concat": _concat,
    "Div": _each(lambda a, b: a // b),  # no size is negative
    "Equal": _compared(lambda a, b: a == b),
    "Gather": _gather,
    "Greater": _compared(lambda a, b: a > b),
    "Less": _compared(lambda a, b: a < b),
    "Max": _each(torch.sym_max),
    "Min": _each(torch.sym_min),
    "Mod": _each(lambda a, b: a % b),
    "Mul": _each(lambda a, b: a * b),
    "ReduceProd": _reduce_prod,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": _each(lambda a, b: a - b),
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
"""By ONNX's name. NotImplemented is returned for what is not computed on sizes."""
