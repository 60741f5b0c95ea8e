"""Read a ``.tflite`` file into a :class:`~embedl_nb.model.graph.ModelGraph`.

In: a path or bytes, from anywhere. Out: structure only, never the constants' values, so that a large model costs little
memory. A file that is missing, empty, cut short or something else altogether is named in an InputError. Field numbers
are those of the schema (tflite/converter/schema/schema.fbs in google-ai-edge/LiteRT), which never change.
"""

from __future__ import annotations

import functools
import hashlib
import math
import struct
from collections.abc import Sequence
from pathlib import Path

from embedl_nb.errors import InputError
from embedl_nb.model.graph import ModelGraph, Operator, Subgraph, Tensor
from embedl_nb.model.schema import FILE_IDENTIFIER, dtype_name, operator_name
from embedl_nb.model.spec import Quantization, Signature, TensorSpec
from embedl_nb.model.table import FlatBuffer, MalformedError, Table

__all__ = ["parse", "read_bytes", "read_graph", "read_model"]

_MAX_RANK = 64
_MAX_ELEMENTS = 2**40
_SCHEMES = {0: "affine", 1: "custom", 2: "blockwise", 3: "multiaxis"}
# Fields of an operator's options that hold the index of a subgraph it runs.
_CALL_FIELDS = {"STABLEHLO_COMPOSITE": (1,), "CALL": (0,), "CALL_ONCE": (0,), "WHILE": (0, 1), "IF": (0, 1)}
# Begins of files that people take for a LiteRT model.
_FOREIGN = {
    b"PK\x03\x04": "a zip archive (a .keras, .pt2 or .pt file, perhaps)",
    b"\x89HDF": "an HDF5 file (a Keras .h5, perhaps)",
    b"<!DO": "a web page, not the model behind the link",
    b"<htm": "a web page, not the model behind the link",
    b"vers": "a Git LFS pointer, not the file it stands for",
    b"\x1f\x8b": "a gzip archive",
    b"\x08": "a protocol buffer (an .onnx or .pb file, perhaps)",
}


def read_bytes(source: str | Path | bytes) -> tuple[bytes, str]:
    """Return the content of ``source`` and how errors name it.

    Raises
    ------
    InputError
        If there is no such file, it is a folder or it may not be read.
    """
    if isinstance(source, bytes):
        return source, "the model"
    path = Path(source).expanduser()
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):  # a pipe or a device may never end
            raise InputError(f"{path} is not a regular file", hint="give the path of a .tflite file")
        return path.read_bytes(), str(path)
    except InputError:
        raise
    except FileNotFoundError as err:
        raise InputError(f"there is no file {path}", hint="check the path and the working folder") from err
    except IsADirectoryError as err:
        raise InputError(f"{path} is a folder", hint="give the path of the .tflite file in it") from err
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or err
        raise InputError(f"{path} cannot be read: {reason}", hint="check the path and its permissions") from err


def _check_kind(data: bytes, where: str) -> None:
    """Raise InputError where ``data`` is not the beginning of a LiteRT model."""
    if not data:
        raise InputError(f"{where} is empty", hint="compile or download the model again")
    if data[4:8] == FILE_IDENTIFIER:
        return
    kind = next((text for begin, text in _FOREIGN.items() if data.startswith(begin)), "")
    if kind:
        raise InputError(f"{where} is not a LiteRT model but {kind}", hint="give the path of a .tflite file")
    if len(data) < 8:
        raise InputError(f"{where} is truncated: {len(data)} bytes", hint="compile or download the model again")
    raise InputError(
        f"{where} is not a LiteRT model: bytes 4 to 8 are {data[4:8]!r} instead of {FILE_IDENTIFIER!r}",
        hint="give the path of a .tflite file",
    )


def read_model(source: str | Path | bytes) -> ModelGraph:
    """Read the structure of a model.

    Parameters
    ----------
    source
        A path, or the content of a file.

    Raises
    ------
    InputError
        If it is missing, empty, truncated, damaged or not a LiteRT model; the message names the path.
    """
    return parse(*read_bytes(source))


