"""Which of two ordered lists' entries belong together: the best monotone alignment, by dynamic programming.

Knows names and costs only: what the entries are is the caller's business (see layers.py). Long lists that go along with
each other are aligned within a band around the diagonal, which is widened until nothing outside can be better.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Places = NDArray[np.intp]
    GainOf = Callable[[int, slice], Array]

__all__ = ["AlignmentCosts", "NearAlignmentCosts", "align", "align_near"]

_FORBIDDEN = -1e12
_FIRST_WIDTH = 128
_WIDENING = 8
# A better alignment outside the band would be better by more than this; below it rounding begins.
_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentCosts:
    """What is gained and lost, in any unit.

    Attributes
    ----------
    gain
        Of matching item i with event j, shape (items, events); ``-inf`` where they cannot belong together.
    item_cost
        Of leaving item i without an event, shape (items,), >= 0.
    event_cost
        Of leaving event j without an item, shape (events,), >= 0.
    """

    gain: Array
    item_cost: Array
    event_cost: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class NearAlignmentCosts:
    """The same for lists too long to look at every pair.

    Attributes
    ----------
    gain_of
        Takes an item and a run of events, and returns its gain with each of them.
    guide
        About which event an item belongs to, never less than that of the item before, shape (items,).
    item_limit, event_limit
        What no partner of an item, and of an event, gains more than; ``-inf`` of one that has no partner at all.
    """

    gain_of: GainOf
    guide: Places
    item_limit: Array
    event_limit: Array
    item_cost: Array
    event_cost: Array


def align(costs: AlignmentCosts) -> list[int | None]:
    """Return for each event its item, in ascending order, None where it has none; the sum of gains is the greatest.

    Takes O(items x events) time, a row at a time: 5,000 by 5,000 is about a second.
    """
    import numpy as np

    first_event = np.zeros(len(costs.item_cost), dtype=np.intp)
    num_events = len(costs.event_cost)
    return _aligned(
        lambda item, events: costs.gain[item, events], first_event, num_events, costs.item_cost, costs.event_cost
    )[0]


def align_near(costs: NearAlignmentCosts, *, width: int = _FIRST_WIDTH) -> list[int | None]:
    """Return what :func:`align` does; in O(items x width) time where the guide is never off by more than the width.

    Parameters
    ----------
    width
        How many events each item is held against at first; more as long as one outside could be better.
    """
    import numpy as np

    num_events = len(costs.event_cost)
    if not (np.isfinite(costs.item_limit).any() and np.isfinite(costs.event_limit).any()):
        return [None] * num_events
    while True:
        width = min(width, num_events)
        first_event = np.clip(costs.guide - width // 2, 0, num_events - width)
        items, worth = _aligned(costs.gain_of, first_event, width, costs.item_cost, costs.event_cost)
        if width == num_events or _most_outside(costs, first_event, width) < worth - _TOLERANCE:
            return items
        width *= _WIDENING


def _most_outside(costs: NearAlignmentCosts, first_event: Places, width: int) -> float:
    """Return what an alignment with a pair outside the band is worth at most.

    Between two ends of the lists there are no more matches than either list allows. On its way out of the band an
    alignment passes one of the places on its rim, which parts the lists in two.
    """
    import numpy as np

    of_items = _running(np.maximum(0.0, costs.item_limit + costs.item_cost + costs.event_cost.max()))
    of_events = _running(np.maximum(0.0, costs.event_limit + costs.event_cost + costs.item_cost.max()))
    lost = costs.item_cost.sum() + costs.event_cost.sum()
    rows = np.arange(len(first_event))
    above, below = first_event + width < len(costs.event_cost), first_event > 0
    item = np.concatenate([rows[above], rows[below] + 1])
    event = np.concatenate([(first_event + width)[above], first_event[below]])
    before = np.minimum(of_items[item], of_events[event])
    after = np.minimum(of_items[-1] - of_items[item], of_events[-1] - of_events[event])
    return float((before + after).max() - lost)


def _running(values: Array) -> Array:
    import numpy as np

    return np.concatenate([[0.0], np.cumsum(values)])


def _aligned(
    gain_of: GainOf, first_event: Places, width: int, item_cost: Array, event_cost: Array
) -> tuple[list[int | None], float]:
    """Align each item within the ``width`` events from its first on; return also what that is worth."""
    import numpy as np

    num_items, num_events = len(item_cost), len(event_cost)
    all_skipped = _running(event_cost)
    matched = np.zeros((num_items, width), dtype=np.bool_)
    dropped = np.zeros((num_items, width + 1), dtype=np.bool_)
    start, most = 0, 0.0
    best = -all_skipped[: width + 1]
    for item in range(num_items):
        shift, start = int(first_event[item]) - start, int(first_event[item])
        skipped = all_skipped[start : start + width + 1]
        if shift:  # what comes into the band has been left out by the items before
            best = np.concatenate([best[shift:], most - skipped[max(0, width + 1 - shift) :]])
        gain = np.maximum(gain_of(item, slice(start, start + width)), _FORBIDDEN)
        without = best - item_cost[item]
        with_event = np.concatenate([[_FORBIDDEN], best[:-1] + gain])
        either = np.maximum(without, with_event)
        # Leaving events out after this item: best[j] = max over k <= j of either[k] - (skipped[j] - skipped[k]).
        lifted = either + skipped
        running = np.maximum.accumulate(lifted)
        most = running[-1]
        best = running - skipped
        dropped[item] = running > lifted
        matched[item] = (with_event >= without)[1:]
    return _traced(matched, dropped, first_event, num_events), float(most - all_skipped[-1])


def _traced(
    matched: NDArray[np.bool_], dropped: NDArray[np.bool_], first_event: Places, num_events: int
) -> list[int | None]:
    items: list[int | None] = [None] * num_events
    width = matched.shape[1]
    item, event = len(first_event) - 1, num_events
    while item >= 0 and event > 0:
        column = event - int(first_event[item])
        if column > width or dropped[item, column]:
            event -= 1
        elif column > 0 and matched[item, column - 1]:
            event -= 1
            items[event] = item
            item -= 1
        else:
            item -= 1
    return items
