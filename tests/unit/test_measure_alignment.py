"""The alignment of two ordered lists, against trying everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from embedl_nb.measure.alignment import AlignmentCosts, align


def value_of(costs: AlignmentCosts, items: list[int | None]) -> float:
    """Return what an alignment is worth."""
    used = {item for item in items if item is not None}
    gained = sum(costs.gain[item, event] for event, item in enumerate(items) if item is not None)
    lost = sum(costs.event_cost[event] for event, item in enumerate(items) if item is None)
    return float(gained - lost - sum(c for i, c in enumerate(costs.item_cost) if i not in used))


def best_by_trying(costs: AlignmentCosts) -> float:
    num_items, num_events = costs.gain.shape
    best = -np.inf
    for size in range(min(num_items, num_events) + 1):
        for rows in itertools.combinations(range(num_items), size):
            for columns in itertools.combinations(range(num_events), size):
                items: list[int | None] = [None] * num_events
                for row, column in zip(rows, columns, strict=True):
                    items[column] = row
                best = max(best, value_of(costs, items))
    return float(best)


@pytest.mark.parametrize("seed", range(30))
def test_no_other_alignment_is_worth_more(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_items, num_events = rng.integers(1, 6, size=2)
    gain = np.where(rng.random((num_items, num_events)) < 0.4, -np.inf, rng.integers(1, 20, (num_items, num_events)))
    costs = AlignmentCosts(
        gain=gain, item_cost=rng.integers(0, 6, num_items) + 0.5, event_cost=rng.integers(0, 6, num_events) + 0.25
    )
    items = align(costs)
    matched = [item for item in items if item is not None]
    assert matched == sorted(set(matched))
    assert value_of(costs, items) == pytest.approx(best_by_trying(costs))


def test_nothing_is_aligned_with_nothing() -> None:
    none = np.zeros(0)
    assert align(AlignmentCosts(gain=np.zeros((0, 2)), item_cost=none, event_cost=np.ones(2))) == [None, None]
    assert align(AlignmentCosts(gain=np.zeros((2, 0)), item_cost=np.ones(2), event_cost=none)) == []


def test_what_cannot_belong_together_stays_apart() -> None:
    gain = np.array([[-np.inf, -np.inf]])
    assert align(AlignmentCosts(gain=gain, item_cost=np.array([9.0]), event_cost=np.array([9.0, 9.0]))) == [None, None]
