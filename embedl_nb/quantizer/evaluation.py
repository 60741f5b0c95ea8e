"""The user's own metric on the float and on the quantized model, and how sure the drop is.

In: a function of a callable model, and both models. Out: :class:`~embedl_nb.model.fidelity_rows.Evaluation`. The
function is the user's: whatever it raises or returns is told apart from errors of our own.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.model.fidelity_rows import Evaluation

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embedl_nb.model import LiteRTModel

    Array = NDArray[np.float64]

__all__ = ["Metric", "drop_ci95", "evaluate", "once_a_model"]

Metric = Callable[["LiteRTModel"], Any]
"""A function of a callable model: called with arrays it returns a dict of arrays by output name. It returns one figure,
or one score a sample."""

_NUM_RESAMPLES = 2000
_CHUNK_DRAWS = 2_000_000


def evaluate(
    metric: Metric,
    float_model: LiteRTModel,
    quantized_model: LiteRTModel,
    *,
    higher_is_better: bool = True,
    seed: int = 0,
) -> Evaluation:
    """Run the user's metric on both models.

    Parameters
    ----------
    metric
        Takes a model and returns a number, or a sequence of numbers (truth values count as 0 and 1), one a sample in
        the same order for both models. A call of the model costs 5 ms of its own; a model whose first axis is a batch
        of 1 takes many samples in one call, which saves that.
    float_model, quantized_model
        What it is called with, in this order.
    higher_is_better
        Whether a larger number is a better one.
    seed
        Of the bootstrap.

    Returns
    -------
    Evaluation
        With the interval of the drop where there is one score a sample.

    Raises
    ------
    InputError
        If the function raises (chained from its own error), or returns something else than finite numbers, or not as
        many scores for one model as for the other.
    """
    name = _name(metric)
    progress.emit("evaluate", f"{name} on the float model", done=0, total=2)
    reference = _scores(metric, float_model, name=name, kind="float")
    progress.emit("evaluate", f"{name} on the quantized model", done=1, total=2)
    quantized = _scores(metric, quantized_model, name=name, kind="quantized")
    if reference.shape != quantized.shape:
        raise InputError(
            f"{name} returned {_counted(reference)} for the float model and {_counted(quantized)} for the quantized",
            hint="return one score for each sample, the same samples for both models",
        )
    worse = reference - quantized if higher_is_better else quantized - reference
    has_one_a_sample = reference.ndim == 1
    return Evaluation(
        metric=name,
        float_score=float(reference.mean()),
        quantized_score=float(quantized.mean()),
        higher_is_better=higher_is_better,
        drop_ci95=drop_ci95(worse, seed=seed) if has_one_a_sample else None,
        num_samples=worse.size if has_one_a_sample else None,
    )


def once_a_model(metric: Metric) -> Metric:
    """Return ``metric`` so that each model is scored once, however often it is asked for: it may take minutes."""
    found: dict[str, Any] = {}

    def remembered(model: LiteRTModel) -> Any:
        if model.sha256 not in found:
            found[model.sha256] = metric(model)
        return found[model.sha256]

    remembered.__name__ = _name(metric)
    return remembered


def _name(metric: Metric) -> str:
    return str(getattr(metric, "__name__", type(metric).__name__))


def _scores(metric: Metric, model: LiteRTModel, *, name: str, kind: str) -> Array:
    """Return what the metric says of one model: shape () for one figure, (N,) for one score a sample."""
    import numpy as np

    try:
        result = metric(model)
    except Exception as err:
        raise InputError(
            f"{name} (evaluate=) raised {type(err).__name__} on the {kind} model: {err}",
            hint="mend it, try it with evaluate(model), and run the same step again: what was computed is kept",
            details=traceback.format_exc(),
        ) from err
    if hasattr(result, "detach"):  # a torch tensor, which may want a gradient or be on a GPU
        result = result.detach().cpu()
    hint = "return a number, or one number for each sample"
    try:
        if np.iscomplexobj(result):
            raise TypeError("complex numbers")
        scores: Array = np.asarray(result, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as err:
        raise InputError(
            f"{name} (evaluate=) returned a {type(result).__name__} for the {kind} model, not a number", hint=hint
        ) from err
    if result is None or scores.ndim > 1 or not scores.size:
        got = "None" if result is None else f"an array of shape {scores.shape}"
        raise InputError(f"{name} (evaluate=) returned {got} for the {kind} model", hint=hint)
    if num_bad := int((~np.isfinite(scores)).sum()):
        bad = f"{num_bad} of {scores.size} scores not finite" if scores.ndim else str(float(scores))
        raise InputError(
            f"{name} (evaluate=) returned {bad} for the {kind} model",
            hint="return finite numbers; a mean over nothing is NaN",
        )
    return scores


def _counted(scores: Array) -> str:
    if not scores.ndim:
        return "one figure"
    return "1 score" if scores.size == 1 else f"{scores.size} scores"


def drop_ci95(worse: Array, *, seed: int = 0) -> tuple[float, float]:
    """Return a 95 % interval of the mean of ``worse`` by a paired bootstrap.

    Both models are scored on the same samples, so that the differences are resampled and what the samples have in
    common drops out. Where no score changed the interval is a point: the samples then show no drop, and cannot bound
    one that they are too few to show.

    Parameters
    ----------
    worse
        Shape (N,): by how much each sample's score is worse.
    seed
        The same seed and scores give the same interval.

    References
    ----------
    Davison and Hinkley, Bootstrap Methods and their Application (1997), section 5.3: the percentile method.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    chunk = max(1, _CHUNK_DRAWS // worse.size)
    means = np.concatenate(
        [
            worse[rng.integers(worse.size, size=(min(chunk, _NUM_RESAMPLES - begin), worse.size))].mean(axis=1)
            for begin in range(0, _NUM_RESAMPLES, chunk)
        ]
    )
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)
