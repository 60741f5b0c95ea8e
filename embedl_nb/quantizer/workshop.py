"""Makes quantized versions of one float model from recipes, each once, and says how near they are to it.

In: the float model and its prepared samples. Out: models in the cache, by the key of what they were made from, so that
work that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import cache, progress
from embedl_nb.errors import QuantizeError, RuntimeCrashedError
from embedl_nb.imports import version_of
from embedl_nb.model import LiteRTModel
from embedl_nb.model.fidelity import Fidelity, compare_fidelity
from embedl_nb.quantizer.judging import outputs_of
from embedl_nb.quantizer.ranges import Ranges, ranges_of
from embedl_nb.quantizer.recipe import Recipe
from embedl_nb.runtime.arrays import join_samples, save_arrays

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model.fidelity_rows import LayerFidelity
    from embedl_nb.quantizer.engine import Engine
    from embedl_nb.quantizer.prepare import Material
    from embedl_nb.quantizer.ranges import RangeStatistics

    Sample = dict[str, np.ndarray[Any, Any]]

__all__ = ["Source", "Workshop"]

PIPELINE_VERSION = 2
"""To be raised with every change of this package that changes what it produces."""
_NUM_LAYER_SAMPLES = 8
_TOOLS = ("ai-edge-quantizer", "ai-edge-litert")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The float model that is quantized, and the range of each of its activations."""

    model: LiteRTModel
    ranges: Ranges


