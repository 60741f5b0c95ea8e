"""The profiler's raw events of several inferences become one list of steps with a duration for each inference.

The runtime gives operators a true start, but a delegate reports the durations of its steps afterwards, without a start;
those are laid end to end. An operator that runs other subgraphs (WHILE, IF) keeps the time that its inner operators do
not account for, so that durations add up. Seen with LiteRT 2.3: profiling costs about 0.1 ms an inference (its general
events read the process's memory use) and 1 us an operator, and times are whole microseconds; so layers of models that
take far less than 1 ms say little.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from embedl_nb.runtime.litert_c import EventType
from embedl_nb.runtime.raw_run import EventKind, ProfiledEvent
from embedl_nb.runtime.session import RawEvent

__all__ = ["PROFILER_CAPACITY", "Profile", "aggregate"]

# LiteRT's profiler keeps this many events and then overwrites the oldest: litert/runtime/compiled_model.cc,
# GetOrCreateProfiler.
PROFILER_CAPACITY = 512 * 1024
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


@dataclass(slots=True, kw_only=True)
class _Step:
    """An operator or a delegate's step of one inference; an operator's time shrinks by what ran within it."""

    name: str
    type: int
    node_index: int
    subgraph_index: int
    start_us: int
    elapsed_us: int

    @property
    def identity(self) -> tuple[str, int, int, int]:
        return self.name, self.type, self.node_index, self.subgraph_index


@dataclass(slots=True, kw_only=True)
class _Frame:
    """A subgraph that is being run: from its "Invoke" event to the telemetry event of the same name.

    ``caller`` is the operator of an outer subgraph that runs it; ``cursor_us`` is where its next delegate step begins.
    """

    cursor_us: int
    caller: _Step | None
    last_operator: _Step | None = None


def aggregate(iterations: Sequence[Sequence[RawEvent]]) -> Profile:
    """Join the iterations' events by position.

    Iterations whose sequence differs from the most common one are left out, and the note says so.
    """
    if sum(len(events) for events in iterations) >= PROFILER_CAPACITY:
        return Profile(
            events=(), profiled_ms=(), note="the profiled iterations have more events than the runtime's profiler holds"
        )
    sequences = [_steps(events) for events in iterations]
    identities = [tuple(step.identity for step in steps) for steps in sequences]
    common = Counter(identities).most_common(1)[0][0] if identities else ()
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
    """Return the operators and delegates' steps with their own time and their start after the inference's."""
    steps: list[_Step] = []
    frames: list[_Frame] = []
    for event in events:
        if event.name == "Invoke" and event.type == EventType.DEFAULT:
            caller = frames[-1].last_operator if frames else None
            frames.append(_Frame(cursor_us=event.start_us, caller=caller))
        elif event.name == "Invoke" and event.type == EventType.TELEMETRY and frames:
            frames.pop()
        elif event.type in _STEP_TYPES and frames:
            frame = frames[-1]
            is_operator = event.type == EventType.OPERATOR
            start = event.start_us if is_operator else frame.cursor_us
            step = _Step(
                name=event.name,
                type=event.type,
                node_index=event.node_index,
                subgraph_index=event.subgraph_index,
                start_us=start,
                elapsed_us=event.elapsed_us,
            )
            steps.append(step)
            frame.cursor_us = start + event.elapsed_us
            frame.last_operator = step if is_operator else None
            if frame.caller is not None:
                frame.caller.elapsed_us = max(0, frame.caller.elapsed_us - event.elapsed_us)
    begin = _invoke_start_us(events)
    for step in steps:
        step.start_us = max(0, step.start_us - begin)
    return steps


def _invoke(events: Sequence[RawEvent]) -> RawEvent | None:
    """Return the event of the whole inference; those of inner subgraphs come later."""
    return next((event for event in events if event.name == "Invoke" and event.type == EventType.DEFAULT), None)


def _invoke_start_us(events: Sequence[RawEvent]) -> int:
    invoke = _invoke(events)
    return invoke.start_us if invoke else 0


def _invoke_us(events: Sequence[RawEvent]) -> int:
    invoke = _invoke(events)
    return invoke.elapsed_us if invoke else 0
