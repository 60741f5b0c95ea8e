"""Operators that are defined by other operators: the model's own functions, and ONNX's, which its schemas hold.

A call is replaced by the nodes of the function's body, with the call's inputs and attributes put in. This is how an
operator without a function in the registry is compiled all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.one_line import one_line
from embedl_nb.compiler.onnx.hints import SENSELESS
from embedl_nb.compiler.onnx.reading import all_graphs
from embedl_nb.compiler.onnx.registry import find, full_name, plain_domain
from embedl_nb.compiler.onnx.scope import Scope
from embedl_nb.compiler.onnx.values import Computed, Sizes, Value
from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import onnx

    from embedl_nb.compiler.onnx.planning import Planner
    from embedl_nb.compiler.onnx.registry import Call

__all__ = ["local_functions", "missing_operators", "outputs_of", "schema_body"]

_DEEPEST = 32

Functions = dict[tuple[str, str], "onnx.FunctionProto"]


def local_functions(proto: onnx.ModelProto) -> Functions:
    """Return the functions that the model brings, by domain and name."""
    return {(plain_domain(function.domain), function.name): function for function in proto.functions}


def schema_body(
    call: Call,
    node: onnx.NodeProto,
    attributes: Mapping[str, onnx.AttributeProto],
    arguments: Sequence[Value | None],
) -> onnx.FunctionProto | None:
    """Return the body that ONNX gives an operator at the model's opset; None where it has none for these types.

    Raises
    ------
    InputError
        If the node's attributes are not what the operator has.
    """
    import onnx

    schema = _schema(call.domain, call.operator, call.opset)
    if schema is None:
        return None
    body = onnx.FunctionProto()
    if schema.has_function:
        data = schema.get_function_with_opset_version(call.opset)
    elif schema.has_context_dependent_function:
        alone = onnx.NodeProto(op_type=node.op_type, domain=call.domain, input=node.input, output=node.output)
        alone.attribute.extend(attributes.values())
        types = [_type_of(argument).SerializeToString() for argument in arguments]
        types += [onnx.TypeProto().SerializeToString()] * (len(node.input) - len(types))
        try:
            data = schema.get_context_dependent_function_with_opset_version(
                call.opset, alone.SerializeToString(), types
            )
        except Exception as err:
            raise InputError(
                f"node {call.name!r} ({full_name(call.domain, call.operator)}) makes no sense to ONNX: {one_line(err)}",
                hint=SENSELESS,
                details=str(err),
            ) from err
    else:
        return None
    body.ParseFromString(data)
    return body if body.node else None


def outputs_of(
    planner: Planner,
    call: Call,
    body: onnx.FunctionProto,
    attributes: Mapping[str, onnx.AttributeProto],
    arguments: Sequence[Value | None],
    scope: Scope,
) -> Sequence[Value | None]:
    """Walk a function's body and return its outputs.

    Raises
    ------
    InputError
        If functions call each other without end, or the call has more inputs than the function.
    """
    if scope.depth >= _DEEPEST:
        raise InputError(
            f"node {call.name!r}: the function {call.operator} is inside more than {_DEEPEST} others; one calls itself",
            hint=SENSELESS,
        )
    if len(arguments) > len(body.input):
        raise InputError(
            f"node {call.name!r} gives {call.operator} {len(arguments)} inputs; it takes {len(body.input)}",
            hint=SENSELESS,
        )
    is_local = (call.domain, call.operator) in planner.functions
    opsets = {plain_domain(entry.domain): entry.version for entry in body.opset_import}
    inner = Scope(
        opsets={"": call.opset if call.domain == "" else scope.opsets.get("", 1)} | opsets,
        attributes={attribute.name: attribute for attribute in body.attribute_proto} | dict(attributes),
        prefix=f"{call.name}/" if is_local else call.name,
        has_names=is_local and scope.has_names,
        depth=scope.depth + 1,
    )
    for name, value in zip(body.input, arguments, strict=False):
        if value is not None:
            inner.define(name, value)
    inner.leave_out(body.input[len(arguments) :])
    inner.leave_out(name for name, value in zip(body.input, arguments, strict=False) if value is None)
    planner.walk(body.node, inner)
    return [inner.value(name, of=f"the outputs of {call.operator}") for name in body.output[: call.num_outputs]]


def missing_operators(planner: Planner) -> Iterator[str]:
    """Return the operators of the model's graph that have neither a function here nor a body."""
    from embedl_nb.compiler.onnx.control import OPERATORS

    for graph in all_graphs(planner.model.proto.graph):
        for node in graph.node:
            domain = plain_domain(node.domain)
            opset = planner.model.opsets.get(domain, 1)
            own = domain == "" and node.op_type in (*OPERATORS, "Identity", "Constant")
            if own or (domain, node.op_type) in planner.functions or find(domain, node.op_type, opset):
                continue
            schema = _schema(domain, node.op_type, opset)
            if schema is None or not (schema.has_function or schema.has_context_dependent_function):
                yield full_name(domain, node.op_type)


def _schema(domain: str, operator: str, opset: int) -> Any:
    import onnx

    try:
        return onnx.defs.get_schema(operator, min(opset, 2**31 - 1), domain)
    except onnx.defs.SchemaError:
        return None


def _type_of(value: Value | None) -> onnx.TypeProto:
    import onnx

    if value is None:
        return onnx.TypeProto()
    if isinstance(value, Sizes):
        return onnx.helper.make_tensor_type_proto(onnx.TensorProto.INT64, value.array.shape)
    tensor: Any = value.fake if isinstance(value, Computed) else value.tensor
    name = str(tensor.dtype).removeprefix("torch.")
    number = onnx.TensorProto.FLOAT if name == "float32" else onnx.TensorProto.DataType.Value(name.upper())
    sizes = [size if isinstance(size, int) else None for size in tensor.shape]
    return onnx.helper.make_tensor_type_proto(number, sizes)
