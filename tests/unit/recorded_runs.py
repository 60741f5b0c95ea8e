"""A few recorded runs that belong together and wait for their store: a model, and what was made of it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from embedl_nb import runstore
from embedl_nb.measure import Benchmark
from embedl_nb.model import LiteRTModel
from embedl_nb.testing import models
from embedl_nb.testing.results import fake_benchmark, fake_fidelity

HOSTILE = "<img src=x onerror=alert(1)>"


class RestingRecorder:
    """Leaves everything waiting: no MLflow in these tests."""

    has_work = False

    def wake(self, store: object, *, after_s: float = 0) -> None:
        """Do nothing."""

    def problems(self) -> list[Exception]:
        """Return none."""
        return []

    def ask(self, command: str, question: object) -> dict[str, list[object]]:
        """Know nothing."""
        return {"rows": []}


def rest_recorder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs wait, in a home that is empty."""
    for module in ("store", "reading"):
        monkeypatch.setattr(f"embedl_nb.runstore.{module}.recorder", RestingRecorder)


def record_benchmark(
    name: str, *, parent: str | None = None, p50_ms: float = 8.0, seed: int = 0, sha256: str = "0" * 64, **changes: Any
) -> str:
    """Record a benchmark as if it had just been measured; return its id."""
    result = fake_benchmark(12, model_name=name, p50_ms=p50_ms, seed=seed)
    started = datetime.now(UTC).isoformat()
    environment = dataclasses.replace(result.environment, started_at=started)
    made: Benchmark = dataclasses.replace(result, environment=environment, model_sha256=sha256, **changes)
    return runstore.record("benchmark", made.to_record(), parent_run_id=parent)


def record_family(folder: Path) -> dict[str, str]:
    """Record five runs, by what they are called here; the first two are a model and what was quantized of it."""
    model = dataclasses.replace(LiteRTModel.open(models.write(folder, models.chain(4))), name="resnet18")
    compiled = runstore.record("compile", model.to_record(), model_path=model.path)
    small = dataclasses.replace(model, precision="w8a8", fidelity=fake_fidelity(4))
    quantized = runstore.record("quantize", small.to_record(), parent_run_id=compiled, model_path=model.path)
    return {
        "compiled": compiled,
        "quantized": quantized,
        "slow": record_benchmark("resnet18", parent=compiled, p50_ms=8.0, sha256=model.sha256),
        "fast": record_benchmark("resnet18", parent=quantized, p50_ms=3.4, seed=1, precision="w8a8"),
        "hostile": record_benchmark(HOSTILE, p50_ms=5.0, seed=2),
    }
