"""How both surfaces word what is no result: an error or a warning is a line, whatever its text holds."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["one_line", "shortened", "warnings_in_one_line"]

_LONGEST = 2000


def one_line(text: str) -> str:
    """Return ``text`` without its line breaks."""
    return " ".join(text.split())


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Return ``text``, cut where it is longer than anybody reads: a message of a megabyte would freeze a page."""
    left = len(text) - longest
    return text if left <= 0 else f"{text[:longest]} ... and {left} more characters"


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show warnings as their messages on stderr until the block ends; a command has no source line to look at."""
    with warnings.catch_warnings():
        warnings.showwarning = _show
        yield


def _show(message: Warning | str, *_: object, **__: object) -> None:
    sys.stderr.write(f"Warning: {one_line(shortened(str(message)))}\n")
