"""What a vendor's compiler left in its result decides which operators run on the NPU: not its exit code, nor its log.

In: the model as it was given and the ``.tflite`` file that came back, in which runs of operators have become one
``DISPATCH_OP`` each, a custom operator that holds where in the file its bytecode is.
"""

from __future__ import annotations

from dataclasses import dataclass

from flatbuffers import flexbuffers

from embedl_nb.errors import InputError
from embedl_nb.model.flatbuffer import parse
from embedl_nb.model.graph import ModelGraph, Operator, Subgraph
from embedl_nb.model.schema import schema
from embedl_nb.placement.npu.origins import Origins

__all__ = ["DISPATCH", "CompiledResult", "divided", "read_result", "started_by"]

DISPATCH = "DISPATCH_OP"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledResult:
    """Which operators of the source are where in a compiled model.

    Attributes
    ----------
    remaining
        Operators that are still in it, for the CPU or the GPU.
    partitions
        The operators of each ``DISPATCH_OP``, in the order of the model.
    dropped
        Operators that are nowhere in it, because nothing reads what they make.
    bytecode_bytes
        Size of each distinct piece of bytecode; partitions may share one.
    """

    remaining: frozenset[int]
    partitions: tuple[tuple[int, ...], ...]
    dropped: frozenset[int]
    bytecode_bytes: tuple[int, ...]


def read_result(data: bytes, source: Subgraph, origins: Origins, signature_key: str) -> CompiledResult:
    """Read a compiled model back to the operators of its source.

    Raises
    ------
    InputError
        If ``data`` is not a whole model.
    """
    result = started_by(parse(data, "the compiler's result"), signature_key)
    remaining = frozenset().union(*(origins.of(result, o) for o in result.operators if o.custom_name != DISPATCH))
    dispatches = [operator for operator in result.operators if operator.custom_name == DISPATCH]
    if not dispatches and not remaining and source.operators:
        raise InputError("the compiler's result holds none of the model's operators")
    gone = {operator.index for operator in source.operators} - remaining
    partitions: list[tuple[int, ...]] = []
    for dispatch in dispatches:
        taken = _behind(source, origins, result, dispatch, gone)
        gone -= taken
        partitions.append(tuple(sorted(taken)))
    return CompiledResult(
        remaining=remaining,
        partitions=tuple(partitions),
        dropped=frozenset(gone),
        bytecode_bytes=_bytecode_bytes(data, result.index),
    )


def divided(data: bytes, origins: Origins) -> list[list[frozenset[int]]]:
    """Return, of a model that was only divided, which operators of the source each partition holds, in its order."""
    graph = parse(data, "the compiler's result")
    num_partitions = sum(o.custom_name == DISPATCH for subgraph in graph.subgraphs for o in subgraph.operators)
    bodies = graph.subgraphs[len(graph.subgraphs) - num_partitions :]
    return [[origins.of(body, operator) for operator in body.operators] for body in bodies]


def started_by(graph: ModelGraph, signature_key: str) -> Subgraph:
    """Return the subgraph of a signature; of a model without that one, the first."""
    return next((graph.subgraphs[s.subgraph_index] for s in graph.signatures if s.key == signature_key), graph.main)


def _behind(source: Subgraph, origins: Origins, result: Subgraph, dispatch: Operator, gone: set[int]) -> set[int]:
    """Return the operators among ``gone`` that what a dispatch gives is made by.

    Those of dispatches before it are not among them any more, and what remains ends the search, save a composite of
    which this dispatch holds a part.
    """
    maker = {tensor: operator.index for operator in source.operators for tensor in operator.outputs}
    starts = origins.of(result, dispatch)
    waiting, seen = [*starts], set[int]()
    while waiting:
        index = waiting.pop()
        if index not in seen and (index in gone or index in starts):
            seen.add(index)
            waiting += [maker[tensor] for tensor in source.operators[index].inputs if tensor in maker]
    return seen & gone


def _bytecode_bytes(data: bytes, subgraph_index: int) -> tuple[int, ...]:
    model = schema().Model.GetRootAs(data, 0)
    subgraph = model.Subgraphs(subgraph_index)
    sizes: dict[int, int] = {}
    for place in range(subgraph.OperatorsLength()):
        operator = subgraph.Operators(place)
        if model.OperatorCodes(operator.OpcodeIndex()).CustomCode() == DISPATCH.encode():
            options = flexbuffers.Loads(bytearray(operator.CustomOptionsAsNumpy()))
            sizes[options["bytecode_offset"]] = options["bytecode_size"]
    return tuple(sizes.values())
