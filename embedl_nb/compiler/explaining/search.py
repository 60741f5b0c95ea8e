"""Find the smallest piece that fails: halves first, then ends, then single parts. Knows nothing of models.

In: parts in order, and a question that is answered by trying (does this choice of parts fail?). Out: the smallest
choice that was seen to fail before the budget was spent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["Budget", "BudgetSpentError", "Search"]

Part = TypeVar("Part")


class BudgetSpentError(Exception):
    """No more trials are allowed."""


@dataclass(slots=True, kw_only=True)
class Budget:
    """How much a search may cost.

    Attributes
    ----------
    max_trials
        Number of pieces that are converted.
    time_limit_s
        From the first trial on; the trial that is running then is stopped.
    """

    max_trials: int
    time_limit_s: float
    num_trials: int = 0
    _ends: float | None = field(default=None)

    def take(self) -> float:
        """Count a trial, and return how many seconds are left for it.

        Raises
        ------
        BudgetSpentError
            If the budget does not allow it.
        """
        now = time.monotonic()
        self._ends = now + self.time_limit_s if self._ends is None else self._ends
        if self.num_trials >= self.max_trials or now >= self._ends:
            raise BudgetSpentError
        self.num_trials += 1
        return self._ends - now


class Search(Generic[Part]):
    """A search among ``parts`` with the question ``fails``; each choice is asked about once.

    Attributes
    ----------
    smallest
        The smallest choice that was seen to fail; empty before one was.
    is_complete
        Whether the search came to its end: no part can be left out of ``smallest`` any more.
    """

    def __init__(self, parts: Sequence[Part], fails: Callable[[Sequence[Part]], bool]) -> None:
        self._parts = list(parts)
        self._ask = fails
        self._known: dict[tuple[int, ...], bool] = {}
        self._best: tuple[int, ...] = ()
        self.is_complete = False

    @property
    def smallest(self) -> list[Part]:
        """The smallest choice that was seen to fail."""
        return [self._parts[index] for index in self._best]

    def run(self) -> None:
        """Search until nothing can be left out, or until ``fails`` raises BudgetSpentError."""
        try:
            window = self._halved(tuple(range(len(self._parts))))
            if window:
                window = self._with_end_cut(window)
                window = self._with_start_cut(window)
                self._thinned(window)
            self.is_complete = True
        except BudgetSpentError:
            return

    def _fails(self, choice: tuple[int, ...]) -> bool:
        if choice not in self._known:
            self._known[choice] = bool(choice) and self._ask([self._parts[index] for index in choice])
            if self._known[choice] and (not self._best or len(choice) < len(self._best)):
                self._best = choice
        return self._known[choice]

    def _halved(self, window: tuple[int, ...]) -> tuple[int, ...]:
        """Go into the half that fails for as long as one does; empty if not even the whole fails."""
        while len(window) > 1:
            middle = len(window) // 2
            failing = next((half for half in (window[:middle], window[middle:]) if self._fails(half)), None)
            if failing is None:
                break
            window = failing
        return window if self._fails(window) else ()

    def _with_end_cut(self, window: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shortest beginning that fails."""
        passing, failing = 0, len(window)
        while failing - passing > 1:
            middle = (passing + failing) // 2
            passing, failing = (passing, middle) if self._fails(window[:middle]) else (middle, failing)
        return window[:failing]

    def _with_start_cut(self, window: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shortest end that fails."""
        failing, passing = 0, len(window)
        while passing - failing > 1:
            middle = (passing + failing) // 2
            failing, passing = (middle, passing) if self._fails(window[middle:]) else (failing, middle)
        return window[failing:]

    def _thinned(self, window: tuple[int, ...]) -> None:
        """Leave out runs of parts, shorter and shorter ones, for as long as the rest fails."""
        size = len(window) // 2
        while size:
            start, has_shrunk = 0, False
            while start < len(window) and len(window) > 1:
                rest = window[:start] + window[start + size :]
                if self._fails(rest):
                    window, has_shrunk = rest, True
                else:
                    start += size
            if not has_shrunk or size > 1:
                size = min(size // 2, len(window) // 2) if size > 1 else 0
