"""What each operator costs in float and quantized, in ms measured on the device that is named.

In: the float model, its quantized version, and a probe, a version in which float and quantized operators alternate.
Out: :class:`Prices`. The profiler times each operator; the probe's QUANTIZE and DEQUANTIZE rows tell what a boundary
between the two worlds costs. These are prices of that device: another one, a phone above all, has others.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.device.info import DeviceInfo
from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.errors import BenchmarkError, InputError, UnstableMeasurementWarning
from embedl_nb.measure import measure
from embedl_nb.model.operators import describe_operators
from embedl_nb.quantizer.counterparts import CONVERSIONS, find_counterparts
from embedl_nb.units import format_ms

if TYPE_CHECKING:
    import pandas as pd

    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel

__all__ = ["ConversionPrice", "OperatorPrice", "Prices", "price_operators"]

_NUM_ROUNDS = 2
_NUM_ITERATIONS = 15
_NUM_WARMUPS = 3
_NUM_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPrice:
    """One operator of the float model.

    Attributes
    ----------
    float_ms, quantized_ms
        Of one inference: median of the profiled ones, the lower of the rounds; 0 for an operator that another one
        swallowed.
    """

    index: int
    operator: str
    source: str
    float_ms: float
    quantized_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPrice:
    """What a QUANTIZE or DEQUANTIZE costs: ``fixed_ms + ms_per_element * elements``."""

    fixed_ms: float = 0.0
    ms_per_element: float = 0.0

    def of(self, num_elements: int) -> float:
        """Return the price of converting a tensor, ms."""
        return self.fixed_ms + self.ms_per_element * num_elements


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prices(Displayable):
    """What the operators of one model cost on one device.

    Attributes
    ----------
    rows
        One an operator of the float model, in the order they run.
    conversion
        Of a boundary between float and quantized operators.
    device
        Where it was measured.
    wide_ms
        One inference with int16 activations, measured as a whole; None where that was not asked for.
    """

    rows: tuple[OperatorPrice, ...]
    conversion: ConversionPrice
    device: DeviceInfo
    wide_ms: float | None = None

    @property
    def float_ms(self) -> float:
        """All operators in float: the sum of their prices, ms."""
        return sum(row.float_ms for row in self.rows)

    @property
    def quantized_ms(self) -> float:
        """All operators quantized: the sum of their prices, ms."""
        return sum(row.quantized_ms for row in self.rows)

    @property
    def sentence(self) -> str:
        """Return one line: whose prices these are, and what int16 would cost instead of float."""
        where = f"{self.device.provenance} on {self.device.name} ({self.device.address})"
        if self.device.is_this_machine:
            where += ": prices of this machine, not of a phone"
        if self.wide_ms is None:
            return where
        wide = f"int16 activations take {format_ms(self.wide_ms)}, float {format_ms(self.float_ms)}"
        if self.wide_ms >= self.float_ms:
            return f"{where}; {wide}: float is the cheaper way to be exact"
        return f"{where}; {wide}: try recipe='static_wi8_ai16'"

    def frame(self) -> pd.DataFrame:
        """Return one row an operator, in the order they run; ``extra_ms`` is what it takes longer in float."""
        import pandas as pd

        columns = ("index", "operator", "source", "float_ms", "quantized_ms")
        frame = pd.DataFrame([[getattr(row, name) for name in columns] for row in self.rows], columns=list(columns))
        return frame.assign(extra_ms=frame["float_ms"] - frame["quantized_ms"])

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return asdict(self) | {"rows": [asdict(row) for row in self.rows], "device": self.device.to_record()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Prices:
        """Rebuild from :meth:`to_record`.

        Raises
        ------
        InputError
            If it is no record of prices.
        """
        try:
            return cls(
                rows=tuple(OperatorPrice(**row) for row in record["rows"]),
                conversion=ConversionPrice(**record["conversion"]),
                device=DeviceInfo.from_record(record["device"]),
                wide_ms=None if record["wide_ms"] is None else float(record["wide_ms"]),
            )
        except (KeyError, TypeError, ValueError) as err:
            raise InputError(
                f"this is no record of prices: {type(err).__name__}: {err}",
                hint="pass what Prices.to_record() returned",
            ) from err

    def _view(self) -> View:
        dearest = sorted(self.rows, key=lambda row: row.quantized_ms - row.float_ms)[:_NUM_SHOWN]
        rows = []
        for row in dearest:
            times = (f"{row.float_ms:.3f}", f"{row.quantized_ms:.3f}", f"{row.float_ms - row.quantized_ms:+.3f}")
            rows.append((str(row.index), row.operator, row.source, *times))
        figures = ("float ms", "quantized ms", "extra ms")
        totals = f"{format_ms(self.float_ms)} in float, {format_ms(self.quantized_ms)} quantized"
        return View(
            headline=f"{len(self.rows)} operators | {totals}",
            provenance=self.device.provenance,
            facts=(
                Fact("prices", self.sentence),
                Fact("a boundary of 100,000 values", format_ms(self.conversion.of(100_000))),
            ),
            tables=(
                Table(
                    title=f"the {len(rows)} that gain most from quantizing",
                    columns=("index", "operator", "source", *figures),
                    rows=tuple(rows),
                    numeric=("index", *figures),
                ),
            ),
        )


def price_operators(
    float_model: LiteRTModel,
    quantized: LiteRTModel,
    probe: LiteRTModel | None = None,
    *,
    wide: LiteRTModel | None = None,
    device: str = "host://",
) -> Prices:
    """Measure what every operator costs, float and quantized.

    The models take turns, so that a slow spell of the machine meets all of them; of the rounds the lower median counts,
    because what else runs there only adds. A model of 10 ms takes about ten seconds.

    Parameters
    ----------
    float_model, quantized
        The same network.
    probe
        The same network with float and quantized operators in turn; without, boundaries between them are free.
    wide
        The same network with int16 activations, to be timed as a whole: where a device has no fast kernels for them,
        they cost many times what float costs.
    device
        Where to measure.

    Raises
    ------
    DeviceError
        If the device is unknown or busy.
    BenchmarkError
        If a model does not run there, or the device does not time operators.
    """
    models = [float_model, quantized, *([probe] if probe else [])]
    rounds: list[list[Benchmark]] = []
    for number in range(_NUM_ROUNDS):
        progress.emit("price", "operators in float and quantized, in turn", done=number, total=_NUM_ROUNDS)
        turns = models if number % 2 == 0 else models[::-1]
        results = {model.sha256: _profile(model, device) for model in turns}
        rounds.append([results[model.sha256] for model in models])
    floats, quants, *rest = ([results[place] for results in rounds] for place in range(len(models)))
    converting = [(quantized, each) for each in quants]
    if probe is not None:
        converting += [(probe, each) for results in rest for each in results]
    return Prices(
        rows=_operator_prices(float_model, quantized, floats, quants),
        conversion=_conversion_price(converting),
        device=floats[0].device,
        wide_ms=None if wide is None else _once(wide, device),
    )


def _once(model: LiteRTModel, device: str) -> float:
    """Time a model that may be very slow, ms."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnstableMeasurementWarning)
        result = measure(model, device, processes=1, iterations=3, warmup=1, profile=False)
    return min(result.latency.samples_ms[0])


