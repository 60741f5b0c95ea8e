"""``{expression}`` and ``$name`` in a magic's line: text is put in as IPython does it, an object is handed over whole.

IPython would put in how a model or a result is shown, which is a page of text and no name of anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from numbers import Number
from string import Formatter
from typing import Any

from IPython.utils.text import DollarFormatter

from embedl_nb.device import DeviceAddress

__all__ = ["expanded", "with_paths"]

_BREAKS_A_WORD = re.compile(r"""[\s"'\\#{}]+""")


def expanded(line: str, variables: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the line with its expressions put in, and what stands in it by a name of its own.

    A line of which an expression cannot be worked out stays as it is, as for every magic of IPython.
    """
    formatter = _Formatter()
    try:
        return formatter.vformat(line, args=[], kwargs=variables), formatter.held
    except Exception:  # whatever the user's expression raises; what is left of it is an unknown name to the command
        return line, {}


def with_paths(words: list[str], held: Mapping[str, Any]) -> list[str]:
    """Return the words with those paths put in that stand in them; one with blanks is still one word."""
    paths = {name: os.fspath(value) for name, value in held.items() if isinstance(value, os.PathLike)}
    return [_put_in(word, paths) for word in words]


def _put_in(word: str, paths: Mapping[str, str]) -> str:
    for name, path in paths.items():
        word = word.replace(name, path)
    return word


class _Formatter(DollarFormatter):  # type: ignore[misc]
    """IPython's own, which keeps what is no text and leaves its name in the line."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}
        self._field = ""

    def parse(self, fmt_string: str) -> Iterator[tuple[Any, Any, Any, Any]]:
        # IPython's search for dollar signs takes hours in a megabyte without one, and Ctrl-C does not end it.
        parse = super().parse if "$" in fmt_string else partial(Formatter.parse, self)
        for literal, field, spec, conversion in parse(fmt_string):
            self._field = field or ""
            yield literal, field, spec, conversion

    def format_field(self, value: Any, format_spec: str) -> str:  # noqa: ARG002 - always empty, as braces may hold slices
        if isinstance(value, str | Number | DeviceAddress):
            return str(value)
        name = f"{{{_BREAKS_A_WORD.sub('_', self._field)}}}"
        self.held[name] = value
        return name
