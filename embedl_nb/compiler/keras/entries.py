"""The entry points of a TensorFlow object: what each takes, what it returns and how it is called.

A Keras model has one, a loaded SavedModel one for each signature, a tf.Module one for each tf.function with an input
signature. Inputs arrive flat, in the order of ``inputs``; outputs leave as a dict.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from embedl_nb.compiler.keras.binding import Given, InputSpec, Sample
from embedl_nb.errors import InputError

__all__ = ["DEFAULT_KEY", "Entry", "entries_of_keras", "entries_of_module", "named_outputs"]

DEFAULT_KEY = "serving_default"
_NOT_INPUTS = ("training", "mask")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A named entry point.

    Attributes
    ----------
    call
        Takes one tensor an input and returns tensors by name.
    """

    key: str
    inputs: tuple[InputSpec, ...]
    call: Callable[..., dict[str, Any]]


def entries_of_keras(model: Any, given: Given) -> tuple[Entry, ...]:
    """Return the one entry point of a Keras model; its layers run as at inference.

    Raises
    ------
    InputError
        If the model declares no inputs (it is a subclass of keras.Model) and none are given.
    """
    if getattr(model, "inputs", None):
        inputs, pack = _declared(model)
    else:
        inputs, pack = _as_called(model, given.of((DEFAULT_KEY,))[DEFAULT_KEY])
    names = tuple(getattr(model, "output_names", None) or ())

    def call(*tensors: Any) -> dict[str, Any]:
        args, kwargs = pack(tensors)
        return named_outputs(model(*args, **kwargs, training=False), names)

    return (Entry(key=DEFAULT_KEY, inputs=inputs, call=call),)


def _declared(model: Any) -> tuple[tuple[InputSpec, ...], Callable[..., Any]]:
    """Return the inputs of a functional or sequential model, and how to nest them for a call."""
    structure = getattr(model, "_inputs_struct", None)
    tensors = list(model.inputs)
    names = [_input_name(tensor) for tensor in tensors]
    is_dict = isinstance(structure, Mapping) and len(structure) == len(tensors)
    if isinstance(structure, Mapping) and is_dict:
        names = sorted(structure)  # as Keras flattens them
        tensors = [structure[name] for name in names]

    def pack(flat: tuple[Any, ...]) -> Any:
        if is_dict:
            return (dict(zip(names, flat, strict=True)),), {}
        return (flat[0] if len(flat) == 1 else list(flat),), {}

    return tuple(_spec(name, tensor) for name, tensor in zip(names, tensors, strict=True)), pack


def _input_name(tensor: Any) -> str:
    """Return the input layer's name: that of the tensor is the same, or a running number where it was given none."""
    layer = getattr(getattr(tensor, "_keras_history", None), "operation", None)
    return str(getattr(layer, "name", "") or tensor.name)


def _as_called(model: Any, given: tuple[Sample, ...]) -> tuple[tuple[InputSpec, ...], Callable[..., Any]]:
    """Return the inputs of a model that is a class of its own: those of the example, named as in its ``call``."""
    what = type(model).__name__
    if not given:
        raise InputError(
            f"{what} declares no inputs, and no example inputs were given",
            hint="give example_inputs: what the model is called with",
        )
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = [
        name
        for name, parameter in inspect.signature(model.call).parameters.items()
        if parameter.kind in kinds and name not in _NOT_INPUTS
    ]
    first = given[0]
    if isinstance(first, dict):
        names = list(first)
        is_keywords = set(names) <= set(parameters)

        def pack(flat: tuple[Any, ...]) -> Any:
            arguments = dict(zip(names, flat, strict=True))
            return ((), arguments) if is_keywords else ((arguments,), {})
    else:
        is_list = len(first) > len(parameters)
        stem = parameters[0] if parameters else "args"
        names = [f"{stem}_{index}" for index in range(len(first))] if is_list else parameters[: len(first)]

        def pack(flat: tuple[Any, ...]) -> Any:
            return ((list(flat),), {}) if is_list else (flat, {})

    arrays = first.values() if isinstance(first, dict) else first
    specs = (
        InputSpec(name=name, shape=array.shape, dtype="float32" if array.dtype == "float64" else str(array.dtype))
        for name, array in zip(names, arrays, strict=True)
    )
    return tuple(specs), pack


