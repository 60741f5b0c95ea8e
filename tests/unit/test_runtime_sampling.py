"""When a measurement stops, with clocks that the test sets."""

from __future__ import annotations

import gc
import itertools
import math

import numpy as np
import pytest

from embedl_nb.errors import InputError
from embedl_nb.runtime import sampling
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.runtime.sampling import check_request, measure_samples, median_interval, warm_up

MS = 1_000_000


class FakeModel:
    """A model whose inferences take the given times, on a clock of its own."""

    def __init__(self, times_ns: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
        self.times_ns = itertools.cycle(times_ns)
        self.now_s = 0.0
        self.collector_was_on = False
        monkeypatch.setattr(sampling.time, "monotonic", lambda: self.now_s)

    def run(self) -> int:
        elapsed = next(self.times_ns)
        self.now_s += elapsed / 1e9
        self.collector_was_on |= gc.isenabled()
        return elapsed


def request(**fields: object) -> MeasureRequest:
    return MeasureRequest(model_path="x.tflite", **fields)


def test_a_steady_model_settles_at_the_fewest_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = measure_samples(FakeModel([5 * MS], monkeypatch).run, request(min_iterations=30))
    assert len(samples.times_ns) == 30
    assert samples.settled is True


def test_a_noisy_model_takes_more_iterations_than_a_steady_one(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = (np.random.default_rng(0).normal(5, 0.4, size=5000) * MS).astype(int).tolist()
    samples = measure_samples(FakeModel(noisy, monkeypatch).run, request(budget_s=100))
    assert 30 < len(samples.times_ns) < 2000
    assert samples.settled is True
    interval = median_interval(list(samples.times_ns))
    assert interval is not None
    assert (interval[1] - interval[0]) / 5 / MS < 0.021


def test_a_model_that_never_settles_stops_at_the_most_iterations(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = measure_samples(FakeModel([1, 1000], monkeypatch).run, request(max_iterations=95, budget_s=1e6))
    assert len(samples.times_ns) == 95
    assert samples.settled is False


def test_the_budget_ends_a_slow_model_after_at_least_three(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = measure_samples(FakeModel([4000 * MS], monkeypatch).run, request(budget_s=5))
    assert len(samples.times_ns) == 3
    assert samples.settled is False


def test_the_budget_is_kept_within_one_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = measure_samples(FakeModel([900 * MS, 1100 * MS], monkeypatch).run, request(budget_s=10))
    assert sum(samples.times_ns) <= (10 + 1.1) * 1000 * MS


def test_a_given_number_is_taken_exactly_and_never_called_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = measure_samples(FakeModel([4000 * MS], monkeypatch).run, request(iterations=17, budget_s=1))
    assert len(samples.times_ns) == 17
    assert samples.settled is None


def test_the_garbage_collector_rests_while_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FakeModel([MS], monkeypatch)
    gc.enable()
    measure_samples(model.run, request())
    assert not model.collector_was_on
    assert gc.isenabled()


def test_the_interval_of_the_median_covers_it_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    num_covered = 0
    for _ in range(2000):
        interval = median_interval(random.exponential(1e6, size=40).astype(int).tolist())
        assert interval is not None
        num_covered += interval[0] <= math.log(2) * 1e6 <= interval[1]
    # 95 % or a little more, as the ranks are rounded outwards; +/- 3 standard errors of 2,000 trials.
    assert 0.935 <= num_covered / 2000 <= 0.99


@pytest.mark.parametrize("n", [0, 1, 5])
def test_few_samples_have_no_interval(n: int) -> None:
    assert median_interval([1] * n) is None


def test_warm_up_needs_both_runs_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(warm_up(FakeModel([50 * MS], monkeypatch).run, request())) == 5
    assert len(warm_up(FakeModel([10 * MS], monkeypatch).run, request())) == 10
    assert len(warm_up(FakeModel([1000], monkeypatch).run, request())) == 200


def test_warm_up_leaves_half_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(warm_up(FakeModel([2000 * MS], monkeypatch).run, request(budget_s=5))) == 2


@pytest.mark.parametrize("number", [0, 3])
def test_a_given_warm_up_is_done_exactly(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    assert len(warm_up(FakeModel([MS], monkeypatch).run, request(warmup=number))) == number


@pytest.mark.parametrize(
    "fields",
    [
        {"iterations": 0},
        {"iterations": -3},
        {"warmup": -1},
        {"min_iterations": 0},
        {"min_iterations": 10, "max_iterations": 9},
        {"budget_s": -1.0},
        {"budget_s": math.inf},
        {"settle_ratio": math.nan},
    ],
)
def test_numbers_that_cannot_be_meant_are_refused_by_name(fields: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(reversed(fields))):
        check_request(request(**fields))
