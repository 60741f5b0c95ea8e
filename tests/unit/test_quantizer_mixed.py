"""Mixed precision with made-up prices, noises, models and judges: which operators stay in float, and what is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.errors import InputError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import Subgraph
from embedl_nb.model.likeness import decibels
from embedl_nb.model.schema import schema
from embedl_nb.quantizer.mixing.mix import mix
from embedl_nb.quantizer.mixing.mixed import Goal, Judgement, Mixed
from embedl_nb.quantizer.mixing.mixture import Mixture
from embedl_nb.quantizer.mixing.prices import ConversionPrice, OperatorPrice, Prices
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_benchmark

_DEVICE = fake_benchmark().device


@dataclass(frozen=True)
class FakeModel:
    """Stands in for a LiteRTModel: it knows what was kept in float."""

    kept: tuple[str, ...]
    size_bytes: int = 1000


class Factory:
    """Makes fake models and judges them by the noise of what is quantized."""

    def __init__(self, subgraph: Subgraph, noises: Sequence[float]) -> None:
        self._names = [subgraph.tensors[operator.outputs[0]].name for operator in subgraph.operators]
        self._noises = noises
        self.made: list[tuple[int, ...]] = []

    def build(self, kept: tuple[str, ...]) -> Any:
        self.made.append(tuple(index for index, name in enumerate(self._names) if name in kept))
        return FakeModel(kept=kept)

    def judge(self, model: Any) -> Judgement:
        noise = sum(n for name, n in zip(self._names, self._noises, strict=True) if name not in model.kept)
        return Judgement(sqnr_db=decibels(noise), top1_agreement=1 - noise, metric=1 - noise)


def _prices(float_ms: Sequence[float], quantized_ms: Sequence[float], per_element: float = 0.0) -> Prices:
    rows = tuple(
        OperatorPrice(index=index, operator="TANH", source="", float_ms=slow, quantized_ms=fast)
        for index, (slow, fast) in enumerate(zip(float_ms, quantized_ms, strict=True))
    )
    return Prices(rows=rows, conversion=ConversionPrice(ms_per_element=per_element), device=_DEVICE)


def _chain(tmp_path: Path, num_operators: int) -> Subgraph:
    return read_model(models.write(tmp_path, models.chain(num_operators))).main


def _mix(subgraph: Subgraph, noises: Sequence[float], goal: Goal, **prices: Any) -> tuple[Mixed, Factory]:
    count = len(noises)
    made_up = _prices(**({"float_ms": [1.0] * count, "quantized_ms": [0.5] * count} | prices))
    factory = Factory(subgraph, noises)
    float_model: Any = FakeModel(kept=(), size_bytes=4000)
    mixture = Mixture(subgraph, made_up, dict(enumerate(noises)))
    found = mix(mixture, goal, build=factory.build, judge=factory.judge, float_model=float_model)
    return found, factory


class TestTheChoice:
    def test_the_noisiest_stay_in_float_until_the_target_is_met(self, tmp_path: Path) -> None:
        noises = [0.001, 0.05, 0.001, 0.001, 0.03, 0.001]
        found, _ = _mix(_chain(tmp_path, 6), noises, Goal(min_sqnr_db=20.0))
        assert found.is_met
        assert found.chosen.indices == (1, 4)
        assert found.chosen.judgement.sqnr_db == pytest.approx(decibels(0.004))

    def test_of_two_that_are_as_noisy_the_cheap_one_stays(self, tmp_path: Path) -> None:
        found, _ = _mix(
            _chain(tmp_path, 4),
            [0.05, 0.001, 0.05, 0.001],
            Goal(min_sqnr_db=12.0),
            float_ms=[8.0, 1.0, 1.0, 1.0],
            quantized_ms=[4.0, 0.5, 0.5, 0.5],
        )
        assert found.chosen.indices == (2,)

    def test_nothing_is_kept_where_the_quantized_model_is_good_enough(self, tmp_path: Path) -> None:
        found, factory = _mix(_chain(tmp_path, 4), [0.001] * 4, Goal(min_sqnr_db=20.0))
        assert found.chosen.indices == ()
        assert found.kept_float == ()
        assert factory.made[0] == ()
        assert not found.warnings

    def test_neighbours_are_kept_together_where_boundaries_cost(self, tmp_path: Path) -> None:
        noises = [0.001, 0.05, 0.0001, 0.05, 0.001, 0.001]
        prices = {"float_ms": [0.2] * 6, "quantized_ms": [0.1] * 6, "per_element": 0.1}
        found, _ = _mix(_chain(tmp_path, 6), noises, Goal(min_sqnr_db=20.0), **prices)
        assert {1, 2, 3} <= set(found.chosen.indices)
        apart, _ = _mix(_chain(tmp_path, 6), noises, Goal(min_sqnr_db=20.0), **(prices | {"per_element": 0.0}))
        assert apart.chosen.indices == (1, 3)

    def test_members_that_are_not_needed_are_quantized_again(self, tmp_path: Path) -> None:
        class Surprising(Factory):
            """The operator that looks worst is harmless in the real models."""

            def judge(self, model: Any) -> Judgement:
                return Judgement(sqnr_db=30.0 if self._names[1] in model.kept else 10.0)

        subgraph = _chain(tmp_path, 4)
        factory = Surprising(subgraph, [0.09, 0.02, 0.001, 0.001])
        mixture = Mixture(subgraph, _prices([1.0] * 4, [0.5] * 4), {0: 0.09, 1: 0.02, 2: 0.001, 3: 0.001})
        float_model: Any = FakeModel(kept=())
        goal = Goal(min_sqnr_db=20.0)
        found = mix(mixture, goal, build=factory.build, judge=factory.judge, float_model=float_model)
        assert found.chosen.indices == (1,)

    def test_each_model_is_made_once_and_few_are_made(self, tmp_path: Path) -> None:
        noises = [0.002 / (1 + index) for index in range(64)]
        found, factory = _mix(_chain(tmp_path, 64), noises, Goal(min_sqnr_db=decibels(sum(noises[40:]))))
        assert found.is_met
        assert len(factory.made) == len(set(factory.made))
        assert len(factory.made) <= 24

    def test_no_model_is_made_beyond_the_search_where_none_is_allowed(self, tmp_path: Path) -> None:
        noises = [0.002 / (1 + index) for index in range(64)]
        subgraph, goal = _chain(tmp_path, 64), Goal(min_sqnr_db=decibels(sum(noises[5:])))
        factory = Factory(subgraph, noises)
        mixture = Mixture(subgraph, _prices([1.0] * 64, [0.5] * 64), dict(enumerate(noises)))
        float_model: Any = FakeModel(kept=())
        found = mix(mixture, goal, build=factory.build, judge=factory.judge, float_model=float_model, num_extra=0)
        assert found.chosen.indices == (0, 1, 2, 3, 4)
        assert [len(made) for made in factory.made] == [0, 1, 2, 4, 8, 6, 5]

    def test_a_metric_decides_where_it_is_asked_for(self, tmp_path: Path) -> None:
        goal = Goal(max_degradation=0.01, float_metric=1.0)
        found, _ = _mix(_chain(tmp_path, 4), [0.05, 0.004, 0.03, 0.004], goal)
        assert found.chosen.indices == (0, 2)
        assert found.is_met

    def test_an_operator_that_the_recipe_leaves_in_float_is_no_candidate(self, tmp_path: Path) -> None:
        subgraph = _chain(tmp_path, 3)
        mixture = Mixture(subgraph, _prices([1.0] * 3, [1.0, 0.5, 0.5]), {1: 0.01, 2: 0.02})
        assert mixture.candidates == (2, 1)
        assert mixture.latency_ms(()) == pytest.approx(2.0)
        assert 0 not in mixture.group((), 1)


class TestLargeNetworks:
    def test_hundreds_of_operators_need_few_models(self, tmp_path: Path) -> None:
        count = 400
        noises = [1e-4 / (1 + index % 97) for index in range(count)]
        goal = Goal(min_sqnr_db=decibels(sum(noises) / 2))
        found, factory = _mix(_chain(tmp_path, count), noises, goal, per_element=1e-4)
        assert found.is_met
        assert len(factory.made) <= 32


class TestAGoalOutOfReach:
    def test_the_best_mix_is_returned_and_it_is_said(self, tmp_path: Path) -> None:
        found, _ = _mix(_chain(tmp_path, 4), [0.1, 0.2, 0.1, 0.1], Goal(min_sqnr_db=60.0))
        assert not found.is_met
        assert found.chosen.judgement.sqnr_db == max(point.judgement.sqnr_db for point in found.points)
        assert "no mix of float and quantized operators gives at least 60 dB" in found.warnings[0]

    def test_it_is_said_how_far_the_metric_drops_where_that_is_limited(self, tmp_path: Path) -> None:
        goal = Goal(max_degradation=1e-9, float_metric=1.0)
        found, _ = _mix(_chain(tmp_path, 4), [0.1, 0.2, 0.1, 0.1], goal)
        assert f"dB and a drop of {goal.drop(found.chosen.judgement):.3g} with" in found.warnings[0]

    def test_a_mix_that_saves_no_time_is_warned_of(self, tmp_path: Path) -> None:
        found, _ = _mix(_chain(tmp_path, 4), [0.1, 0.001, 0.001, 0.001], Goal(min_sqnr_db=20.0), quantized_ms=[1.5] * 4)
        assert found.is_met
        assert "no faster" in found.warnings[0]

    @pytest.mark.parametrize(
        "limits",
        [{}, {"min_sqnr_db": math.nan}, {"max_degradation": 0.01}, {"max_degradation": -1.0, "float_metric": 0.9}],
    )
    def test_a_goal_that_cannot_be_meant_is_refused(self, limits: dict[str, float]) -> None:
        with pytest.raises(InputError) as caught:
            Goal(**limits)
        assert caught.value.hint

    def test_a_metric_that_is_better_when_lower_drops_upwards(self) -> None:
        goal = Goal(max_degradation=0.5, float_metric=3.0, higher_is_better=False)
        assert goal.is_met(Judgement(sqnr_db=0.0, metric=3.4))
        assert not goal.is_met(Judgement(sqnr_db=99.0, metric=3.6))
        assert not goal.is_met(Judgement(sqnr_db=99.0, metric=None))


class TestTheCurve:
    def test_it_goes_from_all_quantized_to_all_float_and_marks_the_chosen(self, tmp_path: Path) -> None:
        found, _ = _mix(_chain(tmp_path, 6), [0.03, 0.02, 0.01, 0.005, 0.001, 0.001], Goal(min_sqnr_db=17.0))
        curve = found.curve
        assert curve[0].label == "all quantized"
        assert curve[-1].label == "all float"
        assert curve[-1].sqnr_db == math.inf
        assert curve[-1].size_bytes == 4000
        assert [point.is_chosen for point in curve].count(True) == 1
        latencies = [point.latency_ms for point in curve]
        assert latencies == sorted(latencies)
        assert curve[0].latency_ms == pytest.approx(3.0)
        assert curve[-1].latency_ms == pytest.approx(6.0)

    def test_the_neighbours_of_the_chosen_are_on_it(self, tmp_path: Path) -> None:
        found, _ = _mix(_chain(tmp_path, 6), [0.03, 0.02, 0.01, 0.005, 0.001, 0.001], Goal(min_sqnr_db=17.0))
        counts = [point.num_float_operators for point in found.curve]
        chosen = len(found.chosen.indices)
        assert {chosen - 1, chosen, chosen + 1} <= set(counts)

    def test_models_that_another_beats_are_left_out(self, tmp_path: Path) -> None:
        found, _ = _mix(_chain(tmp_path, 6), [0.03, 0.02, 0.01, 0.005, 0.001, 0.001], Goal(min_sqnr_db=17.0))
        figures = [(point.latency_ms, point.sqnr_db) for point in found.curve]
        assert not [a for a in figures for b in figures if b[0] <= a[0] and b[1] > a[1]]

    def test_its_latencies_are_estimated(self, tmp_path: Path) -> None:
        found, _ = _mix(_chain(tmp_path, 4), [0.05, 0.001, 0.001, 0.001], Goal(min_sqnr_db=20.0))
        assert {str(point.provenance) for point in found.curve} == {"estimated"}


class TestTheMixture:
    def test_what_only_moves_values_goes_with_its_reader(self, tmp_path: Path) -> None:
        subgraph = _padded(tmp_path)
        mixture = Mixture(subgraph, _prices([0.1, 1.0, 1.0], [0.1, 0.5, 0.5]), {0: 0.0, 1: 0.02, 2: 0.01})
        assert mixture.group((), 1) == {0, 1}
        assert mixture.group((), 2) == {2}
        assert mixture.only_feeds(0, {1})
        assert not mixture.only_feeds(0, {2})

    def test_what_only_moves_values_is_not_kept_for_its_own_sake(self, tmp_path: Path) -> None:
        subgraph = _padded(tmp_path)
        mixture = Mixture(subgraph, _prices([0.1, 1.0, 1.0], [0.1, 0.5, 0.5]), {0: 0.03, 1: 0.02, 2: 0.01})
        assert mixture.candidates == (1, 2)
        assert mixture.quantized == {0, 1, 2}
        assert mixture.noise((0, 1)) == pytest.approx(0.02)

    def test_an_input_that_only_float_operators_read_stays_real(self, tmp_path: Path) -> None:
        subgraph = _padded(tmp_path)
        mixture = Mixture(subgraph, _prices([0.1, 1.0, 1.0], [0.1, 0.5, 0.5]), {0: 0.0, 1: 0.02, 2: 0.01})
        assert mixture.names((0, 1)) == ("serving_default_x", "padded", "first")
        assert mixture.names((1,)) == ("first",)
        assert mixture.names(()) == ()

    def test_the_outputs_of_a_model_of_several_stay_real_together(self, tmp_path: Path) -> None:
        subgraph = read_model(models.write(tmp_path, models.two_outputs())).main
        mixture = Mixture(subgraph, _prices([1.0, 1.0], [0.5, 0.5]), {0: 0.1, 1: 0.1})
        assert mixture.names((1,)) == ("sum;product", "product")
        assert mixture.names((0, 1)) == ("serving_default_a;serving_default_b", "sum;product", "sum", "product")

    def test_a_boundary_costs_a_conversion_and_a_model_s_own_ends_do_not(self, tmp_path: Path) -> None:
        subgraph = _chain(tmp_path, 3)  # 16 values between operators
        mixture = Mixture(subgraph, _prices([1.0] * 3, [0.5] * 3, per_element=0.01), dict.fromkeys(range(3), 0.1))
        assert mixture.latency_ms(()) == pytest.approx(1.5)
        assert mixture.latency_ms((0,)) == pytest.approx(2.0 + 0.16)
        assert mixture.latency_ms((1,)) == pytest.approx(2.0 + 0.32)
        assert mixture.latency_ms((0, 1, 2)) == pytest.approx(3.0)
        assert mixture.price_ms(frozenset({1}), (0,)) == pytest.approx(0.5 - 0.16)

    def test_an_operator_that_is_faster_in_float_is_not_free(self, tmp_path: Path) -> None:
        mixture = Mixture(_chain(tmp_path, 2), _prices([1.0, 1.0], [3.0, 0.5]), {0: 0.1, 1: 0.1})
        assert mixture.price_ms(frozenset(), (0,)) == pytest.approx(0.1)
        assert mixture.latency_ms((0,)) == pytest.approx(1.5)


def test_prices_name_their_machine() -> None:
    prices = _prices([1.0, 2.0], [0.5, 1.0])
    assert "virtual bench (virtual://bench)" in prices.sentence


def _padded(tmp_path: Path) -> Subgraph:
    """Return PAD -> TANH -> TANH."""
    import numpy as np

    builder = models.ModelBuilder()
    x = builder.input("x", (1, 4))
    sizes = builder.constant("sizes", np.array([[0, 0], [1, 1]], np.int32))
    padded = builder.operator("PAD", [x, sizes], builder.tensor("padded", (1, 6)), options=schema().PadOptionsT())
    first = builder.operator("TANH", [padded], builder.tensor("first", (1, 6)))
    second = builder.operator("TANH", [first], builder.tensor("second", (1, 6)))
    return read_model(models.write(tmp_path, builder.build({"y": second}))).main
