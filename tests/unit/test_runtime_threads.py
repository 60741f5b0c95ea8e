"""How many threads an inference gets."""

from __future__ import annotations

import os

import pytest

from embedl_nb.errors import InputError
from embedl_nb.runtime.threads import default_num_threads, resolve_num_threads


@pytest.mark.parametrize(("num_processors", "expected"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_the_default_is_the_processors_this_process_may_use_up_to_four(
    monkeypatch: pytest.MonkeyPatch, num_processors: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(num_processors)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    assert default_num_threads() == expected


def test_without_affinity_the_processors_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert default_num_threads() == 3


def test_a_given_number_is_taken() -> None:
    assert resolve_num_threads(9) == 9
    assert resolve_num_threads(None) == default_num_threads()


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "2"])
def test_a_number_that_cannot_be_meant_is_refused(number: object) -> None:
    with pytest.raises(InputError, match="num_threads"):
        resolve_num_threads(number)  # type: ignore[arg-type]


def test_a_containers_share_of_the_processors_limits_the_threads() -> None:
    assert default_num_threads(1) == 1
    assert default_num_threads(16) == 4
