"""Where a number gets its unit and its source.

Canonical units are ms, bytes and mJ; this module turns them into the text users read, and names the closed sets that
every layer shares. It knows nothing of models or devices.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "ComputeUnit",
    "Layout",
    "Provenance",
    "counted",
    "format_bytes",
    "format_count",
    "format_ms",
    "format_ratio",
]


class Provenance(StrEnum):
    """Where a number comes from. Numbers of different provenance are never mixed in one column."""

    MEASURED = "measured"
    """Seen on the device itself, by this program."""
    REPORTED = "reported"
    """A cloud or another tool said so."""
    SIMULATED = "simulated"
    """A vendor's simulator computed it."""
    VIRTUAL = "virtual"
    """A test double of a phone made it up; it says nothing of a real one."""
    ESTIMATED = "estimated"
    """Computed from a model of the hardware."""


class ComputeUnit(StrEnum):
    """A part of the chip that runs operators."""

    CPU = "cpu"
    GPU = "gpu"
    NPU = "npu"


class Layout(StrEnum):
    """Of 4-D inputs and outputs."""

    KEEP = "keep"
    """As in the source."""
    NHWC = "nhwc"
    """Channels last: the axes (N, C, H, W) of the source become (N, H, W, C)."""


def format_ms(value_ms: float) -> str:
    """Show a duration in ms (three significant digits, seconds from 10 s on).

    Examples
    --------
    >>> format_ms(3.4123), format_ms(0.01234), format_ms(12345.0)
    ('3.41 ms', '0.0123 ms', '12.3 s')
    """
    return f"{_digits(value_ms / 1000)} s" if value_ms >= 10_000 else f"{_digits(value_ms)} ms"


def format_bytes(num_bytes: float) -> str:
    """Show a size in binary units, named as such.

    Examples
    --------
    >>> format_bytes(512), format_bytes(3 * 2**20), format_bytes(1536)
    ('512 B', '3.0 MiB', '1.5 KiB')
    """
    size = float(num_bytes)
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < (1024 if unit == "B" else 1023.95):  # what would be written as 1024.0 is the next unit's 1.0
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.2f} GiB"


def format_count(value: float) -> str:
    """Show a count (MACs, parameters) with a decimal prefix.

    Examples
    --------
    >>> format_count(300_774_272), format_count(950)
    ('301 M', '950')
    """
    size = float(value)
    for prefix in ("", " k", " M"):
        if abs(size) < 999.5:
            return f"{size:.0f}" if not prefix else f"{_digits(size)}{prefix}"
        size /= 1000
    return f"{_digits(size)} G"


def format_ratio(value: float) -> str:
    """Show a share as a percentage.

    Examples
    --------
    >>> format_ratio(0.9774)
    '97.7 %'
    """
    return f"{value * 100:.1f} %"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Show how many there are of something; its plural is with an s unless it is given.

    Examples
    --------
    >>> counted(1, "operator"), counted(3, "process", "processes")
    ('1 operator', '3 processes')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {plural or noun + 's'}"


def _digits(value: float) -> str:
    """Write three significant digits, and those before the point in full: never ``1e+03``."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
