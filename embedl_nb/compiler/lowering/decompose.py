"""Decompose an exported program operator by operator, where that gives what torch's own way gives.

``ExportedProgram.run_decompositions`` traces the whole program anew, several times; litert-torch calls it three times,
which is half of a conversion. Most operators of a graph need no decomposition. Here only those that do are traced, one
by one, with the same tables, and put in place. A program in which operators could affect each other (mutation, control
flow, dynamic shapes) takes torch's way. Runs in the child only.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram
from torch.fx import Graph, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.passes.shape_prop import _extract_tensor_metadata
from torch.utils import _pytree

from embedl_nb.compiler.explaining.places import origin_of

__all__ = ["Rounds", "with_rounds"]

_aten = torch.ops.aten
_Table = dict[Any, Callable[..., Any]]
# Traced by themselves, these become operators of a CPU library, which no table decomposes.
_LIBRARY_CALLS = ("aten.lstm.", "aten.gru.", "aten.rnn_tanh.", "aten.rnn_relu.", "aten.instance_norm.")
# Composite operators that always return a tensor of their own, so that writing into it changes nothing else.
_FRESH = {
    _aten.conv1d.default,
    _aten.conv2d.default,
    _aten.conv2d.padding,
    _aten.conv3d.default,
    _aten.linear.default,
    _aten.batch_norm.default,
    _aten.layer_norm.default,
    _aten.group_norm.default,
    _aten.instance_norm.default,
}


class _NotLocalError(Exception):
    """The program has something that cannot be looked at operator by operator."""


class Rounds:
    """How to decompose, what was done, and the program as the last round left it.

    Attributes
    ----------
    is_local
        Whether to work operator by operator where that is possible.
    num_local
        Rounds done operator by operator; the others are done torch's way.
    """

    def __init__(self, *, is_local: bool = True) -> None:
        self.is_local = is_local
        self.num_local = 0
        self.program: ExportedProgram | None = None


def with_rounds(program: ExportedProgram, rounds: Rounds) -> ExportedProgram:
    """Return ``program`` with a ``run_decompositions`` that works as ``rounds`` says, and that notes what it does."""
    program.run_decompositions = functools.partial(_run_decompositions, program, rounds)
    rounds.program = program
    return program


def _run_decompositions(
    program: ExportedProgram, rounds: Rounds, decomp_table: _Table | None = None
) -> ExportedProgram:
    try:
        if decomp_table is None or not rounds.is_local:
            raise _NotLocalError("it was asked for")
        _decompose(program, dict(decomp_table))
    except _NotLocalError as err:
        logging.getLogger(__name__).info("decomposing the whole program: %s", err)
        return with_rounds(ExportedProgram.run_decompositions(program, decomp_table), rounds)
    rounds.num_local += 1
    return program


def _decompose(program: ExportedProgram, table: _Table) -> None:
    graph = program.graph
    fake_mode = _check(program)
    _without_writes(graph)
    with _tracing(table, fake_mode) as (trace, is_kept):
        changed: set[Node] = set()
        for node in list(graph.nodes):
            if node.op != "call_function":
                continue
            if node.target is _aten.lift_fresh_copy.default:
                node.target = _aten.clone.default
            if node.target is operator.getitem or is_kept(node.target):
                if not changed.isdisjoint(node.all_input_nodes):
                    _update_value(node, changed)
                continue
            waiting = [node]
            while waiting:
                new = _put_in_place(program, waiting.pop(), trace, changed)
                waiting += [part for part in new if not is_kept(part.target)]
    for node in graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor) and "tensor_meta" not in node.meta:
            node.meta["tensor_meta"] = _extract_tensor_metadata(value)
    graph.eliminate_dead_code()
    program.graph_module.recompile()


def _check(program: ExportedProgram) -> Any:
    """Return the program's fake mode, or say why it cannot be decomposed here."""
    if program.range_constraints:
        raise _NotLocalError("it has dynamic shapes")
    fake_mode = None
    for node in program.graph.nodes:
        if node.op == "get_attr" or isinstance(node.target, torch._ops.HigherOrderOperator):
            raise _NotLocalError(f"it has control flow or a subgraph ({node.name})")
        if str(node.target).startswith(_LIBRARY_CALLS):
            raise _NotLocalError(f"it has an operator of a library ({node.name})")
        for value in _pytree.tree_leaves(node.meta.get("val")):
            if isinstance(value, FakeTensor):
                fake_mode = value.fake_mode
            elif value is not None and node.op != "placeholder":
                raise _NotLocalError(f"{node.name} is not a plain tensor")
    if fake_mode is None:
        raise _NotLocalError("it has no tensors")
    if any(spec.kind.name.endswith("MUTATION") for spec in program.graph_signature.output_specs):
        raise _NotLocalError("it changes its own buffers or inputs")
    return fake_mode


