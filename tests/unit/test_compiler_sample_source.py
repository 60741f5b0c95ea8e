"""Random values are called synthetic; what has structure is the caller's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedl_nb.compiler.sources.sample_source import source_of
from embedl_nb.model.evidence import SampleSource

_RNG = np.random.default_rng(7)
_WAVES = np.sin(np.linspace(0, 60, 3 * 64 * 64)).reshape(1, 3, 64, 64)


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("draw", ["standard_normal", "random"])
def test_what_a_generator_draws_is_synthetic(draw: str, seed: int) -> None:
    sample = getattr(np.random.default_rng(seed), draw)((1, 3, 24, 24), dtype=np.float32)
    assert source_of({"0/x": sample}) is SampleSource.SYNTHETIC


@pytest.mark.parametrize("value", [0.0, 1.0, -3.5])
def test_a_constant_is_synthetic(value: float) -> None:
    assert source_of({"0/x": np.full((1, 3, 16, 16), value)}) is SampleSource.SYNTHETIC


@pytest.mark.parametrize(
    "sample",
    [_WAVES, (_WAVES - _WAVES.mean()) / _WAVES.std(), (_WAVES + 1) / 2, _RNG.standard_normal(4096) * 2],
    ids=["a signal", "a standardized signal", "a signal from 0 to 1", "noise of another size"],
)
def test_what_has_structure_is_the_callers(sample: Any) -> None:
    assert source_of({"0/x": sample}) is SampleSource.GIVEN


def test_one_array_with_structure_makes_the_samples_the_callers() -> None:
    noise = _RNG.standard_normal(4096)
    assert source_of({"0/x": noise, "1/x": _WAVES}) is SampleSource.GIVEN


@pytest.mark.parametrize("sample", [np.zeros(3), np.zeros(4096, np.int32), np.full(4096, np.nan)])
def test_what_tells_nothing_is_the_callers(sample: Any) -> None:
    assert source_of({"0/x": sample}) is SampleSource.GIVEN
