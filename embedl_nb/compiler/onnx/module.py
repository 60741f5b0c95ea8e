"""A plan as a torch module: one child for each step, so that torch.export notes which node an operator came from.

Constants are buffers of the outermost module; each child is called ``n<number>`` and is of a class that is named after
the ONNX operator.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

from embedl_nb.compiler.onnx.dtypes import computed_tensor
from embedl_nb.compiler.onnx.values import Computed, Constant, Plan, Sizes, Step, Value

__all__ = ["PlannedModule", "module_of", "node_names"]


class _StepModule(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """One step: its function, with what it knows put in."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self._step = step

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Call the function with ``tensors`` in the places of the step's tensors."""
        given = iter(tensors)
        arguments = [next(given) if isinstance(argument, Value) else argument for argument in self._step.arguments]
        returned = self._step.function(self._step.call, *arguments)
        results = returned if isinstance(returned, tuple) else (returned,)
        return tuple(
            computed_tensor(result) if isinstance(result, torch.Tensor) else result
            for result in (results[position] for position in self._step.outputs)
        )


class PlannedModule(torch.nn.Module):  # type: ignore[misc]  # torch is not typed here
    """All steps, in order; inputs and outputs are those of the graph."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan
        self._names: dict[int, str] = {}
        for step in plan.steps:
            for argument in step.arguments:
                self._keep(argument)
        for value in plan.outputs:
            self._keep(value)
        for index, step in enumerate(plan.steps):
            self.add_module(f"n{index}", _class_of(step.call.operator)(step))

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Compute the graph's outputs."""
        values: dict[int, torch.Tensor] = dict(enumerate(inputs))
        for index, step in enumerate(self._plan.steps):
            arguments = [self._value(argument, values) for argument in step.arguments if isinstance(argument, Value)]
            returned = getattr(self, f"n{index}")(*arguments)
            values |= zip(step.outputs.values(), returned, strict=True)
        # A model returns tensors of its own, also where the graph passes an input or a constant on.
        return tuple(
            self._value(output, values).clone()
            if isinstance(output, Constant) or output.slot < self._plan.num_inputs
            else values[output.slot]
            for output in self._plan.outputs
        )

    def _keep(self, value: Any) -> None:
        """Make a constant a buffer, once however many steps use it."""
        if not isinstance(value, Constant) or id(value) in self._names:
            return
        name = f"c{len(self._names)}"
        self._names[id(value)] = name
        tensor = value.tensor
        # Of what has no elements, torch saves no view.
        self.register_buffer(name, tensor if tensor.numel() else torch.empty(tensor.shape, dtype=tensor.dtype))

    def _value(self, value: Value, values: dict[int, torch.Tensor]) -> torch.Tensor:
        if isinstance(value, Computed | Sizes):
            return values[value.slot]
        constant: torch.Tensor = getattr(self, self._names[id(value)])
        return constant


def module_of(plan: Plan) -> PlannedModule:
    """Return the module that does what ``plan`` says."""
    module = PlannedModule(plan)
    module.eval()
    return module


def node_names(plan: Plan) -> dict[str, str]:
    """Return the name of the ONNX node for each child module's path."""
    return {f"n{index}": step.call.name for index, step in enumerate(plan.steps)}


@functools.cache
def _class_of(operator: str) -> type[_StepModule]:
    """Return a class called like the operator: its name is kept beside the module's path."""
    return type(operator if operator.isidentifier() else "Operator", (_StepModule,), {})
