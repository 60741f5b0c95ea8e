"""Graphs become a LiteRT file: weights frozen into them, converted, and named as the source names things.

Runs in the child only. Nothing falls back in silence: operators outside LiteRT's own are an error that names them.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from embedl_nb import progress
from embedl_nb.compiler.keras.failures import conversion_error
from embedl_nb.compiler.keras.tracing import Traced, input_key, layer_of, output_key, without_gradients
from embedl_nb.model.source_names import quoted, without_calls
from embedl_nb.model.writer import pack, unpack

__all__ = ["lower"]


def lower(traced: tuple[Traced, ...], *, name: str, scratch: Path) -> bytes:
    """Return the LiteRT file of some entry points.

    Parameters
    ----------
    scratch
        A folder of the parent's, which clears it away also where this process is ended.

    Raises
    ------
    UnsupportedOperatorError, CompileError
        If TensorFlow's converter gives up; operators are named.
    """
    import tensorflow as tf

    progress.emit("lower", "freezing the weights")
    module = tf.Module()
    signatures = {}
    for index, each in enumerate(traced):
        function = _frozen(each)
        setattr(module, f"entry_{index}", function)
        signatures[each.key] = function.get_concrete_function()
    with tempfile.TemporaryDirectory(prefix="embedl_nb-frozen-", dir=scratch) as folder:
        with _temporary_files_in(folder):
            tf.saved_model.save(module, folder, signatures=signatures, options=without_gradients())
        progress.emit("lower", "converting to LiteRT")
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            content = converter.convert()
        except MemoryError:
            raise
        except Exception as err:
            raise conversion_error(err, name=name, traced=traced) from err
    return _named(content, traced)


@contextlib.contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    """Have autograph write the functions it makes there: it removes them at this process's end, which may be a kill."""
    usual = tempfile.tempdir
    tempfile.tempdir = folder
    try:
        yield
    finally:
        tempfile.tempdir = usual


def _frozen(traced: Traced) -> Any:
    """Return a tf.function whose weights are constants: variables would stay operators in the LiteRT file."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(traced.function, lower_control_flow=False)
    keys = [tensor.op.name for tensor in frozen.inputs]

    def called(*tensors: Any) -> dict[str, Any]:
        by_key = {input_key(index): tensor for index, tensor in enumerate(tensors)}
        outputs = tf.nest.flatten(frozen(*(by_key[key] for key in keys)))
        return {output_key(index): output for index, output in enumerate(outputs)}

    by_key = {tensor.op.name: tensor for tensor in frozen.inputs}
    specs = [
        tf.TensorSpec(by_key[key].shape, by_key[key].dtype, name=key)
        for key in map(input_key, range(len(traced.inputs)))
    ]
    return tf.function(called, input_signature=specs, autograph=False)


def _all_layers(traced: tuple[Traced, ...]) -> dict[str, str]:
    return {scope: path for each in traced for scope, path in each.layers.items()}


def _named(content: bytes, traced: tuple[Traced, ...]) -> bytes:
    """Give inputs and outputs their real names in the source's order, and operators' tensors their layers."""
    model = unpack(content)
    by_key = {each.key: each for each in traced}
    for signature in model.signatureDefs or ():
        each = by_key[signature.signatureKey.decode()]
        inputs = {input_key(index): name for index, name in enumerate(each.inputs)}
        outputs = {output_key(index): name for index, name in enumerate(each.outputs)}
        for maps, names in ((signature.inputs, inputs), (signature.outputs, outputs)):
            maps.sort(key=lambda entry: entry.name)
            for entry in maps:
                entry.name = names[entry.name.decode()].encode()
        _reorder(model.subgraphs[signature.subgraphIndex], signature)
    layers = _all_layers(traced)
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.name = _with_layer(tensor.name.decode(), layers).encode()
    if len(traced) > 1:
        _share_constants(model)
    return pack(model)


def _reorder(subgraph: Any, signature: Any) -> None:
    """Let the graph list its inputs and outputs as its signature does; the converter sorts them as it likes."""
    inputs = [entry.tensorIndex for entry in signature.inputs]
    outputs = [entry.tensorIndex for entry in signature.outputs]
    if sorted(inputs) == sorted(subgraph.inputs):
        subgraph.inputs = inputs
    if sorted(outputs) == sorted(subgraph.outputs):
        subgraph.outputs = outputs


def _with_layer(name: str, layers: Mapping[str, str]) -> str:
    """Write a tensor's name as ``<path of the layer>|<operation>``, which its source module is read from."""
    parts = []
    for part in map(without_calls, name.split(";")):
        layer = layer_of(part, layers)
        parts.append(part if layer is None else f"{quoted(layer)}|{part.rpartition('/')[2]}")
    return ";".join(parts)


def _share_constants(model: Any) -> None:
    """Let equal constants of several entry points share a buffer: each graph was frozen by itself."""
    first_of: dict[bytes, int] = {}
    replaced: dict[int, int] = {}
    for index, buffer in enumerate(model.buffers):
        if buffer.data is None or len(buffer.data) == 0:
            continue
        key = hashlib.sha256(bytes(buffer.data)).digest()
        if first_of.setdefault(key, index) != index:
            replaced[index] = first_of[key]
            buffer.data = None
    for subgraph in model.subgraphs:
        for tensor in subgraph.tensors:
            tensor.buffer = replaced.get(tensor.buffer, tensor.buffer)
