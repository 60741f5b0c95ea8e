"""Meet the caller's target: find the fewest milliseconds of operators that have to stay in float.

In: a workshop, the recipe of the all-quantized model and the caller's limits. Out: the recipe that meets them, and what
was found on the way. Mixes take the weights of the all-quantized model over while they are compared; the chosen one is
refined by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.model import LiteRTModel
from embedl_nb.model.operators import describe_operators
from embedl_nb.quantizer.evaluation import evaluate
from embedl_nb.quantizer.mixed import mix
from embedl_nb.quantizer.mixed_result import Goal, Judgement, Mixed
from embedl_nb.quantizer.mixture import Mixture
from embedl_nb.quantizer.prices import price_operators
from embedl_nb.quantizer.sensitivity import measure_sensitivity

if TYPE_CHECKING:
    from embedl_nb.quantizer.options import QuantizeOptions
    from embedl_nb.quantizer.recipe import Recipe
    from embedl_nb.quantizer.workshop import Workshop

__all__ = ["meet_target"]


def meet_target(workshop: Workshop, recipe: Recipe, options: QuantizeOptions) -> tuple[Recipe, Mixed | None]:
    """Return the recipe that meets the caller's limits, or comes nearest, and the search for it.

    Returns
    -------
    recipe
        With more operators kept in float, where the limits ask for it.
    mixed
        The curve; None without a limit, or where all operators may be quantized.
    """
    if options.min_sqnr_db is None and options.max_degradation is None:
        return recipe, None
    whole = workshop.build(recipe)
    judge = _Judge(workshop, options)
    goal = judge.goal(whole)
    if goal.is_met(judge(whole)):
        return recipe, None
    found = mix(
        _mixture(workshop, recipe, whole, options),
        goal,
        build=lambda kept: workshop.build_like(recipe.with_float(kept), whole) if kept else whole,
        judge=judge,
        float_model=workshop.model,
        price_sentence=f"prices measured on {options.device}",
    )
    return recipe.with_float(found.kept_float), found


class _Judge:
    """Judges models on the judges' samples and by the caller's metric."""

    def __init__(self, workshop: Workshop, options: QuantizeOptions) -> None:
        self._workshop, self._options = workshop, options
        self._metrics: dict[str, tuple[float, float]] = {}

    def __call__(self, model: LiteRTModel) -> Judgement:
        fidelity = self._workshop.judge(model)
        metric = None if self._options.max_degradation is None else self._scores(model)[1]
        return Judgement(sqnr_db=fidelity.sqnr_db, top1_agreement=fidelity.top1_agreement, metric=metric)

    def goal(self, model: LiteRTModel) -> Goal:
        options = self._options
        return Goal(
            min_sqnr_db=options.min_sqnr_db,
            max_degradation=options.max_degradation,
            float_metric=None if options.max_degradation is None else self._scores(model)[0],
            higher_is_better=options.higher_is_better,
        )

    def _scores(self, model: LiteRTModel) -> tuple[float, float]:
        """Return the metric of the float model and of ``model``."""
        if model.sha256 not in self._metrics:
            options = self._options
            assert options.evaluate is not None  # noqa: S101 - for the type checker: max_degradation comes with it
            found = evaluate(options.evaluate, self._workshop.model, model, higher_is_better=options.higher_is_better)
            self._metrics[model.sha256] = found.float_score, found.quantized_score
        return self._metrics[model.sha256]


def _mixture(workshop: Workshop, recipe: Recipe, whole: LiteRTModel, options: QuantizeOptions) -> Mixture:
    """Price every operator, and measure the noise of each."""
    key, samples = next(iter(workshop.judges.items()))
    source = workshop.source(recipe)
    sensitivity = measure_sensitivity(
        source.model,
        source.ranges,
        recipe,
        samples,
        engine=workshop.engine,
        refined=whole if recipe.is_refined else None,
        signature_key=key or None,
    )
    graph = source.model.graph
    alternate = [info.name for info in describe_operators(graph)][::2]
    probe = workshop.build_like(recipe.with_float(alternate), whole)
    prices = price_operators(source.model, whole, probe, device=options.device)
    noises = {index: row.alone_noise for row in sensitivity.rows for index in row.indices}
    return Mixture(graph.main, prices, noises)
