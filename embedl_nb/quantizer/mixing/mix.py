"""Mixed precision under a budget: keep the fewest milliseconds of operators in float so that a target is met.

In: what sets of operators cost and how much noise they take away (mixture.py), a way to build the model of a set, and a
way to judge it. Out: :class:`~embedl_nb.quantizer.mixing.mixed.Mixed`. A path of growing sets is laid out from the
estimates, most noise for a millisecond first; real models are then made and judged along it until the shortest that
meets the target is found, and members that it can do without are quantized again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from embedl_nb import progress
from embedl_nb.errors import InputError
from embedl_nb.quantizer.mixing.mixed import Goal, Judgement, Mixed, MixedPoint

if TYPE_CHECKING:
    from embedl_nb.model import LiteRTModel
    from embedl_nb.quantizer.mixing.mixture import Mixture

__all__ = ["Build", "Judge", "mix"]

Build = Callable[[tuple[str, ...]], "LiteRTModel"]
"""Makes the model in which the operators with these output names (and these inputs of the model) stay in float."""
Judge = Callable[["LiteRTModel"], Judgement]

_NUM_WIDE = 32
_NUM_EXTRA = 7
_CHEAP_MS = 1e-6


def mix(
    mixture: Mixture,
    goal: Goal,
    *,
    build: Build,
    judge: Judge,
    float_model: LiteRTModel,
    price_sentence: str = "",
    num_extra: int = _NUM_EXTRA,
) -> Mixed:
    """Find the cheapest set of operators to keep in float.

    About ``2 log2(k)`` models are built and judged to find the k-th set of the path, and ``num_extra`` more.

    Parameters
    ----------
    mixture
        Prices and noise of the float model's operators.
    goal
        When a model is good enough.
    build, judge
        Make the model of a set, and say how near it is to float on held-out samples.
    float_model
        The end of the curve.
    price_sentence
        Whose prices they are.
    num_extra
        How many models may be made beyond the search along the path: the neighbour of the one that was found, and those
        in which members of its set are tried to be quantized again. 0 where a model takes long to build.

    Returns
    -------
    Mixed
        With the best that was found, and a warning, where the goal is out of reach.

    Raises
    ------
    InputError
        If the recipe quantizes nothing.
    QuantizeError, BenchmarkError
        If a model cannot be made or run.
    """
    if not mixture.quantized:
        raise InputError("there is no quantized operator to keep in float", hint="choose a recipe that quantizes some")
    shop = _Shop(mixture=mixture, build=build, judge=judge)
    path = [frozenset[int](), *_path(mixture)]
    place = _first_good(path, goal, shop)
    if place is None:
        chosen = max(shop.points, key=lambda point: goal.value(point.judgement))
    else:
        _prune(path[place], mixture, goal, shop, num_extra - 1)
        if num_extra and place + 1 < len(path):
            shop.point(path[place + 1])
        good = [point for point in shop.points if goal.is_met(point.judgement)]
        chosen = min(good, key=lambda point: (point.latency_ms, len(point.indices)))
    return Mixed(
        goal=goal,
        is_met=place is not None,
        chosen=chosen,
        points=tuple(sorted(shop.points, key=lambda point: len(point.indices))),
        num_candidates=len(mixture.quantized),
        float_latency_ms=mixture.latency_ms(mixture.quantized),
        float_size_bytes=float_model.size_bytes,
        price_sentence=price_sentence,
    )


class _Shop:
    """Makes and judges the model of each set once."""

    def __init__(self, *, mixture: Mixture, build: Build, judge: Judge) -> None:
        self._mixture, self._build, self._judge = mixture, build, judge
        self._points: dict[frozenset[int], MixedPoint] = {}

    @property
    def points(self) -> list[MixedPoint]:
        return list(self._points.values())

    def point(self, kept: frozenset[int]) -> MixedPoint:
        if kept not in self._points:
            progress.emit("mix", f"{len(kept)} of {len(self._mixture.quantized)} operators in float")
            names = self._mixture.names(kept)
            model = self._build(names)
            self._points[kept] = MixedPoint(
                indices=tuple(sorted(kept)),
                kept_float=names,
                judgement=self._judge(model),
                latency_ms=self._mixture.latency_ms(kept),
                size_bytes=model.size_bytes,
            )
        return self._points[kept]


def _path(mixture: Mixture) -> list[frozenset[int]]:
    """Return growing sets, each with the operator (and what belongs to it) that takes most noise away for a ms.

    The last one leaves at least one operator quantized.
    """
    path: list[frozenset[int]] = []
    kept: frozenset[int] = frozenset()
    known: dict[int, tuple[float, frozenset[int]]] = {}
    while True:
        waiting = list(itertools.islice((index for index in mixture.candidates if index not in kept), _NUM_WIDE))
        if not waiting:
            return path
        for index in waiting:
            if index not in known:
                group = mixture.group(kept, index)
                known[index] = _worth(mixture, kept, group), group
        _, more = max((known[index] for index in waiting), key=lambda pair: pair[0])
        if kept | more >= mixture.quantized:
            return path
        kept |= more
        path.append(kept)
        # What is far from the new members is worth what it was.
        near = mixture.near(more)
        known = {index: pair for index, pair in known.items() if near.isdisjoint(pair[1])}


def _worth(mixture: Mixture, kept: frozenset[int], more: frozenset[int]) -> float:
    """Return the noise that keeping ``more`` as well takes away for each ms."""
    return mixture.noise(more) / max(mixture.price_ms(kept, more), _CHEAP_MS)


def _first_good(path: Sequence[frozenset[int]], goal: Goal, shop: _Shop) -> int | None:
    """Return the first place on the path that meets the goal, None where the last does not.

    Steps double until one is good; the gap before it is halved.
    """
    last_bad, step = -1, 0
    while True:
        place = min(step, len(path) - 1)
        if goal.is_met(shop.point(path[place]).judgement):
            good = place
            break
        last_bad = place
        if place == len(path) - 1:
            return None
        step = max(1, 2 * step)
    while good - last_bad > 1:
        middle = (good + last_bad) // 2
        if goal.is_met(shop.point(path[middle]).judgement):
            good = middle
        else:
            last_bad = middle
    return good


def _prune(kept: frozenset[int], mixture: Mixture, goal: Goal, shop: _Shop, most: int) -> None:
    """Quantize members again, the dearest for its noise first, as long as the goal stays met; ``most`` are tried."""
    members = [index for index in kept if not mixture.only_feeds(index, kept)]
    parts = {index: _with_carriers(index, kept, mixture) for index in members}
    tried = 0
    for part in sorted(parts.values(), key=lambda part: _worth(mixture, kept - part, part)):
        smaller = kept - part
        if tried >= most:
            break
        if mixture.latency_ms(smaller) >= mixture.latency_ms(kept):
            continue
        tried += 1
        if goal.is_met(shop.point(smaller).judgement):
            kept = smaller


def _with_carriers(index: int, kept: frozenset[int], mixture: Mixture) -> frozenset[int]:
    """Return an operator with those that only move values to it."""
    part = {index}
    while more := {other for other in kept - part if mixture.only_feeds(other, part)}:
        part |= more
    return frozenset(part)
