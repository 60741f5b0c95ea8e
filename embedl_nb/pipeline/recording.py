"""A finished step goes into the run store, and takes its run's id and the store's copy of its model along."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from embedl_nb.errors import EmbedlWarning, RunStoreError, UnknownNameError

if TYPE_CHECKING:
    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel
    from embedl_nb.placement import Placement

__all__ = ["kept_path", "pictures_of", "recorded", "recorded_benchmark"]

_Result = TypeVar("_Result", "LiteRTModel", "Benchmark", "Placement")


def kept_path(model: LiteRTModel) -> Path:
    """Return where the store keeps the model; the cache may make room at any time, the copy of a recorded run stays."""
    from embedl_nb import runstore

    try:
        return runstore.model_path(model.sha256)
    except (UnknownNameError, RunStoreError):  # it could not be kept, which was said when it was recorded
        return model.path


def recorded(
    kind: str, result: _Result, *, model: LiteRTModel, parent_run_id: str | None, call: Mapping[str, Any] | None = None
) -> _Result:
    """Return ``result`` with the id of its run; a store that fails costs the record, never the result.

    Parameters
    ----------
    call
        What the verb was given (see :func:`embedl_nb.pipeline.calls.call_of`), by which it can be done again.
    """
    from embedl_nb import runstore

    try:
        run_id = runstore.record(
            kind,
            result.to_record(),
            model_path=model.path,
            parent_run_id=parent_run_id,
            pictures=pictures_of(result),
            call=call,
        )
    except RunStoreError as err:
        warnings.warn(f"this run is not recorded: {err}", EmbedlWarning, stacklevel=3)
        return result
    return dataclasses.replace(result, run_id=run_id)


def recorded_benchmark(model: LiteRTModel, result: Benchmark, *, call: Mapping[str, Any] | None = None) -> Benchmark:
    """Record a benchmark of ``model`` with the file that ran: on a phone's NPU what was compiled ahead of time."""
    ran = model.aot if model.aot is not None and model.aot.sha256 == result.model_sha256 else model
    return recorded("benchmark", result, model=ran, parent_run_id=ran.run_id, call=call)


def pictures_of(result: LiteRTModel | Benchmark | Placement) -> dict[str, str]:
    """Draw what a reader of the run's page shall see: the result as a notebook shows it, and its chart by itself."""
    from embedl_nb.display import figures

    pictures = {"result": result._repr_html_()}
    if getattr(result, "layer_table", ()):
        pictures["waterfall"] = figures.draw("waterfall_svg", result)
    fidelity = getattr(result, "fidelity", None)
    if fidelity is not None and fidelity.layers:
        pictures["fidelity"] = figures.draw("fidelity_svg", fidelity)
    return pictures
