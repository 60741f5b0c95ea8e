"""The verdict on two latencies: what the interval is, when it says different, none, or cannot tell, and what would."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from embedl_nb import pipeline
from embedl_nb.analysis.noise import MARGIN, Verdict, judge
from embedl_nb.analysis.student import t_quantile
from embedl_nb.commands.comparing import compare as command
from embedl_nb.measure.benchmark import Latency
from embedl_nb.measure.statistics import join_summaries, summarize
from embedl_nb.runtime.raw_run import TimesSummary


def latency(medians_ms: Sequence[float], *, iterations: int = 201, noise: float = 0.001, seed: int = 0) -> Latency:
    """Return processes with these medians, each with a little noise of its own."""
    rng = np.random.default_rng(seed)
    around = [np.sort(rng.normal(1, noise, iterations)) for _ in medians_ms]
    samples = [m * process / np.median(process) for m, process in zip(medians_ms, around, strict=True)]
    return summarize([list(process) for process in samples])


def summaries(medians_ms: Sequence[float]) -> Latency:
    """Return what a tool keeps of such processes."""
    return join_summaries(
        [
            TimesSummary(n=50, min_ms=m, max_ms=m * 1.1, mean_ms=m * 1.01, std_ms=m * 0.01, p50_ms=m, p95_ms=m * 1.05)
            for m in medians_ms
        ]
    )


def test_a_latency_of_half_is_twice_as_fast() -> None:
    verdict = judge(latency([10.0, 10.1, 9.9]), latency([5.0, 5.05, 4.95]))
    assert verdict.is_different is True
    assert verdict.ratio == pytest.approx(2.0, rel=0.01)
    assert verdict.ci95 is not None
    assert 1.8 < verdict.ci95[0] < 2.0 < verdict.ci95[1] < 2.2
    assert "measured apart" in verdict.method


def test_the_ratio_of_the_other_order_is_its_inverse() -> None:
    a, b = latency([10.0, 10.3, 9.9]), latency([7.0, 7.1, 6.9])
    one, other = judge(a, b), judge(b, a)
    assert one.ratio is not None
    assert other.ratio == pytest.approx(1 / one.ratio)
    assert one.ci95 is not None
    assert other.ci95 == pytest.approx((1 / one.ci95[1], 1 / one.ci95[0]))


def test_drift_cancels_between_processes_that_took_turns_and_hides_the_difference_of_others() -> None:
    drift = np.linspace(1, 1.5, 8)
    first, second = latency(10 * drift), latency(9.5 * drift)
    assert judge(first, second, are_interleaved=True).is_different is True
    assert judge(first, second).is_different is None


def test_processes_that_took_turns_can_show_that_there_is_no_difference() -> None:
    first, second = latency([10, 10.02, 9.98, 10.01, 9.99, 10]), latency([10.01, 10, 9.99, 10.02, 9.98, 10])
    verdict = judge(first, second, are_interleaved=True)
    assert verdict.is_different is False
    assert verdict.more is None


def test_a_difference_below_the_margin_is_none_even_where_it_is_seen() -> None:
    first, second = latency([10.1, 10.11, 10.09, 10.1]), latency([10.0, 10.01, 9.99, 10.0])
    assert judge(first, second, are_interleaved=True, margin=0.02).is_different is False
    assert judge(first, second, are_interleaved=True, margin=0.001).is_different is True


def test_what_was_measured_apart_is_never_proven_equal_within_what_machines_change() -> None:
    same = latency([10.0, 10.0001, 9.9999, 10.0, 10.0, 10.0])
    verdict = judge(same, same)
    assert verdict.is_different is None
    assert verdict.more is not None
    assert verdict.more.count == 0


def test_a_spread_between_processes_asks_for_processes() -> None:
    verdict = judge(latency([10, 10.6, 9.5, 10.3]), latency([9.8, 9.5, 10.4, 9.3]), are_interleaved=True)
    assert verdict.is_different is None
    assert verdict.more is not None
    assert verdict.more.what == "processes"
    assert verdict.more.count > 4


def test_noise_within_processes_asks_for_iterations() -> None:
    def noisy(center_ms: float, seed: int) -> Latency:
        rng = np.random.default_rng(seed)
        return summarize([list(center_ms * np.exp(rng.normal(0, 0.2, 40))) for _ in range(8)])

    verdict = judge(noisy(10.0, 1), noisy(9.9, 2), are_interleaved=True)
    assert verdict.is_different is None
    assert verdict.more is not None
    assert verdict.more.what == "iterations"
    assert verdict.more.count > 40


def test_one_process_tells_nothing_but_the_ratio() -> None:
    verdict = judge(latency([10.0]), latency([5.0, 5.0, 5.0]))
    assert (verdict.is_different, verdict.ci95) == (None, None)
    assert verdict.ratio == pytest.approx(2.0, rel=0.01)
    assert "one process" in verdict.reason


def test_summaries_of_a_tool_are_compared_by_the_median_of_each_process() -> None:
    first, second = [10.0, 10.2, 9.9], [5.0, 5.1, 4.9]
    whole, kept = judge(latency(first), latency(second)), judge(summaries(first), summaries(second))
    assert kept.is_different is True
    assert kept.ci95 == pytest.approx(whole.ci95, rel=1e-3)
    in_turns = judge(summaries(first), summaries(second), are_interleaved=True)
    assert "took turns" in in_turns.method
    assert width(in_turns) < width(kept)


def test_processes_that_were_not_kept_are_compared_with_a_wider_interval() -> None:
    first, second = (replace(summaries(each), process_p50s_ms=()) for each in ([10.0, 10.2, 9.9], [5.0, 5.1, 4.9]))
    verdict = judge(first, second, are_interleaved=True)
    assert verdict.is_different is True
    assert width(verdict) > width(judge(summaries([10.0, 10.2, 9.9]), summaries([5.0, 5.1, 4.9])))
    assert "widest" in verdict.method


def test_a_clock_that_did_not_move_is_not_compared() -> None:
    still = Latency(
        p50_ms=0.0,
        p90_ms=0.0,
        p95_ms=0.0,
        p99_ms=0.0,
        mean_ms=0.0,
        std_ms=0.0,
        ci95_ms=(0.0, 0.0),
        n=6,
        num_processes=2,
        samples_ms=((0.0,) * 3, (0.0,) * 3),
    )
    verdict = judge(still, latency([1.0, 1.0]))
    assert (verdict.ratio, verdict.is_different) == (None, None)


@pytest.mark.parametrize("are_interleaved", [True, False])
def test_the_same_against_itself_is_called_different_in_5_percent_at_the_most(are_interleaved: bool) -> None:
    """Compare a machine with itself, 3 % between processes, 400 times: at most 5 % of them call a difference."""
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(400):
        first, second = 10 * np.exp(rng.normal(0, 0.03, (2, 6)))
        verdict = judge(cheap(first), cheap(second), are_interleaved=are_interleaved)
        called += verdict.is_different is True
    assert called <= 0.05 * 400


def cheap(medians_ms: Sequence[float]) -> Latency:
    """Return processes of three equal iterations; nothing of them is bootstrapped."""
    return Latency(
        p50_ms=float(np.median(medians_ms)),
        p90_ms=None,
        p95_ms=max(medians_ms),
        p99_ms=None,
        mean_ms=float(np.mean(medians_ms)),
        std_ms=float(np.std(medians_ms)),
        ci95_ms=(min(medians_ms), max(medians_ms)),
        n=3 * len(medians_ms),
        num_processes=len(medians_ms),
        samples_ms=tuple((float(m),) * 3 for m in medians_ms),
    )


def width(verdict: Verdict) -> float:
    assert verdict.ci95 is not None
    return verdict.ci95[1] / verdict.ci95[0]


@pytest.mark.parametrize(
    ("level", "degrees", "expected"),
    [(0.95, 1, 12.7062), (0.95, 2, 4.3027), (0.98, 5, 3.3649), (0.98, 6, 3.1427), (0.95, 99, 1.9842)],
)
def test_quantiles_are_those_of_the_tables(level: float, degrees: int, expected: float) -> None:
    assert t_quantile(level, degrees) == pytest.approx(expected, abs=1e-4)  # the tables have four decimals


def test_the_verb_and_the_command_take_the_margin_for_granted_that_is_stated_here() -> None:
    option = next(each for each in command.params if each.name == "margin")
    assert option.default == inspect.signature(pipeline.compare).parameters["margin"].default == MARGIN
