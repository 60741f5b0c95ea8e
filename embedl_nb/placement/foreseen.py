"""What a preflight said of a model on a chip, kept for the day it runs there: a small file in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedl_nb import cache, config
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.placement.placement import Placement

__all__ = ["Foreseen", "keep_foreseen", "recall_foreseen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """How much of a model one unit would run, as a preflight said."""

    num_running: int
    num_operators: int


def keep_foreseen(placement: Placement, part: str) -> None:
    """Keep what was said of the chip ``part``, of the model and of what was compiled from it; a full disk costs it."""
    said = {str(unit): [split.num_running, split.num_operators] for unit, split in placement.splits.items()}
    artifact = placement.aot
    models = [placement.model_sha256, *([artifact.sha256] if artifact is not None else [])]
    for path in (_path(sha256, part, placement.signature_key) for sha256 in models):
        temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(said), encoding="utf-8")
            temporary.replace(path)
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def recall_foreseen(model_sha256: str, part: str, unit: ComputeUnit, *, signature_key: str = "") -> Foreseen | None:
    """Return what the latest preflight said, None where there was none.

    Parameters
    ----------
    signature_key
        Of a model with several signatures; ``""`` for the only one.
    """
    try:
        said = json.loads(_path(model_sha256, part, signature_key).read_bytes()).get(str(unit))
        return None if said is None else Foreseen(num_running=int(said[0]), num_operators=int(said[1]))
    except (OSError, ValueError, TypeError, AttributeError, LookupError):  # none, or damaged
        return None


def _path(model_sha256: str, part: str, signature_key: str) -> Path:
    name = hashlib.sha256(json.dumps([model_sha256, part, signature_key]).encode()).hexdigest()[:32]
    return config.cache_dir() / cache.ANSWERS / f"foreseen-{name}.json"
