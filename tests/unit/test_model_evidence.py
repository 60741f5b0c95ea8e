"""The figures by which two models are compared, and the floor."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from embedl_nb.errors import InputError
from embedl_nb.model.evidence import Floor, Parity, SampleSource, compare_outputs
from embedl_nb.model.likeness import cosine, sqnr_db, top1_agreement


def noisy(db: float, *, size: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """Return a reference and values with exactly this SQNR."""
    random = np.random.default_rng(0)
    r, noise = random.normal(size=(1, size)), random.normal(size=(1, size))
    return r, r + noise * np.linalg.norm(r) / np.linalg.norm(noise) * 10 ** (-db / 20)


def test_sqnr_is_the_ratio_of_the_sums_of_squares() -> None:
    assert sqnr_db([3.0, 4.0], [3.0, 4.5]) == pytest.approx(10 * math.log10(25 / 0.25))
    assert sqnr_db(*noisy(42.5)) == pytest.approx(42.5)


def test_sqnr_of_equal_empty_and_zero_arrays_is_defined() -> None:
    assert sqnr_db([], []) == math.inf
    assert sqnr_db([0.0], [0.0]) == math.inf
    assert sqnr_db([0.0], [1.0]) == -math.inf


def test_sqnr_neither_overflows_nor_vanishes() -> None:
    for scale in (1e-200, 1e200):
        assert sqnr_db(np.array([3.0, 4.0]) * scale, np.array([3.0, 4.5]) * scale) == pytest.approx(20.0)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e300])
def test_a_value_beyond_all_measure_is_as_far_as_can_be(value: float) -> None:
    assert sqnr_db([1e-300, 1.0e-300], [1e-300, value]) == -math.inf


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_value_that_is_not_finite_points_nowhere(value: float) -> None:
    assert cosine([1.0, 1.0], [1.0, value]) == 0.0


def test_cosine_tells_direction_and_not_length() -> None:
    assert cosine([1, 2], [10, 20]) == pytest.approx(1)
    assert cosine([1, 0], [-2, 0]) == -1
    assert cosine([1, 2], [0, 0]) == 0


def test_top1_agreement_is_a_share_of_rows() -> None:
    assert top1_agreement(np.eye(4), np.eye(4)[[0, 1, 2, 2]]) == 0.75


@pytest.mark.parametrize(("db", "passed"), [(60.1, True), (59.9, False)])
def test_float_outputs_match_from_60_db_on(db: float, passed: bool) -> None:
    r, v = noisy(db)
    parity = compare_outputs([{"y": r}], [{"y": v}])

    assert parity.passed is passed
    assert parity.outputs[0].sqnr_db == pytest.approx(db)


def test_a_small_largest_error_is_enough_where_most_values_are_small() -> None:
    r = np.full((1, 1000), 1e-3)
    r[0, 0] = 1.0
    parity = compare_outputs([{"y": r}], [{"y": r + 9e-5}])

    assert parity.outputs[0].sqnr_db < 60
    assert parity.passed
    assert not compare_outputs([{"y": r}], [{"y": r + 1.1e-4}]).passed


def test_one_bad_sample_is_not_hidden_by_many_good_ones() -> None:
    r, good = noisy(110)
    bad = noisy(40)[1]
    parity = compare_outputs([{"y": r}] * 200, [{"y": good}] * 199 + [{"y": bad}])

    assert parity.outputs[0].sqnr_db > 60
    assert not parity.passed


def test_integers_must_be_equal() -> None:
    assert compare_outputs([{"y": np.array([1000, 2])}], [{"y": np.array([1000, 2], np.int32)}]).passed
    assert not compare_outputs([{"y": np.array([10**9, 2])}], [{"y": np.array([10**9, 3])}]).passed
    assert not compare_outputs([{"y": np.array([True])}], [{"y": np.array([False])}]).passed


def test_nans_and_infinities_must_stand_in_the_same_places() -> None:
    r = np.array([[1.0, np.nan, np.inf, 4.0]])
    same = compare_outputs([{"y": r}], [{"y": r.copy()}])
    assert same.passed
    assert same.sentence == "equal to its source (exactly, 1 given sample)"

    for wrong in ([[1.0, 2.0, np.inf, 4.0]], [[1.0, np.nan, -np.inf, 4.0]], [[np.nan, np.nan, np.inf, 4.0]]):
        parity = compare_outputs([{"y": r}], [{"y": np.array(wrong)}])
        assert not parity.passed
        assert parity.outputs[0].note


def test_missing_additional_and_misshapen_outputs_do_not_match() -> None:
    y = np.ones((1, 4))
    notes = {
        match.name: match.note for match in compare_outputs([{"a": y, "b": y}], [{"b": y.reshape(4), "c": y}]).outputs
    }
    assert notes == {
        "a": "the model has no such output",
        "b": "shape (4,) instead of (1, 4)",
        "c": "the reference has no such output",
    }


def test_complex_outputs_are_compared_by_both_parts() -> None:
    r = np.array([1 + 1j, 2 - 1j])
    assert compare_outputs([{"y": r}], [{"y": r}]).passed
    assert not compare_outputs([{"y": r}], [{"y": r.conj()}]).passed


def test_agreement_is_given_for_class_scores_only() -> None:
    def agreement(y: np.ndarray) -> float | None:
        return compare_outputs([{"y": y}], [{"y": y}]).outputs[0].top1_agreement

    assert agreement(np.eye(3)) == 1
    assert agreement(np.ones((2, 3, 4))) is None
    assert agreement(np.ones((2, 1))) is None
    assert agreement(np.ones((2, 3), np.int64)) is None


def test_the_sentence_answers_in_one_line() -> None:
    r, v = noisy(113)
    parity = compare_outputs([{"y": r}] * 2, [{"y": v}] * 2, sample_source="given")
    assert parity.sentence == "equal to its source (SQNR 113 dB, 2 given samples)"

    r, v = noisy(20)
    parity = compare_outputs([{"y": r}], [{"y": v}], sample_source=SampleSource.SYNTHETIC, against="float LiteRT")
    assert parity.sentence.startswith("not equal to float LiteRT (y: SQNR 20.0 dB, largest error ")


def test_there_must_be_as_many_samples_on_both_sides() -> None:
    with pytest.raises(InputError, match="0 reference samples"):
        compare_outputs([], [])
    with pytest.raises(InputError, match="1 reference samples cannot be compared with 2"):
        compare_outputs([{}], [{}, {}])


def test_parity_survives_strict_json() -> None:
    y = np.ones((1, 4))
    parity = compare_outputs([{"a": y, "b": y}], [{"a": y}])
    text = json.dumps(parity.to_record(), allow_nan=False)
    assert Parity.from_record(json.loads(text)) == parity


def test_the_error_of_each_step_in_time_is_kept() -> None:
    reference = [{"y": [1.0, 4.0]}, {"y": [1.0, 2.0]}, {"y": [0.0, 1.0]}]
    outputs = [{"y": [1.0, 4.0]}, {"y": [1.0, 2.0002]}, {"y": [0.0, 1.0004]}]
    parity = compare_outputs(reference, outputs, is_sequence=True)
    assert parity.errors_over_time == pytest.approx((0.0, 5e-5, 1e-4))
    assert "3 given samples in time, largest error 0 at the first and 0.0001 at the last" in parity.sentence
    assert Parity.from_record(parity.to_record()) == parity


@pytest.mark.parametrize("value", [[float("nan")], [1.0, 2.0], None])
def test_a_step_that_cannot_be_compared_has_an_infinite_error(value: list[float] | None) -> None:
    outputs = [{"y": [1.0]}, {} if value is None else {"y": value}]
    parity = compare_outputs([{"y": [1.0]}, {"y": [1.0]}], outputs, is_sequence=True)
    assert parity.errors_over_time == (0.0, float("inf"))
    assert not parity.passed


def test_a_model_that_computes_in_integers_is_held_to_a_floor_of_its_own_and_that_is_said() -> None:
    r, near, far = np.array([127.0, 1.0]), np.array([125.5, 1.0]), np.array([120.0, 1.0])
    assert not compare_outputs([{"y": r}], [{"y": near}]).passed
    parity = compare_outputs([{"y": r}], [{"y": near}], floor=Floor.INTEGER)
    assert parity.passed
    assert "held to 30 dB as it computes in 8-bit integers" in parity.sentence
    assert not compare_outputs([{"y": r}], [{"y": far}], floor=Floor.INTEGER).passed
    assert Parity.from_record(parity.to_record()) == parity


def test_parity_shows_its_sentence_first_and_then_each_output() -> None:
    parity = compare_outputs([{"y": [1.0, 2.0], "n": [3]}], [{"y": [1.0, 2.5], "n": [3]}])
    lines = repr(parity).splitlines()
    assert lines[0].startswith("not equal to its source (y: SQNR 13.0 dB, largest error 0.5")
    assert [line.split()[:3] for line in lines[-2:]] == [["y", "no", "13.0"], ["n", "yes", "equal"]]


def test_parity_escapes_the_names_of_outputs() -> None:
    parity = compare_outputs([{"<b>y": [1.0]}], [{"<b>y": [1.0]}])
    assert "<b>y" not in parity._repr_html_()
    assert "&lt;b&gt;y" in parity._repr_html_()
