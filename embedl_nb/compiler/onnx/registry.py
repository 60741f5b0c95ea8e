"""The table of ONNX operators that can be imported: one function for each operator and the opset that defined it.

A function takes a :class:`Call` (attributes, opset, name) and the node's inputs, None where an optional one is left
out, and returns the node's output, or a tuple of them. The annotation of a parameter says how an input arrives:

- ``Tensor``: a torch tensor; constants of the graph come as tensors too.
- ``Static``: a numpy array; the value must be known when the graph is imported (a shape, axes, pads).
- ``Known``: a numpy array where the value is known then, else a tensor.

What a function returns as a numpy array counts as known (the shape of a tensor). Functions use torch operators only, so
that they run on real tensors (constants are folded by the same function) and on fake ones (shapes are inferred by it).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import numpy as np
    import torch

    Static = np.ndarray[Any, Any]
    Known = np.ndarray[Any, Any] | torch.Tensor

__all__ = ["Call", "Operator", "find", "full_name", "operator", "plain_domain", "table"]

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One node, without its inputs.

    Attributes
    ----------
    name
        The node's name, or a made one where it has none.
    operator, domain, opset
        What it calls; ``opset`` is the version of ``domain`` that the model imports.
    attributes
        Python numbers, strings, lists of them, and numpy arrays (for tensors).
    num_outputs
        How many outputs the graph gives names to.
    """

    name: str
    operator: str
    domain: str
    opset: int
    attributes: dict[str, Any]
    num_outputs: int

    def get(self, attribute: str, default: Any = None) -> Any:
        """Return an attribute's value, ``default`` where the node leaves it out."""
        return self.attributes.get(attribute, default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One row of the table."""

    name: str
    domain: str
    since: int
    function: Callable[..., Any]
    arrivals: tuple[str, ...]
    """How each input arrives, by position; the last one counts for all that follow where ``is_variadic``."""
    is_variadic: bool
    num_required: int = 1
    """How many inputs a node must give; they come first."""
    is_folded: bool = True
    """Whether it is computed at import where its inputs are known; a dequantized weight stays one, to be seen later."""

    def arrival(self, position: int) -> str:
        """Return ``"Tensor"``, ``"Static"`` or ``"Known"`` for the input at ``position``."""
        return self.arrivals[min(position, len(self.arrivals) - 1)] if self.arrivals else "Tensor"


_table: dict[tuple[str, str], list[Operator]] = {}


def operator(
    name: str, *, since: int = 1, domain: str = "", is_folded: bool = True
) -> Callable[[_Function], _Function]:
    """Enter a function into the table, for ``name`` from opset ``since`` on, until a later entry replaces it."""

    def enter(function: _Function) -> _Function:
        parameters = list(inspect.signature(function).parameters.values())[1:]
        arrivals = tuple(str(parameter.annotation).split("|")[0].strip() for parameter in parameters)
        row = Operator(
            name=name,
            domain=domain,
            since=since,
            function=function,
            arrivals=arrivals,
            num_required=sum(parameter.default is parameter.empty for parameter in parameters),
            is_variadic=any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters),
            is_folded=is_folded,
        )
        rows = _table.setdefault((domain, name), [])
        rows.append(row)
        rows.sort(key=lambda entry: entry.since)
        return function

    return enter


def plain_domain(domain: str) -> str:
    """Return a domain as the table has it: ONNX's own, which has two names, is ``""``."""
    return "" if domain == "ai.onnx" else domain


def full_name(domain: str, name: str) -> str:
    """Return an operator's name for people, with its domain where that is not ONNX's own."""
    return f"{domain}.{name}" if domain else name


def find(domain: str, name: str, opset: int) -> Operator | None:
    """Return the row that is valid at ``opset``; None where there is none."""
    valid = [row for row in _table.get((domain, name), []) if row.since <= opset]
    return valid[-1] if valid else None


def table() -> tuple[Operator, ...]:
    """Return every row, ordered by domain, name and opset."""
    return tuple(row for _, rows in sorted(_table.items()) for row in rows)
