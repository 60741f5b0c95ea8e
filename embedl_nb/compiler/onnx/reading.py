"""An ONNX model as it is taken in: read from a file or an object, and looked at before anything is computed.

Out comes a :class:`Model`, whose graph is the file's own protobuf message. Its weights are still unread: tensors.py
reads them one by one, when the plan needs them. Native code of the ``onnx`` package (checker, inference) sees nothing
of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embedl_nb.compiler.onnx.dtypes import COMPUTED_IN_FLOAT32, dtype_name
from embedl_nb.compiler.onnx.hints import DAMAGED
from embedl_nb.compiler.onnx.registry import plain_domain
from embedl_nb.compiler.onnx.tensors import external_region, is_external, refuse_too_large, subgraphs_of
from embedl_nb.errors import CompileError, InputError
from embedl_nb.formats import LARGEST_MODEL, LARGEST_MODEL_BYTES
from embedl_nb.units import format_bytes

if TYPE_CHECKING:
    import onnx

__all__ = ["InputSpec", "Model", "all_graphs", "read_file", "read_object"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """An input of the graph, as it is declared.

    Attributes
    ----------
    shape
        Sizes; a text for a dimension that has a name, None for one without. None for an input whose rank is open.
    data_type
        The number of its element type.
    """

    name: str
    shape: tuple[int | str | None, ...] | None
    data_type: int

    def __str__(self) -> str:
        sizes = "of any shape" if self.shape is None else f"({', '.join(map(_size, self.shape))})"
        return f"{self.name} {dtype_name(self.data_type)} {sizes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that can be planned.

    Attributes
    ----------
    path
        Of its file; None for an object.
    opsets
        Version of each domain that it imports; ``""`` is ONNX's own.
    inputs
        Without those that are initializers.
    outputs
        Names.
    """

    name: str
    proto: onnx.ModelProto
    path: Path | None
    opsets: dict[str, int]
    inputs: tuple[InputSpec, ...]
    outputs: tuple[str, ...]

    @property
    def folder(self) -> Path | None:
        """Where its external data is; None for an object."""
        return self.path.parent if self.path is not None else None

    @property
    def origin(self) -> str:
        """What it is, for the compiled model's lineage."""
        producer = " ".join(part for part in (self.proto.producer_name, self.proto.producer_version) if part)
        return " ".join(part for part in ("onnx", producer, f"opset {self.opsets.get('', 1)}") if part)

    def data_types(self) -> set[int]:
        """Return the element types that inputs, outputs, constants and casts are in."""
        found = {spec.data_type for spec in self.inputs}
        found |= {value.type.tensor_type.elem_type for value in self.proto.graph.output}
        for graph in all_graphs(self.proto.graph):
            found |= {tensor.data_type for tensor in graph.initializer}
            for node in graph.node:
                found |= {attribute.t.data_type for attribute in node.attribute if attribute.HasField("t")}
                if node.op_type == "Cast":
                    found |= {attribute.i for attribute in node.attribute if attribute.name == "to"}
        return found

    def low_floats(self) -> tuple[str, ...]:
        """Return the names of the float types in it that are computed in float32."""
        return tuple(COMPUTED_IN_FLOAT32[number] for number in sorted(self.data_types() & COMPUTED_IN_FLOAT32.keys()))

    def hash_content(self) -> str:
        """Return the hash of the graph and all weights, 64 hexadecimal digits."""
        digest = hashlib.sha256(self.proto.SerializeToString(deterministic=True))
        for tensor in self.external_tensors():
            path, offset, length = external_region(tensor, self.folder)
            with path.open("rb") as file:
                file.seek(offset)
                while length and (chunk := file.read(min(length, 2**22))):
                    digest.update(chunk)
                    length -= len(chunk)
        return digest.hexdigest()

    def external_tensors(self) -> Iterator[onnx.TensorProto]:
        """Return the constants that are kept in other files."""
        for graph in all_graphs(self.proto.graph):
            yield from (tensor for tensor in graph.initializer if is_external(tensor))
            for sparse in graph.sparse_initializer:
                yield from (part for part in (sparse.values, sparse.indices) if is_external(part))
            for node in graph.node:
                tensors = (attribute.t for attribute in node.attribute if attribute.HasField("t"))
                yield from (tensor for tensor in tensors if is_external(tensor))


def read_file(path: Path) -> Model:
    """Read an ``.onnx`` file.

    Raises
    ------
    InputError
        If it is missing, no ONNX model, damaged, or its graph makes no sense.
    CompileError
        If it is too large for a LiteRT model.
    """
    import onnx

    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="give the .onnx file in it")
    try:
        size = path.stat().st_size
        if size > LARGEST_MODEL_BYTES:
            raise CompileError(
                f"{path.name} has {format_bytes(size)}, and a LiteRT model can hold {LARGEST_MODEL}",
                hint=f"split the model into parts of less than {LARGEST_MODEL} and compile each",
            )
        data = path.read_bytes()
    except FileNotFoundError as err:
        raise InputError(f"there is no file {path}", hint="check the path") from err
    except OSError as err:
        raise InputError(f"{path} cannot be read: {err.strerror or err}", hint="check the file's permissions") from err
    if not data:
        raise InputError(f"{path} is empty", hint="export or download it again")
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except Exception as err:  # protobuf's error class differs between its implementations
        raise InputError(
            f"{path} is no readable ONNX model ({format_bytes(len(data))}): it is another kind of file, or damaged",
            hint="export the model again, or download it again",
            details=str(err),
        ) from err
    return _checked(proto, name=path.stem, what=str(path), path=path)


