"""The search for the smallest piece that fails, asked about numbers instead of operators."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from embedl_nb.compiler.explaining.search import Budget, BudgetSpentError, Search


def _searched(
    num_parts: int, culprits: set[int], *, max_trials: int = 1000
) -> tuple[Search[int], Budget, list[list[int]]]:
    """Search among numbers, where a choice fails that has all ``culprits`` in it."""
    budget = Budget(max_trials=max_trials, time_limit_s=3600)
    asked: list[list[int]] = []

    def fails(choice: Sequence[int]) -> bool:
        budget.take()
        asked.append(list(choice))
        return culprits <= set(choice)

    search = Search(range(num_parts), fails)
    search.run()
    return search, budget, asked


@pytest.mark.parametrize(
    ("num_parts", "culprits"),
    [(1, {0}), (2, {1}), (7, {0, 6}), (200, {77}), (200, {99, 100}), (200, {0, 199}), (200, {3, 90, 150})],
)
def test_exactly_the_parts_that_fail_together_are_found(num_parts: int, culprits: set[int]) -> None:
    search, _, _ = _searched(num_parts, culprits)
    assert search.smallest == sorted(culprits)
    assert search.is_complete


def test_one_part_among_many_costs_a_few_trials() -> None:
    _, budget, asked = _searched(1024, {700})
    assert budget.num_trials <= 22
    assert sum(len(choice) for choice in asked) < 3 * 1024  # half, then a quarter ...: not the whole again and again


def test_no_choice_is_asked_about_twice() -> None:
    _, _, asked = _searched(60, {5, 40, 41})
    assert len({tuple(choice) for choice in asked}) == len(asked)


def test_what_never_fails_is_not_found() -> None:
    search, budget, _ = _searched(64, {99})
    assert search.smallest == []
    assert search.is_complete
    assert budget.num_trials == 3


def test_a_spent_budget_leaves_the_smallest_so_far() -> None:
    search, _, _ = _searched(1024, {700}, max_trials=5)
    assert not search.is_complete
    assert 700 in search.smallest
    assert 1 < len(search.smallest) < 1024


def test_a_budget_of_time_ends_too() -> None:
    budget = Budget(max_trials=10, time_limit_s=0.0)
    with pytest.raises(BudgetSpentError):
        budget.take()
    assert budget.num_trials == 0


def test_a_part_that_only_fails_alone_is_found() -> None:
    search = Search(range(8), lambda choice: list(choice) == [3] or len(choice) == 8)
    search.run()
    assert len(search.smallest) in (1, 8)
    assert search.is_complete