def parse(data: bytes, where: str) -> ModelGraph:
    """Read the structure from a file's content; ``where`` names it in errors."""
    _check_kind(data, where)
    try:
        return _read(FlatBuffer(data))
    except (MalformedError, struct.error) as err:
        raise InputError(f"{where} is truncated or damaged: {err}", hint="compile or download the model again") from err


@functools.lru_cache(maxsize=16)
def read_graph(path: Path, sha256: str) -> ModelGraph:
    """Read the structure of the file at ``path`` once, as long as its content is the one with this hash.

    Raises
    ------
    InputError
        If the file has changed since its hash was taken.
    """
    data, where = read_bytes(path)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise InputError(f"{path} has changed since it was opened", hint="open it again")
    return parse(data, where)


def _read(buffer: FlatBuffer) -> ModelGraph:
    root = buffer.root()
    buffer_bytes = _buffer_sizes(root, buffer.size)
    codes = [_read_code(code) for code in root.children(1)]
    subgraphs = tuple(_read_subgraph(index, table, codes, buffer_bytes) for index, table in enumerate(root.children(2)))
    if not subgraphs:
        raise MalformedError("it has no subgraph")
    for subgraph in subgraphs:
        _check_calls(subgraph, len(subgraphs))
    metadata = tuple((table.text(0), _at(buffer_bytes, table.scalar(1, "I"))) for table in root.children(6))
    return ModelGraph(
        subgraphs=subgraphs,
        signatures=_read_signatures(root, subgraphs),
        description=root.text(3),
        version=root.scalar(0, "I"),
        metadata=metadata,
    )


def _at(sizes: list[int], index: int) -> int:
    if index >= len(sizes):
        raise MalformedError(f"buffer {index} of {len(sizes)} is referred to")
    return sizes[index]


def _buffer_sizes(root: Table, file_bytes: int) -> list[int]:
    sizes = []
    for table in root.children(4):
        # Behind the flatbuffer, by offset, where the constants are larger than a flatbuffer can address.
        offset, size = table.scalar(1, "Q"), table.scalar(2, "Q")
        if offset > 1 and offset + size > file_bytes:
            raise MalformedError(f"a constant ends at byte {offset + size} of {file_bytes}")
        sizes.append(size if offset > 1 else table.length(0))
    return sizes


def _read_code(table: Table) -> tuple[str, str, int]:
    """Return an operator code's name, its custom name and its version."""
    # Codes from 127 on do not fit into the older, one-byte field.
    code = max(table.scalar(0, "b"), table.scalar(3, "i"))
    return operator_name(code), table.text(1), table.scalar(2, "i", 1)


def _read_subgraph(index: int, table: Table, codes: list[tuple[str, str, int]], buffer_bytes: list[int]) -> Subgraph:
    tensors = tuple(_read_tensor(i, t, buffer_bytes) for i, t in enumerate(table.children(0)))
    operators = tuple(_read_operator(i, t, codes) for i, t in enumerate(table.children(3)))
    subgraph = Subgraph(
        index=index,
        name=table.text(4),
        tensors=tensors,
        operators=operators,
        inputs=table.vector(1, "i"),
        outputs=table.vector(2, "i"),
    )
    used = [*subgraph.inputs, *subgraph.outputs]
    used += [i for operator in operators for i in (*operator.inputs, *operator.outputs)]
    if used and not -1 <= min(used) <= max(used) < len(tensors):
        raise MalformedError(f"a tensor beyond the {len(tensors)} of subgraph {index} is referred to")
    return subgraph


def _read_tensor(index: int, table: Table, buffer_bytes: list[int]) -> Tensor:
    shape = table.vector(0, "i")
    # The signature tells which dimensions may vary; the plain shape has 1 in their place.
    varying = table.vector(7, "i")
    if len(shape) > _MAX_RANK or len(varying) > _MAX_RANK:
        raise MalformedError(f"tensor {index} has {max(len(shape), len(varying))} dimensions")
    if varying and len(varying) == len(shape):
        shape = varying
    if shape and min(shape) < -1:
        raise MalformedError(f"tensor {index} has a dimension of {min(shape)}")
    if abs(math.prod(shape)) > _MAX_ELEMENTS:
        raise MalformedError(f"tensor {index} has the impossible shape {shape}")
    buffer = table.scalar(2, "I")
    return Tensor(
        index=index,
        name=table.text(3),
        shape=shape,
        dtype=dtype_name(table.scalar(1, "b")),
        buffer=buffer,
        constant_bytes=_at(buffer_bytes, buffer) if buffer else 0,
        quantization=_read_quantization(table),
        is_variable=table.scalar(5, "?", False),
    )


