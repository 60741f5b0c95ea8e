"""How a placement reads: the verdict first, a row a unit, then the operators that stay off it, each with the reason."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Fact, Table, View
from embedl_nb.placement.answers import OperatorAnswer, Reason, UnitAnswer
from embedl_nb.placement.suggestions import suggestion_for
from embedl_nb.units import ComputeUnit, format_bytes, format_ratio

if TYPE_CHECKING:
    from embedl_nb.placement.placement import OperatorRow, Placement
    from embedl_nb.placement.placements import Placements

__all__ = ["placement_view", "placements_view", "summary_row", "verdict"]

_FASTEST_FIRST = (ComputeUnit.NPU, ComputeUnit.GPU, ComputeUnit.CPU)
_NUM_NAMED = 3
_UNITS_NOTE = "Work: multiply-accumulates. Crosses: values made on one side and read on the other."


def verdict(placement: Placement) -> str:
    """Return the sentence of the fastest unit that was checked."""
    checked = {answer.unit: answer for answer in placement.answers if not answer.not_checked}
    unit = next((unit for unit in _FASTEST_FIRST if unit in checked), None)
    if unit is None:
        return "Nothing was checked: " + "; ".join(answer.not_checked for answer in placement.answers)
    before = _FASTEST_FIRST[: _FASTEST_FIRST.index(unit)]
    unasked = [answer for answer in placement.answers if answer.unit in before]
    return "; ".join(
        [
            _sentence(placement, checked[unit]),
            *(f"its {answer.unit.upper()} was not checked: {answer.not_checked}" for answer in unasked),
        ]
    )


def _sentence(placement: Placement, answer: UnitAnswer) -> str:
    split, title = placement.splits[answer.unit], answer.unit.upper()
    work = "" if split.macs_share is None else f", {format_ratio(split.macs_share)} of the work,"
    count = f"{split.num_operators} operators"
    everything, nothing = f"All {count} would", f"None of {count} would"
    if split.num_operators == 1:
        everything, nothing = "Its one operator would", "Its one operator would not"
    if split.is_whole:
        return f"{everything} run on the {title}"
    if not split.num_running:
        return f"{nothing} run on the {title}{_because(placement, answer)}"
    parts = "" if split.num_parts == 1 else f" in {split.num_parts} parts"
    head = f"{split.num_running} of {count}{work} would run on the {title}{parts}"
    return head + _because(placement, answer)


def _because(placement: Placement, answer: UnitAnswer) -> str:
    if answer.cause:
        return f": {answer.cause}"
    refused = _refused(placement, answer)
    off = Counter(row.operator for row, said in refused if said.reason is not Reason.PARTITION_TOO_SMALL)
    if not off:
        return f"; {len(refused)} are too few together to be handed over"
    named = ", ".join(
        operator if count == 1 else f"{count} {operator}" for operator, count in off.most_common(_NUM_NAMED)
    )
    more = len(off) - _NUM_NAMED
    num_cut_off = len(refused) - off.total()
    return (
        f"; it does not take {named}"
        + (f" and {more} more kinds" if more > 0 else "")
        + (f", which cuts off {num_cut_off} more" if num_cut_off else "")
    )


def _refused(placement: Placement, answer: UnitAnswer) -> list[tuple[OperatorRow, OperatorAnswer]]:
    return [(row, said) for row, said in placement.said_by(answer) if not said.runs]


def placements_view(placements: Placements) -> View:
    """Describe placements of one model on several chips: a row a chip, a column a unit."""
    each = list(placements)
    units = [unit for unit in ComputeUnit if any(unit in _asked(placement) for placement in each)]
    failed = f" | {len(placements.errors)} failed" if placements.errors else ""
    unchecked = _unchecked(each)
    chips = "chip" if len(each) == 1 else "chips"
    head = f"{_subject(each[0])} on {len(each)} {chips} | {_whole_on_npu(each)}" if each else "no placement"
    table = Table(
        title="Operators that would run there",
        columns=("asked for", "chip", *(unit.upper() for unit in units)),
        rows=tuple(
            (placement.target, placement.chip, *(_short(placement, unit) for unit in units)) for placement in each
        ),
        note=" ".join([".matrix() draws it; each placement has the reasons.", *_unchecked_notes(each)]),
    )
    return View(
        headline=head + failed,
        provenance=each[0].provenance if each else None,
        warnings=tuple(f"{name}: {error}" for name, error in placements.errors.items()),
        tables=(table,) if each else (),
        figures=("placement_matrix",) if each else (),
        unknown="how fast it is there" + (", and what was not checked" if unchecked else "") if each else "",
        next_step=next((answer.next_step for answer in unchecked if answer.next_step), ""),
    )


def _unchecked_notes(placements: list[Placement]) -> list[str]:
    """Return why units were not checked, once a reason."""
    reasons = [f"{answer.unit.upper()} not checked: {answer.not_checked}." for answer in _unchecked(placements)]
    found = list(dict.fromkeys(reasons))
    more = len(found) - _NUM_NAMED
    return found[:_NUM_NAMED] + ([f"And {more} more reasons."] if more > 0 else [])


def _unchecked(placements: list[Placement]) -> list[UnitAnswer]:
    return [answer for placement in placements for answer in placement.answers if answer.not_checked]


def _asked(placement: Placement) -> set[ComputeUnit]:
    return {answer.unit for answer in placement.answers}


def _whole_on_npu(placements: list[Placement]) -> str:
    checked = [each for each in placements if ComputeUnit.NPU in each.splits]
    if not checked:
        return "no NPU was checked"
    whole = sum(each.splits[ComputeUnit.NPU].is_whole for each in checked)
    unchecked = len(placements) - len(checked)
    return f"whole on {whole} of {len(checked)} NPUs" + (f", {unchecked} not checked" if unchecked else "")


def _short(placement: Placement, unit: ComputeUnit) -> str:
    split = placement.splits.get(unit)
    if split is None:
        return "not checked" if unit in _asked(placement) else ""
    parts = "" if split.num_parts < 2 else f" in {split.num_parts} parts"
    return f"{split.num_running} of {split.num_operators}{parts}"


def summary_row(placement: Placement, answer: UnitAnswer) -> dict[str, Any]:
    """Return a unit's row of :attr:`~.placement.Placement.summary`."""
    split = placement.splits.get(answer.unit)
    return {
        "compute_unit": str(answer.unit),
        "is_checked": not answer.not_checked,
        "num_running": None if split is None else split.num_running,
        "num_operators": len(placement.rows),
        "macs_share": None if split is None else split.macs_share,
        "num_parts": None if split is None else split.num_parts,
        "num_handovers": None if split is None else split.num_handovers,
        "crossing_bytes": None if split is None else split.crossing_bytes,
        "asked": answer.asked,
        "not_checked": answer.not_checked,
        "seconds": answer.seconds,
    }


