"""The way through the quantizer: check, read the samples, make the model, say what it cost.

In: a float LiteRT model, data and a recipe. Out: a LiteRTModel with its fidelity. Recording and showing are the
pipeline's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import CalibrationError, MissingDependencyError
from embedl_nb.imports import is_installed, version_of
from embedl_nb.model import LiteRTModel
from embedl_nb.model.fidelity_rows import CalibrationSource
from embedl_nb.quantizer.auto import NUM_TRAIN, search
from embedl_nb.quantizer.calibration import report_calibration
from embedl_nb.quantizer.data import DataKind
from embedl_nb.quantizer.engine import Engine, require_float
from embedl_nb.quantizer.evaluation import evaluate
from embedl_nb.quantizer.judges import judges_without_data
from embedl_nb.quantizer.latency import check_latency
from embedl_nb.quantizer.legality import OperatorPlan, plan_operators, require_effect
from embedl_nb.quantizer.options import QuantizeOptions
from embedl_nb.quantizer.prepare import Material, prepare
from embedl_nb.quantizer.recipe import RangeMethod, Recipe
from embedl_nb.quantizer.recipes import resolve_recipe
from embedl_nb.quantizer.workshop import Workshop

if TYPE_CHECKING:
    from embedl_nb.model.fidelity import Fidelity

__all__ = ["quantize_model"]

_AUTO = "auto"
_BASE = "static_wi8_ai8"


def quantize_model(
    model: LiteRTModel,
    data: Any = None,
    *,
    recipe: str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Recipe = _AUTO,
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
    QuantizeError
        If the model is quantized already, or the library fails.
    RecipeError, UnknownNameError
        If there is no such recipe, or it changes nothing.
    CalibrationError
        If a recipe that needs data has none, or the data cannot be used.
    InputError
        If the metric fails.
    """
    is_search = isinstance(recipe, str) and recipe == _AUTO
    _require_library()
    require_float(model.graph, model.name)
    base = resolve_recipe(_BASE if is_search else recipe, overrides, graph=model.graph)
    if data is None and (is_search or base.needs_calibration):
        raise CalibrationError(
            f"recipe {_AUTO if is_search else base.name!r} calibrates, and there is no data for {model.name}",
            hint='give samples of real inputs as data, or data="random" to try things out; '
            'recipe="dynamic_wi8_afp32" needs none',
        )
    with Engine() as engine:
        require_effect(base, plan_operators(base, model.graph, engine=engine))
        materials = _materials(model, data, engine, base, options, is_search=is_search)
        if materials:
            judges, source = {each.signature_key: each.held_out for each in materials}, _source(materials)
            base = replace(base, num_samples=sum(each.statistics.num_samples for each in materials), seed=options.seed)
        else:
            judges, source = judges_without_data(model, seed=options.seed)
        with Workshop(model, engine, materials, judges) as workshop:
            chosen = search(workshop, base, options.effort) if is_search else base
            return _Result(workshop, chosen, options, source).model()


def _require_library() -> None:
    if not is_installed("ai_edge_quantizer"):
        raise MissingDependencyError(
            "ai-edge-quantizer, which quantizes, is not installed",
            extra="quantize",
            install="pip install 'embedl-nb[quantize]'",
        )


def _materials(
    model: LiteRTModel, data: Any, engine: Engine, base: Recipe, options: QuantizeOptions, *, is_search: bool
) -> tuple[Material, ...]:
    if data is None:
        return ()
    return prepare(
        model,
        data,
        engine,
        num_samples=options.num_samples,
        seed=options.seed,
        num_train=NUM_TRAIN[options.effort],
        histograms=is_search or base.ranges in (RangeMethod.PERCENTILE, RangeMethod.MSE),
    )


def _source(materials: Sequence[Material]) -> CalibrationSource:
    is_random = any(material.report.kind is DataKind.RANDOM for material in materials)
    return CalibrationSource.RANDOM if is_random else CalibrationSource.GIVEN


@dataclass(frozen=True, slots=True)
class _Result:
    """A chosen recipe, and everything that is said of the model it makes."""

    workshop: Workshop
    recipe: Recipe
    options: QuantizeOptions
    source: CalibrationSource

    def model(self) -> LiteRTModel:
        quantized = self.workshop.build(self.recipe)
        fidelity = self._fidelity(quantized)
        origin = self.workshop.model
        samples_path, golden_path = self.workshop.keep_example(quantized)
        return replace(
            quantized,
            name=self.options.name or origin.name,
            lineage=(
                *(origin.lineage or (origin.path.name,)),
                f"ai-edge-quantizer {version_of('ai-edge-quantizer')}: {self.recipe.sentence}",
            ),
            fidelity=fidelity,
            samples_path=samples_path,
            golden_path=golden_path,
            notes=(*origin.notes, *(warning for each in self.workshop.materials for warning in each.report.warnings)),
        )

    def _fidelity(self, quantized: LiteRTModel) -> Fidelity:
        workshop, options = self.workshop, self.options
        plans = plan_operators(self.recipe, workshop.model.graph, engine=workshop.engine)
        fidelity = workshop.judge(quantized)
        progress.emit("layers", "comparing layers")
        layers = workshop.compare_layers(quantized, self.recipe)
        metric = options.evaluate
        return replace(
            fidelity,
            data=self.source,
            is_held_out=all(each.report.is_held_out_separate for each in workshop.materials),
            num_calibration_samples=self.recipe.num_samples or 0,
            layers=layers,
            evaluation=metric
            and evaluate(metric, workshop.model, quantized, higher_is_better=options.higher_is_better),
            latency=check_latency(workshop.model, quantized),
            num_operators=len(plans),
            float_operators=_left_in_float(plans),
            recipe=self.recipe.to_record(),
            calibration=self._calibration(),
        )

    def _calibration(self) -> dict[str, Any] | None:
        materials = self.workshop.materials
        if not materials or not self.recipe.needs_calibration:
            return None
        statistics = [material.statistics for material in materials]
        report = report_calibration(statistics, self.workshop.model.graph, method=self.recipe.ranges)
        return {"ranges": report.to_record(), "data": [material.report.to_record() for material in materials]}


def _left_in_float(plans: Sequence[OperatorPlan]) -> dict[str, int]:
    return dict(Counter(plan.operator for plan in plans if not plan.is_quantized))
