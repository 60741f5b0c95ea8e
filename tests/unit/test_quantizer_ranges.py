"""From what was seen of activations to ranges, and what the report says of the samples."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import CalibrationError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.quantizer.calibration import report_calibration
from embedl_nb.quantizer.ranges import Histograms, RangeStatistics, ranges_of
from embedl_nb.quantizer.recipe import RangeMethod
from embedl_nb.testing import models

GRAPH = read_model(models.chain(2))


def seen(minima: Any, maxima: Any, histograms: Histograms | None = None, num_irregular: Any = None) -> RangeStatistics:
    lows = np.array(minima, np.float32)
    return RangeStatistics(
        signature_key="s",
        names=tuple(f"t{index}" for index in range(lows.shape[1])),
        minima=lows,
        maxima=np.array(maxima, np.float32),
        num_irregular=np.zeros(lows.shape[1], int) if num_irregular is None else np.array(num_irregular),
        histograms=histograms,
    )


def counted(values: Any, *, exponent: int = -6) -> Histograms:
    """Count values in bins of 2 ** exponent."""
    bins = np.floor(np.ldexp(np.asarray(values, np.float64), -exponent)).astype(int)
    counts = np.bincount(bins - bins.min())
    return Histograms(exponents=np.array([exponent]), firsts=np.array([bins.min()]), counts=counts[None])


def test_the_moving_average_weighs_the_newest_sample_by_a_twentieth() -> None:
    ranges = ranges_of(seen([[0.0], [-1.0], [-1.0]], [[1.0], [2.0], [2.0]]))
    assert ranges == {"t0": pytest.approx((-0.05 * 0.95 - 0.05, 0.95 * 1.05 + 0.1), rel=1e-6)}


def test_min_max_takes_the_outermost_values() -> None:
    ranges = ranges_of(seen([[0.0, -3], [-1, -2]], [[1.0, 5], [2, 4]]), RangeMethod.MIN_MAX)
    assert ranges == {"t0": (-1.0, 2.0), "t1": (-3.0, 5.0)}


def test_a_percentile_leaves_one_far_value_of_many_out() -> None:
    values = np.append(np.linspace(-1, 1, 100_000), 50.0)
    one = seen([[-1.0]], [[50.0]], counted(values))
    (low, high) = ranges_of(one, RangeMethod.PERCENTILE)["t0"]
    assert (low, high) == pytest.approx((-1, 1), abs=0.05)


def test_a_percentile_never_widens_the_range() -> None:
    one = seen([[0.3]], [[0.31]], counted([0.3, 0.31]))
    assert ranges_of(one, RangeMethod.PERCENTILE)["t0"] == pytest.approx((0.3, 0.31), abs=1e-6)


def test_the_range_of_least_squared_error_of_gaussian_values_is_near_four_sigma() -> None:
    # For 256 levels the optimum of a normal distribution is at 3.9 to 4.0 sigma.
    values = np.random.default_rng(0).standard_normal(400_000)
    one = seen([[values.min()]], [[values.max()]], counted(values))
    (low, high) = ranges_of(one, RangeMethod.MSE)["t0"]
    assert high == pytest.approx(4.0, abs=0.3)
    assert low == pytest.approx(-4.0, abs=0.3)


def test_the_chosen_range_errs_less_than_min_max_and_percentile() -> None:
    random = np.random.default_rng(1)
    values = random.laplace(size=100_000)
    one = seen([[values.min()]], [[values.max()]], counted(values))

    def error(method: RangeMethod) -> float:
        low, high = ranges_of(one, method)["t0"]
        scale = (high - low) / 255
        return float(((np.clip(np.round((values - low) / scale), 0, 255) * scale + low - values) ** 2).mean())

    assert error(RangeMethod.MSE) < min(error(RangeMethod.MIN_MAX), error(RangeMethod.PERCENTILE))


def test_many_zeros_do_not_narrow_the_range() -> None:
    # What a ReLU6 lets through: zeros cost nothing, so the rest decides.
    values = np.append(np.zeros(100_000), np.random.default_rng(0).uniform(0, 6, 10_000))
    one = seen([[0.0]], [[6.0]], counted(values))
    assert ranges_of(one, RangeMethod.MSE)["t0"] == pytest.approx((0, 6), abs=0.35)


@pytest.mark.parametrize("method", [RangeMethod.PERCENTILE, RangeMethod.MSE])
def test_methods_that_count_values_say_so_where_nobody_counted(method: RangeMethod) -> None:
    with pytest.raises(CalibrationError, match="histogram"):
        ranges_of(seen([[0.0]], [[1.0]]), method)


def test_no_sample_is_an_error() -> None:
    with pytest.raises(CalibrationError, match="no sample"):
        ranges_of(seen(np.zeros((0, 1)), np.zeros((0, 1))))


def test_a_tensor_without_a_finite_number_is_named_with_its_sample() -> None:
    with pytest.raises(CalibrationError, match=r"'t1' .* sample 1"):
        ranges_of(seen([[0, 0], [0, np.nan]], [[1, 1], [1, np.nan]]))


def test_signatures_are_merged() -> None:
    first, second = seen([[0.0]], [[1.0]]), seen([[0.0, -2]], [[3.0, 2]])
    assert ranges_of([first, second]) == {"t0": (0.0, 3.0), "t1": (-2.0, 2.0)}


def test_the_report_names_the_samples_that_set_a_range() -> None:
    report = report_calibration(seen([[0, -5], [-1, 0]], [[1, 5], [2, 6]]), GRAPH)
    assert [(row.min_sample, row.max_sample) for row in report.tensors] == [(1, 1), (0, 1)]
    assert report.fewer_would_do is None
    assert report.sentence == "2 samples, ranges of 2 tensors"


def test_one_sample_far_beyond_all_others_is_an_outlier() -> None:
    random = np.random.default_rng(0)
    maxima = random.uniform(0.9, 1.0, (100, 2))
    maxima[17, 1] = 4.0
    report = report_calibration(seen(-maxima * 0.5, maxima), GRAPH)
    assert [row.is_outlier for row in report.tensors] == [False, True]
    assert "1 set by one far sample alone (sample 17 sets 1)" in report.sentence


def test_two_far_samples_are_no_outlier() -> None:
    maxima = np.full((50, 1), 1.0)
    maxima[[3, 40]] = 4.0
    assert not report_calibration(seen(-maxima, maxima), GRAPH).outliers


def test_samples_alike_say_that_fewer_would_have_done() -> None:
    random = np.random.default_rng(0)
    alike = random.uniform(0.99, 1.0, (40, 3))
    drifting = np.linspace(1, 5, 40)[:, None].repeat(3, axis=1)
    assert report_calibration(seen(-alike, alike), GRAPH).fewer_would_do is True
    assert report_calibration(seen(-drifting, drifting), GRAPH).fewer_would_do is False


def test_the_report_is_plain_json_and_says_what_was_irregular() -> None:
    random = np.random.default_rng(0)
    maxima = random.uniform(0.5, 1.0, (12, 2))
    report = report_calibration(seen(-maxima, maxima, num_irregular=[0, 3]), GRAPH, method=RangeMethod.MIN_MAX)
    record = json.loads(json.dumps(report.to_record()))
    assert record == report.to_record()
    assert [row["tensor"] for row in record["tensors"]] == ["t0", "t1"]
    assert "1 held NaN or infinity" in report.sentence
