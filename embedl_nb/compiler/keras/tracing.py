"""Entry points become graphs for fixed shapes; which layer each scope of a graph stands for is noted on the way.

In: entries and samples. Out: concrete functions whose inputs and outputs have plain names (``i0000``, ``o0000``), the
real names beside them, and a digest of what they compute. Runs in the kernel for an object, in the child for a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.keras.binding import ArraySamples
from embedl_nb.compiler.keras.entries import Entry
from embedl_nb.errors import CompileError, InputError
from embedl_nb.formats import LARGEST_MODEL, LARGEST_MODEL_BYTES
from embedl_nb.units import format_bytes

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Traced",
    "check_weights",
    "digest",
    "input_key",
    "layer_of",
    "output_key",
    "refuse_odd_names",
    "run",
    "save",
    "trace",
    "without_gradients",
]

_NOT_IN_SCOPES = re.compile(r"[^A-Za-z0-9_./-]")
_NUMBERED = re.compile(r"(?P<stem>.*?)_(?P<number>\d+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """One entry point as a graph.

    Attributes
    ----------
    inputs, outputs
        Real names, in the order of the function's ``i0000`` and ``o0000``.
    layers
        By scope of the graph, the dotted path of the Keras layer that it stands for, "" for the model itself.
    """

    key: str
    function: Any
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    layers: Mapping[str, str] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Return all but the function, ready for JSON."""
        return {
            "key": self.key,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "layers": dict(self.layers),
        }


def input_key(index: int) -> str:
    """Return the plain name of an input."""
    return f"i{index:04d}"


def output_key(index: int) -> str:
    """Return the plain name of an output; TensorFlow sorts a dict's keys, and these are sorted by index."""
    return f"o{index:04d}"


def run(entry: Entry, samples: ArraySamples) -> dict[str, np.ndarray[Any, Any]]:
    """Compute the reference, eagerly: every output of every sample, as ``"<sample>/<name>"``."""
    import numpy as np
    import tensorflow as tf

    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for index, sample in enumerate(samples.samples):
        outputs = entry.call(*(tf.constant(array) for array in sample.values()))
        arrays |= {f"{index}/{name}": np.array(value) for name, value in outputs.items()}
    return arrays


def trace(subject: Any, entry: Entry, samples: ArraySamples) -> Traced:
    """Trace ``entry`` for the shapes of ``samples``.

    Parameters
    ----------
    subject
        What the entry belongs to; the layers of a Keras model are noted.
    """
    import tensorflow as tf

    names: list[str] = []
    scopes: dict[str, str] = {}

    def called(*tensors: Any) -> dict[str, Any]:
        with _noting(tf.compat.v1.get_default_graph(), scopes):
            outputs = entry.call(*tensors)
        names[:] = list(outputs)
        return {output_key(index): tf.convert_to_tensor(value) for index, value in enumerate(outputs.values())}

    specs = [
        tf.TensorSpec(array.shape, array.dtype, name=input_key(index))
        for index, array in enumerate(samples.samples[0].values())
    ]
    function = tf.function(called, input_signature=specs, autograph=False).get_concrete_function()
    layers = _layer_paths(subject, scopes) if hasattr(subject, "_flatten_layers") else {}
    return Traced(key=entry.key, function=function, inputs=samples.names, outputs=tuple(names), layers=layers)


@contextlib.contextmanager
def _noting(graph: Any, scopes: dict[str, str]) -> Iterator[None]:
    """Note the name under which each scope was asked for: TensorFlow numbers it, and Keras enters a layer's twice."""
    enter = graph.name_scope

    @contextlib.contextmanager
    def noted(name: str) -> Iterator[str]:
        with enter(_allowed(name)) as scope:
            if name and scope and not name.endswith("/"):
                scopes[scope.rstrip("/")] = name
            yield scope

    graph.name_scope = noted
    try:
        yield
    finally:
        del graph.name_scope


def _allowed(name: str) -> str:
    """Return ``name`` as a scope can have it: Keras takes blanks and the like in names, TensorFlow's graphs do not."""
    plain = _NOT_IN_SCOPES.sub("_", name) if name else name
    return f"x{plain}" if plain and plain[0] in "_/-" else plain


def _layer_paths(model: Any, scopes: Mapping[str, str]) -> dict[str, str]:
    """Return the path of the layer for each scope that is one's; a scope comes after the one around it."""
    everywhere = {layer.name: layer for layer in model._flatten_layers(include_self=False)}
    found: dict[str, tuple[Any, str]] = {}
    for scope, name in scopes.items():
        around = scope.rpartition("/")[0]
        if not around and name == model.name:
            found[scope] = (model, "")
        elif around in found:
            layer, path = found[around]
            own = {child.name: child for child in layer._flatten_layers(include_self=False, recursive=False)}
            child = own.get(name) or (everywhere.get(name) if own else None)
            if child is not None:
                found[scope] = (child, f"{path}.{name}" if path else name)
    return {scope: path for scope, (_, path) in found.items()}


