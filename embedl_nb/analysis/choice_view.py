"""What a choice says of itself: the winner and why, the runner-up, and of every loser what ruled it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.analysis.budget import Candidate, Standing, label_of, value_text
from embedl_nb.display.view import Fact, Table, View
from embedl_nb.units import counted

if TYPE_CHECKING:
    from embedl_nb.analysis.choice import Choice, Rejected

__all__ = ["choice_view", "sentence_of"]

_MORE_PROCESSES = 10
_NUM_LOSERS = 10


def sentence_of(choice: Choice) -> str:
    """Say which, and why."""
    total = len(choice.candidates)
    if not choice.meeting:
        nearest = choice.rejected[0]
        budget = f" {choice.where}" if choice.where else " the budget"
        whole = f"the one result does not meet{budget}" if total == 1 else f"none of the {total} results meets{budget}"
        return f"{whole}; the nearest is {nearest.candidate.label}: {'; '.join(nearest.reasons)}"
    best, name = choice.meeting[0], choice.objective.name
    degree = "lowest" if choice.objective.is_minimized else "highest"
    among = f"{len(choice.meeting)} of {counted(total, 'result')}"
    budget = f"{among} that meet {choice.where}" if choice.where else counted(total, "result")
    if len(choice.meeting) == 1 and total > 1 and choice.where:
        return (
            f"{best.label}: the only one of {counted(total, 'result')} that meets {choice.where}, {_shown(best, name)}"
        )
    if total == 1:
        return f"{best.label}: the only result, {_shown(best, name)}"
    return f"{best.label}: the {degree} {_shown(best, name)}, of the {budget}"


def choice_view(choice: Choice) -> View:
    """Describe ``choice``."""
    axes = [axis.name for axis in choice.axes]
    facts = [Fact("picked", _described(choice.meeting[0], axes))] if choice.meeting else []
    if len(choice.meeting) > 1:
        facts.append(Fact("runner-up", f"{choice.meeting[1].label}: {_lead(choice)}"))
    losers = [Fact("not picked", f"{each.candidate.label}: {'; '.join(each.reasons)}") for each in choice.rejected]
    facts += losers[:_NUM_LOSERS]
    if len(losers) > _NUM_LOSERS:
        facts.append(Fact("not picked", f"{len(losers) - _NUM_LOSERS} more: see the table"))
    front = ", ".join(each.name for each in choice.front_candidates)
    facts.append(Fact("front", f"{front} (by {', '.join(label_of(name) for name in axes)})" if front else "not known"))
    unknown, next_step = _unknown(choice)
    shown = choice.meeting or tuple(each.candidate for each in choice.rejected)
    return View(
        headline=choice.sentence,
        provenance=shown[0].result.provenance,
        facts=tuple(facts),
        warnings=_warnings(choice),
        tables=(_table(choice, axes),),
        pictures=("pareto_svg",) if len(choice.axes) > 1 and choice.drawn else (),
        unknown=unknown,
        next_step=next_step,
    )


def _shown(candidate: Candidate, name: str) -> str:
    return f"{label_of(name)} {_value(candidate, name)}"


def _value(candidate: Candidate, name: str) -> str:
    value, interval = candidate.value(name), candidate.interval(name)
    if value is None:
        return "not known"
    if interval is None:
        return value_text(name, value)
    return f"{value_text(name, value)} ({value_text(name, interval[0])} to {value_text(name, interval[1])})"


def _described(candidate: Candidate, axes: list[str]) -> str:
    figures = ", ".join(_shown(candidate, name) for name in axes)
    run = f", run {candidate.result.run_id}" if candidate.result.run_id else ""
    return f"{candidate.label}, {candidate.result.precision}: {figures}{run}"


def _lead(choice: Choice) -> str:
    """Return how far the runner-up is behind, and whether that is more than noise."""
    best, second = choice.meeting[:2]
    name = choice.objective.name
    said = _shown(second, name)
    ahead, behind = best.interval(name), second.interval(name)
    if ahead and behind and ahead[0] <= behind[1] and behind[0] <= ahead[1]:
        return f"{said}; their intervals overlap, so it may be the better one"
    base = best.value(name)
    if not base:
        return said
    share = abs(second.value(name) / base - 1) * 100
    return f"{said}, {share:.3g} % {'more' if choice.objective.is_minimized else 'less'}"


def _warnings(choice: Choice) -> tuple[str, ...]:
    return tuple(f"{each.label}: {flag.sentence}" for each in choice.meeting[:1] for flag in each.result.flags)


def _unknown(choice: Choice) -> tuple[str, str]:
    open_ones = [each for each in choice.rejected if each.standing is Standing.TOO_CLOSE and _would_win(choice, each)]
    if open_ones:
        result = open_ones[0].result
        step = (
            f'enb.benchmark(model, "{result.device.address}", compute_unit="{result.placement.asked}", '
            f"processes={_MORE_PROCESSES})"
        )
        return f"whether {open_ones[0].candidate.label} meets the budget: it would be picked", step
    if choice.meeting and choice.meeting[0].result.device.is_this_machine:
        return "what a phone would say (this machine is not a phone)", 'enb.benchmark(model, "adb://*")'
    return "", ""


def _would_win(choice: Choice, each: Rejected) -> bool:
    name = choice.objective.name
    value = each.candidate.value(name)
    if value is None or not choice.meeting:
        return value is not None
    return choice.objective.cost(value) < choice.objective.cost(choice.meeting[0].value(name))


def _table(choice: Choice, axes: list[str]) -> Table:
    reasons = {id(each.candidate): each for each in choice.rejected}
    front = {id(each) for each in choice.front_candidates}
    rows = []
    for place, each in enumerate(choice.candidates):
        loser = reasons.get(id(each))
        standing = str(loser.standing) if loser else ("picked" if place == 0 else "meets")
        values = ((name, each.value(name)) for name in axes)
        figures = ("?" if value is None else value_text(name, value) for name, value in values)
        why = "; ".join(loser.reasons) if loser else ""
        rows.append((each.name, standing, *figures, "yes" if id(each) in front else "", why))
    return Table(
        title="One row a candidate",
        columns=("candidate", "standing", *(label_of(name) for name in axes), "on the front", "why not"),
        rows=tuple(rows),
        numeric=tuple(label_of(name) for name in axes),
        note="?: not known. .frame() has all as numbers; .pareto() draws the front.",
    )
