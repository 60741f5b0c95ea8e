"""Which layers of two profiles belong together: groups of one or more layers on either side that do the same work.

Of one and the same model the operators say it exactly: layers that share an operator are one group, however either
runtime fused them. Of different models (float against int8) names, source modules and order say it: the best alignment
in order, after which a layer that the other side fused into its neighbour joins that neighbour.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embedl_nb.measure.alignment import NearAlignmentCosts, align_near
from embedl_nb.measure.benchmark import Layer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]
    Places = NDArray[np.intp]

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
    parents: dict[int, int] = {}

    def root(index: int) -> int:
        while (parent := parents.setdefault(index, index)) != index:
            parents[index] = index = parents[parent]  # halves the way for the next one
        return index

    for layer in (*first, *second):
        group = root(layer.operator_indices[0])
        for index in layer.operator_indices[1:]:
            parents[root(index)] = group
    matches = {group: Match() for group in dict.fromkeys(map(root, sorted(parents)))}
    for side, table in (("first", first), ("second", second)):
        for place, layer in enumerate(table):
            getattr(matches[root(layer.operator_indices[0])], side).append(place)
    return list(matches.values())


def _aligned(first: Table, second: Table) -> list[Match]:
    import numpy as np

    costs = NearAlignmentCosts(
        gain_of=_Gains(first, second),
        guide=_guide(first, second),
        item_limit=_limits(first, second),
        event_limit=_limits(second, first),
        item_cost=np.full(len(first), _LEFT_OUT),
        event_cost=np.full(len(second), _LEFT_OUT),
    )
    return list(_in_order(align_near(costs), len(first)))


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


class _Gains:
    """How well pairs fit; ``-inf`` where neither the names nor the operators have anything in common."""

    def __init__(self, first: Table, second: Table) -> None:
        import numpy as np

        self._sources = _numbered([layer.source for layer in first], [layer.source for layer in second])
        self._names = _numbered([layer.name for layer in first], [layer.name for layer in second])
        self._operators = _numbered([layer.operator for layer in first], [layer.operator for layer in second])
        self._places = np.linspace(0, 1, len(first)), np.linspace(0, 1, len(second))

    def __call__(self, place: int, others: slice) -> Array:
        """Return the gain of one first layer with each of some second ones."""
        import numpy as np

        sources, names, operators = (
            _equal(a[place], b[others]) for a, b in (self._sources, self._names, self._operators)
        )
        gain: Array = _SAME_SOURCE * sources + _SAME_NAME * names + _SAME_OPERATOR * operators
        gain += _SAME_WORK * (sources & operators)
        gain[gain == 0] = -math.inf
        if self._sources[0][place] >= 0:
            # A module of its own on either side and no name in common: not the same work, whatever the operator.
            gain[(self._sources[1][others] >= 0) & ~sources & ~names] = -math.inf
        first, second = self._places
        gain -= _PLACE * np.abs(first[place] - second[others])
        return gain


def _equal(number: np.intp, others: Places) -> NDArray[np.bool_]:
    import numpy as np

    return others == number if number >= 0 else np.zeros(len(others), dtype=np.bool_)


def _numbered(*sides: list[str]) -> tuple[Places, ...]:
    """Return a number for each word, the same for the same word, and -1 for no word."""
    import numpy as np

    numbers = {word: number for number, word in enumerate(dict.fromkeys(word for side in sides for word in side))}
    numbers[""] = -1
    return tuple(np.array([numbers[word] for word in side], dtype=np.intp) for side in sides)


def _guide(first: Table, second: Table) -> Places:
    """Return about where each first layer is in the second table, by the layers that are once in both."""
    import numpy as np

    keys = [[(layer.source, layer.name, layer.operator) for layer in table] for table in (first, second)]
    counts = [Counter(each) for each in keys]
    places = {key: place for place, key in enumerate(keys[1])}
    found = [
        (place, places[key])
        for place, key in enumerate(keys[0])
        if counts[0][key] == 1 == counts[1][key] and any(key[:2])
    ]
    kept = [found[index] for index in _longest_rising([other for _, other in found])]
    ends = [(-1, -1), *kept, (len(first), len(second))]
    mine, others = zip(*ends, strict=True)
    guide: Places = np.interp(np.arange(len(first)), mine, others).astype(np.intp)
    return guide


def _longest_rising(numbers: Sequence[int]) -> list[int]:
    """Return the places of a longest rising row among different numbers."""
    ends: list[int] = []  # the lowest number that a row of each length ends with
    places: list[int] = []
    before: list[int] = []
    for place, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(places[length - 1] if length else -1)
        ends[length : length + 1], places[length : length + 1] = [number], [place]
    row: list[int] = []
    place = places[-1] if places else -1
    while place >= 0:
        row.append(place)
        place = before[place]
    return row[::-1]


def _limits(table: Table, others: Table) -> Array:
    """Return the most that any partner among the others gains for each layer, were it in the same place."""
    import numpy as np

    sources, names, operators = (
        {getattr(other, key) for other in others} - {""} for key in ("source", "name", "operator")
    )
    works = {(other.source, other.operator) for other in others if other.source and other.operator}
    loose = {other.operator for other in others if not other.source} - {""}

    def most(layer: Layer) -> float:
        is_work = (layer.source, layer.operator) in works
        whole = (
            _SAME_SOURCE * (layer.source in sources)
            + _SAME_OPERATOR * (layer.operator in operators)
            + _SAME_WORK * is_work
        )
        if layer.name in names:
            return whole + _SAME_NAME
        if layer.source in sources:
            return whole if is_work else max(_SAME_SOURCE, _SAME_OPERATOR)
        is_fitting = layer.operator in (loose if layer.source else operators)
        return _SAME_OPERATOR if is_fitting else -math.inf

    return np.array([most(layer) for layer in table], dtype=np.float64)


def _with_fused(matches: list[Match], first: Table, second: Table) -> list[Match]:
    """Let layers without a partner join the neighbour whose other side covers more operators."""
    takes = _Takes(first, second)
    done: list[Match] = []
    waiting: list[Match] = []
    for match in matches:
        if not (match.first and match.second):
            if done and done[-1].first and done[-1].second and takes(done[-1], match):
                _join(done[-1], match)
            else:
                waiting.append(match)
                done.append(match)
            continue
        while waiting and done and done[-1] is waiting[-1] and takes(match, waiting[-1]):
            _join(match, waiting.pop(), at_front=True)
            done.pop()
        waiting.clear()
        done.append(match)
    return done


class _Takes:
    """Says whether the side that a single layer lacks has fused it into a match, or runs it in that one's module."""

    def __init__(self, first: Table, second: Table) -> None:
        self._tables = {"first": first, "second": second}
        self._before: dict[str, list[int]] = {
            side: [0, *itertools.accumulate(layer.num_operators for layer in table)]
            for side, table in self._tables.items()
        }

    def __call__(self, match: Match, single: Match) -> bool:
        mine, others = ("first", "second") if single.first else ("second", "first")
        if self._num_operators(match, others) > self._num_operators(match, mine):
            return True
        [place] = getattr(single, mine)
        source = self._tables[mine][place].source
        return bool(source) and any(self._tables[others][other].source == source for other in getattr(match, others))

    def _num_operators(self, match: Match, side: str) -> int:
        """Count the operators of a side, whose layers are neighbours."""
        places: list[int] = getattr(match, side)
        return self._before[side][places[-1] + 1] - self._before[side][places[0]]


def _join(match: Match, single: Match, *, at_front: bool = False) -> None:
    if at_front:
        match.first[:0], match.second[:0] = single.first, single.second
    else:
        match.first += single.first
        match.second += single.second
