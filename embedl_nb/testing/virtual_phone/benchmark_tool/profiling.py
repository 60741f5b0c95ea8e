"""From the profile of a run here to the rows of the tool's tables.

The tool counts every inference, the warm-up's too; here some are profiled, and stand for all of them.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from embedl_nb.runtime.raw_run import EventKind, ProfiledEvent
from embedl_nb.testing.virtual_phone.benchmark_tool.profile_tables import ProfileRow

__all__ = ["fitting_runs", "profile_rows"]

_BUFFERED_EVENTS = 512 * 1024
_EVENTS_BESIDE_STEPS = 4  # of each inference, recorded with ai-edge-litert 2.3.0


def fitting_runs(events: Sequence[ProfiledEvent], num_runs: int) -> int:
    """Return how many inferences the profiler's buffer holds; it drops the events of later ones."""
    return min(num_runs, -(-_BUFFERED_EVENTS // (len(events) + _EVENTS_BESIDE_STEPS)))


def profile_rows(events: Sequence[ProfiledEvent], *, num_runs: int, slowdown: float) -> list[ProfileRow]:
    """Return a row for each kernel; kernels of one name and number in different partitions become one.

    Parameters
    ----------
    slowdown
        By what factor heat makes the phone slower.
    """
    starts_ms = [event.start_ms for event in events if event.kind is EventKind.OPERATOR]
    grouped: dict[tuple[str, int], list[ProfiledEvent]] = {}
    for event in events:
        prefix = "Delegate/" if event.kind is EventKind.DELEGATE else ""
        index = event.index if event.node_index is None else event.node_index
        grouped.setdefault((f"{prefix}{event.name}", index), []).append(event)
    rows = []
    for (kind, index), members in grouped.items():
        durations_us = [duration * 1e3 * slowdown for event in members for duration in event.durations_ms]
        calls = num_runs * len(members)
        is_operator = members[0].kind is EventKind.OPERATOR
        rows.append(
            ProfileRow(
                type=kind,
                index=index,
                start_us=(members[0].start_ms - starts_ms[0]) * 1e3 if is_operator else 0.0,
                first_us=durations_us[0],
                total_us=round(statistics.fmean(durations_us) * calls),
                min_us=min(durations_us),
                max_us=max(durations_us),
                times_called=calls,
            )
        )
    return rows
