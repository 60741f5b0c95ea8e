"""Percentiles, the interval, trends and modes, on samples whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from embedl_nb.measure.statistics import (
    bootstrap_ci95_ms,
    find_drift,
    find_two_modes,
    join_summaries,
    summarize,
)
from embedl_nb.runtime.raw_run import TimesSummary

Shape = tuple[int, int]


def test_the_figures_are_those_of_all_samples_together() -> None:
    latency = summarize([[1.0, 2.0, 3.0], [4.0, 5.0]])
    assert (latency.p50_ms, latency.mean_ms, latency.n, latency.num_processes) == (3.0, 3.0, 5, 2)
    assert latency.std_ms == pytest.approx(np.std([1, 2, 3, 4, 5], ddof=1))
    assert latency.p90_ms == pytest.approx(4.6)
    assert latency.samples_ms == ((1.0, 2.0, 3.0), (4.0, 5.0))


def test_one_sample_is_summarized_without_a_spread() -> None:
    latency = summarize([[7.0]])
    assert (latency.p50_ms, latency.std_ms, latency.ci95_ms) == (7.0, 0.0, (7.0, 7.0))


def test_processes_that_only_summarize_give_an_exact_mean_and_no_percentile_that_nobody_measured() -> None:
    rng = np.random.default_rng(5)
    processes = [rng.normal(center, 0.3, n) for center, n in ((10.0, 200), (10.4, 100), (10.1, 50))]
    summaries = [
        TimesSummary(
            n=len(each),
            min_ms=float(each.min()),
            max_ms=float(each.max()),
            mean_ms=float(each.mean()),
            std_ms=float(each.std()),
            p50_ms=float(np.median(each)),
            p95_ms=float(np.percentile(each, 95)),
        )
        for each in processes
    ]
    latency, whole = join_summaries(summaries), summarize(processes)
    assert latency.mean_ms == pytest.approx(whole.mean_ms)
    assert latency.std_ms == pytest.approx(whole.std_ms)
    assert (latency.n, latency.num_processes, latency.samples_ms) == (350, 3, ())
    assert (latency.p90_ms, latency.p99_ms) == (None, None)
    medians = sorted(each.p50_ms for each in summaries)
    assert latency.p50_ms == medians[1]
    assert medians[0] <= latency.ci95_ms[0] <= latency.p50_ms <= latency.ci95_ms[1] <= medians[2]


def test_the_interval_is_the_same_for_the_same_seed_and_holds_the_median() -> None:
    samples = np.random.default_rng(3).normal(10, 0.5, (3, 80))
    low, high = bootstrap_ci95_ms(samples, seed=1)
    assert (low, high) == bootstrap_ci95_ms(samples, seed=1)
    assert low <= np.median(samples) <= high
    assert (low, high) != bootstrap_ci95_ms(samples, seed=2)


def test_processes_that_differ_widen_the_interval_far_more_than_iterations_do() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (5, 100))
    low, high = bootstrap_ci95_ms(10 + noise)
    low_apart, high_apart = bootstrap_ci95_ms(10 + noise + np.array([[-0.5], [-0.2], [0.0], [0.2], [0.5]]))
    assert high_apart - low_apart > 5 * (high - low)


def test_processes_far_apart_leave_the_whole_range_open() -> None:
    assert bootstrap_ci95_ms([[1.0] * 20, [10.0] * 20]) == (1.0, 10.0)


def test_processes_of_different_length_are_taken_as_they_are() -> None:
    low, high = bootstrap_ci95_ms([[10.0] * 5, [10.0] * 300, [10.0] * 17])
    assert (low, high) == (10.0, 10.0)


@pytest.mark.parametrize("num_processes", [3, 5])
@pytest.mark.parametrize("spread", [0.01, 0.03])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(num_processes: int, spread: float) -> None:
    # 200 experiments: a true rate of 95 % gives 0.90 or more in all but one of a thousand tries.
    rng = np.random.default_rng(11)
    held = 0
    for seed in range(200):
        process = rng.normal(0, spread, (num_processes, 1))
        low, high = bootstrap_ci95_ms(10 * (1 + process + rng.normal(0, 0.02, (num_processes, 60))), seed=seed)
        held += low <= 10 <= high
    assert held / 200 >= 0.89


STATIONARY: dict[str, Callable[[np.random.Generator, Shape], np.ndarray]] = {
    "normal": lambda rng, shape: 10 * (1 + rng.normal(0, 0.03, shape)),
    "wide normal": lambda rng, shape: 10 * (1 + rng.normal(0, 0.1, shape)),
    "skewed": lambda rng, shape: 10 + rng.exponential(1.0, shape),
    "lognormal": lambda rng, shape: 10 * np.exp(rng.normal(0, 0.15, shape)),
    "flat": lambda rng, shape: rng.uniform(9, 11, shape),
    "rare spikes": lambda rng, shape: 10 * (1 + rng.normal(0, 0.02, shape)) + 20 * (rng.random(shape) < 0.03),
    "processes differ a little": lambda rng, shape: (
        10 * (1 + rng.normal(0, 0.01, (shape[0], 1)) + rng.normal(0, 0.03, shape))
    ),
}


@pytest.mark.parametrize("kind", STATIONARY)
@pytest.mark.parametrize("iterations", [40, 200])
def test_steady_samples_are_rarely_doubted(kind: str, iterations: int) -> None:
    rng = np.random.default_rng(5)
    samples = [STATIONARY[kind](rng, (3, iterations)) for _ in range(150)]
    assert sum(find_drift(sample) is not None for sample in samples) <= 5
    assert sum(find_two_modes(sample) is not None for sample in samples) <= 3


def test_a_trend_of_all_processes_is_found_with_its_size() -> None:
    rng = np.random.default_rng(0)
    drift = find_drift(10 * (1 + np.linspace(0, 0.1, 200) + rng.normal(0, 0.02, (3, 200))))
    assert drift is not None
    assert drift.process is None
    assert drift.change == pytest.approx(0.09, abs=0.02)
    assert drift.start_ms < drift.end_ms


def test_a_trend_of_one_process_is_found_and_the_process_named() -> None:
    rng = np.random.default_rng(0)
    trend = np.linspace(0, 0.2, 200) * np.array([[0.0], [1.0], [0.0]])
    drift = find_drift(10 * (1 + trend + rng.normal(0, 0.05, (3, 200))))
    assert drift is not None
    assert drift.process in (1, None)


def test_getting_faster_is_a_trend_too() -> None:
    rng = np.random.default_rng(0)
    drift = find_drift(10 * (1 - np.linspace(0, 0.1, 200) + rng.normal(0, 0.01, (1, 200))))
    assert drift is not None
    assert drift.change < -0.05


def test_too_few_samples_are_not_judged() -> None:
    assert find_drift([[1.0, 2.0, 3.0]]) is None
    assert find_two_modes([[1.0, 2.0] * 5]) is None


@pytest.mark.parametrize("where", ["within each process", "between processes"])
def test_two_speeds_are_found_with_their_shares(where: str) -> None:
    rng = np.random.default_rng(0)
    slow = (
        rng.random((3, 100)) < 0.3 if where == "within each process" else np.array([[0], [0], [1]]) * np.ones((3, 100))
    )
    modes = find_two_modes(10 * (1 + 0.3 * slow + rng.normal(0, 0.02, (3, 100))))
    assert modes is not None
    assert modes.fast_ms == pytest.approx(10, rel=0.02)
    assert modes.slow_ms == pytest.approx(13, rel=0.02)
    assert modes.slow_share == pytest.approx(0.3, abs=0.07)


def test_a_few_outliers_do_not_hide_two_speeds() -> None:
    rng = np.random.default_rng(0)
    samples = 10 * (1 + 0.2 * (rng.random((3, 200)) < 0.4) + rng.normal(0, 0.01, (3, 200)))
    samples[:, ::60] = 500.0
    assert find_two_modes(samples) is not None


def test_equal_samples_have_neither_trend_nor_modes() -> None:
    assert find_drift([[5.0] * 100] * 3) is None
    assert find_two_modes([[5.0] * 100] * 3) is None


def test_the_interval_does_not_leave_the_samples() -> None:
    samples = [[10.0, 10.1, 10.2] * 20, [11.0, 11.1] * 30, [40.0, 41.0] * 30]
    low, high = bootstrap_ci95_ms(samples)
    assert low >= 10.0
    assert high <= 41.0
