"""The kernel's side of compiling a Keras or TensorFlow object.

It is run and traced here, where its classes are, and saved as a SavedModel, for which the child needs none of them.
Files are another matter (from_model_file.py): the kernel imports no TensorFlow for them.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.converter import TENSORFLOW
from embedl_nb.compiler.keras.binding import ArraySamples, bind, read_given
from embedl_nb.compiler.keys.fingerprint import Fingerprint, fingerprint_tensorflow
from embedl_nb.compiler.sources.from_model_file import ModelFileSource
from embedl_nb.compiler.user_code import user_line
from embedl_nb.errors import EmbedlError, InputError, SignatureMismatchError

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.compiler.keras.entries import Entry
    from embedl_nb.compiler.keras.tracing import Traced

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = [
    "ModelObjectSource",
    "is_tensorflow_object",
    "model_file_source",
    "model_object_source",
]

_BOLD = re.compile(r"\x1b\[1m(?P<text>.*?)\x1b\[0m", re.DOTALL)
_NODE = re.compile(r"\{\{function_node [^}]*\}\}")


def is_tensorflow_object(source: Any) -> bool:
    """Say whether ``source`` is a Keras layer or model, a tf.Module or a loaded SavedModel; imports nothing."""
    keras, tensorflow = sys.modules.get("keras"), sys.modules.get("tensorflow")
    if keras is not None and hasattr(keras, "layers") and isinstance(source, keras.layers.Layer):
        return True
    if tensorflow is None or not hasattr(tensorflow, "Module"):
        return False
    is_loaded = type(source).__module__.startswith("tensorflow.") and hasattr(source, "signatures")
    return isinstance(source, tensorflow.Module) or is_loaded


def model_object_source(source: Any, example_inputs: Any) -> ModelObjectSource:
    """Take an object that :func:`is_tensorflow_object`.

    Raises
    ------
    InputError, SignatureMismatchError
        If it has no entry point, or the example inputs do not fit.
    """
    return ModelObjectSource(source, example_inputs)


def model_file_source(path: Path, example_inputs: Any, *, timeout_s: float) -> ModelFileSource:
    """Take a ``.keras`` or HDF5 file, or the folder of a SavedModel.

    Raises
    ------
    InputError
        If there is nothing, or a folder without a model.
    """
    return ModelFileSource(path, read_given(example_inputs), timeout_s=timeout_s)


class ModelObjectSource:
    """A Keras model, a tf.Module or a loaded SavedModel in memory.

    Raises
    ------
    InputError, SignatureMismatchError
        If it has no entry point, or the example inputs do not fit.
    """

    converter = TENSORFLOW

    def __init__(self, subject: Any, example_inputs: Any) -> None:
        from embedl_nb.compiler.keras.entries import entries_of_keras, entries_of_module
        from embedl_nb.compiler.keras.tracing import refuse_odd_names

        given = read_given(example_inputs)
        self.subject = subject
        self._is_keras = _is_keras(subject)
        if self._is_keras:
            _refuse_other_backends(subject)
            refuse_odd_names(subject)
        entries = entries_of_keras(subject, given) if self._is_keras else entries_of_module(subject)
        by_key = given.of(tuple(entry.key for entry in entries))
        parts = [_Part(self.name, entry, bind(entry.inputs, by_key[entry.key], name=self.name)) for entry in entries]
        self.parts = {part.entry.key: part for part in parts} if len(parts) > 1 else {"": parts[0]}
        self._traced: tuple[Traced, ...] = ()

    @property
    def name(self) -> str:
        """The class's name, or the one that a Keras model was given."""
        kind = type(self.subject).__name__
        return str(self.subject.name) if kind in ("Functional", "Sequential") else kind.lstrip("_")

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""
        return f"{'keras' if self._is_keras else 'tensorflow'} {self.name}"

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it: its graphs and its weights, so that changed code is a changed model."""
        from embedl_nb.compiler.keras.tracing import digest

        return fingerprint_tensorflow(digest(self._graphs()), tuple(part.shapes() for part in self.parts.values()))

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the result must know."""
        return ()

    def check(self) -> None:
        """Look at the weights.

        Raises
        ------
        InputError, CompileError
            If one holds NaN, or they are more than a LiteRT file can hold.
        """
        from embedl_nb.compiler.keras.tracing import check_weights

        variables = {id(each): each for traced in self._graphs() for each in traced.function.graph.variables}
        check_weights(self.name, variables.values())

    def export(self, folder: Path) -> dict[str, Any]:
        """Save the traced graphs, and say what they are called."""
        from embedl_nb.compiler.keras.tracing import save

        with _quiet():
            save(self.subject, self._graphs(), folder / "graphs")
        entries = [each.described() for each in self._graphs()]
        return {"graphs": str(folder / "graphs"), "entries": entries, "name": self.name}

    def _graphs(self) -> tuple[Traced, ...]:
        if not self._traced:
            self._traced = tuple(part.traced(self.subject) for part in self.parts.values())
        return self._traced


class _Part:
    """One entry point of an object, and its samples."""

    dropped: tuple[str, ...] = ()

    def __init__(self, name: str, entry: Entry, samples: ArraySamples) -> None:
        self._name = name
        self.entry = entry
        self.samples = samples

    @property
    def reference_notes(self) -> tuple[str, ...]:
        """Say which open dimensions were pinned."""
        return self.samples.notes

    def run(self, samples: ArraySamples) -> Arrays:
        """Compute the reference: every output of every sample, as ``"<sample>/<name>"``."""
        from embedl_nb.compiler.keras.tracing import run

        with _said_by(self._name, samples), _quiet():
            return run(self.entry, samples)

    def traced(self, subject: Any) -> Traced:
        """Return its graph."""
        from embedl_nb.compiler.keras.tracing import trace

        self.run(self.samples)  # a model of a class of its own builds itself now
        with _said_by(self._name, self.samples), _quiet():
            return trace(subject, self.entry, self.samples)

    def shapes(self) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
        """Return names, dtypes and shapes of its inputs."""
        return tuple((name, str(array.dtype), array.shape) for name, array in self.samples.samples[0].items())


def _is_keras(subject: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(subject, keras.layers.Layer)


def _refuse_other_backends(subject: Any) -> None:
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"{type(subject).__name__} runs on Keras's backend {keras.backend.backend()!r}",
            hint="model.save('model.keras'), and compile that file: it is read with the backend 'tensorflow'",
        )


@contextlib.contextmanager
def _said_by(name: str, samples: ArraySamples) -> Iterator[None]:
    """Turn what a model raises on its own example inputs into an error that names the user's line."""
    try:
        yield
    except (EmbedlError, MemoryError):
        raise
    except Exception as err:
        line = user_line(err)
        raise SignatureMismatchError(
            f"{name} fails on its example inputs ({samples.describe()}): {_plain(err)}"
            + (f"\nin {line}" if line else ""),
            hint="check the inputs' shapes and dtypes; the model has to run on them, with training=False",
            details=str(err),
        ) from err


def _plain(err: Exception) -> str:
    """Return what went wrong: Keras wraps it in bold letters, TensorFlow puts its node before it."""
    text = str(err)
    bold = _BOLD.search(text)
    return _NODE.sub("", bold["text"] if bold else text).strip()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep TensorFlow's log and warnings out of the notebook."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "absl")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
