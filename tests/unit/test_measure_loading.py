"""Cold loads are told from those that found what an earlier process had left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from embedl_nb.measure.loading import LoadTimes, load_times
from embedl_nb.runtime.raw_run import RawRun


@dataclass
class Loaded:
    load_kind: str
    compile_ms: float
    load_ms: float = 0.5


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["cold", "cached", "cached"], LoadTimes(init_ms=10.5, init_kind="cold", init_cached_ms=25.5)),
        (["cached", "cached", "cached"], LoadTimes(init_ms=20.5, init_kind="cached", init_cached_ms=None)),
        (["", "", ""], LoadTimes(init_ms=20.5, init_kind="", init_cached_ms=None)),
    ],
)
def test_the_headline_is_the_cold_load_where_there_is_one(kinds: list[str], expected: LoadTimes) -> None:
    runs = [Loaded(kind, ms) for kind, ms in zip(kinds, (10.0, 20.0, 30.0), strict=True)]
    assert load_times(cast("list[RawRun]", runs)) == expected
