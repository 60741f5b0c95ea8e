"""What a preflight said, held against what happened on the phone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from embedl_nb import cache, config
from embedl_nb.measure.foreseen import compare_with_preflight
from embedl_nb.placement import Placement
from embedl_nb.placement.foreseen import keep_foreseen
from embedl_nb.runtime.raw_run import ExecutionPath
from embedl_nb.units import ComputeUnit

GPU = ComputeUnit.GPU
KEY = "serving_default"
MODEL = cast("Any", SimpleNamespace(sha256="a" * 64, signatures=(KEY,)))
ARTIFACT = SimpleNamespace(sha256="b" * 64)


def keep(unit: ComputeUnit, num_running: int, of: int, *, aot: object = None) -> None:
    splits = {unit: SimpleNamespace(num_running=num_running, num_operators=of)}
    said = SimpleNamespace(model_sha256=MODEL.sha256, signature_key="", splits=splits, aot=aot)
    keep_foreseen(cast("Placement", said), "SM8650")


def compared(path: ExecutionPath | None, *, unit: ComputeUnit = GPU, chip: str = "SM8650", model: Any = MODEL) -> str:
    device, signature = cast("Any", SimpleNamespace(chip=chip)), cast("Any", SimpleNamespace(key=KEY))
    return compare_with_preflight(model, signature, device, unit, path)


def ran(taken: int, of: int, sentence: str = "", cause: str = "") -> ExecutionPath:
    return ExecutionPath(compute_unit="gpu", sentence=sentence, cause=cause, num_taken=taken, num_operators=of)


@pytest.mark.usefixtures("empty_home")
def test_nothing_is_said_where_no_preflight_was_made_for_that_chip_and_unit() -> None:
    assert compared(ran(62, 62)) == ""
    keep(GPU, 62, 62)
    assert compared(ran(62, 62), chip="SM8750") == ""
    assert compared(ran(62, 62), chip="") == ""
    assert compared(ran(62, 62), unit=ComputeUnit.NPU) == ""
    assert compared(None) == ""


@pytest.mark.usefixtures("empty_home")
def test_what_came_as_foreseen_and_what_did_not_are_one_sentence_each() -> None:
    keep(GPU, 60, 62)
    assert compared(ran(60, 62)) == "as preflight said: 60 of 62 operators on the gpu"
    keep(GPU, 62, 62)
    fewer = ran(60, 62, "60 of 62 operators on the GPU (OpenCL), the others on the CPU", "CAST: not supported")
    assert compared(fewer) == (
        "preflight said 62 of 62 operators on the gpu; there it was: 60 of 62 operators on the GPU (OpenCL), "
        "the others on the CPU; CAST: not supported"
    )


@pytest.mark.usefixtures("empty_home")
def test_what_was_compiled_ahead_of_time_is_compared_by_what_is_left_to_the_cpu() -> None:
    keep(ComputeUnit.NPU, 60, 62, aot=ARTIFACT)
    artifact = SimpleNamespace(sha256=ARTIFACT.sha256, signatures=MODEL.signatures)
    said = "60 of 62 operators on the npu"
    assert compared(ran(1, 3), unit=ComputeUnit.NPU, model=artifact) == f"as preflight said: {said}"
    assert compared(ran(0, 3), unit=ComputeUnit.NPU, model=artifact).startswith(f"preflight said {said}; there it was")


def test_a_damaged_file_is_no_preflight(empty_home: Path) -> None:
    keep(GPU, 62, 62)
    for file in (config.cache_dir() / cache.ANSWERS).iterdir():
        file.write_text("[1")
    assert compared(ran(62, 62)) == ""
