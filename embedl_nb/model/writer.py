"""Write a model: pack the schema's objects into a flatbuffer, replace constants, put the file in place at once.

In: a file or the schema's object tree (``ModelT``). Out: bytes, or a file that is either complete or not there. The
flatbuffer's own limit of 2 GiB is refused before memory is spent on it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError, InputError
from embedl_nb.formats import LARGEST_MODEL, LARGEST_MODEL_BYTES
from embedl_nb.model.flatbuffer import parse, read_bytes
from embedl_nb.model.schema import FILE_IDENTIFIER, schema
from embedl_nb.units import format_bytes

if TYPE_CHECKING:
    import numpy as np

__all__ = ["pack", "replace_constants", "unpack", "write_file"]

# Offsets are 31 bits.
_CONSTANT_ALIGNMENT = 16


def unpack(source: str | Path | bytes, *, with_bytecode: bool = False) -> Any:
    """Read a model into the schema's object tree.

    Parameters
    ----------
    source
        A path, or the content of a file.
    with_bytecode
        Take a model that holds ahead-of-time compiled code, whose offsets are only right in the file itself: for who
        cuts out other operators.

    Returns
    -------
    ModelT
        Constants that the file keeps behind the flatbuffer (by offset) are brought into their buffers, as views of the
        file's bytes: replace them, do not write into them.

    Raises
    ------
    InputError
        If the file cannot be read, or if it holds ahead-of-time compiled code that was not asked for.
    """
    data, where = read_bytes(source)
    parse(data, where)
    try:
        model = schema().ModelT.InitFromPackedBuf(data, 0)
        if not with_bytecode:
            _check_portable(model, where)
        _bring_in_offsets(model, data, where)
    except InputError:
        raise
    except Exception as err:  # the generated code checks nothing: whatever it trips over is a damaged file
        raise InputError(
            f"{where} is damaged: {type(err).__name__}: {err}", hint="compile or download the model again"
        ) from err
    return model


def _check_portable(model: Any, where: str) -> None:
    if any(code.customCode == b"DISPATCH_OP" for code in model.operatorCodes or ()):
        raise InputError(
            f"{where} holds code compiled ahead of time for one chip; it cannot be cut or patched",
            hint="use the portable model it was made from",
        )


def _bring_in_offsets(model: Any, data: bytes, where: str) -> None:
    import numpy as np

    if model.externalBuffers:
        raise InputError(
            f"{where} keeps constants in other files; it cannot be cut or patched", hint="use a model in one file"
        )
    content = np.frombuffer(data, np.uint8)
    for buffer in model.buffers or ():
        if buffer.offset > 1:
            if buffer.offset + buffer.size > len(content):
                raise InputError(f"{where} is truncated: a constant lies behind its end", hint="download it again")
            buffer.data = content[buffer.offset : buffer.offset + buffer.size]
            buffer.offset = buffer.size = 0
    for subgraph in model.subgraphs or ():
        for operator in subgraph.operators or ():
            start, size = operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize
            if start > 1:
                if start + size > len(content):
                    raise InputError(
                        f"{where} is truncated: an operator's options lie behind its end", hint="download it again"
                    )
                operator.customOptions = content[start : start + size]
                operator.largeCustomOptionsOffset = operator.largeCustomOptionsSize = 0


def pack(model: Any) -> bytes:
    """Pack the schema's object tree into the bytes of a ``.tflite`` file.

    Constants are aligned to 16 bytes, as the schema demands and XNNPACK relies on.

    Parameters
    ----------
    model
        A ``ModelT``.

    Raises
    ------
    InputError
        If the constants are larger than a flatbuffer can address (2 GiB).
    """
    import flatbuffers

    num_bytes = sum(len(buffer.data) for buffer in model.buffers or () if buffer.data is not None)
    num_tables = sum(len(g.tensors or ()) + len(g.operators or ()) for g in model.subgraphs or ())
    expected = num_bytes + num_tables * 256 + 32 * len(model.buffers or ())
    if expected > LARGEST_MODEL_BYTES:
        raise InputError(
            f"the model holds {format_bytes(num_bytes)} of constants; a flatbuffer ends at {LARGEST_MODEL}",
            hint="cut a part of the model, or quantize its weights first",
        )
    builder = flatbuffers.Builder(min(expected + 4096, LARGEST_MODEL_BYTES))
    builder.Finish(_pack_model(builder, model), FILE_IDENTIFIER)
    return bytes(builder.Output())


def _pack_model(builder: Any, model: Any) -> int:
    """Do what ``ModelT.Pack`` does, with aligned constants."""
    s = schema()
    codes = _table_vector(builder, [code.Pack(builder) for code in model.operatorCodes or ()])
    subgraphs = _table_vector(builder, [subgraph.Pack(builder) for subgraph in model.subgraphs])
    description = builder.CreateString(model.description or "")
    buffers = _table_vector(builder, [_pack_buffer(builder, buffer) for buffer in model.buffers or ()])
    metadata = _table_vector(builder, [entry.Pack(builder) for entry in model.metadata or ()])
    signatures = _table_vector(builder, [signature.Pack(builder) for signature in model.signatureDefs or ()])
    s.ModelStart(builder)
    s.ModelAddVersion(builder, model.version)
    s.ModelAddOperatorCodes(builder, codes)
    s.ModelAddSubgraphs(builder, subgraphs)
    s.ModelAddDescription(builder, description)
    s.ModelAddBuffers(builder, buffers)
    s.ModelAddMetadata(builder, metadata)
    s.ModelAddSignatureDefs(builder, signatures)
    return int(s.ModelEnd(builder))


def _table_vector(builder: Any, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _pack_buffer(builder: Any, buffer: Any) -> int:
    import numpy as np

    s = schema()
    vector = None
    if buffer.data is not None and len(buffer.data):
        content = np.ascontiguousarray(buffer.data).view(np.uint8).reshape(-1)
        builder.StartVector(1, len(content), _CONSTANT_ALIGNMENT)
        builder.head -= len(content)
        builder.Bytes[builder.head : builder.head + len(content)] = content.tobytes()
        vector = builder.EndVector()
    s.BufferStart(builder)
    if vector is not None:
        s.BufferAddData(builder, vector)
    return int(s.BufferEnd(builder))


def replace_constants(
    source: str | Path | bytes, constants: Mapping[int, np.ndarray[Any, Any]], *, subgraph_index: int = 0
) -> bytes:
    """Return the model with the values of some constant tensors replaced.

    Parameters
    ----------
    source
        A path, or the content of a file.
    constants
        New values by tensor index: same shape, and the dtype as stored (int4 stays packed: uint8 of half the length).
        Another tensor that shares the buffer changes with it.
    subgraph_index
        The subgraph that the indices belong to.

    Raises
    ------
    InputError
        If a tensor is not a constant, or the new value has another size.
    """
    import numpy as np

    model = unpack(source)
    tensors = model.subgraphs[subgraph_index].tensors
    for index, value in constants.items():
        if not 0 <= index < len(tensors):
            raise InputError(f"there is no tensor {index}; the subgraph has {len(tensors)}")
        tensor = tensors[index]
        name = (tensor.name or b"").decode(errors="replace")
        buffer = model.buffers[tensor.buffer]
        if buffer.data is None or not len(buffer.data):
            raise InputError(f"tensor {index} ({name}) is not a constant", hint="pick one that is_constant")
        content = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
        if len(content) != len(buffer.data):
            raise InputError(
                f"tensor {index} ({name}) holds {len(buffer.data)} bytes, the new value {len(content)}",
                hint=f"keep its shape {tuple(tensor.shape)} and its stored dtype",
            )
        buffer.data = content
    return pack(model)


def write_file(path: str | Path, data: bytes) -> Path:
    """Write ``data`` to ``path``: afterwards the file is complete, or what was there before still is.

    Raises
    ------
    InputError
        If ``path`` is a device or a pipe.
    EmbedlError
        If it cannot be written (disk full, no permission, no such folder); nothing half-written is left behind.
    """
    target = Path(path).expanduser()
    partial = target.with_name(f".{target.name[:32]}.{secrets.token_hex(4)}.part")
    try:
        if target.exists() and not (target.is_file() or target.is_dir()):  # a file must not take a device's place
            raise InputError(f"{target} is not a regular file", hint="give the path of the file to write")
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except InputError:
        raise
    except FileNotFoundError as err:
        raise EmbedlError(
            f"{target} could not be written: there is no folder {target.parent}", hint="create it"
        ) from err
    except (OSError, ValueError) as err:
        raise EmbedlError(
            f"{target} ({format_bytes(len(data))}) could not be written: {getattr(err, 'strerror', None) or err}",
            hint="free some space there or choose another folder",
        ) from err
    finally:
        with contextlib.suppress(OSError, ValueError):
            partial.unlink(missing_ok=True)
    return target
