"""The search for the best all-integer model: recipes in order of cost, within the work that an effort allows.

In: a workshop. Out: the recipe that came nearest to the float model on samples that it was not fitted to, as data, so
that it can be applied again without a search. The result depends on the samples and the effort alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from embedl_nb import progress
from embedl_nb.errors import QuantizeError, RuntimeCrashedError, RuntimeTimeoutError
from embedl_nb.quantizer.options import Effort
from embedl_nb.quantizer.recipe import RangeMethod, Recipe, Rounding
from embedl_nb.runtime.death import OUTSIDE_SIGNALS

if TYPE_CHECKING:
    from embedl_nb.model.fidelity import Fidelity
    from embedl_nb.quantizer.workshop import Workshop

__all__ = ["NUM_TRAIN", "search"]


NUM_TRAIN = {Effort.LIGHT: 16, Effort.NORMAL: 64, Effort.HIGH: 128}
"""Samples that weights and biases are fitted to."""


def search(workshop: Workshop, base: Recipe, effort: Effort) -> Recipe:
    """Return the best recipe.

    Parameters
    ----------
    base
        The named recipe with the caller's overrides, whose rules every candidate has.

    Raises
    ------
    QuantizeError, RecipeError
        If the library cannot apply ``base`` itself, or the child is killed from outside or hangs: the next call may
        fare better. Another candidate that cannot be applied is passed over, which the progress says.
    """
    candidates = _candidates(base, effort)
    best, best_score = base, _score(workshop.score(workshop.build(base)))
    for number, candidate in enumerate(candidates[1:], start=1):
        progress.emit("search", candidate.sentence, done=number, total=len(candidates))
        try:
            score = _score(workshop.score(workshop.build(candidate)))
        except QuantizeError as err:
            if _is_accident(err):
                raise
            progress.emit("search", f"{candidate.sentence} is passed over: {err}", done=number, total=len(candidates))
            continue
        if score > best_score:
            best, best_score = candidate, score
    return replace(best, name="auto")


def _candidates(base: Recipe, effort: Effort) -> list[Recipe]:
    """Return the recipes to try, cheapest first."""
    corrected = replace(base, ranges=RangeMethod.MSE, is_bias_corrected=True, num_train=NUM_TRAIN[effort])
    fitted = replace(corrected, rounding=Rounding.LEAST_SQUARES)
    ladder = {
        Effort.LIGHT: [base, corrected],
        Effort.NORMAL: [base, fitted, replace(fitted, is_equalized=True)],
        Effort.HIGH: [
            base,
            corrected,
            *(
                replace(fitted, ranges=ranges, is_equalized=is_equalized)
                for is_equalized in (False, True)
                for ranges in RangeMethod
            ),
        ],
    }
    return ladder[effort]


def _is_accident(err: QuantizeError) -> bool:
    """Say whether chance decided, not the candidate: passed over, the same call would not give the same model."""
    cause = err.__cause__
    return isinstance(cause, RuntimeTimeoutError) or (
        isinstance(cause, RuntimeCrashedError) and cause.signal in OUTSIDE_SIGNALS
    )


def _score(fidelity: Fidelity) -> tuple[float, float]:
    return fidelity.sqnr_db, fidelity.top1_agreement or 0.0
