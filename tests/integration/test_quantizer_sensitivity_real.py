"""Sensitivity, prices and mixed precision on a tiny network in the real runtime."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.likeness import decibels
from embedl_nb.model.schema import schema
from embedl_nb.quantizer.engine import Engine
from embedl_nb.quantizer.mixing.mix import mix
from embedl_nb.quantizer.mixing.mixed import Goal, Judgement
from embedl_nb.quantizer.mixing.mixture import Mixture
from embedl_nb.quantizer.mixing.noise import noise_power
from embedl_nb.quantizer.mixing.prices import price_operators
from embedl_nb.quantizer.mixing.sensitivity import measure_sensitivity
from embedl_nb.quantizer.mixing.sensitivity_table import Sensitivity
from embedl_nb.quantizer.ranges import Ranges, ranges_of
from embedl_nb.quantizer.recipe import RangeMethod, Recipe
from embedl_nb.quantizer.recipes import resolve_recipe
from embedl_nb.testing import models

pytestmark = pytest.mark.litert

_WIDTH, _WORST = 16, 0
_RECIPE = replace(resolve_recipe("int8"), ranges=RangeMethod.MIN_MAX)


class CountingEngine:
    """Passes every call on, notes the rules of each model it makes, and may be interrupted at one of them."""

    def __init__(self, engine: Engine, *, interrupt_at: int | None = None) -> None:
        self._engine = engine
        self._interrupt_at = interrupt_at
        self.num_made = 0

    def choices(self, *args: Any, **kwargs: Any) -> Any:
        return self._engine.choices(*args, **kwargs)

    def apply(
        self, path: Path, rules: Sequence[Mapping[str, Any]], ranges: Ranges, output: Path, **options: Any
    ) -> None:
        if self.num_made == self._interrupt_at:
            raise KeyboardInterrupt
        self.num_made += 1
        self._engine.apply(path, rules, ranges, output, **options)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> LiteRTModel:
    """Return four dense operators in two blocks; weights of the first are so large that int8 drowns the others."""
    builder, random = models.ModelBuilder(), np.random.default_rng(0)
    value = builder.input("x", (1, _WIDTH))
    for index in range(4):
        name = f"blocks.{index // 2}.dense{index}|Linear;"
        weights = random.normal(size=(_WIDTH, _WIDTH)).astype(np.float32) / 4
        if index == _WORST:
            weights[:, 0] = 40.0
        constant = builder.constant(f"{name}w", weights)
        output = builder.tensor(name, (1, _WIDTH))
        options = schema().FullyConnectedOptionsT()
        value = builder.operator("FULLY_CONNECTED", [value, constant, -1], output, options=options)
    path = models.write(tmp_path_factory.mktemp("net"), builder.build({"y": value}), name="net")
    return LiteRTModel.open(path)


@pytest.fixture(scope="module")
def samples() -> list[dict[str, np.ndarray[Any, Any]]]:
    values = np.random.default_rng(1).normal(size=(12, 1, _WIDTH)).astype(np.float32)
    values[:, :, 0] *= 0.01
    return [{"x": value} for value in values]


@pytest.fixture(scope="module")
def ranges(engine: Engine, net: LiteRTModel, samples: list[Any]) -> Ranges:
    return ranges_of([engine.observe(net.path, samples, signature_key=None)], _RECIPE.ranges)


@pytest.fixture(scope="module")
def table(
    engine: Engine, net: LiteRTModel, ranges: Ranges, samples: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> Sensitivity:
    folder = tmp_path_factory.mktemp("cache")
    return measure_sensitivity(net, ranges, _RECIPE, samples, engine=engine, cache_folder=folder)


class TestSensitivity:
    def test_every_operator_is_measured_alone_and_left_out(self, table: Sensitivity) -> None:
        assert sorted(row.indices for row in table.rows) == [(0,), (1,), (2,), (3,)]
        assert table.is_complete
        assert all(row.alone_noise > 0 for row in table.rows)
        assert table.num_samples == 12

    def test_the_operator_with_the_spoilt_weights_is_the_worst(self, table: Sensitivity) -> None:
        assert table.rows[0].indices == (_WORST,)
        assert table.rows[0].source == "blocks.0.dense0"
        assert table.gain_db(table.rows[0]) > 3

    def test_the_figures_are_those_of_real_models(
        self, table: Sensitivity, engine: Engine, net: LiteRTModel, ranges: Ranges, samples: list[Any], tmp_path: Path
    ) -> None:
        names = ["serving_default_x", table.rows[0].name]  # the operator takes the real input
        engine.apply(net.path, _RECIPE.with_float(names).full_rules, ranges, tmp_path / "left_out.tflite")
        left_out = LiteRTModel.open(tmp_path / "left_out.tflite")
        noise = noise_power([net(**sample) for sample in samples], [left_out(**sample) for sample in samples])
        assert noise == pytest.approx(table.rows[0].left_out_noise, rel=1e-6)

    def test_an_interrupted_call_goes_on_where_it_stopped_and_gives_the_same_table(
        self,
        table: Sensitivity,
        engine: Engine,
        net: LiteRTModel,
        ranges: Ranges,
        samples: list[Any],
        tmp_path: Path,
    ) -> None:
        stopped: Any = CountingEngine(engine, interrupt_at=4)
        with pytest.raises(KeyboardInterrupt):
            measure_sensitivity(net, ranges, _RECIPE, samples, engine=stopped, cache_folder=tmp_path)
        (file,) = tmp_path.iterdir()
        known = len(file.read_text().splitlines())
        assert known == 4
        counting: Any = CountingEngine(engine)
        again = measure_sensitivity(net, ranges, _RECIPE, samples, engine=counting, cache_folder=tmp_path)
        assert again == table
        assert counting.num_made == len(file.read_text().splitlines()) - known

    def test_what_is_known_is_not_measured_again(
        self, engine: Engine, net: LiteRTModel, ranges: Ranges, samples: list[Any], tmp_path: Path
    ) -> None:
        first = measure_sensitivity(net, ranges, _RECIPE, samples, engine=engine, cache_folder=tmp_path)
        counting: Any = CountingEngine(engine)
        assert measure_sensitivity(net, ranges, _RECIPE, samples, engine=counting, cache_folder=tmp_path) == first
        assert counting.num_made == 0

    def test_a_time_limit_gives_part_of_the_table_and_the_next_call_the_rest(
        self,
        table: Sensitivity,
        engine: Engine,
        net: LiteRTModel,
        ranges: Ranges,
        samples: list[Any],
        tmp_path: Path,
    ) -> None:
        part = measure_sensitivity(
            net, ranges, _RECIPE, samples, engine=engine, cache_folder=tmp_path, time_limit_s=0.0
        )
        assert not part.is_complete
        assert part.num_candidates == 4
        again = measure_sensitivity(net, ranges, _RECIPE, samples, engine=engine, cache_folder=tmp_path)
        assert again == table

    def test_blocks_of_the_source_are_measured_together(
        self, engine: Engine, net: LiteRTModel, ranges: Ranges, samples: list[Any], tmp_path: Path
    ) -> None:
        events: list[progress.Event] = []
        with progress.listening(events.append):
            blocks = measure_sensitivity(
                net, ranges, _RECIPE, samples, engine=engine, by="source", cache_folder=tmp_path
            )
        assert [(row.name, row.indices) for row in blocks.rows] == [("blocks.0", (0, 1)), ("blocks.1", (2, 3))]
        assert "of 2 blocks" in blocks.sentence
        assert "left out: 2 operators blocks.1" in [event.message for event in events if event.stage == "sensitivity"]

    def test_without_samples_or_quantized_operators_it_is_refused(
        self, engine: Engine, net: LiteRTModel, ranges: Ranges, samples: list[Any]
    ) -> None:
        with pytest.raises(InputError, match="no held-out sample"):
            measure_sensitivity(net, ranges, _RECIPE, [], engine=engine)
        kept = _RECIPE.with_float([f"blocks.{index // 2}.dense{index}|Linear;" for index in range(4)])
        with pytest.raises(InputError, match="quantizes nothing"):
            measure_sensitivity(net, ranges, kept, samples, engine=engine)


def test_mixing_keeps_the_spoilt_operator_in_float(
    table: Sensitivity, engine: Engine, net: LiteRTModel, ranges: Ranges, samples: list[Any], tmp_path: Path
) -> None:
    def build(recipe: Recipe, name: str) -> LiteRTModel:
        engine.apply(net.path, recipe.full_rules, ranges, tmp_path / f"{name}.tflite")
        return LiteRTModel.open(tmp_path / f"{name}.tflite")

    probe = build(_RECIPE.with_float([row.name for row in table.rows[::2]]), "probe")
    prices = price_operators(net, build(_RECIPE, "quantized"), probe)
    assert [row.index for row in prices.rows] == [0, 1, 2, 3]
    assert all(row.operator == "FULLY_CONNECTED" for row in prices.rows)
    assert "prices of this machine, not of a phone" in prices.sentence

    reference = [net(**sample) for sample in samples]

    def judge(model: LiteRTModel) -> Judgement:
        return Judgement(sqnr_db=decibels(noise_power(reference, [model(**sample) for sample in samples])))

    mixture = Mixture(net.graph.main, prices, {row.indices[0]: row.alone_noise for row in table.rows})
    goal = Goal(min_sqnr_db=table.all_sqnr_db + 3)
    found = mix(
        mixture,
        goal,
        build=lambda kept: build(_RECIPE.with_float(kept), f"mix{len(kept)}_{hash(kept)}"),
        judge=judge,
        float_model=net,
    )
    assert found.is_met
    assert _WORST in found.chosen.indices
    assert len(found.chosen.indices) < 4
    assert found.chosen.judgement.sqnr_db >= goal.min_sqnr_db
