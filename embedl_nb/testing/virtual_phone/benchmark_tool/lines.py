"""Lines of the tool's output, by whom and where they are printed: the tool itself, or the runtime beneath it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Line", "litert", "plain", "tool"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or several that are printed at once.

    Attributes
    ----------
    is_error
        Whether it goes to standard error.
    """

    text: str
    is_error: bool


def tool(text: str, level: str = "INFO") -> Line:
    """Return what the tool prints of itself."""
    return Line(f"{level}: {text}", is_error=level == "ERROR")


def litert(file: str, number: int, text: str, level: str = "INFO") -> Line:
    """Return what the runtime logs from a line of its source."""
    return Line(f"{level}: [{file}:{number}] {text}", is_error=True)


def plain(text: str) -> Line:
    """Return what is printed to standard error as it is."""
    return Line(text, is_error=True)
