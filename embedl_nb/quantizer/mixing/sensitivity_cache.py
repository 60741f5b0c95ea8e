"""What was measured of a model's sensitivity, kept line by line, so that a call that was interrupted goes on.

One small file in the cache for each question (model, ranges, rules, samples, tools): one JSON object a line, written at
once when its figure is known. A last line that was cut short is skipped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import config
from embedl_nb.errors import EmbedlWarning
from embedl_nb.imports import version_of

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Case", "NoiseCache", "question_key"]

Case = tuple[str, tuple[int, ...]]
"""What was quantized: ``("alone", (3,))``, ``("left_out", (3, 4))``, ``("all", ())``."""

_TOOLS = ("ai-edge-quantizer", "ai-edge-litert")
_FORMAT = 1


def question_key(
    model_sha256: str,
    rules: Sequence[Mapping[str, Any]],
    ranges: Mapping[str, tuple[float, float]],
    samples: Sequence[Mapping[str, Array]],
    *,
    signature_key: str | None,
) -> str:
    """Return the hash of everything that a noise power depends on, hexadecimal."""
    digest = hashlib.sha256()
    versions = [version_of(tool) for tool in _TOOLS]
    known = {name: list(map(float, limits)) for name, limits in ranges.items()}
    header = [_FORMAT, model_sha256, [dict(rule) for rule in rules], known, versions, signature_key]
    digest.update(json.dumps(header, sort_keys=True).encode())
    for index, sample in enumerate(samples):
        for name, array in sorted(sample.items()):
            digest.update(f"\n{index}\n{name}\n{array.dtype}\n{array.shape}\n".encode())
            digest.update(array.tobytes())
    return digest.hexdigest()


class NoiseCache:
    """Noise powers by case, in memory and in one file that grows by a line each time.

    Parameters
    ----------
    key
        Of the question; see :func:`question_key`.
    folder
        Where the files are; by default the user's cache.
    """

    def __init__(self, key: str, folder: Path | None = None) -> None:
        self._path = (folder or config.cache_dir() / "sensitivity") / f"{key}.jsonl"
        self._known: dict[Case, float] = {}
        self._is_writable = True
        self._ends_in_newline = True
        with contextlib.suppress(OSError):  # not there yet, or unreadable: then nothing is known
            text = self._path.read_text(encoding="utf-8", errors="replace")
            self._known = dict(pair for line in text.splitlines() if (pair := _parse(line)) is not None)
            self._ends_in_newline = not text or text.endswith("\n")

    def get(self, case: Case) -> float | None:
        """Return the noise power of a case, None where it was not measured."""
        return self._known.get(case)

    def put(self, case: Case, noise: float) -> None:
        """Keep the noise power of a case, in the file too."""
        self._known[case] = noise
        if not self._is_writable:
            return
        line = json.dumps({"case": case[0], "operators": list(case[1]), "noise": repr(noise)})
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(f"{'' if self._ends_in_newline else chr(10)}{line}\n")
            self._ends_in_newline = True
        except OSError as err:
            self._is_writable = False
            warnings.warn(
                f"what is measured is not kept in {self._path.parent}: {err.strerror or err}; an interrupted call will "
                "start from the beginning",
                EmbedlWarning,
                stacklevel=4,
            )


def _parse(line: str) -> tuple[Case, float] | None:
    """Return the case and noise power of a line, None for one that was cut short."""
    try:
        entry = json.loads(line)
        return (str(entry["case"]), tuple(int(index) for index in entry["operators"])), float(entry["noise"])
    except (ValueError, KeyError, TypeError):
        return None
