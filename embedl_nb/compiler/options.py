"""What a compile is asked for besides its source and its samples: checked once, then handed on as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedl_nb.compiler.interface import adapted, read_layout
from embedl_nb.compiler.sequence import State, StatefulSource, read_state
from embedl_nb.errors import InputError
from embedl_nb.units import Layout

if TYPE_CHECKING:
    from embedl_nb.compiler.build import Source

__all__ = ["Options", "dressed", "read_options"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options that change what is compiled.

    Attributes
    ----------
    layout
        Of 4-D inputs and outputs.
    state
        Pairs of an output and the input that takes it in the next call.
    """

    layout: Layout = Layout.KEEP
    state: State = ()

    def refuse(self, what: str, *, hint: str) -> None:
        """Raise an InputError where any of them was given for ``what``, which takes none."""
        options = {"layout": self.layout is not Layout.KEEP, "state": bool(self.state)}
        given = [name for name, is_given in options.items() if is_given]
        if given:
            raise InputError(f"{given[0]} was given for {what}", hint=hint)


def read_options(*, layout: str, state: Mapping[str, str] | None) -> Options:
    """Check options.

    Raises
    ------
    InputError
        If one cannot be meant.
    """
    return Options(layout=read_layout(layout), state=read_state(state))


def dressed(source: Source, options: Options, *, is_alone: bool = True) -> Source:
    """Return ``source`` as the options want it; ``is_alone`` says that it is the only one in its file.

    Raises
    ------
    UnknownNameError
        If the source has no input that an option names.
    """
    result = adapted(source, options.layout, is_alone=is_alone)
    return StatefulSource(result, options.state) if options.state else result
