"""How both surfaces word what is no result: an error or a warning is a line, whatever its text holds."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_line", "warnings_in_one_line"]


def one_line(text: str) -> str:
    """Return ``text`` without its line breaks."""
    return " ".join(text.split())


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show warnings as their messages on stderr until the block ends; a command has no source line to look at."""
    with warnings.catch_warnings():
        warnings.showwarning = _show
        yield


def _show(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"Warning: {one_line(str(message))}\n")