def read_object(proto: onnx.ModelProto) -> Model:
    """Take a model that is in memory; it is not changed.

    Raises
    ------
    InputError, CompileError
        See :func:`read_file`.
    """
    name = proto.graph.name if proto.HasField("graph") else ""
    return _checked(proto, name=name or "ModelProto", what="the ModelProto", path=None)


def all_graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Return ``graph`` and every graph inside it."""
    yield graph
    for node in graph.node:
        for part in subgraphs_of(node):
            yield from all_graphs(part)


def _checked(proto: onnx.ModelProto, *, name: str, what: str, path: Path | None) -> Model:
    if not proto.HasField("graph") or not (proto.graph.node or proto.graph.output):
        raise InputError(
            f"{what} holds no ONNX graph", hint="give a file that torch.onnx.export or the like has written"
        )
    if not all(isinstance(text, str) for text in _texts(proto)):  # protobuf leaves bytes where they are no text
        raise InputError(f"{what} has a name that is no text", hint=DAMAGED)
    refuse_too_large(what, proto)
    model = Model(
        name=name,
        proto=proto,
        path=path,
        opsets=_opsets(proto, what),
        inputs=_inputs(proto.graph, what),
        outputs=tuple(value.name for value in proto.graph.output),
    )
    if not model.outputs or not all(model.outputs):
        raise InputError(f"{what} has no outputs, or one without a name", hint=DAMAGED)
    if len(set(model.outputs)) < len(model.outputs):
        raise InputError(
            f"{what} has outputs with the same name: {', '.join(model.outputs)}",
            hint="give each a name of its own: a node Identity makes another name for a value",
        )
    for tensor in model.external_tensors():
        external_region(tensor, model.folder)
    return model


def _texts(proto: onnx.ModelProto) -> Iterator[str]:
    """Return every name in a model."""
    yield from (proto.producer_name, proto.producer_version)
    yield from (entry.domain for entry in proto.opset_import)
    for graph in all_graphs(proto.graph):
        yield graph.name
        sparse = (part for tensor in graph.sparse_initializer for part in (tensor.values, tensor.indices))
        for tensor in (*graph.initializer, *sparse):
            yield tensor.name
            yield from (text for entry in tensor.external_data for text in (entry.key, entry.value))
        for value in (*graph.input, *graph.output):
            yield value.name
            yield from (dimension.dim_param for dimension in value.type.tensor_type.shape.dim)
        yield from _texts_of_nodes(graph.node)
    for function in proto.functions:
        yield from (function.name, function.domain, *function.input, *function.output, *function.attribute)
        yield from (attribute.name for attribute in function.attribute_proto)
        yield from (entry.domain for entry in function.opset_import)
        yield from _texts_of_nodes(function.node)


def _texts_of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    for node in nodes:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (text for attribute in node.attribute for text in (attribute.name, attribute.ref_attr_name))


def _opsets(proto: onnx.ModelProto, what: str) -> dict[str, int]:
    opsets = {plain_domain(entry.domain): entry.version for entry in proto.opset_import}
    for domain, version in opsets.items():
        if version < 1:
            raise InputError(f"{what} imports version {version} of the domain {domain!r}", hint=DAMAGED)
    if not opsets and proto.ir_version >= 3:  # before IR version 3 there was no such field, and one opset only
        raise InputError(
            f"{what} does not say which opset it is written in",
            hint="export it again, or add it: model.opset_import.append(onnx.helper.make_opsetid('', 17))",
        )
    opsets.setdefault("", 1)
    return opsets


def _inputs(graph: onnx.GraphProto, what: str) -> tuple[InputSpec, ...]:
    constants = {tensor.name for tensor in graph.initializer}
    constants |= {sparse.values.name for sparse in graph.sparse_initializer}
    specs = tuple(_input(value) for value in graph.input if value.name not in constants)
    names = [spec.name for spec in specs]
    if not specs:
        raise InputError(f"{what} has no inputs: all it computes is constant", hint="there is nothing to compile")
    if len(set(names)) < len(names) or not all(names):
        raise InputError(f"{what} has inputs without a name or with the same one: {', '.join(names)}", hint=DAMAGED)
    return specs


def _input(value: onnx.ValueInfoProto) -> InputSpec:
    kind = value.type.WhichOneof("value")
    if kind not in ("tensor_type", None):
        raise InputError(
            f"input {value.name!r} is a {kind.removesuffix('_type').replace('_', ' ')}; LiteRT models take tensors",
            hint="let the model take the tensors themselves, each as an input",
        )
    tensor = value.type.tensor_type
    shape = tuple(_dimension(part) for part in tensor.shape.dim) if tensor.HasField("shape") else None
    if kind is None or dtype_name(tensor.elem_type).startswith(("number", "string")):
        raise InputError(
            f"input {value.name!r} is of type {dtype_name(tensor.elem_type) if kind else 'unknown'}; "
            "LiteRT models take numbers",
            hint="turn it into numbers before the model",
        )
    return InputSpec(name=value.name, shape=shape, data_type=tensor.elem_type)


def _dimension(dimension: onnx.TensorShapeProto.Dimension) -> int | str | None:
    if dimension.HasField("dim_value"):
        if dimension.dim_value < 0:  # how some exporters write "open"
            return None
        return int(dimension.dim_value)
    return dimension.dim_param or None


def _size(size: int | str | None) -> str:
    return "?" if size is None else str(size)