class Workshop:
    """One float model, its samples, and what is made of them.

    Parameters
    ----------
    model
        The float model.
    engine
        Does the work.
    materials
        One a signature; empty for recipes that need no samples.
    judges
        Samples that judge, by signature key.
    """

    def __init__(
        self,
        model: LiteRTModel,
        engine: Engine,
        materials: Sequence[Material],
        judges: dict[str, list[Sample]],
    ) -> None:
        self.model = model
        self.engine = engine
        self.materials = tuple(materials)
        self.judges = judges
        self._references: dict[str, list[Sample]] = {}
        self._equalized: tuple[LiteRTModel, tuple[RangeStatistics, ...]] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="embedl_nb-quantize-")

    def close(self) -> None:
        """Remove what is not in the cache."""
        self._folder.cleanup()

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def build(self, recipe: Recipe) -> LiteRTModel:
        """Return the model that ``recipe`` makes, from the cache where it was made before.

        Raises
        ------
        QuantizeError, RecipeError
            If the library cannot apply the recipe.
        """
        key = self._key(recipe)
        entry = cache.find(key)
        if entry is None:
            progress.emit("quantize", recipe.sentence)
            entry = self._make(recipe, key)
        return LiteRTModel.open(entry.model_path, name=self.model.name)

    def judge(self, model: LiteRTModel) -> Fidelity:
        """Compare ``model`` with the float one on the judges' samples."""
        return self._compared(model, self.judges, "judge")

    def score(self, model: LiteRTModel) -> Fidelity:
        """Compare ``model`` with the float one on the samples that choose between recipes."""
        return self._compared(model, self.choosers, "choose")

    @property
    def choosers(self) -> dict[str, list[Sample]]:
        """Samples that choose between recipes, by signature key; the judges' where nothing was calibrated."""
        return {material.signature_key: material.choosers for material in self.materials} or self.judges

    def compare_layers(self, model: LiteRTModel, recipe: Recipe) -> tuple[LayerFidelity, ...]:
        """Compare every layer of the first signature with the float model's, on some of the judges' samples."""
        key, samples = next(iter(self.judges.items()))
        path = self._saved("layers", samples[:_NUM_LAYER_SAMPLES])
        return self.engine.compare_layers(self.source(recipe).model.path, model.path, path, signature_key=key)

    def keep_example(self, model: LiteRTModel) -> tuple[Path, Path]:
        """Save the judges' first sample and what ``model`` makes of it, for whoever runs it elsewhere."""
        key, samples = next(iter(self.judges.items()))
        example = self._saved("example", samples[:1])
        paths = cache.evidence_paths(model.path.parent, hashlib.sha256(example.read_bytes()).hexdigest())
        save_arrays(paths[0], join_samples(samples[:1]))
        save_arrays(paths[1], join_samples(outputs_of(model, samples[:1], signature_key=key)))
        return paths

    def _compared(self, model: LiteRTModel, samples: dict[str, list[Sample]], role: str) -> Fidelity:
        parts = []
        for key, each in samples.items():
            name = f"{role} {key}"
            if name not in self._references:
                self._references[name] = outputs_of(self.model, each, signature_key=key or None, stage=role)
            outputs = _run(model, each, key, role)
            prefix = f"{key}/" if len(samples) > 1 else ""
            sides = ([_prefixed(sample, prefix) for sample in side] for side in (self._references[name], outputs))
            parts.append(compare_fidelity(*sides))
        return replace(
            parts[0],
            outputs=tuple(row for part in parts for row in part.outputs),
            num_samples=sum(part.num_samples for part in parts),
            num_calibration_samples=sum(material.statistics.num_samples for material in self.materials),
        )

    def _key(self, recipe: Recipe) -> str:
        parts = {
            "model": self.model.sha256,
            "data": [material.digest for material in self.materials] if recipe.needs_calibration else [],
            "recipe": {name: value for name, value in recipe.to_record().items() if name != "name"},
            "pipeline": PIPELINE_VERSION,
            "tools": [version_of(tool) for tool in _TOOLS],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def source(self, recipe: Recipe) -> Source:
        """Return the float model that is quantized, equalized where the recipe says so, and its ranges."""
        model, statistics = self.model, tuple(material.statistics for material in self.materials)
        if recipe.is_equalized:
            self._equalized = self._equalized or self._equalize()
            model, statistics = self._equalized
        return Source(model=model, ranges=ranges_of(statistics, recipe.ranges) if recipe.needs_calibration else {})

    def _make(self, recipe: Recipe, key: str) -> cache.Entry:
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        target = folder / cache.MODEL
        source = self.source(recipe)
        self.engine.apply(source.model.path, recipe.full_rules, source.ranges, target)
        if recipe.is_refined:
            for material in self.materials:
                self.engine.refine(
                    source.model.path,
                    target,
                    self._train_path(material),
                    target,
                    signature_key=material.signature_key,
                    rounding=recipe.rounding,
                    is_bias_corrected=recipe.is_bias_corrected,
                )
        built = cache.write_meta(folder, {"sha256": LiteRTModel.open(target).sha256, "recipe": recipe.to_record()})
        return cache.publish(key, built) or _kept(built)

    def _equalize(self) -> tuple[LiteRTModel, tuple[RangeStatistics, ...]]:
        path = Path(self._folder.name) / "equalized.tflite"
        first = self.materials[0]
        self.engine.equalize(self.model.path, self._train_path(first), path, signature_key=first.signature_key)
        statistics = tuple(
            self.engine.observe(path, iter(each.kept), signature_key=each.signature_key, histograms=True)
            for each in self.materials
        )
        return LiteRTModel.open(path, name=self.model.name), statistics

    def _train_path(self, material: Material) -> Path:
        return self._saved(f"train-{self.materials.index(material)}", material.train)

    def _saved(self, name: str, samples: Sequence[Sample]) -> Path:
        path = Path(self._folder.name) / f"{name}.npz"
        if not path.exists():
            save_arrays(path, join_samples(samples))
        return path


def _run(model: LiteRTModel, samples: list[Sample], key: str, role: str) -> list[Sample]:
    """Run a quantized model, of which it is not certain yet that the runtime takes it."""
    try:
        return outputs_of(model, samples, signature_key=key or None, stage=role)
    except RuntimeCrashedError as err:
        raise QuantizeError(
            f"LiteRT crashes on what became of {model.name}: {err.message}",
            hint="keep the operators that make its outputs in float: overrides={...: 'float'}; or another recipe",
            details=err.details,
        ) from err


def _kept(built: cache.Entry) -> cache.Entry:
    """Move what the cache cannot take to a folder that lasts as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="embedl_nb-quantize-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    moved = shutil.copytree(built.folder, folder, dirs_exist_ok=True)
    return cache.Entry(folder=Path(moved), meta=built.meta)


def _prefixed(sample: Sample, prefix: str) -> Sample:
    return {f"{prefix}{name}": array for name, array in sample.items()}