def _without_writes(graph: Graph) -> list[Node]:
    """Turn operators that write into a tensor into those that return a new one, where nothing else sees the write."""
    writing = [node for node in graph.nodes if _writes(node.target)]
    place = {node: index for index, node in enumerate(graph.nodes)} if writing else {}
    for node in writing:
        written = node.args[0] if node.args else None
        functional = _functional(node.target)
        if functional is None or not isinstance(written, Node) or not _is_fresh(written.target):
            raise _NotLocalError(f"{node.target} writes into a tensor that others may see")
        if any(_aliases(user.target) for user in written.users if user is not node):
            raise _NotLocalError(f"{node.target} writes into a tensor that has views")
        node.target = functional
        for user in list(written.users):
            if place[user] > place[node]:
                user.replace_input_with(written, node)
    return writing


def _writes(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _aliases(target: Any) -> bool:
    if not isinstance(target, torch._ops.OpOverload):
        return True
    if any(value.alias_info is not None for value in target._schema.returns):
        return not target._schema.is_mutable
    return _is_composite(target) and target not in _FRESH


def _is_fresh(target: Any) -> bool:
    return isinstance(target, torch._ops.OpOverload) and not _writes(target) and not _aliases(target)


def _functional(target: Any) -> Any:
    name = target._schema.name.split("::")[1]
    packet = getattr(_aten, name.removesuffix("_"), None) if name.endswith("_") else None
    found = getattr(packet, target._overloadname, None)
    if found is None or found._schema.is_mutable:
        return None
    mine = [(argument.name, str(argument.type)) for argument in target._schema.arguments]
    return found if mine == [(argument.name, str(argument.type)) for argument in found._schema.arguments] else None


def _is_composite(op: Any) -> bool:
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(op.name(), "CompositeImplicitAutograd"))


@functools.lru_cache(maxsize=8)
def _split(table: frozenset[tuple[Any, Callable[..., Any]]]) -> tuple[_Table, _Table]:
    """Tell composite operators (kept or overridden by a table) from plain ones; litert-torch has three tables."""
    from torch.export.exported_program import _split_decomp_table_to_cia_and_python_decomp

    composites, plain = _split_decomp_table_to_cia_and_python_decomp(dict(table))
    return composites, plain


@contextlib.contextmanager
def _tracing(table: _Table, fake_mode: Any) -> Iterator[tuple[Callable[..., Any], Callable[[Any], bool]]]:
    """Yield how to trace one operator, and whether a target stays as it is under ``table``."""
    from torch.export.exported_program import _override_composite_implicit_decomp, _special_op_to_preserve_cia

    composites, plain = _split(frozenset(table.items()))
    kept_composites = {op for op, way in composites.items() if way is _special_op_to_preserve_cia}
    with contextlib.ExitStack() as stack:

        @functools.cache
        def is_kept(target: Any) -> bool:
            if not isinstance(target, torch._ops.OpOverload):
                return False
            if target in kept_composites:
                return True
            return target not in plain and target not in composites and not _is_composite(target)

        @functools.cache
        def get_ready() -> None:  # half a second, and most rounds find nothing to trace
            stack.enter_context(fake_mode)
            stack.enter_context(_override_composite_implicit_decomp(composites))
            # Without the Python dispatcher the overriding of composite operators is not seen.
            stack.enter_context(enable_python_dispatcher())
            stack.enter_context(torch.no_grad())

        def trace(function: Callable[..., Any], values: list[Any]) -> torch.fx.GraphModule:
            get_ready()
            tracer = make_fx(function, decomposition_table=plain, tracing_mode="real", _allow_non_fake_inputs=True)
            return tracer(*values)

        yield trace, is_kept


