"""ONNX's own backend tests as data: a model, its inputs and the outputs that the standard expects.

In: the installed ``onnx`` package, whose node tests are made when they are asked for and whose other tests lie on its
disk. Out: cases; each says itself whether an inference engine can be asked it (``Case.category``).
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["KINDS", "NETWORK_KINDS", "Case", "load_cases"]

NETWORK_KINDS = ("light", "pytorch-operator", "pytorch-converted")
KINDS = (*NETWORK_KINDS, "simple", "node")

_TRAINING = ("Gradient", "Adagrad", "Adam", "Momentum")
_RANDOM = (
    "Bernoulli",
    "Multinomial",
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
)
_NARROW = ("FLOAT16", "BFLOAT16", "FLOAT8", "FLOAT4", "INT4", "UINT4", "INT2", "UINT2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One backend test.

    Attributes
    ----------
    kind
        The folder it comes from: one of ``KINDS``.
    inputs, expected
        By name, in the graph's order; empty where ``category`` is not.
    category
        Why an inference engine cannot be asked it; empty where it can.
    """

    name: str
    kind: str
    model: onnx.ModelProto
    inputs: Arrays
    expected: Arrays
    category: str

    @property
    def operators(self) -> frozenset[str]:
        """The operators that its graph calls, those of subgraphs included."""
        return frozenset(node.op_type for node in _nodes(self.model.graph))


def load_cases(kinds: Sequence[str] = KINDS) -> list[Case]:
    """Return every case of ``kinds``, ordered by kind and name; the same values in every process."""
    loaders = {"node": _node_cases, "light": _light_cases}
    cases = [case for kind in kinds for case in (loaders[kind]() if kind in loaders else _stored_cases(kind))]
    return sorted(cases, key=lambda case: (KINDS.index(case.kind), case.name))


def _node_cases() -> Iterator[Case]:
    import numpy as np
    from onnx.backend.test.loader import load_model_tests

    np.random.seed(0)  # onnx's own generators draw from this one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # overflows that these tests mean to have
        tests: list[Any] = load_model_tests(kind="node")
    for test in tests:
        ((inputs, outputs),) = test.data_sets
        yield _case(test.name, "node", test.model, inputs, outputs)


def _stored_cases(kind: str) -> Iterator[Case]:
    import onnx

    for folder in sorted(path.parent for path in (_data() / kind).glob("*/model.onnx")):
        data = folder / "test_data_set_0"
        inputs, outputs = (_read(sorted(data.glob(f"{what}_*.pb"), key=_number)) for what in ("input", "output"))
        yield _case(folder.name, kind, onnx.load(str(folder / "model.onnx")), inputs, outputs)


def _light_cases() -> Iterator[Case]:
    """Yield the networks without weights; onnx's runner feeds them a ramp from 0 to 1, and so does this."""
    import numpy as np
    import onnx

    for path in sorted((_data() / "light").glob("*.onnx")):
        model = onnx.load(str(path))
        weights = {tensor.name for tensor in model.graph.initializer}
        inputs = []
        for value in model.graph.input:
            if value.name not in weights:
                shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
                size = int(np.prod(shape))
                inputs.append((np.arange(size).reshape(shape) / size).astype(np.float32))
        outputs = _read(sorted(path.parent.glob(f"{path.stem}_output_*.pb"), key=_number))
        yield _case(path.stem, "light", model, inputs, outputs)


def _case(name: str, kind: str, model: onnx.ModelProto, inputs: Sequence[Any], outputs: Sequence[Any]) -> Case:
    category = _category(model, inputs)
    weights = {tensor.name for tensor in model.graph.initializer}
    fed = [value.name for value in model.graph.input if value.name not in weights]
    returned = [value.name for value in model.graph.output]
    given: Arrays = {}
    expected: Arrays = {}
    if not category:
        if len(fed) != len(inputs):  # the test gives values to weights too
            fed = [value.name for value in model.graph.input][: len(inputs)]
        given = dict(zip(fed, map(_array, inputs), strict=True))
        expected = dict(zip(returned, map(_array, outputs), strict=True))
    return Case(name=name, kind=kind, model=model, inputs=given, expected=expected, category=category)


def _category(model: onnx.ModelProto, inputs: Sequence[Any]) -> str:
    """Say why an inference engine cannot be asked this, by what the graph holds and not by its name."""
    nodes = list(_nodes(model.graph))
    types = _types(model.graph, nodes)
    kinds = {value.type.WhichOneof("value") for value in _values(model.graph)}
    if kinds - {"tensor_type", None} or any(name.startswith(("Sequence", "Optional")) for name in _names(nodes)):
        return "sequences, optionals and sparse tensors"
    if "SplitToSequence" in _names(nodes) or "ConcatFromSequence" in _names(nodes):
        return "sequences, optionals and sparse tensors"
    if "STRING" in types:
        return "strings"
    if any(node.op_type in _TRAINING or node.domain == "ai.onnx.preview.training" for node in nodes):
        return "training"
    if any(_is_training(node, model, inputs) for node in nodes):
        return "training"
    if any(name in _RANDOM for name in _names(nodes)):
        return "randomness"
    if any(name.startswith(_NARROW) for name in types):
        return "floats of 16 bits and fewer, integers of 4 bits and fewer"
    return ""


def _is_training(node: onnx.NodeProto, model: onnx.ModelProto, inputs: Sequence[Any]) -> bool:
    """Whether the node is one that behaves otherwise in training, and is asked to."""
    import numpy as np

    if node.op_type == "BatchNormalization":
        return any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)
    if node.op_type != "Dropout" or len(node.input) < 3 or not node.input[2]:
        return False
    names = [value.name for value in model.graph.input]
    return node.input[2] in names and bool(np.all(inputs[names.index(node.input[2])]))


def _types(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> set[str]:
    """Return the names of the element types of inputs, outputs and constants, and of what is cast to."""
    from onnx import TensorProto

    numbers = {value.type.tensor_type.elem_type for value in _values(graph) if value.type.HasField("tensor_type")}
    numbers |= {tensor.data_type for tensor in graph.initializer}
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                numbers.add(attribute.t.data_type)
            if node.op_type == "Cast" and attribute.name == "to":
                numbers.add(attribute.i)
            if node.op_type == "Constant" and attribute.name.startswith("value_string"):
                numbers.add(TensorProto.STRING)
    return {TensorProto.DataType.Name(number) for number in numbers}


def _values(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    return [*graph.input, *graph.output]


def _names(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    return {node.op_type for node in nodes}


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for subgraph in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                yield from _nodes(subgraph)


def _array(value: Any) -> np.ndarray[Any, Any]:
    import numpy as np
    from onnx import TensorProto, numpy_helper

    if isinstance(value, TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value)


def _read(paths: Iterable[Path]) -> list[Any]:
    from google.protobuf.message import DecodeError
    from onnx import TensorProto

    tensors = []
    for path in paths:
        tensor = TensorProto()
        with contextlib.suppress(DecodeError):  # a sequence: its case is told apart by its graph's types
            tensor.ParseFromString(path.read_bytes())
        tensors.append(tensor)
    return tensors


def _number(path: Path) -> int:
    return int(path.stem.rpartition("_")[2])


def _data() -> Path:
    import onnx.backend.test.loader

    return Path(onnx.backend.test.loader.DATA_DIR)
