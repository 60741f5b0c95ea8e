"""Fidelity: the figures, the floors and what to try, the record, and how a quantized model shows it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.fidelity import Fidelity, Floor, compare_fidelity
from embedl_nb.model.fidelity_rows import CalibrationSource, CurvePoint, Evaluation, LatencyCheck, LayerFidelity
from embedl_nb.model.likeness import psnr_db, topk_agreement
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_fidelity
from embedl_nb.units import Provenance


def scores(db: float, *, num_samples: int = 20, num_classes: int = 10) -> tuple[list[dict], list[dict]]:
    """Return class scores of a float model, and others with exactly this SQNR."""
    random = np.random.default_rng(0)
    r, noise = random.normal(size=(2, num_samples, 1, num_classes))
    v = r + noise * np.linalg.norm(r) / np.linalg.norm(noise) * 10 ** (-db / 20)
    return [{"y": sample} for sample in r], [{"y": sample} for sample in v]


def test_psnr_refers_to_the_largest_value() -> None:
    assert psnr_db([3.0, -4.0], [3.0, -4.5]) == pytest.approx(10 * math.log10(16 / 0.125))
    assert psnr_db([1.0], [1.0]) == psnr_db([], []) == math.inf
    assert psnr_db([0.0], [1.0]) == psnr_db([1.0], [math.nan]) == -math.inf


def test_topk_agreement_asks_for_the_winner_among_the_first_k() -> None:
    reference, value = np.eye(4)[[0, 1, 2, 3]], np.tile([4.0, 3.0, 2.0, 1.0], (4, 1))
    assert [topk_agreement(reference, value, k=k) for k in (1, 2, 3)] == [0.25, 0.5, 0.75]


def test_it_says_how_much_is_kept_and_on_which_samples() -> None:
    fidelity = compare_fidelity(*scores(21.3))

    assert fidelity.sqnr_db == pytest.approx(21.3)
    assert fidelity.sentence == "21.3 dB, 95 % of top-1 kept (20 held-out samples)"
    assert fidelity.num_samples == 20


def test_the_first_five_are_given_where_there_are_more_than_five_classes() -> None:
    (of_ten,) = compare_fidelity(*scores(0.0)).outputs
    (of_five,) = compare_fidelity(*scores(0.0, num_classes=5)).outputs

    assert of_ten.top1_agreement is not None
    assert of_ten.top5_agreement is not None
    assert of_ten.top1_agreement < of_ten.top5_agreement < 1
    assert of_five.top1_agreement is not None
    assert of_five.top5_agreement is None


def test_an_output_that_holds_no_class_scores_has_no_agreement() -> None:
    box = np.arange(12.0).reshape(1, 3, 4)
    fidelity = compare_fidelity([{"box": box}], [{"box": box + 0.1}])

    assert fidelity.top1_agreement is None
    assert fidelity.sentence.endswith(" dB (1 held-out sample)")


def test_the_worst_output_speaks_for_all() -> None:
    r, v = scores(15.0)
    fidelity = compare_fidelity(
        [sample | {"same": sample["y"]} for sample in r],
        [sample | {"same": r[i]["y"]} for i, sample in enumerate(v)],
    )

    assert fidelity.sqnr_db == pytest.approx(15.0)
    assert [output.sqnr_db for output in fidelity.outputs] == [pytest.approx(15.0), math.inf]


def test_an_output_that_cannot_be_compared_says_why() -> None:
    fidelity = compare_fidelity([{"y": np.ones((1, 4))}], [{"y": np.ones((1, 3))}])

    assert fidelity.outputs[0].note == "shape (1, 3) instead of (1, 4)"
    assert fidelity.floors == (Floor.SQNR, Floor.FEW_SAMPLES)
    assert "shape (1, 3)" in repr(fidelity)


@pytest.mark.parametrize(("num_samples", "is_few"), [(9, True), (10, False)])
def test_a_handful_of_samples_shows_little(num_samples: int, is_few: bool) -> None:
    rows = [{"y": np.ones((1, 4))}] * num_samples
    fidelity = compare_fidelity(rows, rows)
    assert (Floor.FEW_SAMPLES in fidelity.floors) is is_few
    assert any("shows little" in sentence for sentence in fidelity.warnings) is is_few


def test_samples_of_other_lengths_are_compared() -> None:
    r = [{"y": np.ones((1, size))} for size in (3, 5)]
    assert compare_fidelity(r, r).sqnr_db == math.inf


def test_nothing_to_judge_on_is_refused() -> None:
    with pytest.raises(InputError, match="no sample"):
        compare_fidelity([], [])


def test_a_good_model_has_no_warning() -> None:
    fidelity = dataclasses.replace(
        compare_fidelity(*scores(40.0)), latency=LatencyCheck(float_p50_ms=10.0, quantized_p50_ms=5.0)
    )
    assert fidelity.floors == fidelity.warnings == ()


@pytest.mark.parametrize(
    ("changes", "floor", "words"),
    [
        (
            {"latency": LatencyCheck(float_p50_ms=10.9, quantized_p50_ms=23.0)},
            Floor.LATENCY,
            "23 ms instead of 10.9 ms",
        ),
        ({"data": "random", "num_calibration_samples": 8}, Floor.RANDOM_DATA, "calibrated with random data"),
        ({"data": "random"}, Floor.RANDOM_DATA, "judged on random data"),
        ({"is_held_out": False}, Floor.NOT_HELD_OUT, "the same samples that calibrated it"),
    ],
)
def test_each_missed_floor_names_its_figure_and_a_command(changes: dict, floor: Floor, words: str) -> None:
    fidelity = dataclasses.replace(compare_fidelity(*scores(40.0)), **changes)

    assert fidelity.floors == (floor,)
    (warning,) = fidelity.warnings
    assert words in warning
    assert "enb.quantize(" in warning


def test_what_to_try_depends_on_what_was_tried() -> None:
    fidelity = compare_fidelity(*scores(15.0, num_samples=100))
    assert fidelity.floors == (Floor.SQNR, Floor.TOP1)
    assert "Output y keeps 15.0 dB, below 20 dB" in fidelity.warnings[0]

    def advice(**changes: object) -> str:
        return dataclasses.replace(fidelity, **changes).warnings[1].partition("Try ")[2]

    assert 'recipe="auto"' in advice(recipe={"name": "static_wi8_ai8"})
    assert "min_sqnr_db=20" in advice(recipe={"name": "auto"})
    point = CurvePoint(label="all int8", num_float_operators=0, sqnr_db=15.0, latency_ms=5.0, size_bytes=1)
    assert "higher bound" in advice(recipe={"name": "auto"}, curve=(point,))


def test_all_integers_are_not_advised_where_they_were_tried() -> None:
    slow = LatencyCheck(float_p50_ms=5.0, quantized_p50_ms=10.0)
    fidelity = dataclasses.replace(compare_fidelity(*scores(40.0)), latency=slow)

    def advice(name: str) -> str:
        return dataclasses.replace(fidelity, recipe={"name": name}).warnings[0].partition("Try ")[2]

    assert advice("dynamic_wi8_afp32").startswith('enb.quantize(model, data, recipe="static_wi8_ai8")')
    assert advice("static_wi8_ai8").startswith("enb.benchmark(model)")


def test_exactly_the_floor_is_enough_and_a_figure_that_is_no_number_is_not() -> None:
    fidelity = compare_fidelity(*scores(40.0))

    def with_output(**changes: float) -> Fidelity:
        return dataclasses.replace(fidelity, outputs=(dataclasses.replace(fidelity.outputs[0], **changes),))

    assert with_output(sqnr_db=20.0, top1_agreement=0.9).floors == ()
    assert with_output(sqnr_db=19.99, top1_agreement=0.899).floors == (Floor.SQNR, Floor.TOP1)
    assert with_output(sqnr_db=math.nan).floors == (Floor.SQNR,)


def test_what_was_left_in_float_is_counted_by_type() -> None:
    fidelity = dataclasses.replace(
        compare_fidelity(*scores(40.0)), num_operators=62, float_operators={"SOFTMAX": 1, "CONV_2D": 4}
    )
    assert fidelity.num_float_operators == 5
    assert "5 of 62 operators: 4 CONV_2D, 1 SOFTMAX" in repr(fidelity)
    assert "none of 62 operators" in repr(dataclasses.replace(fidelity, float_operators={}))


def test_the_layers_that_make_most_noise_come_first() -> None:
    table = repr(fake_fidelity(30)).partition("Layers that add most noise")[2].partition("\n\n")[0]
    made = [float(line.split()[-2]) for line in table.splitlines()[2:-1]]

    assert made == sorted(made)
    assert len(made) == 10


def test_layers_are_a_frame() -> None:
    frame = fake_fidelity(30).frame()

    assert frame.shape[0] == 30
    assert frame.columns.tolist()[:6] == ["index", "name", "operator", "source", "precision", "sqnr_db"]
    assert fake_fidelity(0).frame().columns.tolist() == frame.columns.tolist()


def test_it_round_trips_through_json() -> None:
    exact = LayerFidelity(
        index=0,
        name="a",
        operator="ADD",
        source="",
        precision="a8",
        sqnr_db=-math.inf,
        made_here_db=math.inf,
        inherited_db=30.0,
        made_here_share=0.0,
    )
    for value in (compare_fidelity(*scores(40.0)), dataclasses.replace(fake_fidelity(4), layers=(exact,))):
        text = json.dumps(value.to_record(), allow_nan=False)
        assert Fidelity.from_record(json.loads(text)) == value


def test_a_record_of_a_newer_version_and_no_record_are_told_apart() -> None:
    with pytest.raises(SchemaTooNewError):
        Fidelity.from_record(fake_fidelity(2).to_record() | {"schema_version": 99})
    with pytest.raises(InputError, match="no record of a fidelity"):
        Fidelity.from_record({"schema_version": 1})


def test_the_latency_says_which_way_it_goes() -> None:
    faster = LatencyCheck(float_p50_ms=10.0, quantized_p50_ms=5.0)
    slower = LatencyCheck(float_p50_ms=10.0, quantized_p50_ms=25.0, address="adb://x", provenance=Provenance.ESTIMATED)
    assert faster.sentence == "p50 5 ms, float 10 ms: 2 times as fast on this machine (measured)"
    assert slower.sentence == "p50 25 ms, float 10 ms: 2.5 times as slow on adb://x (estimated)"


@pytest.mark.parametrize(("quantized_p50_ms", "is_slower"), [(9.6, False), (10.4, False), (10.6, True)])
def test_a_difference_that_medians_have_anyway_is_none(quantized_p50_ms: float, is_slower: bool) -> None:
    check = LatencyCheck(float_p50_ms=10.0, quantized_p50_ms=quantized_p50_ms)
    assert check.is_slower is is_slower
    assert ("about as fast" in check.sentence) is not is_slower


def test_a_drop_is_positive_where_it_got_worse() -> None:
    accuracy = Evaluation(metric="accuracy", float_score=0.97, quantized_score=0.95)
    error = Evaluation(metric="error", float_score=1.0, quantized_score=1.5, higher_is_better=False)

    assert accuracy.drop == pytest.approx(0.02)
    assert error.drop == 0.5
    assert "no interval: return one score a sample" in accuracy.sentence
    known = dataclasses.replace(accuracy, drop_ci95=(0.01, 0.03), num_samples=360)
    assert known.sentence.endswith("drop 0.02 (95 % interval 0.01 to 0.03, 360 samples)")


@pytest.fixture
def model(tmp_path: Path) -> LiteRTModel:
    return LiteRTModel.open(models.write(tmp_path, models.quantized_fully_connected(), name="small"))


def test_a_quantized_model_shows_its_fidelity_in_its_first_line(model: LiteRTModel) -> None:
    fidelity = dataclasses.replace(compare_fidelity(*scores(15.0)), num_calibration_samples=10)
    shown = repr(dataclasses.replace(model, fidelity=fidelity))

    assert shown.splitlines()[0].endswith(f" | {fidelity.sentence}")
    assert "Output y keeps 15.0 dB, below 20 dB" in shown
    assert "Still unknown: how fast it runs" in shown


def test_a_model_that_never_saw_real_data_says_so_in_its_first_line(model: LiteRTModel) -> None:
    judged = compare_fidelity(*scores(40.0))
    fidelity = dataclasses.replace(judged, num_calibration_samples=10, data=CalibrationSource.RANDOM)
    first = repr(dataclasses.replace(model, fidelity=fidelity)).splitlines()[0]

    assert first.endswith("(20 random samples) | calibrated with random data")


def test_a_model_with_a_measured_latency_does_not_call_it_unknown(model: LiteRTModel) -> None:
    fidelity = dataclasses.replace(
        compare_fidelity(*scores(40.0)), latency=LatencyCheck(float_p50_ms=10.0, quantized_p50_ms=5.0)
    )
    shown = repr(dataclasses.replace(model, fidelity=fidelity))

    assert "2 times as fast on this machine" in shown
    assert "how fast it runs" not in shown


def test_a_model_keeps_its_fidelity_in_its_record_and_older_records_have_none(model: LiteRTModel) -> None:
    quantized = dataclasses.replace(model, fidelity=fake_fidelity(3))
    record = json.loads(json.dumps(quantized.to_record(), allow_nan=False))

    assert LiteRTModel.from_record(record) == quantized
    del record["fidelity"]
    assert LiteRTModel.from_record(record).fidelity is None
