"""Model files become TensorFlow objects with entry points, after they were looked through. Runs in the child only."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedl_nb.compiler.keras.binding import Given
from embedl_nb.compiler.keras.checks import LOAD_YOURSELF, refuse_untrusted_hdf5, refuse_untrusted_keras
from embedl_nb.compiler.keras.entries import Entry, entries_of_keras, entries_of_module
from embedl_nb.compiler.keras.graph_check import refuse_untrusted_graph
from embedl_nb.compiler.keras.tracing import Traced
from embedl_nb.compiler.one_line import one_line
from embedl_nb.errors import CompileError, InputError

__all__ = ["Opened", "load_graphs", "open_model"]

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model that was read from a file."""

    subject: Any
    entries: tuple[Entry, ...]
    variables: tuple[Any, ...]


def open_model(path: Path, given: Given) -> Opened:
    """Read a ``.keras`` or HDF5 file, or the folder of a SavedModel.

    Raises
    ------
    InputError
        If it is damaged, of another kind, or would do more than compute.
    CompileError
        If this TensorFlow cannot load it.
    """
    if path.is_dir():
        return _open_saved_model(path)
    with path.open("rb") as file:
        start = file.read(len(_HDF5_SIGNATURE))
    if start == _HDF5_SIGNATURE:
        if path.suffix.lower() == ".keras":
            raise InputError(f"{path} is an HDF5 file, no .keras archive", hint="give it the suffix .h5")
        refuse_untrusted_hdf5(path)
    elif path.suffix.lower() == ".keras":
        refuse_untrusted_keras(path)
    else:
        what = "a zip archive" if zipfile.is_zipfile(path) else "something else"
        raise InputError(f"{path} is no HDF5 file but {what}", hint="save the model again: model.save('model.keras')")
    model = _load_keras(path)
    return Opened(subject=model, entries=entries_of_keras(model, given), variables=tuple(model.variables))


def _load_keras(path: Path) -> Any:
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as err:
        text = str(err)
        is_custom = "Unknown layer" in text or "Could not locate" in text
        raise CompileError(
            f"Keras {keras.__version__} cannot load {path}: {one_line(err)}",
            hint=LOAD_YOURSELF if is_custom else "load it where it comes from and save it with this Keras",
            details=f"{type(err).__name__}: {text}",
        ) from err


def _open_saved_model(folder: Path) -> Opened:
    import tensorflow as tf

    refuse_untrusted_graph(folder)
    try:
        loaded = tf.saved_model.load(str(folder))
    except MemoryError:
        raise
    except Exception as err:
        raise CompileError(
            f"TensorFlow cannot load {folder}: {one_line(err)}",
            hint="export it again: model.export(path)",
            details=f"{type(err).__name__}: {err}",
        ) from err
    entries = entries_of_module(loaded)
    variables = {variable.name: variable for entry in loaded.signatures.values() for variable in entry.graph.variables}
    return Opened(subject=loaded, entries=entries, variables=tuple(variables.values()))


def load_graphs(folder: Path, described: list[dict[str, Any]]) -> tuple[Traced, ...]:
    """Load the graphs that the kernel has saved (see tracing.py)."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    traced = []
    for each in described:
        function = loaded.signatures[each["key"]]
        function._keep_alive = loaded  # its variables live as long as this object does
        traced.append(
            Traced(
                key=each["key"],
                function=function,
                inputs=tuple(each["inputs"]),
                outputs=tuple(each["outputs"]),
                layers=each["layers"],
            )
        )
    return tuple(traced)
