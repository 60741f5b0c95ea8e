"""What is measured once the latency is known: energy, and how the model holds up. It may fail and costs nothing then.

A part that fails becomes a flag of the result, with its reason and what to do; the other part is measured all the same.
Ctrl-C ends both, and what was measured until then is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embedl_nb.measure.benchmark import Benchmark, Flag, FlagKind
from embedl_nb.measure.duration import format_duration
from embedl_nb.measure.energy import Energy, meter
from embedl_nb.measure.in_words import INTERRUPTED, in_words
from embedl_nb.measure.plan import MeasureOptions
from embedl_nb.measure.sustained import Sustained, run_sustained

if TYPE_CHECKING:
    from embedl_nb.device import Device
    from embedl_nb.runtime.raw_run import MeasureRequest

__all__ = ["Afterwards", "InterruptedAfterwards", "measure_afterwards"]


class InterruptedAfterwards(KeyboardInterrupt):
    """Ctrl-C once the latency was known.

    Attributes
    ----------
    result
        What was measured until then, not yet recorded.
    """

    def __init__(self, result: Benchmark) -> None:
        super().__init__("what was measured until then is kept")
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class Afterwards:
    """What came of it; None of what was not asked for or failed, and a flag then says why.

    Attributes
    ----------
    is_interrupted
        Whether Ctrl-C ended it; whoever called has yet to pass that on.
    """

    energy: Energy | None = None
    sustained: Sustained | None = None
    flags: tuple[Flag, ...] = ()
    is_interrupted: bool = False


def measure_afterwards(target: Device, request: MeasureRequest, options: MeasureOptions) -> Afterwards:
    """Measure what the options ask for beyond latency.

    Parameters
    ----------
    target
        The device; whoever calls holds its lease.
    request
        What to run; how long is chosen here.
    """
    flags: list[Flag] = []
    energy: Energy | None = None
    sustained: Sustained | None = None
    is_interrupted = False
    if options.energy:
        try:
            energy = meter(target, request)
        except (Exception, KeyboardInterrupt) as err:
            is_interrupted = isinstance(err, KeyboardInterrupt)
            flags.append(Flag(kind=FlagKind.NO_ENERGY, sentence=f"energy not measured: {in_words(err)}"))
    if options.sustain_s is not None and not is_interrupted:
        try:
            sustained = run_sustained(target, request, duration_s=options.sustain_s)
        except (Exception, KeyboardInterrupt) as err:
            is_interrupted = isinstance(err, KeyboardInterrupt)
            flags.append(Flag(kind=FlagKind.SUSTAIN_CUT, sentence=f"not sustained: {in_words(err)}"))
    if sustained is not None and sustained.cut_by:
        is_interrupted = sustained.cut_by == INTERRUPTED
        after = format_duration(sustained.duration_s)
        flags.append(Flag(kind=FlagKind.SUSTAIN_CUT, sentence=f"sustained for {after} only: {sustained.cut_by}"))
    return Afterwards(energy=energy, sustained=sustained, flags=tuple(flags), is_interrupted=is_interrupted)
