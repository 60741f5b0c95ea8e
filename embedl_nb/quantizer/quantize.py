"""The way through the quantizer: check, read the samples, make the model, say what it cost.

In: a float LiteRT model, data and a recipe. Out: a LiteRTModel with its fidelity. Recording and showing are the
pipeline's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import RecipeError, UnknownNameError
from embedl_nb.imports import version_of
from embedl_nb.model import LiteRTModel
from embedl_nb.model.fidelity_rows import CalibrationSource
from embedl_nb.model.operators import count_float_operators
from embedl_nb.quantizer.auto import search
from embedl_nb.quantizer.calibration import CalibrationReport, report_calibration
from embedl_nb.quantizer.data import DataKind
from embedl_nb.quantizer.evaluation import evaluate, once_a_model
from embedl_nb.quantizer.job import AnyRecipe, open_job
from embedl_nb.quantizer.latency import check_latency
from embedl_nb.quantizer.mixing.sensitivity import measure_sensitivity
from embedl_nb.quantizer.mixing.sensitivity_table import Grouping
from embedl_nb.quantizer.mixing.targets import meet_target
from embedl_nb.quantizer.options import QuantizeOptions, check_time_limit
from embedl_nb.quantizer.recipe import Recipe
from embedl_nb.quantizer.recipes import AUTO

if TYPE_CHECKING:
    from embedl_nb.model.fidelity import Fidelity
    from embedl_nb.quantizer.mixing.mixed import Mixed
    from embedl_nb.quantizer.mixing.sensitivity_table import Sensitivity
    from embedl_nb.quantizer.workshop import Workshop

__all__ = ["quantize_model", "sensitivity_of"]


def quantize_model(
    model: LiteRTModel,
    data: Any = None,
    *,
    recipe: AnyRecipe = "auto",
    overrides: Mapping[str, str] | None = None,
    options: QuantizeOptions,
) -> LiteRTModel:
    """Quantize a model and measure what it cost; :func:`embedl_nb.quantize` describes the parameters.

    Returns
    -------
    LiteRTModel
        Not yet recorded.

    Raises
    ------
    EmbedlError
        See :func:`~embedl_nb.quantizer.job.open_job`; and if the library, the runtime or the caller's metric fails.
    """
    if options.evaluate is not None:
        options = replace(options, evaluate=once_a_model(options.evaluate))
    with open_job(model, data, recipe, overrides, options) as job:
        chosen = search(job.workshop, job.recipe, options.effort) if job.is_search else job.recipe
        chosen, mixed = meet_target(job.workshop, chosen, options)
        return _Result(job.workshop, chosen, options, job.source, mixed).model()


def sensitivity_of(
    model: LiteRTModel,
    data: Any = None,
    *,
    recipe: AnyRecipe = "static_wi8_ai8",
    overrides: Mapping[str, str] | None = None,
    by: str = "operator",
    time_limit_s: float | None = None,
    options: QuantizeOptions,
) -> Sensitivity:
    """Quantize each operator alone, and all but it; :func:`embedl_nb.sensitivity` describes the parameters."""
    if by not in tuple(Grouping):
        raise UnknownNameError.among("grouping", str(by), tuple(Grouping))
    if isinstance(recipe, str) and recipe.strip() == AUTO:
        raise RecipeError(
            f"recipe={AUTO!r} is a search, and sensitivity is that of one recipe",
            hint="give recipe=small.fidelity.recipe of a model that quantize made, or a name like 'static_wi8_ai8'",
        )
    check_time_limit(time_limit_s)
    with open_job(model, data, recipe, overrides, options) as job:
        workshop = job.workshop
        key, samples = next(iter(workshop.judges.items()))
        source = workshop.source(job.recipe)
        return measure_sensitivity(
            source.model,
            source.ranges,
            job.recipe,
            samples,
            engine=workshop.engine,
            by=by,
            signature_key=key or None,
            time_limit_s=time_limit_s,
        )


@dataclass(frozen=True, slots=True)
class _Result:
    """A chosen recipe, and everything that is said of the model it makes."""

    workshop: Workshop
    recipe: Recipe
    options: QuantizeOptions
    source: CalibrationSource
    mixed: Mixed | None

    def model(self) -> LiteRTModel:
        quantized = self.workshop.build(self.recipe)
        fidelity = self._fidelity(quantized)
        origin = self.workshop.model
        samples_path, golden_path = self.workshop.keep_example(quantized)
        return replace(
            quantized,
            name=self.options.name or origin.name,
            state=origin.state,
            lineage=(
                *(origin.lineage or (origin.path.name,)),
                f"ai-edge-quantizer {version_of('ai-edge-quantizer')}: {self.recipe.sentence}",
            ),
            fidelity=fidelity,
            samples_path=samples_path,
            golden_path=golden_path,
            notes=(*origin.notes, *self._notes()),
        )

    def _notes(self) -> tuple[str, ...]:
        """Return what a reader must not miss beside the floors: of the data, and of the target."""
        reports = [each.report for each in self.workshop.materials]
        said = [warning for report in reports if report.kind is DataKind.GIVEN for warning in report.warnings]
        return (*said, *(self.mixed.warnings if self.mixed else ()))

    def _fidelity(self, quantized: LiteRTModel) -> Fidelity:
        workshop, options = self.workshop, self.options
        fidelity = workshop.judge(quantized)
        metric = options.evaluate
        ranges = self._ranges()
        return replace(
            fidelity,
            data=self.source,
            is_held_out=all(each.report.is_held_out_separate for each in workshop.materials),
            num_calibration_samples=fidelity.num_calibration_samples if self.recipe.needs_calibration else 0,
            layers=workshop.compare_layers(quantized, self.recipe),
            evaluation=metric
            and evaluate(metric, workshop.model, quantized, higher_is_better=options.higher_is_better),
            latency=check_latency(workshop.model, quantized, sample=next(iter(workshop.judges.values()))[0]),
            num_operators=len(workshop.model.graph.main.operators),
            float_operators=count_float_operators(quantized.graph),
            recipe=self.recipe.to_record(),
            recipe_sentence=self.recipe.sentence,
            calibration=self._calibration(ranges) if ranges else None,
            calibration_sentence=self._calibration_sentence(ranges) if ranges else "",
            curve=self.mixed.curve if self.mixed else (),
            price_sentence=self.mixed.price_sentence if self.mixed else "",
        )

    def _ranges(self) -> CalibrationReport | None:
        materials = self.workshop.materials
        if not materials or not self.recipe.needs_calibration:
            return None
        statistics = [material.statistics for material in materials]
        return report_calibration(statistics, self.workshop.model.graph, method=self.recipe.ranges)

    def _calibration_sentence(self, ranges: CalibrationReport) -> str:
        notices = [notice for material in self.workshop.materials for notice in material.report.notices]
        return ". ".join([ranges.sentence, *notices])

    def _calibration(self, ranges: CalibrationReport) -> dict[str, Any]:
        data = [material.report.to_record() for material in self.workshop.materials]
        return {"ranges": ranges.to_record(), "data": data}