def _update_value(node: Node, changed: set[Node]) -> None:
    """Compute the node's shape and strides anew, because an input's are others than they were."""
    args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), _value)
    _set_value(node, node.target(*args, **kwargs), changed)


def _value(node: Node) -> Any:
    if "val" not in node.meta:
        raise _NotLocalError(f"the shape of {node.name} is not known")
    return node.meta["val"]


def _set_value(node: Node, value: Any, changed: set[Node]) -> None:
    if _layouts(value) != _layouts(node.meta.get("val")):
        changed.add(node)
        node.meta["val"] = value
        node.meta.pop("tensor_meta", None)


def _layouts(value: Any) -> list[Any]:
    return [
        (leaf.shape, leaf.dtype, leaf.stride()) if isinstance(leaf, torch.Tensor) else leaf
        for leaf in _pytree.tree_leaves(value)
    ]


def _put_in_place(
    program: ExportedProgram, node: Node, trace: Callable[..., torch.fx.GraphModule], changed: set[Node]
) -> list[Node]:
    """Replace ``node`` by what it decomposes into; return those new nodes that the tables have not been asked about."""
    leaves, spec = _pytree.tree_flatten((node.args, node.kwargs))
    inputs = list(dict.fromkeys(leaf for leaf in leaves if isinstance(leaf, Node)))
    position = {leaf: index for index, leaf in enumerate(inputs)}
    target: Any = node.target

    def call(*values: Any) -> Any:
        filled = [values[position[leaf]] if isinstance(leaf, Node) else leaf for leaf in leaves]
        args, kwargs = _pytree.tree_unflatten(filled, spec)
        return target(*args, **kwargs)

    traced = trace(call, [_value(leaf) for leaf in inputs]).graph
    rewritten = _without_writes(traced)
    traced.eliminate_dead_code()
    mapping: dict[Node, Node] = {}
    remaining = iter(inputs)
    result: Any = None
    for part in traced.nodes:
        if part.op == "placeholder":
            mapping[part] = next(remaining)
        elif part.op == "output":
            result = torch.fx.node.map_arg(part.args[0], lambda used: mapping[used])
        elif part.op != "call_function":
            raise _NotLocalError(f"{node.target} decomposes into {part.target}")
        elif part.target in (_aten.alias.default, _aten.detach.default):
            mapping[part] = mapping[part.all_input_nodes[0]]
        else:
            with program.graph.inserting_before(node):
                mapping[part] = program.graph.node_copy(part, lambda used: mapping[used])
            mapping[part].meta = {"val": _value(part), "tensor_meta": part.meta.get("tensor_meta"), **origin_of(node)}
    _replace(program, node, result, changed)
    return [mapping[part] for part in rewritten if part in mapping]


def _replace(program: ExportedProgram, node: Node, result: Any, changed: set[Node]) -> None:
    pairs: list[tuple[Node, Any]]
    if isinstance(result, Node):
        pairs = [(node, result)]
    elif isinstance(result, tuple | list) and all(user.target is operator.getitem for user in node.users):
        pairs = [(user, result[user.args[1]]) for user in list(node.users)]
    else:
        raise _NotLocalError(f"{node.target} returns something else than tensors")
    if not all(isinstance(new, Node) for _, new in pairs):
        raise _NotLocalError(f"{node.target} returns a constant")
    for old, new in pairs:
        if _layouts(old.meta.get("val")) != _layouts(new.meta["val"]):
            changed.add(new)
        old.replace_all_uses_with(new)
        program.graph_signature.replace_all_uses(old.name, new.name)
        program.graph.erase_node(old)
    if node not in [old for old, _ in pairs]:
        program.graph.erase_node(node)
