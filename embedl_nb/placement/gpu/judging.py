"""From what the delegate said to an answer for every operator; where it was not clear, it is asked again.

In: a question and the reply to it. Out: :class:`Verdict`. An operator of which a line may or may not speak is asked
about alone (alone.py), and so is every operator of a model of which nothing is said, or that is not compiled at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from embedl_nb.placement.answers import OperatorAnswer, Reason
from embedl_nb.placement.gpu.alone import Alone
from embedl_nb.placement.gpu.delegate import Reply
from embedl_nb.placement.gpu.matching import match_refusals, runs_of
from embedl_nb.placement.gpu.question import Question
from embedl_nb.placement.gpu.said import Block, Refusal, failure_line, invalid_kernel_line, read_blocks, reason_of
from embedl_nb.runtime.refusals import refused_operators

__all__ = ["Verdict", "judge"]

_NUM_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The parts of a :class:`~embedl_nb.placement.answers.UnitAnswer` that the delegate's words decide."""

    operators: tuple[OperatorAnswer, ...]
    partitions: tuple[tuple[int, ...], ...] = ()
    cause: str = ""
    notes: tuple[str, ...] = ()


def judge(question: Question, said: Reply, alone: Alone) -> Verdict:
    """Decide on every operator, and take those from the GPU whose kernels it took and cannot run.

    Parameters
    ----------
    question
        What was asked about.
    said
        The child's reply about the whole model.
    alone
        Answers about single operators.
    """
    verdict = _judge_words(question, said, alone)
    if not said.is_compiled or not invalid_kernel_line(said.log):
        return verdict
    taken = [answer.index for answer in verdict.operators if answer.runs]
    invalid = alone.invalid_kernels(taken)
    note = (
        f"the GPU computes nothing of what it takes, because of {_named(question, invalid)}: "
        f"{invalid_kernel_line(said.log)}"
    )
    return _without(verdict, invalid, note)


def _without(verdict: Verdict, invalid: Mapping[int, str], note: str) -> Verdict:
    """Return a verdict in which the operators with these lines do not run."""

    def answer(given: OperatorAnswer) -> OperatorAnswer:
        if given.index not in invalid:
            return given
        line = invalid[given.index]
        return OperatorAnswer(index=given.index, runs=False, reason=Reason.COMPILER_FAILURE, evidence=line)

    left = (tuple(index for index in run if index not in invalid) for run in verdict.partitions)
    return replace(
        verdict,
        operators=tuple(map(answer, verdict.operators)),
        partitions=tuple(run for run in left if run),
        notes=(*verdict.notes, note),
    )


def _judge_words(question: Question, said: Reply, alone: Alone) -> Verdict:
    """Decide by what the delegate takes and refuses."""
    indices = [operator.index for operator in question.subgraph.operators]
    if said.is_late:
        return _judge_unsaid(question, indices, alone, why=said.error)
    if not said.is_compiled:
        return _judge_uncompiled(question, indices, said, alone)
    if said.is_whole:
        return _verdict(indices, [indices], {})
    blocks = read_blocks(said.log)
    # A model may hold bodies of other operators, about which there are lines of their own.
    block = next((block for block in blocks if block.num_on_gpu + block.num_on_cpu == len(indices)), None)
    if block is None:
        return _judge_unsaid(question, indices, alone, why="the delegate did not name what the CPU keeps")
    return _judge_partly_taken(question, indices, block, _refusals(question, indices, block, alone))


def _refusals(question: Question, indices: Sequence[int], block: Block, alone: Alone) -> dict[int, Refusal]:
    """Return the refused operators, by the delegate's lines and, where those leave a doubt, by asking again."""
    match = match_refusals(question.subgraph, block, question.aliases)
    refused = _confirmed(match.refused, match.unsure, alone)
    runs = runs_of(question.subgraph, refused)
    if block.num_on_gpu in (len(indices) - len(refused), max(map(len, runs), default=0)):
        return refused
    return _confirmed(refused, refused, alone)


def _confirmed(refused: Mapping[int, Refusal], doubtful: Iterable[int], alone: Alone) -> dict[int, Refusal]:
    """Return the refusals without those of operators that are taken when they are asked about alone."""
    taken = {index for index, reply in alone.replies(doubtful).items() if reply.is_whole}
    return {index: refusal for index, refusal in refused.items() if index not in taken}


