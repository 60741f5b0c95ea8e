"""``--explore``, which the commands that measure have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from embedl_nb.commands.names import Names
from embedl_nb.errors import InputError

__all__ = ["explore", "explorer_of"]

_Command = TypeVar("_Command", bound=Callable[..., Any])


def explore(command: _Command) -> _Command:
    """Add the option to a command."""
    return click.option(
        "--explore", is_flag=True, help="In a notebook: walk through the layers of it, below the result."
    )(command)


def explorer_of(names: Names, *, explore: bool, profile: bool) -> Callable[..., None]:
    """Return what shows the layers of a result, and where that is not asked for, what shows nothing.

    It is asked before anything is measured: what cannot be shown is told at once.
    """
    if not explore:
        return lambda *_: None
    if not profile:
        raise InputError("--no-profile leaves no layers to explore", hint="leave out --no-profile or --explore")
    return names.explorer()
