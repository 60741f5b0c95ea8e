"""Ask about operators one by one, each in a model of its own, about like ones once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from embedl_nb.model.slicer import slice_operators
from embedl_nb.model.writer import pack, unpack
from embedl_nb.placement.gpu.delegate import Delegate, Reply
from embedl_nb.placement.gpu.question import Question
from embedl_nb.placement.gpu.said import invalid_kernel_line

__all__ = ["Alone"]

# A constant of up to this size may decide whether an operator is taken (an axis, a shape); larger ones are weights.
_DECIDING_BYTES = 256


class Alone:
    """A question's operators, asked about alone.

    Parameters
    ----------
    question
        Whose operators.
    delegate
        Who is asked.
    folder
        For the models of one operator.
    """

    def __init__(self, question: Question, delegate: Delegate, folder: Path) -> None:
        self._question, self._delegate, self._folder = question, delegate, folder
        self._replies: dict[str, Reply] = {}

    def replies(self, indices: Iterable[int]) -> dict[int, Reply]:
        """Return the reply about each operator."""
        whole = unpack(self._question.path)
        subgraph_index = self._question.signature.subgraph_index
        return {
            index: self._reply(slice_operators(whole, index, subgraph_index=subgraph_index).data) for index in indices
        }

    def invalid_kernels(self, indices: Iterable[int]) -> dict[int, str]:
        """Return the operators whose kernels are not valid, with the lines that say so.

        WebGPU says it once of each kernel in a process, and operators may share one: they are asked about in a process
        that has not seen any, and those of a type that was found once more, each in a process of its own.
        """
        indices = list(indices)
        lines = self._kernel_lines(indices)
        types = {self._type(index) for index, line in lines.items() if line}
        for index in [index for index in indices if self._type(index) in types and not lines[index]]:
            lines |= self._kernel_lines([index])
        return {index: line for index, line in lines.items() if line}

    def _kernel_lines(self, indices: Iterable[int]) -> dict[int, str]:
        self._delegate.close()
        self._replies = {}
        return {index: invalid_kernel_line(reply.log) for index, reply in self.replies(indices).items()}

    def _type(self, index: int) -> str:
        return self._question.subgraph.operators[index].type_name

    def _reply(self, data: bytes) -> Reply:
        kind = _kind(data)
        if kind not in self._replies:
            path = self._folder / "operator.tflite"
            path.write_bytes(data)
            self._replies[kind] = self._delegate.ask_alone(path)
        return self._replies[kind]


def _kind(data: bytes) -> str:
    """Return what operators have in common about which the answer is the same: all but names and large constants."""
    model = unpack(data)
    for subgraph in model.subgraphs:
        subgraph.name = b""
        for tensor in subgraph.tensors:
            tensor.name = b""
    for buffer in model.buffers:
        if buffer.data is not None and len(buffer.data) > _DECIDING_BYTES:
            buffer.data = None
    return hashlib.sha256(pack(model)).hexdigest()
