"""Ask each compute unit of a chip about a model, one after the other; what one cannot say costs no other's answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from embedl_nb import progress
from embedl_nb.device.catalog import Chip
from embedl_nb.errors import EmbedlError, InputError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.operators import describe_operators
from embedl_nb.placement.answers import UnitAnswer
from embedl_nb.placement.cpu import ask_cpu
from embedl_nb.placement.gpu import ask_gpu
from embedl_nb.placement.npu import ask_npu
from embedl_nb.placement.npu.result import DISPATCH
from embedl_nb.placement.placement import OperatorRow, Placement
from embedl_nb.placement.rehearsal import Rehearsal, rehearse
from embedl_nb.placement.rehearsal.samples import check_source, choose_samples
from embedl_nb.placement.split import split
from embedl_nb.units import ComputeUnit

__all__ = ["RehearsedOn", "place"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsedOn:
    """What a rehearsal takes besides the model (see :func:`embedl_nb.placement.rehearsal.rehearse`)."""

    samples: Any = None
    source: LiteRTModel | None = None


def place(
    model: LiteRTModel,
    chip: Chip,
    *,
    target: str,
    phones: Sequence[str],
    units: Sequence[ComputeUnit],
    signature_key: str | None,
    rehearsed_on: RehearsedOn | None = None,
    known: Sequence[UnitAnswer] = (),
) -> Placement:
    """Return where the operators of one signature would run on a chip.

    Parameters
    ----------
    target, phones
        What was asked for, and which phones of that name have this chip.
    rehearsed_on
        What the NPU's artifact is run on in the vendor's simulator, where there is one; None to leave that out.
    known
        Answers that are the same for every chip and were given before.

    Raises
    ------
    InputError
        If the model has no such signature or is compiled ahead of time already, or the samples or the source do not
        fit.
    """
    signature = pick_signature(model.signatures, signature_key)
    subgraph = model.graph.subgraphs[signature.subgraph_index]
    if any(operator.type_name == DISPATCH for operator in subgraph.operators):
        raise InputError(
            f"{model.name} is compiled ahead of time for an NPU already",
            hint="ask about the portable model it was made from",
        )
    if rehearsed_on is not None and rehearsed_on.samples is not None:
        choose_samples(model, signature, rehearsed_on.samples)  # those that do not fit are refused before any work
    if rehearsed_on is not None and rehearsed_on.source is not None:
        check_source(model, signature, rehearsed_on.source, signature_key)
    by_unit = {answer.unit: answer for answer in known}
    answers = tuple(by_unit.get(unit) or _answer(model, chip, unit, signature.key) for unit in units)
    rehearsal = None
    if rehearsed_on is not None:
        rehearsal, answers = _rehearsed(model, chip, answers, signature.key, rehearsed_on)
    return Placement(
        model_name=model.name,
        model_sha256=model.sha256,
        precision=model.precision,
        target=target,
        phones=tuple(phones),
        chip=str(chip),
        rows=tuple(
            OperatorRow(index=info.index, operator=info.operator, name=info.name, source=info.source, macs=info.macs)
            for info in describe_operators(model.graph, subgraph_index=subgraph.index)
        ),
        answers=answers,
        signature_key=signature.key if len(model.signatures) > 1 else "",
        rehearsal=rehearsal,
        splits={
            answer.unit: split(model.graph, subgraph, {said.index for said in answer.operators if said.runs})
            for answer in answers
            if not answer.not_checked
        },
    )


def _answer(model: LiteRTModel, chip: Chip, unit: ComputeUnit, signature_key: str) -> UnitAnswer:
    progress.emit("preflight", f"asking the {unit.upper()} about {model.name}")
    ask: dict[ComputeUnit, Callable[[], UnitAnswer]] = {
        ComputeUnit.CPU: lambda: ask_cpu(model, signature_key=signature_key),
        ComputeUnit.GPU: lambda: ask_gpu(model, signature_key=signature_key),
        ComputeUnit.NPU: lambda: ask_npu(model, chip, signature_key=signature_key),
    }
    try:
        return ask[unit]()
    except EmbedlError as err:
        return UnitAnswer(unit=unit, asked="", not_checked=err.message, next_step=err.hint)
    except OSError as err:
        room = "free some space, or set TMPDIR and EMBEDL_NB_HOME to other folders"
        return UnitAnswer(unit=unit, asked="", not_checked=f"there was no place for its files: {err}", next_step=room)


def _rehearsed(
    model: LiteRTModel, chip: Chip, answers: tuple[UnitAnswer, ...], signature_key: str, given: RehearsedOn
) -> tuple[Rehearsal | None, tuple[UnitAnswer, ...]]:
    """Return the rehearsal; where it cannot be done, the NPU's answer says why."""
    if not any(answer.unit is ComputeUnit.NPU and answer.artifact for answer in answers):
        return None, answers
    progress.emit("preflight", f"rehearsing {model.name} in the NPU's simulator")
    try:
        samples, source = given.samples, given.source
        return rehearse(model, chip, samples=samples, source=source, signature_key=signature_key), answers
    except (EmbedlError, OSError) as err:  # as for the answers: what fails here costs the rehearsal only
        note = f"it could not be rehearsed: {err.message if isinstance(err, EmbedlError) else err}"
        return None, tuple(
            replace(answer, notes=(*answer.notes, note)) if answer.unit is ComputeUnit.NPU else answer
            for answer in answers
        )
