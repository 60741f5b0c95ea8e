"""Which samples calibrate and which judge: the two never overlap unless there are too few."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MOST_HELD_OUT", "Split", "most_needed", "split_pool", "split_stream"]

MOST_HELD_OUT = 100
_FEWEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Positions among the samples that were read; where ``is_separate`` is False both are the same."""

    calibration: tuple[int, ...]
    held_out: tuple[int, ...]
    is_separate: bool


def most_needed(num_samples: int, *, is_stream: bool) -> int:
    """Return how many samples are worth reading: ``num_samples`` to calibrate and those that judge."""
    if is_stream:
        return num_samples + min(num_samples // 3, MOST_HELD_OUT)
    return num_samples + min(num_samples, MOST_HELD_OUT)


def split_pool(num_read: int, num_samples: int) -> Split:
    """Split samples in random order: the last of them judge.

    Those beyond ``num_samples`` judge, and at least a quarter of ``num_samples`` (or of what there is), at most 100.

    Examples
    --------
    >>> [len(part) for part in (split_pool(200, 100).calibration, split_pool(200, 100).held_out)]
    [100, 100]
    >>> [len(part) for part in (split_pool(100, 100).calibration, split_pool(100, 100).held_out)]
    [75, 25]
    """
    beyond = max(num_read - num_samples, 0)
    quarter = min(num_read, num_samples) // _FEWEST
    num_held_out = min(max(beyond, quarter), MOST_HELD_OUT)
    if not num_held_out:
        return _same(num_read)
    border = num_read - num_held_out
    return Split(
        calibration=tuple(range(min(border, num_samples))),
        held_out=tuple(range(border, num_read)),
        is_separate=True,
    )


def split_stream(num_read: int) -> Split:
    """Split samples that came in an order of their own: every fourth judges, at most 100."""
    held_out = tuple(range(_FEWEST - 1, num_read, _FEWEST))[:MOST_HELD_OUT]
    if not held_out:
        return _same(num_read)
    judging = set(held_out)
    return Split(
        calibration=tuple(index for index in range(num_read) if index not in judging),
        held_out=held_out,
        is_separate=True,
    )


def _same(num_read: int) -> Split:
    return Split(calibration=tuple(range(num_read)), held_out=tuple(range(num_read)), is_separate=False)
