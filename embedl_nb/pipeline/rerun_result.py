"""Rerun: what a step gave before and what it gave again, and what was different around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.analysis.noise import judge
from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.measure import Benchmark
from embedl_nb.measure.benchmark import FlagKind
from embedl_nb.model import LiteRTModel
from embedl_nb.placement import Placement
from embedl_nb.units import Provenance, counted, format_ms

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Difference", "Rerun", "differences_between", "outcome_of"]

_WORDS = {False: "no", True: "yes"}
_TOLD_OTHERWISE = {FlagKind.LAYERS_INCOMPLETE, FlagKind.GOVERNOR, FlagKind.FALLBACK, FlagKind.OUTPUTS_DIFFER}
_LOAD = 1.0
_BATTERY_SHARE = 0.1
_CELSIUS = 5.0
_MOST_SAID = 3
_TOO_WIDE = 1.25  # an interval that holds a difference of a quarter says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing around the step that is not as it was.

    Attributes
    ----------
    before, after
        As text; ``"none"`` where there was nothing.
    """

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name} {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rerun(Displayable):
    """A recorded step, done again.

    Attributes
    ----------
    before, after
        The results; ``after`` is a run of its own.
    differences
        What of versions, device and circumstances is not as it was, one each.
    is_same
        Whether the result is the same: a latency within noise, otherwise the same bytes or answers. None where that
        cannot be told.
    outcome
        The same in words, with the figures.
    assumed
        What the record does not say and was taken to be as by default.
    """

    kind: str
    before: LiteRTModel | Benchmark | Placement
    after: LiteRTModel | Benchmark | Placement
    differences: tuple[Difference, ...]
    is_same: bool | None
    outcome: str
    assumed: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """Whether it is the same, and what may be why not."""
        if not self.differences:
            return f"{self.outcome}; nothing around it has changed"
        said = ", ".join(str(difference) for difference in self.differences[:_MOST_SAID])
        more = len(self.differences) - _MOST_SAID
        return f"{self.outcome}; {said}" + (f" and {counted(more, 'other difference')}" if more > 0 else "")

    def frame(self) -> pd.DataFrame:
        """Return :attr:`differences`, one row each: ``name before after``."""
        import pandas as pd

        rows = [(row.name, row.before, row.after) for row in self.differences]
        return pd.DataFrame(rows, columns=["name", "before", "after"])

    def _view(self) -> View:
        rows = tuple((row.name, row.before, row.after) for row in self.differences)
        table = Table(title="What is not as it was", columns=("name", "before", "after"), rows=rows)
        provenance = self.after.provenance if isinstance(self.after, Benchmark | Placement) else None
        return View(
            headline=f"{self.kind} again | {self.sentence}",
            provenance=provenance if provenance is not Provenance.MEASURED or self.kind == "benchmark" else None,
            facts=(
                Fact("before", str(self.before.run_id or "")),
                Fact("after", str(self.after.run_id or "not recorded")),
                *(Fact("assumed", sentence) for sentence in self.assumed),
            ),
            tables=(table,) if rows else (),
        )


def outcome_of(before: Any, after: Any) -> tuple[bool | None, str]:
    """Say whether the result is the same, and how so."""
    if isinstance(before, Benchmark):
        return _of_benchmarks(before, after)
    return _of_models(before, after) if isinstance(before, LiteRTModel) else _of_placements(before, after)


def differences_between(
    before: Any, after: Any, environments: tuple[Mapping[str, str], Mapping[str, str]]
) -> tuple[Difference, ...]:
    """Return what differs around two results.

    Parameters
    ----------
    environments
        Of both, as recorded with the calls; a benchmark brings its own.
    """
    if isinstance(before, Benchmark):
        return tuple(_of_circumstances(before, after))
    first, second = environments
    if not first:
        return ()
    return tuple(
        Difference(name=name, before=first.get(name, "none"), after=second.get(name, "none"))
        for name in dict.fromkeys((*first, *second))
        if first.get(name) != second.get(name)
    )


def _of_benchmarks(before: Benchmark, after: Benchmark) -> tuple[bool | None, str]:
    first, second = before.latency, after.latency
    said = f"{format_ms(first.p50_ms)} before, {format_ms(second.p50_ms)} now"
    if before.placement.got != after.placement.got:
        return False, f"it ran on the {after.placement.got}, not on the {before.placement.got}: {said}"
    verdict = judge(second, first)
    if verdict.ratio is None or verdict.ci95 is None:
        return None, f"cannot tell whether it is the same: {said}; {verdict.reason}"
    low, high = verdict.ci95
    figures = f"{said} (ratio {verdict.ratio:.3f}, {low:.2f} to {high:.2f}){_of_sustained(before, after)}"
    if low <= 1 <= high and high / low > _TOO_WIDE:
        return None, f"too noisy to tell: {figures}"
    if low <= 1 <= high:
        return True, f"the same within noise: {figures}"
    factor, word = (verdict.ratio, "slower") if verdict.ratio > 1 else (1 / verdict.ratio, "faster")
    return False, f"{factor:.2g} times {word}: {figures}"


def _of_sustained(before: Benchmark, after: Benchmark) -> str:
    """Return both steady states, which have no interval to judge by; nothing where one was not sustained."""
    then, now = before.sustained, after.sustained
    if then is None or now is None:
        return ""
    return f", sustained {format_ms(then.steady_p50_ms)} before, {format_ms(now.steady_p50_ms)} now"


def _of_models(before: LiteRTModel, after: LiteRTModel) -> tuple[bool | None, str]:
    if before.sha256 == after.sha256:
        return True, f"the same file, byte for byte ({after.sha256[:12]}){_of_evaluations(before, after)}"
    said = f"another file: {before.sha256[:12]} before, {after.sha256[:12]} now"
    for evidence in ("fidelity", "parity"):
        first, second = getattr(before, evidence), getattr(after, evidence)
        if first is not None and second is not None:
            return False, f"{said}; {first.sentence} before, {second.sentence} now"
    return False, said


def _of_evaluations(before: LiteRTModel, after: LiteRTModel) -> str:
    """Return both judgements where they differ: the metric may be another one, or no function of the model alone."""
    then, now = (model.fidelity.evaluation if model.fidelity else None for model in (before, after))
    if then is None or now is None or then.sentence == now.sentence:
        return ""
    return f", evaluated otherwise: {then.sentence} before, {now.sentence} now"


def _of_placements(before: Placement, after: Placement) -> tuple[bool | None, str]:
    answers = {answer.unit: answer for answer in after.answers}
    changed, unchecked = [], []
    for answer in before.answers:
        now = answers[answer.unit]
        if bool(answer.not_checked) != bool(now.not_checked):
            unchecked.append(str(answer.unit))
        elif [said.runs for said in answer.operators] != [said.runs for said in now.operators]:
            pairs = zip(answer.operators, now.operators, strict=True)
            count = sum(then.runs != said.runs for then, said in pairs)
            changed.append(f"{counted(count, 'operator')} on the {answer.unit}")
    if unchecked:
        return None, f"not comparable: the {', '.join(unchecked)} could be asked only once"
    if changed:
        return False, f"another answer for {', '.join(changed)}: {after.verdict}"
    first, second = before.rehearsal, after.rehearsal
    if first is not None and second is not None and first.against_cpu.sentence != second.against_cpu.sentence:
        said = f"{first.against_cpu.sentence} before; {second.sentence}"
        return False, f"the same answers, but rehearsed otherwise: {said}"
    return True, f"the same answers: {after.verdict}"


def _of_circumstances(before: Benchmark, after: Benchmark) -> Iterator[Difference]:
    first, second = _circumstances(before), _circumstances(after)
    for name in dict.fromkeys((*first, *second)):
        then, now = first.get(name), second.get(name)
        if then != now:
            yield Difference(name=name, before=_text(then), after=_text(now))
    one, other = before.environment, after.environment
    yield from _far_apart("load", one.load_average_1m, other.load_average_1m, _LOAD)
    yield from _far_apart("battery share", one.battery_share, other.battery_share, _BATTERY_SHARE)
    yield from _far_apart("celsius at its start", before.thermal.start_celsius, after.thermal.start_celsius, _CELSIUS)
    yield from _doubts(before, after)


def _doubts(before: Benchmark, after: Benchmark) -> Iterator[Difference]:
    """Return what casts doubt on one of the two only, as a machine that was busy while it was measured."""
    first, second = ({flag.kind for flag in result.flags} - _TOLD_OTHERWISE for result in (before, after))
    for kind in sorted(first ^ second):
        yield Difference(name=str(kind), before=_WORDS[kind in first], after=_WORDS[kind in second])


def _circumstances(result: Benchmark) -> dict[str, object]:
    """Return what a rerun wants equal, the likeliest reason for another latency first."""
    device, environment = result.device, result.environment
    return {
        "model": result.model_sha256[:12],
        **environment.versions,
        "governor": environment.governor,
        "device": device.name,
        "device build": device.os,
        "cpu": device.cpu,
        "hostname": environment.hostname,
        "host os": environment.os,
        "cores": environment.num_usable_cores,
        "cpu limit": environment.cpu_limit,
        "memory limit bytes": environment.memory_limit_bytes,
        "threads": environment.num_threads,
        "charging": environment.is_charging,
        "screen on": environment.is_screen_on,
        "battery saver": environment.is_battery_saver_on,
        "inputs": str(result.input_source),
        "outputs": str(result.outputs.state),
    }


def _far_apart(name: str, then: float | None, now: float | None, least: float) -> Iterator[Difference]:
    if then is not None and now is not None and abs(then - now) >= least:
        yield Difference(name=name, before=f"{then:.3g}", after=f"{now:.3g}")


def _text(value: object) -> str:
    return "none" if value in (None, "") else str(value)
