"""The names that a node can see: those of its own graph, and of the graphs around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from embedl_nb.compiler.onnx.hints import DAMAGED
from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import onnx

    from embedl_nb.compiler.onnx.values import Value

__all__ = ["Scope"]


class Scope:
    """Values by name.

    Parameters
    ----------
    opsets
        Version of each domain.
    around
        What a subgraph sees beyond its own names; a function's body sees nothing else.
    attributes
        Of the call whose body this is.
    prefix
        What the names of nodes in here begin with.
    has_names
        Whether nodes in here have names of their own; else ``prefix`` is the name of each.
    """

    def __init__(
        self,
        *,
        opsets: dict[str, int],
        around: Scope | None = None,
        attributes: dict[str, onnx.AttributeProto] | None = None,
        prefix: str = "",
        has_names: bool = True,
        depth: int = 0,
    ) -> None:
        self.opsets = opsets
        self.attributes = attributes or {}
        self.prefix = prefix
        self.has_names = has_names
        self.depth = depth
        self._around = around
        self._values: dict[str, Value | None] = {}

    def inner(self) -> Scope:
        """Return the scope of a subgraph of a node in here."""
        return Scope(
            opsets=self.opsets,
            around=self,
            attributes=self.attributes,
            prefix=self.prefix,
            has_names=self.has_names,
            depth=self.depth,
        )

    def define(self, name: str, value: Value) -> None:
        """Give a value its name.

        Raises
        ------
        InputError
            If another value of this graph has it.
        """
        if name in self._values:
            raise InputError(
                f"two values of the graph have the name {name!r}",
                hint=DAMAGED,
            )
        self._values[name] = value

    def leave_out(self, names: Iterable[str]) -> None:
        """Note that these inputs of a function are not given."""
        for name in names:
            self._values[name] = None

    def has(self, name: str) -> bool:
        """Say whether something in sight has this name."""
        return name in self._values or (self._around is not None and self._around.has(name))

    def value(self, name: str, *, of: str) -> Value | None:
        """Return the value of this name, None for one that is left out; ``of`` says who asks.

        Raises
        ------
        InputError
            If nothing in sight has it.
        """
        scope: Scope | None = self
        while scope is not None:
            if name in scope._values:
                return scope._values[name]
            scope = scope._around
        raise InputError(
            f"{of} need {name!r}, which is neither an input, a constant nor any node's output"
            if of.startswith("the ")
            else f"{of} takes {name!r}, which is neither an input, a constant nor any node's output",
            hint="the graph is incomplete: export the model again",
        )
