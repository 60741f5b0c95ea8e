"""What casts doubt on a measurement, each as a sentence with its figures; and which of them are worth a warning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from embedl_nb.device.conditions import Conditions
from embedl_nb.errors import EmbedlWarning, ThrottledWarning, UnstableMeasurementWarning
from embedl_nb.measure.benchmark import Flag, FlagKind
from embedl_nb.measure.layers import LayerProfile
from embedl_nb.measure.statistics import find_drift, find_two_modes
from embedl_nb.runtime.raw_run import RawRun
from embedl_nb.units import format_ms, format_ratio

__all__ = ["Window", "machine_flags", "profile_flags", "sample_flags", "warn_of"]

Window = tuple[Conditions, Conditions]
"""Readings before and after one run."""

_BUSY_SHARE = 0.10
_STOLEN_SHARE = 0.02
_LEAST_COVERAGE = 0.95
_STEADY_GOVERNORS = ("performance", "userspace")

_WARNINGS: dict[FlagKind, type[EmbedlWarning]] = {
    FlagKind.DRIFT: UnstableMeasurementWarning,
    FlagKind.TWO_MODES: UnstableMeasurementWarning,
    FlagKind.BUSY_MACHINE: UnstableMeasurementWarning,
    FlagKind.NOT_SETTLED: UnstableMeasurementWarning,
    FlagKind.THROTTLED: ThrottledWarning,
    FlagKind.OUTPUTS_DIFFER: EmbedlWarning,
    FlagKind.NO_ENERGY: EmbedlWarning,
    FlagKind.SUSTAIN_CUT: EmbedlWarning,
}


def sample_flags(runs: Sequence[RawRun]) -> tuple[Flag, ...]:
    """Doubt the samples themselves: one process only, a trend, two speeds, a median that did not settle."""
    flags = []
    if len(runs) == 1:
        sentence = "single process, not comparable: how much a restart changes the time is not known"
        flags.append(Flag(kind=FlagKind.SINGLE_PROCESS, sentence=sentence))
    samples_ms = [run.samples_ms for run in runs if run.samples_ms]
    if not samples_ms:  # the device's tool summarizes
        return tuple(flags)
    drift = find_drift(samples_ms)
    if drift is not None:
        where = "in each process" if drift.process is None else f"in process {drift.process + 1} of {len(runs)}"
        verb = "grew" if drift.change > 0 else "fell"
        sentence = (
            f"drift: the time {verb} by {format_ratio(abs(drift.change))} {where}, from {format_ms(drift.start_ms)} to "
            f"{format_ms(drift.end_ms)}"
        )
        flags.append(Flag(kind=FlagKind.DRIFT, sentence=sentence))
    modes = find_two_modes(samples_ms)
    if modes is not None:
        sentence = (
            f"two modes: {format_ratio(1 - modes.slow_share)} of the iterations take about {format_ms(modes.fast_ms)} "
            f"and {format_ratio(modes.slow_share)} about {format_ms(modes.slow_ms)}; the median stands for one of them"
        )
        flags.append(Flag(kind=FlagKind.TWO_MODES, sentence=sentence))
    unsettled = [run for run in runs if run.settled is False]
    if unsettled:
        fewest = min(len(run.samples_ms) for run in unsettled)
        sentence = (
            f"not settled: in {len(unsettled)} of {len(runs)} processes the median had not settled when the time was "
            f"over (after {fewest} iterations or more)"
        )
        flags.append(Flag(kind=FlagKind.NOT_SETTLED, sentence=sentence))
    return tuple(flags)


def machine_flags(windows: Sequence[Window], *, num_cores: int, is_phone: bool = False) -> tuple[Flag, ...]:
    """Doubt the machine: other work on it, a hypervisor's, heat, a container's limit, a frequency policy that saves."""
    flags = []
    others = _others_cores(windows)
    if others is not None and others > _BUSY_SHARE * num_cores:
        load = windows[0][0].load_average_1m
        before = f"; load average before {load:.1f}" if load is not None else ""
        sentence = (
            f"busy machine: other processes used {others:.1f} of {num_cores} cores while this was measured{before}"
        )
        flags.append(Flag(kind=FlagKind.BUSY_MACHINE, sentence=sentence))
    stolen = _total(windows, "stolen_s")
    share = None if stolen is None else stolen / (_wall_s(windows) * num_cores)
    if share is not None and share > _STOLEN_SHARE:
        sentence = f"busy machine: the hypervisor gave {format_ratio(share)} of the CPU time to other machines"
        flags.append(Flag(kind=FlagKind.BUSY_MACHINE, sentence=sentence))
    flags += _throttling(windows)
    governor = windows[0][0].governor
    # A phone's policy always saves, and its owner cannot change it.
    if governor is not None and governor not in _STEADY_GOVERNORS and not is_phone:
        sentence = f"governor: the CPU's frequency policy is {governor!r}, so its clock changes with the load"
        flags.append(Flag(kind=FlagKind.GOVERNOR, sentence=sentence))
    return tuple(flags)


def profile_flags(profile: LayerProfile, runs: Sequence[RawRun]) -> tuple[Flag, ...]:
    """Doubt the layers: events that are missing, or time that no layer explains."""
    reasons = list(dict.fromkeys(run.profile_note for run in runs if run.profile_note))
    if profile.mean_ms and profile.unattributed_ms is not None:
        covered = 1 - profile.unattributed_ms / profile.mean_ms
        if covered < _LEAST_COVERAGE:
            reasons.append(
                f"they explain {format_ratio(covered)} of the profiled run's {format_ms(profile.mean_ms)}; the "
                "runtime's profiler counts whole microseconds, which hides short steps"
            )
    return tuple(Flag(kind=FlagKind.LAYERS_INCOMPLETE, sentence=f"layers incomplete: {reason}") for reason in reasons)


def warn_of(flags: Sequence[Flag], *, stacklevel: int) -> None:
    """Warn of each flag that makes the figures doubtful."""
    for flag in flags:
        category = _WARNINGS.get(flag.kind)
        if category is not None:
            warnings.warn(flag.sentence, category, stacklevel=stacklevel + 1)


def _throttling(windows: Sequence[Window]) -> list[Flag]:
    flags = []
    throttled = _total(windows, "num_throttle_events")
    if throttled:
        hottest = max((after.temperature_celsius or 0.0 for _, after in windows), default=0.0)
        heat = f" (up to {hottest:.0f} °C)" if hottest else ""
        sentence = f"throttled: the CPU lowered its clock {throttled:.0f} times because of heat{heat}"
        flags.append(Flag(kind=FlagKind.THROTTLED, sentence=sentence))
    stopped = _total(windows, "num_limit_events")
    if stopped:
        sentence = f"throttled: the container's CPU limit stopped its processes {stopped:.0f} times"
        flags.append(Flag(kind=FlagKind.THROTTLED, sentence=sentence))
    return flags


def _others_cores(windows: Sequence[Window]) -> float | None:
    """Return how many cores' worth of CPU time went to processes that are not the measured ones."""
    busy, measured = _total(windows, "busy_s"), _total(windows, "measured_s")
    if busy is None or measured is None:
        return None
    return max(0.0, busy - measured) / _wall_s(windows)


def _wall_s(windows: Sequence[Window]) -> float:
    return max(1e-9, sum(after.clock_s - before.clock_s for before, after in windows))


def _total(windows: Sequence[Window], counter: str) -> float | None:
    """Return by how much a counter rose over all windows; None where the device does not have it."""
    pairs = [(getattr(before, counter), getattr(after, counter)) for before, after in windows]
    if any(value is None for pair in pairs for value in pair):
        return None
    return float(sum(after - before for before, after in pairs))
