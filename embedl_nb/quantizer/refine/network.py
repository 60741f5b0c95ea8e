"""Walk a model operator by operator: each runs alone, in LiteRT's own kernels, on whatever arrays it is given.

In: a model's bytes and samples. Out: the values of its tensors, sample by sample, freed once nothing needs them. It is
how the integers are had that a quantized model really computes, and what one operator makes of other inputs. Runs in a
child process only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from embedl_nb.errors import QuantizeError
from embedl_nb.model.calling import bind_inputs, pick_signature
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import Operator
from embedl_nb.model.slicer import ModelSlice, slice_operators
from embedl_nb.model.writer import unpack

__all__ = ["Array", "Sample", "Step", "Values", "Walker"]

Array = np.ndarray[Any, Any]
Sample = Mapping[str, Array]
# Of one tensor: an array a sample.
Values = list[Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """An operator that has just been run.

    Attributes
    ----------
    operator
        Which.
    inputs, outputs
        Values by tensor index; constants are left out.
    """

    operator: Operator
    inputs: Mapping[int, Values]
    outputs: Mapping[int, Values]


class Walker:
    """Runs the operators of one signature of a model one at a time.

    Parameters
    ----------
    content
        Of a ``.tflite`` file.
    signature_key
        Which signature; the first by default.

    Raises
    ------
    InputError
        If the model is damaged, or cannot be cut into its operators.
    UnknownNameError
        If there is no such signature.
    """

    def __init__(self, content: bytes, *, signature_key: str | None = None) -> None:
        graph = read_model(bytes(content))
        self._model = unpack(bytes(content))
        self._signature = pick_signature(graph.signatures, signature_key)
        self.subgraph = graph.subgraphs[self._signature.subgraph_index]
        self._last_use = self._find_last_uses()

    @property
    def operators(self) -> tuple[Operator, ...]:
        """In order of execution."""
        return self.subgraph.operators

    @property
    def peak_bytes(self) -> int:
        """Bytes of the values that one sample needs at the same time, at most; those of unknown shape are left out."""
        sizes = [tensor.num_bytes or 0 for tensor in self.subgraph.tensors]
        live = {index for index in self.subgraph.inputs if index >= 0}
        peak = sum(sizes[index] for index in live)
        for operator in self.operators:
            live |= {index for index in operator.outputs if index >= 0}
            peak = max(peak, sum(sizes[index] for index in live))
            live = {index for index in live if self._last_use.get(index, -1) > operator.index}
        return peak

    def given(self, samples: Sequence[Sample]) -> dict[int, Values]:
        """Return the samples as values of the input tensors; a quantized input gets its integers.

        Raises
        ------
        SignatureMismatchError
            If a sample's names, shapes or dtypes do not fit.
        """
        bound = [bind_inputs(self._signature, (), sample) for sample in samples]
        names = [spec.name for spec in self._signature.inputs]  # in the subgraph's own order
        return {
            index: [arrays[name] for arrays in bound] for name, index in zip(names, self.subgraph.inputs, strict=True)
        }

    def run(self, index: int, values: Mapping[int, Values], *, num_samples: int) -> dict[int, Values]:
        """Run one operator on each sample and return the values of its outputs.

        Parameters
        ----------
        index
            Of the operator.
        values
            At least those of its inputs that are no constants, by tensor index.
        num_samples
            How many there are; it counts where an operator reads constants alone.

        Raises
        ------
        QuantizeError
            If LiteRT refuses the operator, or fails in it.
        """
        part = self.slice(index)
        return self.run_slice(part.data, part.inputs, part.outputs, values, num_samples=num_samples)

    def slice(self, index: int) -> ModelSlice:
        """Return one operator as a model of its own."""
        return slice_operators(self._model, index, subgraph_index=self.subgraph.index)

    def run_slice(
        self,
        content: bytes,
        inputs: Sequence[int],
        outputs: Sequence[int],
        values: Mapping[int, Values],
        *,
        num_samples: int,
    ) -> dict[int, Values]:
        """Run a model of one operator (see :meth:`slice`) on the values of the tensors that are its inputs."""
        missing = [index for index in inputs if index not in values]
        if missing:
            names = ", ".join(self.subgraph.tensors[index].name for index in missing)
            raise QuantizeError(f"an operator reads {names}, which nothing has computed")
        given = [[values[index][i] for index in inputs] for i in range(num_samples)]
        try:
            rows = _run_all(content, given)
        except (RuntimeError, ValueError) as err:
            raise QuantizeError(
                f"LiteRT does not run the operator alone: {err}", hint="leave it float, or quantize without refining"
            ) from err
        return {index: [row[place] for row in rows] for place, index in enumerate(outputs)}

    def walk(self, samples: Sequence[Sample]) -> Iterator[Step]:
        """Run all operators in order, on what those before them made, and yield after each."""
        values = self.given(samples)
        for operator in self.operators:
            inputs = {index: values[index] for index in operator.inputs if index in values}
            outputs = self.run(operator.index, values, num_samples=len(samples))
            values.update(outputs)
            yield Step(operator=operator, inputs=inputs, outputs=outputs)
            self.forget(operator.index, values)

    def forget(self, index: int, values: dict[int, Values]) -> None:
        """Drop the values that nothing reads after operator ``index``; those that the model returns stay."""
        for tensor in [tensor for tensor in values if self._last_use.get(tensor, -1) <= index]:
            del values[tensor]

    def _find_last_uses(self) -> dict[int, int]:
        uses = {tensor: operator.index for operator in self.operators for tensor in operator.inputs}
        return uses | dict.fromkeys(self.subgraph.outputs, len(self.operators))


def _run_all(content: bytes, given: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Run a small model on each of some rows of inputs: with XNNPACK, as phones do, and where it gives up without."""
    try:
        runner = _Runner(content, OpResolverType.AUTO)
        return [runner(arrays) for arrays in given]
    except RuntimeError:  # XNNPACK wants an operator on constants alone to be folded, which a model of one cannot be
        runner = _Runner(content, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
        return [runner(arrays) for arrays in given]


class _Runner:
    """A small model in an interpreter."""

    def __init__(self, content: bytes, kernels: OpResolverType) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=kernels)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details()
        self._inputs = [int(detail["index"]) for detail in details]
        self._shapes = [tuple(detail["shape"]) for detail in details]
        self._outputs = [int(detail["index"]) for detail in self._interpreter.get_output_details()]

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            for index, shape in zip(self._inputs, shapes, strict=True):
                self._interpreter.resize_tensor_input(index, shape)
            self._interpreter.allocate_tensors()
            self._shapes = shapes
        for index, array in zip(self._inputs, arrays, strict=True):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]
