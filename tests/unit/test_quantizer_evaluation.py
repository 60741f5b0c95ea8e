"""The user's own metric: scores, the interval of the drop, and whose error it is when it fails."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import InputError
from embedl_nb.quantizer.evaluation import drop_ci95, evaluate, once_a_model

# A metric is all that looks at the models.
FLOAT: Any = "float"
QUANTIZED: Any = "quantized"


def scoring(float_result: Any, quantized_result: Any) -> Any:
    """Return a metric that gives these results; the models are stand-ins."""

    def accuracy(model: Any) -> Any:
        return {FLOAT: float_result, QUANTIZED: quantized_result}[model]

    return accuracy


def test_one_figure_has_no_interval() -> None:
    evaluation = evaluate(scoring(0.97, 0.95), FLOAT, QUANTIZED)

    assert (evaluation.metric, evaluation.float_score, evaluation.quantized_score) == ("accuracy", 0.97, 0.95)
    assert (evaluation.drop_ci95, evaluation.num_samples) == (None, None)
    assert "one figure, no interval" in evaluation.sentence


def test_one_score_a_sample_gives_means_and_an_interval_around_the_drop() -> None:
    right = np.ones(200, bool)
    wrong = right.copy()
    wrong[:20] = False
    evaluation = evaluate(scoring(right, wrong.tolist()), FLOAT, QUANTIZED)

    assert (evaluation.float_score, evaluation.quantized_score, evaluation.num_samples) == (1.0, 0.9, 200)
    assert evaluation.drop_ci95 is not None
    low, high = evaluation.drop_ci95
    # The standard error of a share of 0.1 in 200 is 0.021; an interval of the bootstrap is about 1.96 of it each way.
    assert low == pytest.approx(0.1 - 0.0416, abs=0.008)
    assert high == pytest.approx(0.1 + 0.0416, abs=0.008)


def test_where_lower_is_better_more_is_worse() -> None:
    losses = np.linspace(1, 2, 50)
    evaluation = evaluate(scoring(losses, losses + 0.5), FLOAT, QUANTIZED, higher_is_better=False)

    assert evaluation.drop == pytest.approx(0.5)
    assert evaluation.drop_ci95 == (pytest.approx(0.5), pytest.approx(0.5))


def test_what_samples_have_in_common_does_not_widen_the_interval() -> None:
    random = np.random.default_rng(0)
    hard = random.normal(scale=100.0, size=300)
    evaluation = evaluate(scoring(hard, hard - 1 + random.normal(scale=0.1, size=300)), FLOAT, QUANTIZED)

    assert evaluation.drop_ci95 is not None
    low, high = evaluation.drop_ci95
    assert high - low < 0.05
    assert low < 1 < high


def test_the_interval_covers_the_truth_nineteen_times_in_twenty() -> None:
    random = np.random.default_rng(0)
    intervals = [drop_ci95(random.normal(loc=0.3, size=60), seed=seed) for seed in range(200)]
    covered = sum(low < 0.3 < high for low, high in intervals)
    # 190 are expected; the bootstrap is a little narrow at 60 samples, and 200 trials vary by 3.
    assert 180 <= covered <= 199


def test_the_interval_repeats_with_its_seed() -> None:
    worse = np.random.default_rng(0).normal(size=40)
    assert drop_ci95(worse, seed=3) == drop_ci95(worse, seed=3) != drop_ci95(worse, seed=4)


@pytest.mark.parametrize("kind", [FLOAT, QUANTIZED])
def test_an_error_of_evaluate_is_named_as_such_and_kept(kind: str) -> None:
    def accuracy(model: Any) -> float:
        if model == kind:
            return [1.0][1]
        return 1.0

    with pytest.raises(InputError, match=rf"accuracy \(evaluate=\) raised IndexError on the {kind} model") as caught:
        evaluate(accuracy, FLOAT, QUANTIZED)

    assert isinstance(caught.value.__cause__, IndexError)
    assert "return [1.0][1]" in caught.value.details
    assert "what was computed is kept" in caught.value.hint


def test_an_interrupt_stays_an_interrupt() -> None:
    def accuracy(_: Any) -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(accuracy, FLOAT, QUANTIZED)


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ((1.0, math.nan), "returned nan for the quantized model"),
        ((math.inf, 1.0), "returned inf for the float model"),
        (([1.0, math.nan], [1.0, 1.0]), "1 of 2 scores not finite for the float model"),
        ((None, 1.0), "returned None for the float model"),
        (("good", 1.0), "returned a str for the float model, not a number"),
        (({"accuracy": 1.0}, 1.0), "returned a dict for the float model, not a number"),
        ((np.ones((2, 2)), 1.0), r"an array of shape \(2, 2\) for the float model"),
        (([], []), r"an array of shape \(0,\) for the float model"),
        (([1.0, 1.0], [1.0]), "2 scores for the float model and 1 score for the quantized"),
        (([1.0], 1.0), "1 score for the float model and one figure for the quantized"),
    ],
)
def test_what_is_no_score_is_refused(results: tuple[Any, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        evaluate(scoring(*results), FLOAT, QUANTIZED)
    assert caught.value.hint


def test_a_metric_without_a_name_is_called_by_its_type() -> None:
    class Metric:
        def __call__(self, _: Any) -> float:
            return 1.0

    assert evaluate(Metric(), FLOAT, QUANTIZED).metric == "Metric"


def test_a_model_is_scored_once_however_often_it_is_asked_for() -> None:
    asked: list[str] = []

    def accuracy(model: Any) -> float:
        asked.append(model.sha256)
        return 0.5

    metric = once_a_model(accuracy)
    float_model, *mixes = (SimpleNamespace(sha256=name) for name in ("float", "mix 1", "mix 2"))
    evaluations: Any = [evaluate(metric, float_model, mix) for mix in (*mixes, *mixes)]
    assert asked == ["float", "mix 1", "mix 2"]
    assert evaluations[0].metric == "accuracy"
