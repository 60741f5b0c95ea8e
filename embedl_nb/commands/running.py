"""Runs a command for a caller: its result is returned, its usage errors become the errors every caller shows alike."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from embedl_nb.commands.kinds import UnknownChoice
from embedl_nb.commands.names import Names
from embedl_nb.errors import EmbedlError, InputError, UnknownNameError

__all__ = ["help_text", "is_usage_error", "run", "split_line"]


def run(
    command: click.Command,
    arguments: Sequence[str],
    *,
    program: str,
    names: Names,
    defaults: Mapping[str, Any] | None = None,
) -> Any:
    """Run ``command`` and return its result.

    Parameters
    ----------
    command
        One of :data:`embedl_nb.commands.COMMANDS`, or the whole shell program.
    arguments
        The words behind the command's name.
    program
        What the caller typed to get here, for help and usage: ``"%embedl_compile"``.
    names
        What the words mean to the caller.
    defaults
        Values of options that the words leave out, by name, in place of the command's own.

    Returns
    -------
    Any
        What the pipeline returned; None where help was shown.

    Raises
    ------
    InputError
        If the words do not fit the command.
    EmbedlError
        Whatever the pipeline raises.
    """
    try:
        with command.make_context(program, list(arguments), obj=names, default_map=dict(defaults or {})) as context:
            return command.invoke(context)
    except click.exceptions.Exit:
        return None
    except click.exceptions.NoArgsIsHelpError as err:
        click.echo(err.format_message())
        return None
    except click.UsageError as err:
        raise _translated(err, command, program) from err


def is_usage_error(error: EmbedlError) -> bool:
    """Say whether ``error`` came from the words of the command line rather than from the work."""
    return isinstance(error.__cause__, click.UsageError)


def split_line(line: str) -> list[str]:
    """Split a magic's line into words as a shell would; a closing ``;`` and a comment are no words.

    Raises
    ------
    InputError
        If a quote is not closed, or a backslash at the end has nothing to escape.
    """
    lexer = shlex.shlex(line.strip().removesuffix(";"), posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    if os.name == "nt":
        lexer.escape = ""  # a backslash separates folders there
    try:
        words = list(lexer)
    except ValueError as err:
        hint = "leave the backslash at its end out" if str(err) == "No escaped character" else "close the quotation"
        raise InputError(f"the line {line.strip()!r} cannot be read: {err}", hint=hint) from err
    comment = next((place for place, word in enumerate(words) if word.startswith("#")), len(words))
    return words[:comment]


def help_text(command: click.Command, program: str) -> str:
    """Return what ``--help`` shows."""
    with click.Context(command, info_name=program) as context:
        return command.get_help(context)


def _translated(error: click.UsageError, command: click.Command, program: str) -> InputError:
    where = error.ctx.command if error.ctx is not None else command
    path = error.ctx.command_path if error.ctx is not None else program
    if isinstance(error, click.NoSuchOption):
        known = [name for option in where.params if isinstance(option, click.Option) for name in option.opts]
        known += [name for option in where.params if isinstance(option, click.Option) for name in option.secondary_opts]
        return UnknownNameError.among("option", error.option_name, known)
    if isinstance(error, UnknownChoice):
        return UnknownNameError.among(error.what, error.value, error.choices)
    message = error.format_message().rstrip(".")
    return InputError(message[:1].lower() + message[1:], hint=f"{path} --help")
