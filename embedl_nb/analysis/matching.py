"""Which layers of two profiles belong together: groups of one or more layers on either side that do the same work.

Of one and the same model the operators say it exactly: layers that share an operator are one group, however either
runtime fused them. Of different models (float against int8) names, source modules and order say it: the best alignment
in order, after which a layer that the other side fused into its neighbour joins that neighbour.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedl_nb.measure.alignment import AlignmentCosts, align
from embedl_nb.measure.benchmark import Layer

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Match", "match_layers"]

_SAME_SOURCE, _SAME_NAME, _SAME_OPERATOR = 1.0, 3.0, 1.0
_SAME_WORK = 3.0  # the same operator of the same module
_LEFT_OUT = 0.1
# Where neither names nor modules are known, an operator that stands as far into the model is the better match.
_PLACE = 0.5

Table = Sequence[Layer]


@dataclass(slots=True, kw_only=True)
class Match:
    """Layers that belong together, as places in their tables; one side may be empty."""

    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)


def match_layers(first: Table, second: Table, *, is_same_model: bool) -> list[Match]:
    """Return every layer of both in exactly one match, in the order they ran."""
    if is_same_model and all(layer.operator_indices for layer in (*first, *second)):
        return _by_operators(first, second)
    matches = _aligned(first, second)
    return _with_fused(matches, first, second)


def _by_operators(first: Table, second: Table) -> list[Match]:
    """Join layers that share operators, over any number of steps."""
    groups: dict[int, Match] = {}
    for side, table in (("first", first), ("second", second)):
        for place, layer in enumerate(table):
            met = list(
                {id(groups[index]): groups[index] for index in layer.operator_indices if index in groups}.values()
            )
            joined = met[0] if met else Match()
            for other in met[1:]:
                joined.first += other.first
                joined.second += other.second
            getattr(joined, side).append(place)
            if len(met) > 1:
                members = {id(each) for each in met}
                groups |= {index: joined for index, group in groups.items() if id(group) in members}
            groups |= dict.fromkeys(layer.operator_indices, joined)
    for group in groups.values():
        group.first.sort()
        group.second.sort()
    return list({id(group): group for _, group in sorted(groups.items())}.values())


def _aligned(first: Table, second: Table) -> list[Match]:
    import numpy as np

    gain = _gains(first, second)
    owners = align(
        AlignmentCosts(gain=gain, item_cost=np.full(len(first), _LEFT_OUT), event_cost=np.full(len(second), _LEFT_OUT))
    )
    return list(_in_order(owners, len(first)))


def _in_order(owners: Sequence[int | None], num_first: int) -> Iterator[Match]:
    """Turn the partner of each second layer into matches; what is left out stands before the next match."""
    done = 0
    for place, owner in enumerate(owners):
        if owner is None:
            yield Match(second=[place])
            continue
        yield from (Match(first=[left]) for left in range(done, owner))
        yield Match(first=[owner], second=[place])
        done = owner + 1
    yield from (Match(first=[left]) for left in range(done, num_first))


def _gains(first: Table, second: Table) -> np.ndarray[Any, Any]:
    """Return how well each pair fits; ``-inf`` where neither the names nor the operators have anything in common."""
    import numpy as np

    def same(words: tuple[list[str], list[str]]) -> np.ndarray[Any, Any]:
        numbers = {word: number for number, word in enumerate(dict.fromkeys((*words[0], *words[1])))}
        a, b = (np.array([numbers[word] for word in each]) for each in words)
        known = np.array([bool(word) for word in words[0]])
        equal: np.ndarray[Any, Any] = (a[:, None] == b[None, :]) & known[:, None]
        return equal

    sources = same(([layer.source for layer in first], [layer.source for layer in second]))
    names = same(([layer.name for layer in first], [layer.name for layer in second]))
    operators = same(([layer.operator for layer in first], [layer.operator for layer in second]))
    gain: np.ndarray[Any, Any] = _SAME_SOURCE * sources + _SAME_NAME * names + _SAME_OPERATOR * operators
    gain += _SAME_WORK * (sources & operators)
    # A module of its own on either side and no name in common: not the same work, whatever the operator.
    apart = np.array([bool(layer.source) for layer in first])[:, None] & np.array(
        [bool(layer.source) for layer in second]
    )
    gain[(gain == 0) | (apart & ~sources & ~names)] = -math.inf
    place = np.abs(np.linspace(0, 1, len(first))[:, None] - np.linspace(0, 1, len(second))[None, :])
    gain -= _PLACE * place
    return gain


def _with_fused(matches: list[Match], first: Table, second: Table) -> list[Match]:
    """Let layers without a partner join the neighbour whose other side covers more operators."""
    done: list[Match] = []
    waiting: list[Match] = []
    for match in matches:
        if not (match.first and match.second):
            if done and done[-1].first and done[-1].second and _takes(done[-1], match, first, second):
                _join(done[-1], match)
            else:
                waiting.append(match)
                done.append(match)
            continue
        while waiting and done and done[-1] is waiting[-1] and _takes(match, waiting[-1], first, second):
            _join(match, waiting.pop(), at_front=True)
            done.pop()
        waiting.clear()
        done.append(match)
    return done


def _takes(match: Match, single: Match, first: Table, second: Table) -> bool:
    """Say whether the side that ``single`` lacks has fused its operators into ``match``, or runs them in its module."""
    mine, others = ("first", "second") if single.first else ("second", "first")
    tables = {"first": first, "second": second}

    def num_operators(side: str) -> int:
        return sum(tables[side][place].num_operators for place in getattr(match, side))

    if num_operators(others) > num_operators(mine):
        return True
    [place] = getattr(single, mine)
    source = tables[mine][place].source
    return bool(source) and any(tables[others][other].source == source for other in getattr(match, others))


def _join(match: Match, single: Match, *, at_front: bool = False) -> None:
    if at_front:
        match.first[:0], match.second[:0] = single.first, single.second
    else:
        match.first += single.first
        match.second += single.second
