"""The doctor on this very machine, with the real runtime."""

from __future__ import annotations

import pytest

import embedl_nb

pytestmark = pytest.mark.litert


def test_the_doctor_proves_that_the_runtime_loads() -> None:
    report = embedl_nb.doctor()
    assert report["runtime"].found.endswith("runs a model in its own process")
    assert report.can_measure
    names = set(report.frame()["name"])
    assert names >= {"python", "runtime", "compiler", "run store", "data", "cache", "cpu", "memory"}