def placement_view(placement: Placement) -> View:
    """Describe a placement."""
    refused = [table for answer in placement.answers if (table := _refused_table(placement, answer))]
    unchecked = _unchecked([placement])
    facts = [Fact("model", f"{placement.model_name}, {placement.precision}")]
    if placement.phones:
        facts.append(Fact("phone", ", ".join(placement.phones)))
    facts += [Fact(f"{answer.unit.upper()} asked", answer.asked) for answer in placement.answers if answer.asked]
    facts += [
        Fact(f"{answer.unit.upper()} {label}", text) for answer in placement.answers for label, text in answer.facts
    ]
    facts += [Fact("rehearsal", placement.rehearsal.sentence)] if placement.rehearsal else []
    facts += [Fact(f"try for {operator}", text) for operator, text in _suggestions(placement).items()]
    first = next((answer for answer in unchecked if answer.next_step), None)
    phone = placement.phones[0] if len(placement.phones) == 1 else placement.target
    where = f"{phone} | {placement.chip}" if placement.phones else placement.chip
    return View(
        headline=f"{_subject(placement)} on {where} | {placement.verdict}",
        provenance=placement.provenance,
        facts=tuple(facts),
        tables=(_units_table(placement), *refused),
        figures=("placement",) if any(not answer.not_checked for answer in placement.answers) else (),
        unknown="how fast it is there: only the phone knows" if not first else f"the {first.unit.upper()}'s part",
        next_step=first.next_step if first else "",
    )


def _subject(placement: Placement) -> str:
    """Return the model's name, with the signature where it has several."""
    return placement.model_name + (f" ({placement.signature_key})" if placement.signature_key else "")


def _suggestions(placement: Placement) -> dict[str, str]:
    """Return what to try, by operator, once each; one that is the same for all is said of the unit."""
    found = {
        row.operator: text
        for answer in placement.answers
        for row, said in _refused(placement, answer)
        if (text := suggestion_for(row.operator, said.reason))
    }
    texts = set(found.values())
    return {"them all": texts.pop()} if len(texts) == 1 and len(found) > 1 else found


def _units_table(placement: Placement) -> Table:
    rows = []
    notes = [f"{answer.unit.upper()}: {note}." for answer in placement.answers for note in answer.notes]
    for answer in placement.answers:
        split = placement.splits.get(answer.unit)
        if split is None:
            rows.append((answer.unit.upper(), f"not checked: {answer.not_checked}", "", "", ""))
            continue
        rows.append(
            (
                answer.unit.upper(),
                f"{split.num_running} of {split.num_operators}",
                "" if split.macs_share is None else format_ratio(split.macs_share),
                str(split.num_parts),
                "?" if split.crossing_bytes is None else format_bytes(split.crossing_bytes),
            )
        )
    return Table(
        title="Where it would run",
        columns=("unit", "operators", "of the work", "parts", "crosses"),
        rows=tuple(rows),
        numeric=("of the work", "parts", "crosses"),
        note=" ".join([_UNITS_NOTE, *notes]),
    )


def _refused_table(placement: Placement, answer: UnitAnswer) -> Table | None:
    refused = _refused(placement, answer)
    if not refused:
        return None
    return Table(
        title=f"Not on the {answer.unit.upper()}",
        columns=("#", "operator", "source", "why", "in its own words"),
        rows=tuple(
            (
                str(row.index),
                row.operator,
                row.source or row.name,
                str(said.reason or ""),
                said.evidence,
            )
            for row, said in refused
        ),
        numeric=("#",),
        note=answer.cause,
    )
