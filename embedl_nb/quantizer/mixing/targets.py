"""Meet the caller's target: find the fewest milliseconds of operators that have to stay in float.

In: a workshop, the recipe of the all-quantized model and the caller's limits. Out: the recipe that meets them, and what
was found on the way. Every mix is made as the recipe says, refined anew: what was fitted to the errors of operators
that are float now would be wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.errors import QuantizeError
from embedl_nb.quantizer.evaluation import evaluate
from embedl_nb.quantizer.legality import scope_names
from embedl_nb.quantizer.mixing.mix import mix
from embedl_nb.quantizer.mixing.mixed import Goal, Judgement, Mixed
from embedl_nb.quantizer.mixing.mixture import Mixture
from embedl_nb.quantizer.mixing.prices import Prices, price_operators
from embedl_nb.quantizer.mixing.sensitivity import measure_sensitivity
from embedl_nb.quantizer.options import Effort

if TYPE_CHECKING:
    from embedl_nb.model import LiteRTModel
    from embedl_nb.model.fidelity_rows import Evaluation
    from embedl_nb.quantizer.options import QuantizeOptions
    from embedl_nb.quantizer.recipe import Recipe
    from embedl_nb.quantizer.workshop import Workshop

__all__ = ["meet_target"]

# Models that may be made beyond the search along the path, where a model takes a minute and where it takes a moment.
_NUM_EXTRA_REFINED = {Effort.LIGHT: 0, Effort.NORMAL: 1, Effort.HIGH: 4}
_NUM_EXTRA = {Effort.LIGHT: 2, Effort.NORMAL: 7, Effort.HIGH: 14}


def meet_target(workshop: Workshop, recipe: Recipe, options: QuantizeOptions) -> tuple[Recipe, Mixed | None]:
    """Return the recipe that meets the caller's limits, or comes nearest, and the search for it.

    Whether a mix meets a limit is judged on the judges' samples, where the promise has to hold; so they choose it too.

    Returns
    -------
    recipe
        With more operators kept in float, where the limits ask for it.
    mixed
        The curve; None without a limit, or where all operators may be quantized.

    Raises
    ------
    QuantizeError
        If the model has several signatures.
    """
    if options.min_sqnr_db is None and options.max_degradation is None:
        return recipe, None
    if len(workshop.model.signatures) > 1:
        raise QuantizeError(
            f"{workshop.model.name} has {len(workshop.model.signatures)} signatures, and a target is met for one",
            hint="keep operators in float by name: overrides={...: 'float'}",
        )
    whole = workshop.build(recipe)
    judge = _Judge(workshop, options)
    goal = judge.goal(whole)
    if goal.is_met(judge(whole)):
        return recipe, None
    prices = _prices(workshop, recipe, whole, options.device)
    found = mix(
        Mixture(workshop.source(recipe).model.graph.main, prices, _noises(workshop, recipe)),
        goal,
        build=lambda kept: workshop.build(recipe.with_float(kept)),
        judge=judge,
        float_model=workshop.model,
        price_sentence=prices.sentence,
        num_extra=(_NUM_EXTRA_REFINED if recipe.is_refined else _NUM_EXTRA)[options.effort],
    )
    return recipe.with_float(found.kept_float), found


class _Judge:
    """Judges models on the judges' samples, and by the caller's metric where that is limited."""

    def __init__(self, workshop: Workshop, options: QuantizeOptions) -> None:
        self._workshop, self._options = workshop, options

    def __call__(self, model: LiteRTModel) -> Judgement:
        fidelity = self._workshop.judge(model)
        metric = None if self._options.max_degradation is None else self._evaluation(model).quantized_score
        return Judgement(sqnr_db=fidelity.sqnr_db, top1_agreement=fidelity.top1_agreement, metric=metric)

    def goal(self, model: LiteRTModel) -> Goal:
        options = self._options
        return Goal(
            min_sqnr_db=options.min_sqnr_db,
            max_degradation=options.max_degradation,
            float_metric=None if options.max_degradation is None else self._evaluation(model).float_score,
            higher_is_better=options.higher_is_better,
        )

    def _evaluation(self, model: LiteRTModel) -> Evaluation:
        options = self._options
        assert options.evaluate is not None  # noqa: S101 - for the type checker: max_degradation comes with it
        return evaluate(options.evaluate, self._workshop.model, model, higher_is_better=options.higher_is_better)


def _prices(workshop: Workshop, recipe: Recipe, whole: LiteRTModel, device: str) -> Prices:
    """Measure what every operator costs, and every boundary between float and integers."""
    source = workshop.source(recipe).model
    # Every other operator in float shows the boundaries; its accuracy is of no interest.
    alternate = recipe.with_float(scope_names(source.graph)[::2]).unrefined
    return price_operators(source, whole, workshop.build(alternate), device=device)


def _noises(workshop: Workshop, recipe: Recipe) -> dict[int, float]:
    """Measure what each operator adds to the output's noise, quantized alone."""
    key, samples = next(iter(workshop.choosers.items()))
    source = workshop.source(recipe)
    found = measure_sensitivity(
        source.model, source.ranges, recipe, samples, engine=workshop.engine, signature_key=key or None
    )
    return {index: row.alone_noise for row in found.rows for index in row.indices}
