"""From a model and a device to a Benchmark: the plan, the statistics, the layers, the environment."""

from __future__ import annotations

from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.measure.session import measure

__all__ = ["Benchmark", "measure"]
