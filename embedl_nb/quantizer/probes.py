"""Models that show what is inside of another: every tensor as an output, or every operator on its own.

In: a model's bytes and which of its tensors to show. Out: :class:`Probe`, which runs on values by tensor index. One
inference shows all tensors, in the kernels that the model really runs in. Runs in a child process only.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from embedl_nb.errors import QuantizeError
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.runtime.threads import resolve_num_threads

__all__ = ["Probe"]

Array = np.ndarray[Any, Any]
_SIGNATURE_KEY = "probe"


class Probe:
    """A model that takes and returns chosen tensors of another.

    Parameters
    ----------
    content
        Of the ``.tflite`` file.
    subgraph_index
        Which subgraph is run.
    shown
        Tensors whose values are returned; each is made by an operator.
    cut
        Tensors, made by an operator, that are given from outside: the operators that read one take the given value,
        not what was made. When every tensor is cut, every operator runs on its own.

    Raises
    ------
    QuantizeError
        If LiteRT refuses the model.
    """

    def __init__(
        self, content: bytes, *, subgraph_index: int, shown: Collection[int], cut: Collection[int] = ()
    ) -> None:
        model = unpack(content)
        subgraph = model.subgraphs[subgraph_index]
        made = _detach(subgraph, set(cut))
        given = [*(int(index) for index in subgraph.inputs), *sorted(set(cut))]
        outputs = {index: made.get(index, index) for index in shown}
        subgraph.inputs, subgraph.outputs = given, list(outputs.values())
        model.signatureDefs = [
            schema().SignatureDefT(
                inputs=_maps({index: index for index in given}),
                outputs=_maps(outputs),
                signatureKey=_SIGNATURE_KEY,
                subgraphIndex=subgraph_index,
            )
        ]
        self.inputs = tuple(given)
        """Tensors that :meth:`run` must be given."""
        try:
            self._interpreter = Interpreter(model_content=pack(model), num_threads=resolve_num_threads(None))
            self._run = self._interpreter.get_signature_runner(_SIGNATURE_KEY)
        except (RuntimeError, ValueError) as err:
            raise QuantizeError(f"LiteRT does not run the model with its insides shown: {err}") from err

    def run(self, values: Mapping[int, Array]) -> dict[int, Array]:
        """Return the shown tensors' values, as they are in the file, from those of :attr:`inputs`.

        Raises
        ------
        QuantizeError
            If LiteRT fails in it.
        """
        try:
            results = self._run(**{_name(index): values[index] for index in self.inputs})
        except (RuntimeError, ValueError) as err:
            raise QuantizeError(f"LiteRT fails in the model with its insides shown: {err}") from err
        return {int(name[1:]): value for name, value in results.items()}


def _detach(subgraph: Any, cut: set[int]) -> dict[int, int]:
    """Let the operators that make the ``cut`` tensors write to copies instead; returns the copies."""
    made = {}
    for operator in subgraph.operators:
        outputs = [int(index) for index in operator.outputs]
        for place, index in enumerate(outputs):
            if index in cut:
                tensor = copy.copy(subgraph.tensors[index])
                tensor.name = b"made." + bytes(tensor.name or b"")
                made[index] = outputs[place] = len(subgraph.tensors)
                subgraph.tensors.append(tensor)
        operator.outputs = outputs
    return made


def _maps(tensors: Mapping[int, int]) -> list[Any]:
    return [schema().TensorMapT(name=_name(name), tensorIndex=index) for name, index in tensors.items()]


def _name(index: int) -> str:
    return f"t{index}"
