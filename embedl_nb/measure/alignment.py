"""Which of two ordered lists' entries belong together: the best monotone alignment, by dynamic programming.

Knows names and costs only: what the entries are is the caller's business (see layers.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]

__all__ = ["AlignmentCosts", "align"]

_FORBIDDEN = -1e12


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


def align(costs: AlignmentCosts) -> list[int | None]:
    """Return for each event its item, in ascending order, None where it has none; the sum of gains is the greatest.

    Takes O(items x events) time, a row at a time: 5,000 by 5,000 is about a second.
    """
    import numpy as np

    num_items, num_events = costs.gain.shape
    skipped = np.concatenate([[0.0], np.cumsum(costs.event_cost)])
    best = -skipped
    matched = np.zeros((num_items, num_events), dtype=np.bool_)
    dropped = np.zeros((num_items, num_events + 1), dtype=np.bool_)
    for item in range(num_items):
        gain = np.maximum(costs.gain[item], _FORBIDDEN)
        without = best - costs.item_cost[item]
        with_event = np.concatenate([[_FORBIDDEN], best[:-1] + gain])
        either = np.maximum(without, with_event)
        # Leaving events out after this item: best[j] = max over k <= j of either[k] - (skipped[j] - skipped[k]).
        lifted = either + skipped
        running = np.maximum.accumulate(lifted)
        best = running - skipped
        dropped[item] = running > lifted
        matched[item] = (with_event >= without)[1:]
    return _traced(matched, dropped)


def _traced(matched: NDArray[np.bool_], dropped: NDArray[np.bool_]) -> list[int | None]:
    num_items, num_events = matched.shape
    items: list[int | None] = [None] * num_events
    item, event = num_items - 1, num_events
    while item >= 0 and event > 0:
        if dropped[item, event]:
            event -= 1
        elif matched[item, event - 1]:
            event -= 1
            items[event] = item
            item -= 1
        else:
            item -= 1
    return items
