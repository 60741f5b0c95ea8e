"""``--verbose``, which every command has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = ["verbose"]

_Command = TypeVar("_Command", bound=Callable[..., Any] | click.Command)


def _set_verbose(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.obj.is_verbose = True


def verbose(command: _Command) -> _Command:
    """Add the option to a command."""
    return click.option(
        "--verbose",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_verbose,
        help="Show the traceback of an error (so does EMBEDL_NB_DEBUG=1).",
    )(command)
