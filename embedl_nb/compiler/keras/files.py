"""Model files become TensorFlow objects with entry points, after they were looked through. Runs in the child only."""

from __future__ import annotations

import contextlib
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedl_nb.compiler.keras.binding import Given
from embedl_nb.compiler.keras.checks import LOAD_YOURSELF, refuse_untrusted_hdf5, refuse_untrusted_keras
from embedl_nb.compiler.keras.entries import Entry, entries_of_keras, entries_of_module
from embedl_nb.compiler.keras.graph_check import refuse_untrusted_graph
from embedl_nb.compiler.keras.tracing import Traced
from embedl_nb.compiler.one_line import one_line
from embedl_nb.errors import CompileError, InputError, OutOfMemoryError
from embedl_nb.formats import LARGEST_MODEL, LARGEST_MODEL_BYTES

__all__ = ["Opened", "load_graphs", "open_model"]

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Weights, the random ones that they replace, and what was read: of a model that can be compiled it is less.
_MOST_BYTES = 4 * LARGEST_MODEL_BYTES


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
    import tensorflow as tf

    try:
        with _little_memory():
            return keras.models.load_model(path, compile=False, safe_mode=True)
    except (MemoryError, tf.errors.ResourceExhaustedError) as err:
        raise OutOfMemoryError(
            f"{path} asks for more memory than a LiteRT model of {LARGEST_MODEL} needs, or than there is",
            hint="see whether its layers are as wide as they should be; else close other programs",
            details=str(err),
        ) from err
    except Exception as err:
        text = str(err)
        is_custom = "Unknown layer" in text or "Could not locate" in text
        raise CompileError(
            f"Keras {keras.__version__} cannot load {path}: {one_line(err)}",
            hint=LOAD_YOURSELF if is_custom else "load it where it comes from and save it with this Keras",
            details=f"{type(err).__name__}: {text}",
        ) from err


@contextlib.contextmanager
def _little_memory() -> Iterator[None]:
    """Let what needs far too much memory fail at once, not this machine slowly: layers can be of any size in a file."""
    if sys.platform != "linux":  # others have no such limit, or do not keep to it
        yield
        return
    import resource

    import psutil

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = psutil.Process().memory_info().vms + _MOST_BYTES
    given = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min([most, *given]), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


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
