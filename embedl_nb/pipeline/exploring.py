"""Results' layers with what the models that were measured say of them: the models are found by their hashes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedl_nb.errors import UnknownNameError

if TYPE_CHECKING:
    from embedl_nb.analysis.layer_table import LayerTable
    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel

__all__ = ["layers_of"]


def layers_of(
    result: Benchmark,
    other: Benchmark | None = None,
    *,
    models: LiteRTModel | str | Path | Iterable[LiteRTModel | str | Path] = (),
) -> LayerTable:
    """Return the layers of one result, or of two side by side.

    Parameters
    ----------
    models
        Those that were measured; of a recorded result the one that is not given is looked for among the kept ones.

    Raises
    ------
    InputError
        If one of the results has no layers, their numbers are of different provenance, or a model belongs to neither.
    """
    from embedl_nb.analysis.layer_table import layer_table
    from embedl_nb.model import LiteRTModel
    from embedl_nb.model.litert_model import as_model

    given = (models,) if isinstance(models, LiteRTModel | str | Path) else tuple(models)
    at_hand = {model.sha256: model for model in map(as_model, given)}
    for each in (result, other):
        run_id = getattr(each, "run_id", None)
        if each is not None and run_id and each.model_sha256 not in at_hand:
            kept = _kept_model(each.model_sha256)
            if kept is not None:
                at_hand[kept.sha256] = kept
    return layer_table(result, other, models=tuple(at_hand.values()))


def _kept_model(sha256: str) -> LiteRTModel | None:
    """Return the model as the step that made it was recorded, or its file alone; None where it is not kept."""
    from embedl_nb import runstore
    from embedl_nb.model import LiteRTModel

    try:
        path = runstore.model_path(sha256)
    except UnknownNameError:
        return None
    record = runstore.maker_of(sha256)
    if record is None:
        return LiteRTModel.open(path)
    return replace(LiteRTModel.from_record(record["result"]), path=path)
