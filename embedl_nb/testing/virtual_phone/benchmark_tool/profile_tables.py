"""The profile of version 2.2.0 and later as text: run order, top, summary by type, delegates.

References
----------
Layout: recorded with ai-edge-litert 2.3.0, whose profiler's summary is the one that ``--use_profiler=true`` prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["ProfileRow", "profile_text"]

_DELEGATE_PREFIX = "Delegate/"
_ROWS_HEADER = (
    f"{'[node type]':>60} {'[start]':>10} {'[first]':>10} {'[avg ms]':>10} {'[%]':>10} {'[cdf%]':>10} "
    f"{'[mem KB]':>10} {'[times called]':>14}   [Name]"
)
_TYPES_HEADER = (
    f"{'[Node type]':>60} {'[count]':>10} {'[avg ms]':>10} {'[avg %]':>10} {'[cdf %]':>10} {'[mem KB]':>10} "
    f"{'[times called]':>14}"
)
_DELEGATES_HEADER = f"{'Op Name':<80} {'Count':>10} {'Avg(us)':>10} {'Min(us)':>10} {'Max(us)':>10} {'Total(us)':>10}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileRow:
    """One kernel over all inferences.

    Attributes
    ----------
    type
        ``"Delegate/Convolution (NHWC, F32) IGEMM"`` or ``"CONV_2D"``.
    index
        The operator's number, or the kernel's within its partition.
    start_us
        Of an operator that the runtime runs itself: after the first of them.
    """

    type: str
    index: int
    start_us: float
    first_us: float
    total_us: float
    min_us: float
    max_us: float
    times_called: int

    @property
    def is_delegate(self) -> bool:
        """Whether a delegate ran it."""
        return self.type.startswith(_DELEGATE_PREFIX)

    @property
    def name(self) -> str:
        """How the table calls it."""
        return f"[{'Delegate' if self.is_delegate else 'Builtin'}]:{self.index}"


def profile_text(rows: Sequence[ProfileRow]) -> str:
    """Return all tables."""
    total_us = sum(row.total_us for row in rows) or 1.0
    by_time = sorted(rows, key=lambda row: row.total_us, reverse=True)
    lines = [
        *_rows_table("Run Order", rows, total_us),
        "",
        *_rows_table("Top by Computation Time", by_time, total_us),
        "",
        f"Number of nodes executed: {len(rows)}",
        "",
        *_types_table(rows, total_us),
        "",
        *_delegates_table(rows),
        "",
        f"Timings (microseconds): count={len(rows)} curr={sum(row.total_us for row in rows):.0f}",
        "Memory (bytes): count=0",
        f"{len(rows)} nodes observed",
        "",
    ]
    return "\n".join(lines) + "\n"


def _title(text: str, width: int) -> str:
    return f" {text} ".center(width, "=")


def _rows_table(title: str, rows: Sequence[ProfileRow], total_us: float) -> list[str]:
    lines, so_far_us = [_title(title, 150), _ROWS_HEADER], 0.0
    for row in rows:
        so_far_us += row.total_us
        lines.append(
            f"{row.type:>60} {row.start_us / 1e3:>10.3f} {row.first_us / 1e3:>10.3f} "
            f"{row.total_us / row.times_called / 1e3:>10.3f} {_percent(row.total_us, total_us)} "
            f"{_percent(so_far_us, total_us)} {0.0:>10.3f} {row.times_called:>14}   {row.name}"
        )
    return lines


def _types_table(rows: Sequence[ProfileRow], total_us: float) -> list[str]:
    lines, so_far_us = [_title("Summary by node type", 130), _TYPES_HEADER], 0.0
    kinds = _by_type(rows)
    for kind, members in sorted(kinds.items(), key=lambda item: sum(row.total_us for row in item[1]), reverse=True):
        time_us, calls = sum(row.total_us for row in members), sum(row.times_called for row in members)
        so_far_us += time_us
        lines.append(
            f"{kind:>60} {len(members):>10} {time_us / calls / 1e3:>10.3f} {_percent(time_us, total_us)} "
            f"{_percent(so_far_us, total_us)} {0.0:>10.3f} {calls:>14}"
        )
    return lines


def _delegates_table(rows: Sequence[ProfileRow]) -> list[str]:
    lines = [_title("Delegate Statistics", 135), _DELEGATES_HEADER]
    for kind, members in sorted(_by_type([row for row in rows if row.is_delegate]).items()):
        time_us, calls = sum(row.total_us for row in members), sum(row.times_called for row in members)
        lowest, highest = min(row.min_us for row in members), max(row.max_us for row in members)
        lines.append(
            f"{kind:<80} {calls:>10} {time_us / calls:>10.2f} {lowest:>10.0f} {highest:>10.0f} {time_us:>10.0f}"
        )
    return lines


def _by_type(rows: Sequence[ProfileRow]) -> dict[str, list[ProfileRow]]:
    kinds: dict[str, list[ProfileRow]] = {}
    for row in rows:
        kinds.setdefault(row.type, []).append(row)
    return kinds


def _percent(part_us: float, total_us: float) -> str:
    return f"{100 * part_us / total_us:>9.3f}%"