def _read_quantization(tensor: Table) -> Quantization | None:
    table = tensor.child(4)
    if table is None:
        return None
    scales = table.vector(2, "f")
    scheme = table.scalar(4, "B")
    if not scales and not scheme:
        return None
    return Quantization(
        scales=scales,
        zero_points=table.vector(3, "q"),
        axis=table.scalar(6, "i"),
        scheme=_SCHEMES.get(scheme, "custom"),
    )


def _read_operator(index: int, table: Table, codes: list[tuple[str, str, int]]) -> Operator:
    opcode = table.scalar(0, "I")
    if opcode >= len(codes):
        raise MalformedError(f"operator {index} has code {opcode} of {len(codes)}")
    code, custom_name, version = codes[opcode]
    transposes, calls = (False, False), ()
    if code == "BATCH_MATMUL" and (options := table.child(4)):
        transposes = (options.scalar(0, "?", False), options.scalar(1, "?", False))
    elif code in _CALL_FIELDS and (options := table.child(12 if code == "STABLEHLO_COMPOSITE" else 4)):
        calls = tuple(options.scalar(field, "i") for field in _CALL_FIELDS[code])
    return Operator(
        index=index,
        code=code,
        inputs=table.vector(1, "i"),
        outputs=table.vector(2, "i"),
        version=version,
        custom_name=custom_name,
        transposes=transposes,
        calls=calls,
    )


def _check_calls(subgraph: Subgraph, num_subgraphs: int) -> None:
    for operator in subgraph.operators:
        if any(not 0 <= called < num_subgraphs for called in operator.calls):
            raise MalformedError(f"operator {operator.index} runs a subgraph beyond the {num_subgraphs} there are")


def _read_signatures(root: Table, subgraphs: tuple[Subgraph, ...]) -> tuple[Signature, ...]:
    signatures = []
    for table in root.children(7):
        index = table.scalar(4, "I")
        if index >= len(subgraphs):
            raise MalformedError(f"a signature starts in subgraph {index} of {len(subgraphs)}")
        signatures.append(
            Signature(
                key=table.text(2),
                inputs=_read_tensor_map(table.children(0), subgraphs[index], subgraphs[index].inputs),
                outputs=_read_tensor_map(table.children(1), subgraphs[index], subgraphs[index].outputs),
                subgraph_index=index,
            )
        )
    if signatures:
        return tuple(signatures)
    main = subgraphs[0]
    return (
        Signature(
            key="",
            inputs=tuple(_spec(main.tensors[i], "") for i in main.inputs if i >= 0),
            outputs=tuple(_spec(main.tensors[i], "") for i in main.outputs if i >= 0),
        ),
    )


def _read_tensor_map(entries: Sequence[Table], subgraph: Subgraph, order: Sequence[int]) -> tuple[TensorSpec, ...]:
    """Read names and tensors in the subgraph's own order; the file lists them by name (args_10 before args_2)."""
    specs: list[tuple[int, TensorSpec]] = []
    for entry in entries:
        index = entry.scalar(1, "I")
        if index >= len(subgraph.tensors):
            raise MalformedError(f"a signature names tensor {index} of {len(subgraph.tensors)}")
        specs.append((index, _spec(subgraph.tensors[index], entry.text(0))))
    position = {index: place for place, index in reversed(list(enumerate(order)))}
    return tuple(spec for _, spec in sorted(specs, key=lambda pair: position.get(pair[0], len(order))))


def _spec(tensor: Tensor, name: str) -> TensorSpec:
    return TensorSpec(
        name=name or tensor.name or f"tensor_{tensor.index}",
        shape=tensor.shape,
        dtype=tensor.dtype,
        quantization=tensor.quantization,
    )
