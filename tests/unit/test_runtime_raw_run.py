"""Requests and results go through JSON unchanged."""

from __future__ import annotations

import json

from embedl_nb.runtime.raw_run import EventKind, MeasureRequest, ProfiledEvent, RawRun


def test_a_request_survives_json() -> None:
    request = MeasureRequest(model_path="m.tflite", iterations=5, runtime_options={"kernel_mode": "builtin"})
    assert MeasureRequest.from_json(json.loads(json.dumps(request.to_json()))) == request


def test_a_raw_run_survives_json() -> None:
    run = RawRun(
        runtime_version="ai-edge-litert 2.3.0",
        num_threads=2,
        load_ms=1.0,
        compile_ms=2.0,
        first_ms=3.0,
        warmup_ms=(3.5,),
        samples_ms=(1.0, 1.5),
        settled=None,
        peak_memory_bytes={"start": 1, "run": 2},
        memory_source="VmHWM",
        profiled_ms=(1.1, 1.2),
        profile_note="",
        events=(
            ProfiledEvent(
                index=0,
                name="ADD",
                kind=EventKind.OPERATOR,
                node_index=None,
                subgraph_index=0,
                start_ms=0.0,
                durations_ms=(0.5, 0.6),
            ),
        ),
        outputs_path=None,
        inputs="random",
        pid=1,
        wall_start=0.5,
    )
    assert RawRun.from_json(json.loads(json.dumps(run.to_json()))) == run
