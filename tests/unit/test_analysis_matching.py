"""Which layers belong together, in random tables: the short way gives what looking at every pair gives."""

from __future__ import annotations

import random

import numpy as np
import pytest

from embedl_nb.analysis import matching
from embedl_nb.analysis.matching import match_layers
from embedl_nb.measure.alignment import AlignmentCosts, NearAlignmentCosts, align, align_near
from embedl_nb.measure.benchmark import Layer
from embedl_nb.testing.results import fake_benchmark


def layers(choice: random.Random, size: int) -> list[Layer]:
    """Return layers of which some have a module or a name that others have, too, and some have none."""

    def made(index: int) -> Layer:
        source = choice.choice(["", f"f.{choice.randrange(size)}", f"f.{index}", f"f.{index // 2}"])
        return Layer(
            index=index,
            name=choice.choice(["", f"n{choice.randrange(size)}", f"n{index}"]),
            operator=choice.choice(["CONV_2D", "ADD", "RELU", ""]),
            source=source,
            compute_unit="cpu",
            start_ms=0.0,
            mean_ms=1.0,
            p50_ms=1.0,
            p95_ms=1.0,
            share=0.0,
            num_operators=choice.randrange(1, 4),
            operator_indices=tuple(choice.sample(range(size + 4), choice.randrange(1, 3))),
            kernel="",
        )

    return [made(index) for index in range(size)]


def every_pair(costs: NearAlignmentCosts) -> list[int | None]:
    """Align by looking at every pair."""
    everything = slice(0, len(costs.event_cost))
    gain = np.array([costs.gain_of(item, everything) for item in range(len(costs.item_cost))])
    assert (gain.max(axis=1) <= costs.item_limit).all(), "no partner gains more than the limit"
    assert (gain.max(axis=0) <= costs.event_limit).all()
    return align(AlignmentCosts(gain=gain, item_cost=costs.item_cost, event_cost=costs.event_cost))


@pytest.mark.parametrize("seed", range(40))
def test_a_narrow_band_finds_the_same_matches(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = random.Random(seed)
    first = layers(choice, choice.randrange(1, 30))
    others = layers(choice, choice.randrange(1, 30))
    second = others if seed % 2 else [layer for layer in first if choice.random() < 0.8] or others
    monkeypatch.setattr(matching, "align_near", lambda costs: align_near(costs, width=3))
    found = match_layers(first, second, is_same_model=False)
    monkeypatch.setattr(matching, "align_near", every_pair)
    assert found == match_layers(first, second, is_same_model=False)


@pytest.mark.parametrize("seed", range(20))
def test_of_one_model_layers_are_together_that_any_chain_of_shared_operators_joins(seed: int) -> None:
    choice = random.Random(seed)
    tables = layers(choice, choice.randrange(1, 20)), layers(choice, choice.randrange(1, 20))
    groups = [{index} for index in range(30)]
    for layer in (*tables[0], *tables[1]):
        met = [group for group in groups if group & set(layer.operator_indices)]
        groups = [group for group in groups if group not in met] + [set().union(*met)]
    expected = []
    for group in sorted(groups, key=min):
        sides = [[place for place, layer in enumerate(table) if layer.operator_indices[0] in group] for table in tables]
        if any(sides):
            expected.append(tuple(sides))
    assert [(each.first, each.second) for each in match_layers(*tables, is_same_model=True)] == expected


def test_a_table_of_one_side_only_is_left_as_it_is() -> None:
    table = fake_benchmark(3).layer_table
    assert [each.second for each in match_layers((), table, is_same_model=False)] == [[0], [1], [2]]
    assert [each.first for each in match_layers(table, (), is_same_model=False)] == [[0], [1], [2]]