def _judge_partly_taken(
    question: Question, indices: Sequence[int], block: Block, refused: Mapping[int, Refusal]
) -> Verdict:
    runs = runs_of(question.subgraph, refused)
    num_supported, length = sum(map(len, runs)), max(map(len, runs), default=0)
    if block.num_on_gpu == num_supported:
        return _verdict(indices, runs, refused)
    if block.num_on_gpu != length:
        note = (
            f"the delegate says {block.count_line!r}, while its lines leave it {num_supported} operators: it does "
            "not say which of them stay on the CPU"
        )
        return _verdict(indices, runs, refused, notes=(note,))
    longest = [run for run in runs if len(run) == length]
    notes = [
        "LiteRT hands the GPU one run of operators, the longest: "
        f"{num_supported - length} that it would take stay on the CPU because refused ones cut them off"
    ]
    if len(longest) > 1:
        notes.append(f"{len(longest)} runs are equally long; the first of them is shown as the one that is taken")
    return _verdict(indices, longest[:1], refused, left_line=block.count_line, notes=tuple(notes))


def _verdict(
    indices: Sequence[int],
    taken: Sequence[Sequence[int]],
    refused: Mapping[int, Refusal],
    *,
    left_line: str = "",
    notes: tuple[str, ...] = (),
) -> Verdict:
    partitions = tuple(tuple(sorted(run)) for run in taken)
    on_gpu = {index for run in partitions for index in run}

    def answer(index: int) -> OperatorAnswer:
        if index in on_gpu:
            return OperatorAnswer(index=index, runs=True)
        refusal = refused.get(index)
        if refusal is None:
            return OperatorAnswer(index=index, runs=False, reason=Reason.PARTITION_TOO_SMALL, evidence=left_line)
        return OperatorAnswer(index=index, runs=False, reason=refusal.reason, evidence=refusal.line)

    return Verdict(operators=tuple(map(answer, indices)), partitions=partitions, notes=notes)


def _judge_unsaid(question: Question, indices: Sequence[int], alone: Alone, *, why: str) -> Verdict:
    """Decide where nothing is known of the model as a whole: each operator is asked about alone."""
    answers = {index: _own_answer(index, reply) for index, reply in alone.replies(indices).items()}
    refused = {
        index: Refusal(operator=question.subgraph.operators[index].type_name, cause=answer.evidence)
        for index, answer in answers.items()
        if not answer.runs
    }
    runs = runs_of(question.subgraph, refused)
    note = f"{why}; each operator was asked about alone, and may fare otherwise among others"
    partitions = tuple(tuple(run) for run in runs)
    return Verdict(operators=tuple(answers.values()), partitions=partitions, notes=(note,))


def _judge_uncompiled(question: Question, indices: Sequence[int], said: Reply, alone: Alone) -> Verdict:
    """Decide where LiteRT compiles the model for neither unit: no operator runs, and those at fault are named."""
    line = failure_line(said.log) or said.error
    replies = alone.replies(indices)

    def answer(index: int) -> OperatorAnswer:
        if replies[index].is_whole:
            return OperatorAnswer(index=index, runs=False, reason=Reason.COMPILER_FAILURE, evidence=line)
        return _own_answer(index, replies[index], otherwise=line)

    operators = tuple(map(answer, indices))
    unknown = refused_operators(said.log)
    if unknown:
        cause = f"LiteRT has no implementation of {', '.join(unknown)}, and so runs no part of this model"
        return Verdict(operators=operators, cause=cause)
    guilty = [index for index in indices if not replies[index].is_compiled and not read_blocks(replies[index].log)]
    who = _named(question, guilty)
    return Verdict(
        operators=operators, cause=f"LiteRT's GPU delegate fails on the whole model, because of {who}: {line}"
    )


def _named(question: Question, indices: Iterable[int]) -> str:
    """Return the names of the operators at fault."""
    names = [f"{question.subgraph.operators[index].type_name} (operator {index})" for index in indices]
    if not names:
        return "its operators together, none of them alone"
    more = f" and {len(names) - _NUM_NAMED} more" if len(names) > _NUM_NAMED else ""
    return ", ".join(names[:_NUM_NAMED]) + more


def _own_answer(index: int, reply: Reply, *, otherwise: str = "") -> OperatorAnswer:
    """Return the answer to an operator that was asked about alone.

    ``otherwise`` was said of the whole model, and stands for what is not said again: LiteRT writes some lines once.
    """
    if reply.is_whole:
        return OperatorAnswer(index=index, runs=True)
    lines = [refusal.line for block in read_blocks(reply.log) for refusal in block.refusals]
    if lines:
        return OperatorAnswer(index=index, runs=False, reason=reason_of(lines[0]), evidence=lines[0])
    line = failure_line(reply.log) or otherwise or reply.error
    reason = reason_of(line)
    if reason is Reason.UNKNOWN:
        reason = Reason.COMPILER_FAILURE
    return OperatorAnswer(index=index, runs=False, reason=reason, evidence=line)
