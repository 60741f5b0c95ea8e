"""Sensitivity without a runtime: what is remembered, what makes two questions one, and what the table says."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from embedl_nb.errors import EmbedlWarning, InputError, SchemaTooNewError
from embedl_nb.quantizer.mixing.noise import noise_power
from embedl_nb.quantizer.mixing.sensitivity import block_of
from embedl_nb.quantizer.mixing.sensitivity_cache import NoiseCache, question_key
from embedl_nb.quantizer.mixing.sensitivity_table import Grouping, Sensitivity, SensitivityRow


def _row(index: int, alone: float, left_out: float) -> SensitivityRow:
    return SensitivityRow(
        indices=(index,),
        name=f"t{index}",
        operator="CONV_2D",
        source=f"block.{index}",
        alone_noise=alone,
        left_out_noise=left_out,
    )


def _table(**changes: object) -> Sensitivity:
    rows = (_row(7, 0.04, 0.06), _row(2, 0.01, 0.09), _row(3, 0.0, 0.1))
    values = {
        "model_name": "net",
        "model_sha256": "0" * 64,
        "recipe": "static_wi8_ai8",
        "by": Grouping.OPERATOR,
        "rows": rows,
        "all_noise": 0.1,
        "num_candidates": 3,
        "num_samples": 16,
        "without_worst": ((1, 0.06), (2, 0.02), (3, 0.0)),
    }
    return Sensitivity(**(values | changes))


def _key(**changes: object) -> str:
    values = {
        "model_sha256": "a" * 64,
        "rules": [{"regex": ".*", "operation": "*"}],
        "ranges": {"x": (0.0, 1.0)},
        "samples": [{"x": np.zeros((1, 2), np.float32)}],
        "signature_key": None,
    }
    given = values | changes
    return question_key(
        given.pop("model_sha256"), given.pop("rules"), given.pop("ranges"), given.pop("samples"), **given
    )


class TestTheCache:
    def test_what_was_put_is_there_in_the_next_session(self, tmp_path: Path) -> None:
        NoiseCache("key", tmp_path).put(("alone", (3, 4)), 0.25)
        assert NoiseCache("key", tmp_path).get(("alone", (3, 4))) == 0.25

    def test_cases_and_questions_are_told_apart(self, tmp_path: Path) -> None:
        NoiseCache("key", tmp_path).put(("alone", (3,)), 0.25)
        assert NoiseCache("key", tmp_path).get(("left_out", (3,))) is None
        assert NoiseCache("other", tmp_path).get(("alone", (3,))) is None

    def test_a_figure_survives_to_the_last_digit_and_so_does_infinity(self, tmp_path: Path) -> None:
        cache = NoiseCache("key", tmp_path)
        cache.put(("all", ()), 0.1 + 0.2)
        cache.put(("alone", (1,)), math.inf)
        again = NoiseCache("key", tmp_path)
        assert again.get(("all", ())) == 0.1 + 0.2
        assert again.get(("alone", (1,))) == math.inf

    def test_a_last_line_that_was_cut_short_costs_only_itself(self, tmp_path: Path) -> None:
        cache = NoiseCache("key", tmp_path)
        for index in range(3):
            cache.put(("alone", (index,)), float(index))
        path = tmp_path / "key.jsonl"
        path.write_bytes(path.read_bytes()[:-9])
        again = NoiseCache("key", tmp_path)
        assert [again.get(("alone", (index,))) for index in range(3)] == [0.0, 1.0, None]
        again.put(("alone", (2,)), 2.0)
        assert [NoiseCache("key", tmp_path).get(("alone", (index,))) for index in range(3)] == [0.0, 1.0, 2.0]

    def test_a_folder_that_cannot_be_written_is_warned_of_once(self, tmp_path: Path) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("no folder")
        cache = NoiseCache("key", blocked / "below")
        with pytest.warns(EmbedlWarning, match="not kept"):
            cache.put(("all", ()), 0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            cache.put(("alone", (1,)), 0.5)
        assert cache.get(("all", ())) == 0.5


class TestTheQuestion:
    def test_the_same_question_has_the_same_key(self) -> None:
        assert _key() == _key()

    @pytest.mark.parametrize(
        "changes",
        [
            {"model_sha256": "b" * 64},
            {"rules": [{"regex": "a", "operation": "*"}]},
            {"ranges": {"x": (0.0, 2.0)}},
            {"ranges": {"y": (0.0, 1.0)}},
            {"samples": [{"x": np.ones((1, 2), np.float32)}]},
            {"samples": [{"x": np.zeros((1, 2), np.float32)}] * 2},
            {"samples": [{"x": np.zeros((2, 1), np.float32)}]},
            {"signature_key": "other"},
        ],
    )
    def test_every_part_changes_the_key(self, changes: dict[str, object]) -> None:
        assert _key(**changes) != _key()


class TestTheTable:
    def test_the_first_line_names_the_few_that_make_most_of_the_noise(self) -> None:
        first = repr(_table()).splitlines()[0]
        assert first == "net | 10.0 dB with all quantized | 2 of 3 operators make 80 % of the noise: block.7, block.2"

    def test_a_table_without_measured_groups_tells_of_the_worst_one(self) -> None:
        assert _table(without_worst=()).sentence == "1 of 3 operators makes 40 % of the noise: block.7"

    def test_a_worst_operator_that_costs_nothing_is_not_blamed(self) -> None:
        table = _table(rows=(_row(0, 0.01, 0.11),), without_worst=((1, 0.11),), num_candidates=1)
        assert table.sentence == "no few operators make the noise: without the worst 1 of 1 operators it is 9.6 dB"

    def test_what_was_not_measured_is_said(self) -> None:
        table = _table(num_candidates=9)
        assert not table.is_complete
        assert "6 of 9 not measured" in repr(table)
        assert "measured so far" in table.sentence
        assert "not measured" not in repr(_table())

    def test_nothing_measured_is_no_error(self) -> None:
        table = _table(rows=(), without_worst=(), num_candidates=9)
        assert "none of 9 operators measured" in repr(table)
        assert len(table.frame()) == 0

    def test_the_frame_is_ranked_and_carries_decibels(self) -> None:
        frame = _table().frame()
        assert list(frame["rank"]) == [1, 2, 3]
        assert list(frame["index"]) == [7, 2, 3]
        assert list(frame["alone_sqnr_db"].round(2)) == [13.98, 20.0, math.inf]
        assert list(frame["gain_db"].round(2)) == [2.22, 0.46, 0.0]
        assert list(frame["share"].round(2)) == [0.8, 0.2, 0.0]

    def test_it_survives_json(self) -> None:
        table = _table(rows=(_row(0, math.inf, 0.0),), all_noise=math.inf)
        assert Sensitivity.from_record(json.loads(json.dumps(table.to_record(), allow_nan=False))) == table

    def test_a_newer_record_and_a_strange_one_are_refused(self) -> None:
        with pytest.raises(SchemaTooNewError, match="schema version 99"):
            Sensitivity.from_record(_table().to_record() | {"schema_version": 99})
        with pytest.raises(InputError, match="no record of a sensitivity"):
            Sensitivity.from_record({"schema_version": 1, "rows": []})

    def test_it_shows_no_operator_name_as_html(self) -> None:
        row = SensitivityRow(
            indices=(0,), name="<b>", operator="<i>", source="<u>", alone_noise=0.1, left_out_noise=0.01
        )
        html = _table(rows=(row,), without_worst=())._repr_html_()
        assert "<u>" not in html
        assert "&lt;u&gt;" in html


class TestNoisePower:
    def test_several_outputs_count_the_same_whatever_their_scale(self) -> None:
        reference = [{"a": np.array([100.0]), "b": np.array([0.01])}]
        outputs = [{"a": np.array([110.0]), "b": np.array([0.01])}]
        assert noise_power(reference, outputs) == pytest.approx(0.005)

    def test_whole_numbers_are_left_out(self) -> None:
        reference = [{"a": np.array([1.0]), "top": np.array([3])}]
        assert noise_power(reference, [{"a": np.array([1.0]), "top": np.array([4])}]) == 0.0

    def test_a_model_of_whole_numbers_has_no_noise_to_measure(self) -> None:
        with pytest.raises(InputError, match="no output of real numbers"):
            noise_power([{"top": np.array([3])}], [{"top": np.array([3])}])

    def test_an_output_that_is_not_finite_is_endless_noise(self) -> None:
        assert noise_power([{"a": np.array([1.0])}], [{"a": np.array([np.nan])}]) == math.inf


def test_a_block_is_the_parent_module_unless_it_holds_others() -> None:
    sources = ["stem", "stem.pad", "blocks.0.conv", "blocks.0", "blocks.1.conv"]
    assert [block_of(source, sources) for source in sources] == ["stem", "stem", "blocks.0", "blocks.0", "blocks.1"]
