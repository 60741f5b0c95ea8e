"""What a set of operators costs when it is kept in float, before any model is made.

In: the float model's graph, the price of every operator, and the noise that each makes alone. Out: the ms and the noise
of any set. An operator that only moves values goes with the one that reads it, and a boundary between float and
quantized operators costs a conversion, so neighbours are cheaper than strangers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from embedl_nb.model.graph import Subgraph
from embedl_nb.quantizer.mixing.prices import Prices

__all__ = ["Mixture"]

_LEAST_SHARE = 0.1
"""An operator's price is at least this share of its float time: what looks free in a noisy measurement is not, and its
weights take four times the room."""
_CARRIERS = frozenset(
    {
        *("BROADCAST_TO", "CONCATENATION", "EXPAND_DIMS", "GATHER", "PACK", "PAD", "PADV2", "RESHAPE", "SLICE"),
        *("SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK"),
    }
)


class Mixture:
    """The operators of one subgraph, some of them kept in float.

    Parameters
    ----------
    subgraph
        Of the float model.
    prices
        Of its operators.
    noises
        By operator index: what each that the recipe quantizes adds to the output alone; all others are float anyway.
    """

    def __init__(self, subgraph: Subgraph, prices: Prices, noises: Mapping[int, float]) -> None:
        self._subgraph = subgraph
        self._noises = dict(noises)
        self._rows = {row.index: row for row in prices.rows}
        self._conversion = prices.conversion
        self._readers: dict[int, list[int]] = {}
        self._maker: dict[int, int] = {}
        for operator in subgraph.operators:
            for tensor in operator.inputs:
                if tensor >= 0 and not subgraph.tensors[tensor].is_constant:
                    self._readers.setdefault(tensor, []).append(operator.index)
            self._maker |= dict.fromkeys(operator.outputs, operator.index)
        self._always = frozenset(operator.index for operator in subgraph.operators) - frozenset(self._noises)
        # What only moves values goes with its readers: alone it would hand on the same rounded values.
        workers = [index for index in self._noises if subgraph.operators[index].code not in _CARRIERS]
        self._candidates = tuple(sorted(workers or self._noises, key=lambda index: -self._noises[index]))
        self._workers = frozenset(self._candidates)

    @property
    def quantized(self) -> frozenset[int]:
        """The operators that the recipe quantizes when none is kept."""
        return frozenset(self._noises)

    @property
    def candidates(self) -> tuple[int, ...]:
        """Those that may be kept for their own sake, the one with the most noise first."""
        return self._candidates

    def noise(self, operators: Iterable[int]) -> float:
        """Return the noise that these operators make alone, summed; what only moves values makes none of its own."""
        return sum(self._noises[index] for index in operators if index in self._workers)

    def latency_ms(self, kept: Collection[int]) -> float:
        """Return one inference with ``kept`` in float: the sum of its operators' prices, ms."""
        in_float = self._always | set(kept)
        times = (row.float_ms if index in in_float else row.quantized_ms for index, row in self._rows.items())
        extra = self._conversions_ms(self._readers, kept) - self._conversions_ms(self._readers, ())
        return sum(times) + extra

    def price_ms(self, kept: Collection[int], more: Collection[int]) -> float:
        """Return what keeping ``more`` as well costs; boundaries that vanish count against it."""
        own = sum(self._price_of(index) for index in more if index not in kept)
        operators = self._subgraph.operators
        touched = {t for index in more for t in (*operators[index].inputs, *operators[index].outputs)}
        return own + self._conversions_ms(touched, kept, more) - self._conversions_ms(touched, kept)

    def group(self, kept: Collection[int], index: int) -> frozenset[int]:
        """Return the operators that are kept with ``index`` where ``kept`` are already, itself among them.

        Those that only move values to it, and neighbours whose price is less than that of the boundaries around them.
        """
        group, waiting = {index}, [index]
        while waiting:
            for neighbour in self._neighbours(waiting.pop()):
                if neighbour in group or neighbour in kept or neighbour not in self._noises:
                    continue
                both = (*group, neighbour)
                if self.only_feeds(neighbour, kept, group) or self.price_ms(kept, both) < self.price_ms(kept, group):
                    group.add(neighbour)
                    waiting.append(neighbour)
        return frozenset(group)

    def near(self, operators: Collection[int]) -> set[int]:
        """Return these operators and those that share a tensor with them or with their neighbours."""
        ring = set(operators)
        for _ in range(2):
            ring |= {neighbour for index in ring for neighbour in self._neighbours(index)}
        return ring

    def only_feeds(self, index: int, *groups: Collection[int]) -> bool:
        """Say whether an operator does nothing but move values to operators of these groups."""
        operator = self._subgraph.operators[index]
        readers = [reader for tensor in operator.outputs for reader in self._readers.get(tensor, ())]
        fed = all(any(reader in group for group in groups) for reader in readers)
        return operator.code in _CARRIERS and bool(readers) and fed

    def names(self, kept: Collection[int]) -> tuple[str, ...]:
        """Return what names ``kept`` in a recipe, in the order it is made; see :meth:`Recipe.with_float`.

        The model's inputs are among it where one of them is read by float operators only, and the outputs where a float
        operator makes one of several: they stay real too.
        """
        in_float = self._always | set(kept)
        subgraph = self._subgraph
        readers = [self._readers.get(index, []) for index in subgraph.inputs]
        keeps_inputs = bool(kept) and any(each and in_float.issuperset(each) for each in readers)
        makes_output = any(set(subgraph.operators[index].outputs) & set(subgraph.outputs) for index in kept)
        ends = [subgraph.inputs] if keeps_inputs else []
        ends += [subgraph.outputs] if makes_output and len(subgraph.outputs) > 1 else []
        groups = [*ends, *(subgraph.operators[index].outputs for index in sorted(kept))]
        # The library looks for a rule's regex in the names of all outputs of an operator, joined.
        joined = [";".join(subgraph.tensors[index].name for index in group) for group in groups]
        return tuple(dict.fromkeys(joined))

    def _price_of(self, index: int) -> float:
        row = self._rows.get(index)
        return 0.0 if row is None else max(row.float_ms - row.quantized_ms, _LEAST_SHARE * row.float_ms)

    def _neighbours(self, index: int) -> set[int]:
        operator = self._subgraph.operators[index]
        before = {self._maker[tensor] for tensor in operator.inputs if tensor in self._maker}
        return before.union(*(self._readers.get(tensor, ()) for tensor in operator.outputs))

    def _conversions_ms(self, tensors: Iterable[int], *groups: Collection[int]) -> float:
        """Return the price of converting these tensors, each once at most, where ``groups`` are in float."""
        total = 0.0
        for index in tensors:
            ends = self._readers.get(index, [])
            if ends and index in self._maker:
                ends = [*ends, self._maker[index]]
            in_float = [end in self._always or any(end in group for group in groups) for end in ends]
            if any(in_float) and not all(in_float):
                total += self._conversion.of(self._subgraph.tensors[index].num_elements or 0)
        return total
