"""From what the accelerator said to an answer for every operator; where it was not clear, it is asked again.

In: a question and the reply to it. Out: :class:`Verdict`. An operator of which a line may or may not speak is asked
about in a model of its own, and so is every operator of a model that is not compiled at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedl_nb.model.slicer import slice_operators
from embedl_nb.model.writer import pack, unpack
from embedl_nb.placement.answers import OperatorAnswer, Reason
from embedl_nb.placement.gpu.matching import largest_run, match_refusals
from embedl_nb.placement.gpu.question import Question
from embedl_nb.placement.gpu.said import Block, Refusal, failure_line, read_blocks, reason_of
from embedl_nb.runtime.refusals import refused_operators

__all__ = ["Verdict", "judge"]

Ask = Callable[[dict[str, Any]], dict[str, Any]]
"""Sends an ``ask`` request and returns the reply."""

# A constant of up to this size may decide whether an operator is taken (an axis, a shape); larger ones are weights.
_DECIDING_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The parts of a :class:`~embedl_nb.placement.answers.UnitAnswer` that the accelerator's words decide."""

    operators: tuple[OperatorAnswer, ...]
    partitions: tuple[tuple[int, ...], ...]
    cause: str = ""
    notes: tuple[str, ...] = ()


def judge(question: Question, said: Mapping[str, Any], ask: Ask, folder: Path) -> Verdict:
    """Decide on every operator.

    Parameters
    ----------
    question
        What was asked about.
    said
        The child's reply about the whole model.
    ask
        Asks about another model.
    folder
        For the models of one operator.
    """
    everything = [operator.index for operator in question.subgraph.operators]
    if not said["is_compiled"]:
        return _judge_uncompiled(question, said, ask, folder)
    blocks = read_blocks(said["log"])
    # A model may hold bodies of other operators, about which there are lines of their own.
    block = next((b for b in blocks if b.num_on_gpu + b.num_on_cpu == len(everything)), None)
    if said["is_whole"] or block is None:
        return _verdict(question, everything, {})
    match = match_refusals(question.subgraph, block, question.aliases)
    refused = dict(match.refused)
    if match.unsure:
        refused = _confirmed(question, refused, match.unsure, ask, folder)
    if block.num_on_gpu not in _possible_sizes(question, refused):
        refused = _confirmed(question, refused, match.refused, ask, folder)
    return _judge_partly_taken(question, block, refused)


def _possible_sizes(question: Question, refused: Mapping[int, Refusal]) -> tuple[int, int]:
    """Return how many operators run on the GPU if one run of them is handed over, and if all are."""
    return len(largest_run(question.subgraph, refused)), len(question.subgraph.operators) - len(refused)


def _judge_partly_taken(question: Question, block: Block, refused: Mapping[int, Refusal]) -> Verdict:
    supported = [operator.index for operator in question.subgraph.operators if operator.index not in refused]
    run = largest_run(question.subgraph, refused)
    if block.num_on_gpu == len(supported):
        return _verdict(question, supported, refused)
    if block.num_on_gpu == len(run):
        note = (
            "LiteRT hands the GPU one run of operators, the longest: "
            f"{len(supported) - len(run)} that it would take stay on the CPU because refused ones cut them off"
        )
        return _verdict(question, run, refused, left_line=block.count_line, notes=(note,))
    note = (
        f"the accelerator says {block.count_line!r}, while its lines leave it {len(supported)} operators: it does not "
        "say which of them stay on the CPU"
    )
    return _verdict(question, supported, refused, notes=(note,))


def _verdict(
    question: Question,
    taken: Iterable[int],
    refused: Mapping[int, Refusal],
    *,
    left_line: str = "",
    notes: tuple[str, ...] = (),
) -> Verdict:
    run = tuple(sorted(taken))
    on_gpu = set(run)

    def answer(index: int) -> OperatorAnswer:
        if index in on_gpu:
            return OperatorAnswer(index=index, runs=True)
        refusal = refused.get(index)
        if refusal is None:
            return OperatorAnswer(index=index, runs=False, reason=Reason.PARTITION_TOO_SMALL, evidence=left_line)
        return OperatorAnswer(index=index, runs=False, reason=refusal.reason, evidence=refusal.line)

    operators = tuple(answer(operator.index) for operator in question.subgraph.operators)
    return Verdict(operators=operators, partitions=(run,) if run else (), notes=notes)


def _confirmed(
    question: Question, refused: Mapping[int, Refusal], doubtful: Iterable[int], ask: Ask, folder: Path
) -> dict[int, Refusal]:
    """Return the refusals without those that an operator, asked about alone, turns out not to get."""
    replies = _ask_alone(question, doubtful, ask, folder)
    return {index: line for index, line in refused.items() if not (index in replies and replies[index]["is_whole"])}


def _judge_uncompiled(question: Question, said: Mapping[str, Any], ask: Ask, folder: Path) -> Verdict:
    """Decide where LiteRT compiles the model for neither unit: no operator runs, and those at fault are named."""
    line = failure_line(said["log"]) or said["error"]
    unknown = refused_operators(said["log"])
    if unknown:
        cause = f"LiteRT has no implementation of {', '.join(unknown)}, and so runs no part of this model"
    else:
        cause = f"LiteRT's GPU accelerator fails on this model as a whole, also with the CPU's help: {line}"
    replies = _ask_alone(question, [operator.index for operator in question.subgraph.operators], ask, folder)

    def answer(index: int) -> OperatorAnswer:
        reply = replies[index]
        if reply["is_whole"]:
            return OperatorAnswer(index=index, runs=False, reason=Reason.COMPILER_FAILURE, evidence=line)
        refusals = [refusal for block in read_blocks(reply["log"]) for refusal in block.refusals]
        if refusals:
            return OperatorAnswer(index=index, runs=False, reason=refusals[0].reason, evidence=refusals[0].line)
        own_line = failure_line(reply["log"]) or reply["error"]
        return OperatorAnswer(index=index, runs=False, reason=reason_of(own_line), evidence=own_line)

    operators = tuple(answer(operator.index) for operator in question.subgraph.operators)
    return Verdict(operators=operators, partitions=(), cause=cause)


def _ask_alone(question: Question, indices: Iterable[int], ask: Ask, folder: Path) -> dict[int, dict[str, Any]]:
    """Ask about operators in models of one operator, about like ones once."""
    whole = unpack(question.path)
    subgraph_index = question.signature.subgraph_index
    replies: dict[str, dict[str, Any]] = {}
    answers = {}
    for index in indices:
        data = slice_operators(whole, index, subgraph_index=subgraph_index).data
        kind = _kind(data)
        if kind not in replies:
            path = folder / "operator.tflite"
            path.write_bytes(data)
            replies[kind] = ask({"model_path": str(path), "with_cpu": False})
        answers[index] = replies[kind]
    return answers


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