def layer_of(name: str, layers: Mapping[str, str]) -> str | None:
    """Return the path of the layer that an operation belongs to, "" for the model itself; None where it is unknown."""
    scope = name
    while scope:
        if scope in layers:
            return layers[scope]
        scope = scope.rpartition("/")[0]
    return None


def check_weights(name: str, variables: Any) -> None:
    """Look at the weights of a model.

    Raises
    ------
    InputError
        If one holds NaN; it is named.
    CompileError
        If they are more than a LiteRT file can hold.
    """
    import numpy as np

    total = 0
    for variable in variables:
        value = np.asarray(variable)
        total += value.nbytes
        if value.dtype.kind == "f" and bool(np.isnan(value).any()):
            which = getattr(variable, "path", None) or variable.name
            raise InputError(
                f"weight {which!r} of {name} holds {int(np.isnan(value).sum())} NaN (shape {value.shape})",
                hint="load weights from before the training diverged",
            )
    if total > LARGEST_MODEL_BYTES:
        raise CompileError(
            f"{name} has {format_bytes(total)} of weights; a LiteRT model can hold {LARGEST_MODEL}",
            hint="compile parts of it, or store its weights in float16",
        )


def refuse_odd_names(model: Any) -> None:
    """Refuse names of layers with which TensorFlow cannot save a Keras model.

    Raises
    ------
    InputError
        It names the layer; a file of the same model can be compiled.
    """
    # The name of an input is no scope.
    names = [layer.name for layer in model._flatten_layers() if type(layer).__name__ != "InputLayer"]
    odd = next((name for name in names if name != _allowed(name)), None)
    if odd is not None:
        raise InputError(
            f"TensorFlow cannot save a graph with the name {odd!r} of a model or layer",
            hint="model.save('model.keras'), and compile that file; or use letters, digits and '_' only",
        )


def save(subject: Any, traced: tuple[Traced, ...], folder: Path) -> None:
    """Write the graphs and their weights as a SavedModel, for which no class of the user's is needed."""
    import tensorflow as tf

    module = tf.Module()
    module.subject = subject
    module.variables_of_graphs = [variable for each in traced for variable in each.function.graph.variables]
    # The states of random layers, which are idle at inference and yet part of the graph.
    module.variables_of_layers = [getattr(each, "value", each) for each in getattr(subject, "variables", ())]
    signatures = {each.key: each.function for each in traced}
    tf.saved_model.save(module, str(folder), signatures=signatures, options=without_gradients())


def without_gradients() -> Any:
    """Return how to save a graph: the gradients of its own that an activation like swish has cannot be saved frozen."""
    import tensorflow as tf

    return tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def digest(traced: tuple[Traced, ...]) -> str:
    """Return a hash of what the graphs compute: their operations, and every value that they hold on to."""
    import numpy as np

    total = hashlib.sha256()
    for each in traced:
        total.update(repr((each.key, each.inputs, each.outputs, sorted(each.layers.items()))).encode())
        total.update(_graph_bytes(each.function.graph.as_graph_def()))
        for variable in each.function.graph.variables:
            value = np.ascontiguousarray(variable)
            total.update(f"{variable.name} {value.dtype} {value.shape}".encode())
            total.update(value.tobytes())
        for value in each.function.captured_inputs:
            if value.dtype.is_numpy_compatible and hasattr(value, "numpy"):
                total.update(np.ascontiguousarray(value.numpy()).tobytes())
    return total.hexdigest()


def _graph_bytes(graph: Any) -> bytes:
    """Return a graph's bytes, its functions numbered in order: TensorFlow counts them through the whole session."""

    def order(name: str) -> tuple[str, int]:
        match = _NUMBERED.match(name)
        return (match["stem"], int(match["number"])) if match else (name, 0)

    names = sorted((function.signature.name for function in graph.library.function), key=order)
    library = sorted(graph.library.function, key=lambda function: order(function.signature.name))
    del graph.library.function[:]
    graph.library.function.extend(library)
    data: bytes = graph.SerializeToString(deterministic=True)
    for index, name in enumerate(sorted(names, key=len, reverse=True)):
        data = data.replace(name.encode(), f"function {names.index(name)} {index}".encode())
    return data
