"""What each operator costs in float and quantized, in ms measured on the device that is named.

In: the float model, its quantized version, and a probe, a version in which float and quantized operators alternate.
Out: :class:`Prices`. The profiler times each operator; the probe's QUANTIZE and DEQUANTIZE rows tell what a boundary
between the two worlds costs. These are prices of that device: another one, a phone above all, has others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedl_nb import progress
from embedl_nb.device.info import DeviceInfo
from embedl_nb.errors import BenchmarkError
from embedl_nb.model.operators import describe_operators
from embedl_nb.quantizer.counterparts import CONVERSIONS, find_counterparts
from embedl_nb.quantizer.latency import measure_briefly

if TYPE_CHECKING:
    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel

__all__ = ["ConversionPrice", "OperatorPrice", "Prices", "price_operators"]

_NUM_ROUNDS = 2


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What the operators of one model cost on one device.

    Attributes
    ----------
    rows
        One an operator of the float model, in the order they run.
    conversion
        Of a boundary between float and quantized operators.
    device
        Where it was measured.
    """

    rows: tuple[OperatorPrice, ...]
    conversion: ConversionPrice
    device: DeviceInfo

    @property
    def sentence(self) -> str:
        """Return one line: whose prices these are."""
        where = f"{self.device.provenance} on {self.device.name} ({self.device.address})"
        return f"{where}: prices of this machine, not of a phone" if self.device.is_this_machine else where


def price_operators(
    float_model: LiteRTModel,
    quantized: LiteRTModel,
    probe: LiteRTModel | None = None,
    *,
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
    )


def _profile(model: LiteRTModel, device: str) -> Benchmark:
    result = measure_briefly(model, device, profile=True)
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
                times[index] = min(times.get(index, layer.typical_ms), layer.typical_ms)
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
                times.append(layer.typical_ms)
    if not sizes:
        return ConversionPrice()
    if len(set(sizes)) == 1:
        return ConversionPrice(ms_per_element=float(np.median(times)) / sizes[0])
    slope, start = np.polyfit(sizes, times, 1)
    if start < 0 or slope < 0:
        return ConversionPrice(ms_per_element=sum(times) / sum(sizes))
    return ConversionPrice(fixed_ms=float(start), ms_per_element=float(slope))
