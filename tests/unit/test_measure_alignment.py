"""The alignment of two ordered lists, against trying everything."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from embedl_nb.measure.alignment import AlignmentCosts, NearAlignmentCosts, align, align_near


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


@pytest.mark.parametrize("seed", range(60))
def test_a_narrow_band_gives_what_looking_at_every_pair_gives_wherever_the_guide_leads(seed: int) -> None:
    rng = np.random.default_rng(seed)
    num_items, num_events = rng.integers(1, 40, size=2)
    numbers = rng.integers(1, 20, (num_items, num_events)) - 0.5 * rng.random((num_items, num_events))
    gain = np.where(rng.random(numbers.shape) < rng.choice([0.4, 0.95]), -np.inf, numbers)
    costs = AlignmentCosts(gain=gain, item_cost=np.full(num_items, 0.5), event_cost=np.full(num_events, 0.25))
    near = NearAlignmentCosts(
        gain_of=lambda item, events: gain[item, events],
        guide=np.sort(rng.integers(0, num_events, num_items)),
        item_limit=gain.max(axis=1),
        event_limit=gain.max(axis=0),
        item_cost=costs.item_cost,
        event_cost=costs.event_cost,
    )
    assert align_near(near, width=3) == align(costs)


def test_lists_that_go_along_with_each_other_are_not_compared_pair_by_pair() -> None:
    num_looked_at = 0

    def gain_of(item: int, events: slice) -> np.ndarray:
        nonlocal num_looked_at
        places = np.arange(events.start, events.stop)
        num_looked_at += len(places)
        return np.where(places == item, 1.0, -np.inf)

    size = 1000
    near = NearAlignmentCosts(
        gain_of=gain_of,
        guide=np.arange(size),
        item_limit=np.ones(size),
        event_limit=np.ones(size),
        item_cost=np.full(size, 0.1),
        event_cost=np.full(size, 0.1),
    )
    assert align_near(near) == list(range(size))
    assert num_looked_at < size * 200
