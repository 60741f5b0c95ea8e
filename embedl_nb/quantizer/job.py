"""A job to do: a recipe that was checked against the model, and a workshop with the samples.

In: what the caller gave. Out: :class:`Job`, for whoever quantizes or asks which operators are sensitive.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import CalibrationError, MissingDependencyError, QuantizeError, UnknownNameError
from embedl_nb.imports import is_installed
from embedl_nb.model.fidelity_rows import CalibrationSource
from embedl_nb.quantizer.auto import NUM_TRAIN
from embedl_nb.quantizer.data import DataKind
from embedl_nb.quantizer.engine import Engine, require_float
from embedl_nb.quantizer.judges import judges_without_data
from embedl_nb.quantizer.legality import plan_operators, require_effect, scope_names
from embedl_nb.quantizer.prepare import Material, prepare
from embedl_nb.quantizer.recipe import RangeMethod, Recipe
from embedl_nb.quantizer.recipes import AUTO, resolve_recipe
from embedl_nb.quantizer.workshop import Workshop

if TYPE_CHECKING:
    from embedl_nb.model import LiteRTModel
    from embedl_nb.model.graph import ModelGraph
    from embedl_nb.quantizer.options import QuantizeOptions

__all__ = ["AnyRecipe", "Job", "open_job"]

AnyRecipe = str | Path | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Recipe
"""What a caller may give as a recipe."""

_BASE = "static_wi8_ai8"
_WITH_HISTOGRAMS = (RangeMethod.PERCENTILE, RangeMethod.MSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done, and with what.

    Attributes
    ----------
    recipe
        The caller's, or the one that the search begins with.
    is_search
        Whether a better one is to be looked for.
    source
        Where the judges' samples come from.
    """

    workshop: Workshop
    recipe: Recipe
    is_search: bool
    source: CalibrationSource


@contextmanager
def open_job(
    model: LiteRTModel,
    data: Any,
    recipe: AnyRecipe,
    overrides: Mapping[str, str] | None,
    options: QuantizeOptions,
) -> Iterator[Job]:
    """Check what the caller gave, read the samples, and keep a child ready until the block ends.

    Raises
    ------
    QuantizeError
        If the model is quantized already, or there is no room for temporary files.
    RecipeError, UnknownNameError
        If there is no such recipe, or it changes nothing.
    CalibrationError
        If the recipe needs data and there is none, or the data cannot be used.
    MissingDependencyError
        If the quantizer library is not installed.
    """
    if not is_installed("ai_edge_quantizer"):
        raise MissingDependencyError(
            "ai-edge-quantizer, which quantizes, is not installed",
            extra="quantize",
            install="pip install 'embedl-nb[quantize]'",
        )
    is_search = isinstance(recipe, str) and recipe.strip() == AUTO
    require_float(model.graph, model.name)
    base = resolve_recipe(_BASE if is_search else recipe, overrides, graph=model.graph)
    if data is None and (is_search or base.needs_calibration):
        raise CalibrationError(
            f"recipe {AUTO if is_search else base.name!r} calibrates, and there is no data for {model.name}",
            hint='give samples of real inputs as data, or data="random" to try things out; '
            'recipe="dynamic_wi8_afp32" needs none',
        )
    _check_kept(base, model.graph)
    with _naming_full_disks(), Engine() as engine:
        require_effect(base, plan_operators(base, model.graph, engine=engine))
        materials = _materials(model, data, engine, base, options, is_search=is_search)
        if materials:
            judges, source = {each.signature_key: each.held_out for each in materials}, _source(materials)
            if is_search or base.needs_calibration:
                base = _as_calibrated(base, materials, options)
        else:
            judges, source = judges_without_data(model, seed=options.seed)
        with Workshop(model, engine, materials, judges) as workshop:
            yield Job(workshop=workshop, recipe=base, is_search=is_search, source=source)


@contextmanager
def _naming_full_disks() -> Iterator[None]:
    """Turn a disk that takes no more files into an error of ours; nothing of the work is left on it."""
    try:
        yield
    except OSError as err:
        if err.errno not in (errno.ENOSPC, errno.EROFS):
            raise
        raise QuantizeError(
            f"temporary files cannot be written to {tempfile.gettempdir()}: {err.strerror}",
            hint="free space there, or set TMPDIR to a folder with more",
        ) from err


def _check_kept(recipe: Recipe, graph: ModelGraph) -> None:
    """Raise where a recipe keeps operators in float that are not in this model: it was made for another one."""
    if not recipe.kept_float:
        return
    known = {name for subgraph in graph.subgraphs for name in scope_names(graph, subgraph_index=subgraph.index)}
    # A mix names the model's ends too.
    for subgraph in graph.subgraphs:
        known |= {";".join(subgraph.tensors[i].name for i in ends) for ends in (subgraph.inputs, subgraph.outputs)}
    for name in recipe.kept_float:
        if name not in known:
            raise UnknownNameError.among("operator that the recipe keeps in float,", name, known)


def _materials(
    model: LiteRTModel, data: Any, engine: Engine, base: Recipe, options: QuantizeOptions, *, is_search: bool
) -> tuple[Material, ...]:
    """Read the samples, as many as a recipe that was calibrated before had."""
    if data is None:
        return ()
    return prepare(
        model,
        data,
        engine,
        num_samples=base.num_samples or options.num_samples,
        seed=_seed(base, options),
        num_train=base.num_train or NUM_TRAIN[options.effort],
        histograms=is_search or base.ranges in _WITH_HISTOGRAMS,
    )


def _as_calibrated(base: Recipe, materials: Sequence[Material], options: QuantizeOptions) -> Recipe:
    return replace(
        base,
        num_samples=max(material.statistics.num_samples for material in materials),
        seed=_seed(base, options),
        num_train=base.num_train or (NUM_TRAIN[options.effort] if base.is_refined else None),
    )


def _seed(base: Recipe, options: QuantizeOptions) -> int:
    return options.seed if base.seed is None else base.seed


def _source(materials: Sequence[Material]) -> CalibrationSource:
    is_random = any(material.report.kind is DataKind.RANDOM for material in materials)
    return CalibrationSource.RANDOM if is_random else CalibrationSource.GIVEN
