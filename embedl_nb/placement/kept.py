"""Answers that were given before, by what they depend on: a small file each in the user's cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

from embedl_nb import cache, config
from embedl_nb.imports import version_of
from embedl_nb.placement.answers import UnitAnswer
from embedl_nb.placement.records import answer_from_record, answer_to_record
from embedl_nb.units import ComputeUnit

__all__ = ["answer_key", "find", "keep"]

_FORMAT = 2


def answer_key(unit: ComputeUnit, model_sha256: str, signature_key: str | None, asked: object) -> str:
    """Return the name of an answer, made from all that it depends on.

    Parameters
    ----------
    asked
        What answers, besides the runtime: the processor, the drivers. JSON-ready.
    """
    header = [_FORMAT, model_sha256, signature_key, asked, version_of("ai-edge-litert"), version_of("embedl-nb")]
    return f"{unit}-{hashlib.sha256(json.dumps(header).encode()).hexdigest()[:32]}"


def find(key: str) -> UnitAnswer | None:
    """Return the answer that was kept, None where there is none, it is damaged, or it is not to be used."""
    if cache.is_bypassed():
        return None
    try:
        return answer_from_record(json.loads(_path(key).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(key: str, answer: UnitAnswer) -> UnitAnswer:
    """Keep an answer and its log, which is removed with other logs otherwise; on a full disk it is only returned."""
    path = _path(key)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        if answer.log_path is not None:
            answer = replace(answer, log_path=Path(shutil.copyfile(answer.log_path, path.with_suffix(".log"))))
        temporary.write_text(json.dumps(answer_to_record(answer)), encoding="utf-8")
        temporary.replace(path)
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)  # a full disk leaves half of it
    return answer


def _path(key: str) -> Path:
    return config.cache_dir() / cache.ANSWERS / f"{key}.json"
