"""The plan: which operators are left to compute when the model runs, found by walking the graph once.

In: a model and the shapes of its inputs. A node whose inputs are all known is computed at once, on real tensors (shape
arithmetic, folded constants); any other runs on fake tensors, which have a shape and no content, and becomes a step.
Both call the same function of the registry. An operator without one is replaced by its function body (bodies.py);
branches and loops are opened up (control.py). Out: a :class:`Plan`, for module.py.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.onnx import bodies, control
from embedl_nb.compiler.onnx.attributes import bound_attributes, python_value
from embedl_nb.compiler.onnx.dtypes import computed_attribute
from embedl_nb.compiler.onnx.evaluation import Evaluation, described
from embedl_nb.compiler.onnx.hints import DAMAGED
from embedl_nb.compiler.onnx.order import in_order
from embedl_nb.compiler.onnx.registry import Call, find, full_name, plain_domain
from embedl_nb.compiler.onnx.scope import Scope
from embedl_nb.compiler.onnx.tensors import dense_of_sparse, read_tensor
from embedl_nb.compiler.onnx.values import Computed, Constant, Plan, Sizes, Step, Value
from embedl_nb.errors import EmbedlError, InputError, UnsupportedOperatorError

if TYPE_CHECKING:
    import onnx
    import torch

    from embedl_nb.compiler.onnx.evaluation import Outcome
    from embedl_nb.compiler.onnx.reading import Model
    from embedl_nb.compiler.onnx.registry import Operator
    from embedl_nb.compiler.sources.varying import Varying

__all__ = ["Planner", "plan_of"]

_MOST_STEPS = 20_000


def plan_of(
    model: Model, inputs: Sequence[tuple[tuple[int, ...], torch.dtype]], varying: Sequence[Varying] = ()
) -> Plan:
    """Plan a model for inputs of these shapes and dtypes, in the order of ``model.inputs``; ``varying`` stay open.

    Raises
    ------
    UnsupportedOperatorError
        If a node has no counterpart here, or must know a value that is only known when the model runs.
    InputError, CompileError
        If the graph makes no sense, or a node fails on its inputs.
    """
    import embedl_nb.compiler.onnx.operators  # noqa: F401 - fills the registry

    planner = Planner(model)
    return planner.plan(inputs, varying)


class Planner:
    """The walk, and what it has found so far."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.functions = bodies.local_functions(model.proto)
        self.evaluation = Evaluation()
        self.steps: list[Step] = []
        self._num_slots = 0

    def plan(self, inputs: Sequence[tuple[tuple[int, ...], torch.dtype]], varying: Sequence[Varying]) -> Plan:
        """Walk the whole graph."""
        graph = self.model.proto.graph
        scope = Scope(opsets=self.model.opsets)
        for spec, (shape, dtype) in zip(self.model.inputs, inputs, strict=True):
            sizes: list[Any] = list(shape)
            for each in varying:
                if each.input == spec.name:
                    sizes[each.dimension] = self.evaluation.open_size(each.label, sizes[each.dimension])
            scope.define(spec.name, self.computed(self.evaluation.empty(sizes, dtype)))
        self.walk_graph(graph, scope)
        outputs = tuple(_output(name, scope) for name in self.model.outputs)
        return Plan(num_inputs=len(inputs), steps=_without_unused(self.steps, outputs), outputs=outputs)

    def walk_graph(self, graph: onnx.GraphProto, scope: Scope) -> None:
        """Define a graph's constants in ``scope``, and walk its nodes."""
        for tensor in graph.initializer:
            scope.define(tensor.name, Constant(functools.partial(read_tensor, tensor, self.model.folder)))
        for sparse in graph.sparse_initializer:
            scope.define(sparse.values.name, Constant(functools.partial(dense_of_sparse, sparse, self.model.folder)))
        self.walk(graph.node, scope)

    def walk(self, nodes: Sequence[onnx.NodeProto], scope: Scope) -> None:
        """Walk nodes, in an order in which every value is there before it is used."""
        for index, node in enumerate(in_order(nodes, scope)):
            call = self._call(node, scope, index)
            arguments = [scope.value(name, of=_who(call)) if name else None for name in node.input]
            while arguments and arguments[-1] is None:
                arguments.pop()
            outputs = self._outputs(call, node, arguments, scope)
            for name, value in zip(node.output, outputs, strict=False):
                if name and value is not None:
                    scope.define(name, value)

    def add_step(
        self, call: Call, function: Callable[..., Any], arguments: Iterable[Any], fakes: Mapping[int, Any]
    ) -> dict[int, Any]:
        """Add a step whose function returns ``fakes``, by position, and return its outputs."""
        if len(self.steps) >= _MOST_STEPS:
            raise UnsupportedOperatorError(
                f"{_who(call)}: the model has more than {_MOST_STEPS} operators once its loops are unrolled",
                operators=(call.operator,),
                hint="export the part inside the loop as a model of its own",
            )
        outputs = {
            position: self.computed(fake) if hasattr(fake, "untyped_storage") else Sizes(self._new_slot(), fake)
            for position, fake in fakes.items()
        }
        slots = {position: value.slot for position, value in outputs.items()}
        self.steps.append(Step(call=call, function=function, arguments=tuple(arguments), outputs=slots))
        return outputs

    def evaluated(self, row: Operator, call: Call, arguments: Sequence[Value | None]) -> Outcome:
        """Call a row's function; an error names the node and says what its inputs are."""
        with _naming(call, arguments):
            return self.evaluation.of(row, call, arguments)

    def computed(self, fake: torch.Tensor) -> Computed:
        """Return a new tensor of the running model."""
        return Computed(self._new_slot(), fake)

    def _new_slot(self) -> int:
        self._num_slots += 1
        return self._num_slots - 1

    def _outputs(
        self, call: Call, node: onnx.NodeProto, arguments: list[Value | None], scope: Scope
    ) -> Sequence[Value | None]:
        """Return a node's outputs: known values, or those of a new step."""
        attributes = bound_attributes(node, scope.attributes)
        if call.domain == "" and call.operator in control.OPERATORS:
            return control.outputs_of(self, call, attributes, arguments, scope)
        if call.domain == "" and call.operator == "Identity" and arguments:
            return [arguments[0]]
        if call.domain == "" and call.operator == "Constant":
            with _naming(call):
                return [_constant(call)]
        function = self.functions.get((call.domain, call.operator))
        row = None if function else find(call.domain, call.operator, call.opset)
        if row is None:
            body = function or bodies.schema_body(call, node, attributes, arguments)
            if body is None:
                raise self._unsupported(call, arguments)
            return bodies.outputs_of(self, call, body, attributes, arguments, scope)
        outcome = self.evaluated(row, call, arguments)
        values: dict[int, Value] = dict(outcome.known)
        if outcome.fakes:
            values |= self.add_step(call, outcome.function, outcome.arguments, outcome.fakes)
        missing = [name for position, name in enumerate(node.output) if name and position not in values]
        if missing:
            raise UnsupportedOperatorError(
                f"{_who(call)}: its output {missing[0]!r} is not computed here",
                operators=(call.operator,),
                hint="leave this output out of the graph, if nothing depends on it",
            )
        return [values.get(position) for position in range(len(node.output))]

    def _call(self, node: onnx.NodeProto, scope: Scope, index: int) -> Call:
        domain = plain_domain(node.domain)
        made = next((name for name in node.output if name), f"{node.op_type}_{index}")
        name = scope.prefix + (node.name or made) if scope.has_names else scope.prefix
        num_outputs = len(node.output)
        while num_outputs and not node.output[num_outputs - 1]:
            num_outputs -= 1
        call = Call(
            name=name,
            operator=node.op_type,
            domain=domain,
            opset=scope.opsets.get(domain, 1),
            attributes={},
            num_outputs=num_outputs,
        )
        with _naming(call):
            attributes = {
                key: computed_attribute(key, python_value(key, attribute, self.model.folder))
                for key, attribute in bound_attributes(node, scope.attributes).items()
                if not (attribute.HasField("g") or attribute.graphs)
            }
        return dataclasses.replace(call, attributes=attributes)

    def _unsupported(self, call: Call, arguments: list[Value | None]) -> UnsupportedOperatorError:
        missing = dict.fromkeys([full_name(call.domain, call.operator), *bodies.missing_operators(self)])
        others = f"; the model also has {', '.join(list(missing)[1:])}" if len(missing) > 1 else ""
        return UnsupportedOperatorError(
            f"{_who(call)} cannot be compiled: there is no counterpart of {full_name(call.domain, call.operator)} "
            f"(opset {call.opset}) here; its inputs are {described(arguments)}{others}",
            operators=tuple(missing),
            hint="export the model with other operators, or cut this part off and compute it outside",
        )