def entries_of_module(module: Any) -> tuple[Entry, ...]:
    """Return the entry points of a loaded SavedModel or a tf.Module.

    Raises
    ------
    InputError
        If it has none that takes tensors of numbers.
    """
    signatures = dict(getattr(module, "signatures", None) or {}) or _functions(module)
    found = [_entry(key, function) for key, function in signatures.items()]
    usable = tuple(entry for entry in found if entry is not None)
    if usable:
        return _without_doubles(usable, signatures)
    if found:
        raise InputError(
            f"every signature ({', '.join(signatures)}) takes or returns text or serialized examples",
            hint="export the part of the model behind the parsing, which takes tensors of numbers",
        )
    raise InputError(
        "the model has no signature to compile",
        hint="save it with tf.saved_model.save(module, path, signatures=...), or give a tf.function an input_signature",
    )


def _functions(module: Any) -> dict[str, Any]:
    """Return the concrete functions of the tf.functions that have an input signature, by their attribute's name."""
    found = {}
    for name in dir(type(module)) + list(vars(module)):
        if name.startswith("__") and name != "__call__":
            continue
        function = getattr(module, name, None)
        if function is not None and getattr(function, "input_signature", None) is not None:
            found[DEFAULT_KEY if name == "__call__" else name] = function.get_concrete_function()
    return found


def _entry(key: str, function: Any) -> Entry | None:
    """Return an entry point; None for one whose inputs or outputs are no numbers."""
    import tensorflow as tf

    args, keywords = function.structured_input_signature
    flat = [*tf.nest.flatten(args), *keywords.values()]
    outputs = tf.nest.flatten(function.structured_outputs)
    tensors = [*flat, *(tensor for tensor in outputs if hasattr(tensor, "dtype"))]
    if not tensors or any(tensor.dtype in (tf.string, tf.resource, tf.variant) for tensor in tensors):
        return None
    names = [*(spec.name or f"args_{index}" for index, spec in enumerate(tf.nest.flatten(args))), *keywords]

    def call(*tensors: Any) -> dict[str, Any]:
        num_args = len(names) - len(keywords)
        positional = tf.nest.pack_sequence_as(args, tensors[:num_args])
        return named_outputs(function(*positional, **dict(zip(keywords, tensors[num_args:], strict=True))), ())

    return Entry(key=key, inputs=tuple(_spec(name, spec) for name, spec in zip(names, flat, strict=True)), call=call)


def _without_doubles(entries: tuple[Entry, ...], signatures: Mapping[str, Any]) -> tuple[Entry, ...]:
    """Drop what is only another name: Keras exports ``serve`` and ``serving_default``, which are the same function."""
    default = signatures.get(DEFAULT_KEY)
    if "serve" not in signatures or default is None or len(entries) == 1:
        return entries
    twin = signatures["serve"]
    is_twin = (
        twin.structured_input_signature[1] == default.structured_input_signature[1]
        and _called(twin) == _called(default)
        and len(_called(twin)) > 0
    )
    return tuple(entry for entry in entries if entry.key != "serve" or not is_twin)


def _called(function: Any) -> list[str]:
    """Return the names of the functions that a signature calls: nothing else happens in what Keras exports."""
    operations = function.graph.get_operations()
    calls = [operation for operation in operations if "PartitionedCall" in operation.type]
    return sorted(operation.get_attr("f").name for operation in calls)


def named_outputs(returned: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what a model returned as a flat dict: a dict's keys, else ``names``, else ``output_0`` ...

    Raises
    ------
    InputError
        If it returns nothing.
    """
    if isinstance(returned, Mapping):
        flat: dict[str, Any] = {}
        for key, value in returned.items():
            nested = isinstance(value, Mapping | list | tuple)
            parts = named_outputs(value, ()) if nested else {"": value}
            flat |= {
                f"{key}_{part.removeprefix('output_')}" if part else str(key): each for part, each in parts.items()
            }
    else:
        import tensorflow as tf

        leaves = [leaf for leaf in tf.nest.flatten(returned) if leaf is not None]
        labels = list(names) if len(set(names)) == len(leaves) == len(names) else []
        labels = labels or [f"output_{index}" for index in range(len(leaves))]
        flat = dict(zip(labels, leaves, strict=True))
    if not flat:
        raise InputError("the model returns no tensor", hint="return what you want to compute")
    return flat


def _spec(name: str, tensor: Any) -> InputSpec:
    shape = tensor.shape.as_list() if hasattr(tensor.shape, "as_list") else list(tensor.shape)
    dtype = tensor.dtype if isinstance(tensor.dtype, str) else tensor.dtype.name
    return InputSpec(name=name, shape=tuple(-1 if size is None else int(size) for size in shape), dtype=dtype)