def _profile(model: LiteRTModel, device: str) -> Benchmark:
    with warnings.catch_warnings():
        # One process and few iterations are unstable by nature; the rounds make up for it.
        warnings.simplefilter("ignore", UnstableMeasurementWarning)
        result = measure(model, device, processes=1, iterations=_NUM_ITERATIONS, warmup=_NUM_WARMUPS)
    if not result.layer_table:
        raise BenchmarkError(
            f"{result.device.name} does not time the operators of {model.name}, so they have no price",
            hint="name a device that profiles, e.g. 'host://'",
        )
    return result


def _operator_ms(model: LiteRTModel, results: Sequence[Benchmark]) -> dict[int, float]:
    """Return the time of each operator that has a row of its own, the lower of the rounds."""
    names = {info.name: info.index for info in describe_operators(model.graph)}
    times: dict[int, float] = {}
    for result in results:
        for layer in result.layer_table:
            # A row is named after the operator that gives it its cost; those it swallowed cost nothing more.
            if layer.operator_indices and layer.name in names:
                index = names[layer.name]
                times[index] = min(times.get(index, layer.p50_ms), layer.p50_ms)
    return times


def _operator_prices(
    float_model: LiteRTModel, quantized: LiteRTModel, floats: Sequence[Benchmark], quants: Sequence[Benchmark]
) -> tuple[OperatorPrice, ...]:
    float_ms, quantized_ms = _operator_ms(float_model, floats), _operator_ms(quantized, quants)
    pairs = find_counterparts(float_model.graph.main, quantized.graph.main).operators
    partner = {ours.index: theirs.index for ours, theirs in pairs}
    rows = []
    for info in describe_operators(float_model.graph):
        ms = float_ms.get(info.index, 0.0)
        # An operator without a counterpart is as dear as it was: nothing is known of it quantized.
        other = quantized_ms.get(partner[info.index], 0.0) if info.index in partner else ms
        price = OperatorPrice(
            index=info.index, operator=info.operator, source=info.source, float_ms=ms, quantized_ms=other
        )
        rows.append(price)
    return tuple(rows)


def _conversion_price(results: Sequence[tuple[LiteRTModel, Benchmark]]) -> ConversionPrice:
    """Fit a line through the conversions' times against the size of what they convert."""
    import numpy as np

    sizes: list[int] = []
    times: list[float] = []
    for model, result in results:
        infos = {info.name: info for info in describe_operators(model.graph) if info.operator in CONVERSIONS}
        for layer in result.layer_table:
            info = infos.get(layer.name)
            if info is not None and len(layer.operator_indices) == 1 and info.outputs and -1 not in info.outputs[0]:
                sizes.append(int(np.prod(info.outputs[0])))
                times.append(layer.p50_ms)
    if not sizes:
        return ConversionPrice()
    if len(set(sizes)) == 1:
        return ConversionPrice(ms_per_element=float(np.median(times)) / sizes[0])
    slope, start = np.polyfit(sizes, times, 1)
    if start < 0 or slope < 0:
        return ConversionPrice(ms_per_element=sum(times) / sum(sizes))
    return ConversionPrice(fixed_ms=float(start), ms_per_element=float(slope))