def _constant(call: Call) -> Constant:
    import numpy as np

    for key, value in call.attributes.items():
        if key in ("value", "sparse_value", "value_float", "value_floats", "value_int", "value_ints"):
            kind = np.int64 if key.startswith("value_int") else np.float32
            return Constant.of(value if isinstance(value, np.ndarray) else np.asarray(value, kind))
        if key in ("value_string", "value_strings"):
            return Constant.of(np.asarray(value, object))
    raise InputError("a Constant has no value", hint=DAMAGED)


def _output(name: str, scope: Scope) -> Value:
    value = scope.value(name, of="the graph's outputs")
    if isinstance(value, Constant) and value.array.dtype.kind not in "biufc":
        raise InputError(
            f"output {name!r} is text, which a LiteRT model does not return", hint="leave it out of the graph"
        )
    if value is None:
        raise InputError(f"output {name!r} has no value", hint="leave it out of the graph")
    if isinstance(value, Sizes):
        raise InputError(
            f"output {name!r} is made of sizes that dynamic_shapes leaves open", hint="leave it out of the graph"
        )
    return value


def _without_unused(steps: list[Step], outputs: Sequence[Value]) -> tuple[Step, ...]:
    needed = {value.slot for value in outputs if isinstance(value, Computed)}
    kept: list[Step] = []
    for step in reversed(steps):
        if not needed.isdisjoint(step.outputs.values()):
            needed |= {argument.slot for argument in step.arguments if isinstance(argument, Computed | Sizes)}
            kept.append(step)
    return tuple(reversed(kept))


@contextlib.contextmanager
def _naming(call: Call, arguments: Sequence[Value | None] = ()) -> Iterator[None]:
    """Say at which node an error arose, and on which inputs."""
    try:
        yield
    except EmbedlError as err:
        inputs = f"; its inputs are {described(arguments)}" if arguments else ""
        operators = {"operators": (full_name(call.domain, call.operator),)} if hasattr(err, "operators") else {}
        raise type(err)(
            f"{_who(call)}: {err.message}{inputs}", hint=err.hint, details=err.details, **operators
        ) from err


def _who(call: Call) -> str:
    return f"node {call.name!r} ({full_name(call.domain, call.operator)})"
