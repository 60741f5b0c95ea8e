"""The tool's ``count=`` line: a summary of many runs in microseconds, kept exactly as it was printed."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["RunCounts", "parse_counts", "parse_number"]

_NUMBER = re.compile(r"\d{1,18}(?:\.\d{1,12})?(?:e[+-]?\d{1,2})?", re.ASCII)
_PERCENTILES = ("p5", "median", "p95")
_SPREAD = ("first", "curr", "min", "max", "avg", "std")
# Which fields a line has, by the tool's age and by how the runs differ.
_SHAPES = (("curr",), ("curr", *_PERCENTILES), _SPREAD, (*_SPREAD, *_PERCENTILES))
# Averages are printed with six digits, everything else in full.
_AVERAGE_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """Summary of the runs of one phase, microseconds; None stands for what was not printed.

    A line of one run, or of runs that all took the same time, has ``curr`` alone; builds before about 2.16 have no
    percentiles.

    Attributes
    ----------
    num_runs
        How many runs there were.
    are_all_same
        Whether one number stands for all of them.
    std_us
        Standard deviation of the population, cut to a whole number.
    """

    num_runs: int
    are_all_same: bool = False
    first_us: float | None = None
    curr_us: float | None = None
    min_us: float | None = None
    max_us: float | None = None
    avg_us: float | None = None
    std_us: float | None = None
    p5_us: float | None = None
    median_us: float | None = None
    p95_us: float | None = None

    @property
    def printed(self) -> tuple[str, ...]:
        """Names of the fields that there were."""
        return tuple(name for name in (*_SPREAD, *_PERCENTILES) if getattr(self, f"{name}_us") is not None)

    @property
    def mean_us(self) -> float | None:
        """Average; of runs that all took the same time, that time."""
        return self.curr_us if self.are_all_same else self.avg_us

    @property
    def first_run_us(self) -> float | None:
        """The first run; of runs that all took the same time, that time."""
        return self.curr_us if self.are_all_same else self.first_us


def parse_number(text: str) -> float | None:
    """Read a number as C++ streams write it (``1.59906e+06``); None where it is none."""
    return float(text) if _NUMBER.fullmatch(text) else None


def parse_counts(text: str) -> RunCounts | None:
    """Read ``count=50 first=… p95=…``; None where it is cut, mixed with other output or contradicts itself."""
    head, _, rest = text.partition(" ")
    digits = head.removeprefix("count=")
    if not re.fullmatch(r"\d{1,12}", digits, re.ASCII):
        return None
    num_runs = int(digits)
    if num_runs == 0:
        return RunCounts(num_runs=0) if not rest.strip() else None
    said_same = "(all same)" in rest
    fields = _fields(rest.replace("(all same)", " ", 1))
    if fields is None or tuple(fields) not in _SHAPES:
        return None
    are_all_same = "avg" not in fields
    if said_same != (are_all_same and num_runs > 1):
        return None
    counts = RunCounts(
        num_runs=num_runs, are_all_same=are_all_same, **{f"{name}_us": value for name, value in fields.items()}
    )
    return counts if _is_consistent(counts) else None


def _fields(text: str) -> dict[str, float] | None:
    fields: dict[str, float] = {}
    for token in text.split():
        name, _, digits = token.partition("=")
        value = parse_number(digits)
        if value is None or name in fields:
            return None
        fields[name] = value
    return fields


def _is_consistent(counts: RunCounts) -> bool:
    if counts.are_all_same:
        return all(value in (None, counts.curr_us) for value in (counts.p5_us, counts.median_us, counts.p95_us))
    low, high, avg = counts.min_us, counts.max_us, counts.avg_us
    if low is None or high is None or avg is None:
        return False
    between = (counts.first_us, counts.curr_us, counts.p5_us, counts.median_us, counts.p95_us)
    ordered = [value for value in (low, counts.p5_us, counts.median_us, counts.p95_us, high) if value is not None]
    return (
        all(value is None or low <= value <= high for value in between)
        and ordered == sorted(ordered)
        and low * (1 - _AVERAGE_TOLERANCE) <= avg <= high * (1 + _AVERAGE_TOLERANCE)
    )
