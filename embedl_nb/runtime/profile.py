"""The profiler's raw events of several inferences become one list of steps with a duration for each inference.

The runtime gives operators a true start, but a delegate reports the durations of its steps afterwards, without a start;
those are laid end to end. An operator that runs other subgraphs (WHILE, IF) keeps the time that its inner operators do
not account for, so that durations add up.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from embedl_nb.runtime.litert_c import EventType
from embedl_nb.runtime.raw_run import EventKind, ProfiledEvent
from embedl_nb.runtime.session import RawEvent

__all__ = ["Profile", "aggregate"]

# LiteRT's profiler keeps this many events and then overwrites the oldest: litert/runtime/compiled_model.cc,
# GetOrCreateProfiler.
_BUFFER_EVENTS = 512 * 1024
_NO_NODE = 2**64 - 1
# A delegate's own sections lie within the operator event of its node (DELEGATE_OPERATOR is left out, not added).
_STEP_TYPES = (EventType.OPERATOR, EventType.DELEGATE_PROFILED_OPERATOR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the profiled iterations say together.

    Attributes
    ----------
    events
        Steps by position.
    profiled_ms
        Duration of each iteration that counts: the runtime's own "Invoke" event.
    note
        What was wrong, in one sentence; empty where nothing was.
    """

    events: tuple[ProfiledEvent, ...]
    profiled_ms: tuple[float, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    name: str
    type: int
    node_index: int
    subgraph_index: int
    start_us: int
    elapsed_us: int

    @property
    def identity(self) -> tuple[str, int, int, int]:
        return self.name, self.type, self.node_index, self.subgraph_index


def aggregate(iterations: Sequence[Sequence[RawEvent]]) -> Profile:
    """Join the iterations' events by position.

    Iterations whose sequence differs from the most common one are left out, and the note says so.
    """
    if sum(len(events) for events in iterations) >= _BUFFER_EVENTS:
        return Profile(
            events=(), profiled_ms=(), note="the profiled iterations have more events than the runtime's profiler holds"
        )
    sequences = [_steps(events) for events in iterations]
    identities = [tuple(step.identity for step in steps) for steps in sequences]
    common = max(identities, key=identities.count, default=())
    kept = [index for index, identity in enumerate(identities) if identity == common]
    note = ""
    if len(kept) < len(sequences):
        left_out = len(sequences) - len(kept)
        note = f"the sequence of operators differed in {left_out} of {len(sequences)} profiled iterations; left out"
    return Profile(
        events=tuple(_event(index, [sequences[i][index] for i in kept]) for index in range(len(common))),
        profiled_ms=tuple(_invoke_us(iterations[i]) / 1e3 for i in kept),
        note=note,
    )


def _event(index: int, steps: list[_Step]) -> ProfiledEvent:
    first = steps[0]
    return ProfiledEvent(
        index=index,
        name=first.name,
        kind=EventKind.OPERATOR if first.type == EventType.OPERATOR else EventKind.DELEGATE,
        node_index=None if first.node_index == _NO_NODE else first.node_index,
        subgraph_index=first.subgraph_index,
        start_ms=statistics.median(step.start_us for step in steps) / 1e3,
        durations_ms=tuple(step.elapsed_us / 1e3 for step in steps),
    )


def _steps(events: Sequence[RawEvent]) -> list[_Step]:
    invoke = _invoke(events)
    begin = cursor = invoke.start_us if invoke else 0
    wanted = [event for event in events if event.type in _STEP_TYPES]
    inner_us = _inner_us(wanted)
    steps = []
    for event, covered_us in zip(wanted, inner_us, strict=True):
        start = event.start_us if event.type == EventType.OPERATOR else cursor
        elapsed = max(0, event.elapsed_us - covered_us)
        steps.append(
            _Step(
                name=event.name,
                type=event.type,
                node_index=event.node_index,
                subgraph_index=event.subgraph_index,
                start_us=max(0, start - begin),
                elapsed_us=elapsed,
            )
        )
        cursor = start + elapsed
    return steps


def _inner_us(events: Sequence[RawEvent]) -> list[int]:
    """Return for each event how much of its time the events of the subgraphs it ran account for.

    Events come in order of beginning, so what follows an operator in other subgraphs, up to the next event of its own
    subgraph, ran within it, if it began before the operator's end.
    """
    covered = [0] * len(events)
    open_parents: list[int] = []
    for index, event in enumerate(events):
        while open_parents and not _runs_within(event, events[open_parents[-1]]):
            open_parents.pop()
        if open_parents:
            covered[open_parents[-1]] += event.elapsed_us
        if event.type == EventType.OPERATOR:
            open_parents.append(index)
    return covered


def _runs_within(event: RawEvent, parent: RawEvent) -> bool:
    if event.subgraph_index == parent.subgraph_index:
        return False
    if event.type != EventType.OPERATOR:
        return True  # no start of its own; its position says where it belongs
    return parent.start_us <= event.start_us <= parent.start_us + parent.elapsed_us


def _invoke(events: Sequence[RawEvent]) -> RawEvent | None:
    return next((event for event in events if event.name == "Invoke" and event.type == EventType.DEFAULT), None)


def _invoke_us(events: Sequence[RawEvent]) -> int:
    invoke = _invoke(events)
    return invoke.elapsed_us if invoke else sum(step.elapsed_us for step in _steps(events))
