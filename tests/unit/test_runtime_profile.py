"""From the profiler's raw events to steps that add up."""

from __future__ import annotations

import pytest

from embedl_nb.runtime import profile
from embedl_nb.runtime.profile import aggregate
from embedl_nb.runtime.raw_run import EventKind
from embedl_nb.runtime.session import RawEvent

DEFAULT, OPERATOR, DELEGATE, TELEMETRY = 1, 2, 8, 32


def event(name: str, kind: int, start: int, elapsed: int, node: int = 0, subgraph: int = 0) -> RawEvent:
    return RawEvent(name=name, type=kind, start_us=start, elapsed_us=elapsed, node_index=node, subgraph_index=subgraph)


def inference(start: int = 1000, *, convolution_us: int = 30) -> list[RawEvent]:
    """Two delegate steps, then an operator, as LiteRT 2.3 reports them."""
    return [
        event("LiteRT::Run[buffer registration]", DEFAULT, start - 50, 50),
        event("Invoke", DEFAULT, start, 100),
        event("Convolution (NHWC, F32) IGEMM", DELEGATE, 0, convolution_us, node=0),
        event("Clamp (NC)", DELEGATE, 0, 10, node=1),
        event("ATAN2", OPERATOR, start + 60, 35, node=7),
        event("Invoke", TELEMETRY, 0, 2**32, node=2**64 - 1),
        event("LiteRT::Run[Buffer sync]", DEFAULT, start + 110, 5),
    ]


def test_delegate_steps_are_laid_end_to_end_and_operators_keep_their_start() -> None:
    found = aggregate([inference()])
    assert [(step.name, step.kind, step.node_index) for step in found.events] == [
        ("Convolution (NHWC, F32) IGEMM", EventKind.DELEGATE, 0),
        ("Clamp (NC)", EventKind.DELEGATE, 1),
        ("ATAN2", EventKind.OPERATOR, 7),
    ]
    assert [step.start_ms for step in found.events] == [0.0, 0.030, 0.060]
    assert found.profiled_ms == (0.1,)
    assert found.note == ""


def test_each_iteration_gives_one_duration() -> None:
    found = aggregate([inference(1000, convolution_us=30), inference(5000, convolution_us=50)])
    assert found.events[0].durations_ms == (0.03, 0.05)
    assert found.events[1].start_ms == 0.04  # the median of 0.03 and 0.05


def test_an_iteration_with_another_sequence_is_left_out_and_said() -> None:
    odd = [step for step in inference() if step.name != "ATAN2"]
    found = aggregate([inference(), odd, inference()])
    assert len(found.events) == 3
    assert found.profiled_ms == (0.1, 0.1)
    assert "1 of 3" in found.note


def test_an_operator_that_runs_subgraphs_keeps_only_its_own_time() -> None:
    loop = [
        event("Invoke", DEFAULT, 0, 200),
        event("WHILE", OPERATOR, 10, 150, node=0),
        event("AllocateTensors", DEFAULT, 11, 5, subgraph=1),
        event("Invoke", DEFAULT, 20, 20, subgraph=1),
        # An operator that ends in the very microsecond in which the next subgraph begins is not that one's caller.
        event("LESS", OPERATOR, 30, 10, node=0, subgraph=1),
        event("Invoke", TELEMETRY, 0, 2**32, subgraph=1),
        event("Invoke", DEFAULT, 40, 60, subgraph=2),
        event("Add (ND)", DELEGATE, 0, 25, node=0, subgraph=2),
        event("Invoke", TELEMETRY, 0, 2**32, subgraph=2),
        event("Invoke", TELEMETRY, 0, 2**32, subgraph=0),
    ]
    found = aggregate([loop])
    assert {step.name: step.durations_ms[0] for step in found.events} == {
        "WHILE": 0.115,
        "LESS": 0.01,
        "Add (ND)": 0.025,
    }
    assert {step.name: step.start_ms for step in found.events} == {"WHILE": 0.01, "LESS": 0.03, "Add (ND)": 0.04}


def test_a_model_without_operators_has_no_steps() -> None:
    found = aggregate([[event("Invoke", DEFAULT, 0, 7), event("Invoke", TELEMETRY, 0, 2**32)]])
    assert found.events == ()
    assert found.profiled_ms == (0.007,)


def test_nothing_profiled_gives_nothing() -> None:
    assert aggregate([]).profiled_ms == ()


def test_a_profile_that_overflowed_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile, "PROFILER_CAPACITY", 10)
    found = aggregate([inference(), inference()])
    assert found.events == ()
    assert "more events" in found.note
