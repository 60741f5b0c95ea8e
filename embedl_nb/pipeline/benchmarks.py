"""A benchmark on many devices at once, or of several units of one: a thread a device, each with a lease of its own.

What fails on one costs no other. The calling thread alone shows progress, records each result as it comes and warns;
when it is interrupted it stops the others, which clean up on their devices before they end.
"""

from __future__ import annotations

import queue
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from embedl_nb import progress, stopping
from embedl_nb.device import DeviceAddress, DeviceInfo
from embedl_nb.device.registry import EVERY, devices_meant, identity_of
from embedl_nb.errors import DeviceNotFound, EmbedlError, EmbedlWarning, InputError, UnknownNameError
from embedl_nb.measure import Benchmark
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.measure.warning import warn_about
from embedl_nb.pipeline.bar import words_of
from embedl_nb.pipeline.device_worker import EVERY_UNIT, MeasureOne, Outcome, Said, Worker
from embedl_nb.units import ComputeUnit

__all__ = ["benchmark_many", "the_one"]

_WARN_CALLER = 3  # the caller of the verb, which calls benchmark_many
_POLL_S = 0.2
_CLEAN_UP_S = 60.0
_NUM_SHOWN = 4

Devices = str | DeviceAddress | Iterable[str | DeviceAddress]
Units = str | Iterable[str]


def the_one(device: Devices, compute_unit: Units) -> tuple[str | DeviceAddress, str] | None:
    """Return the device and the unit of a single benchmark; None where a set of them is meant."""
    if not isinstance(device, str | DeviceAddress) or not isinstance(compute_unit, str) or compute_unit == EVERY_UNIT:
        return None
    return None if DeviceAddress.parse(device).name == EVERY else (device, compute_unit)


def benchmark_many(
    measure_one: MeasureOne, device: Devices, compute_unit: Units, *, record: Callable[[Benchmark], Benchmark]
) -> Benchmarks:
    """Measure on every device, and there on every unit, one after the other.

    Parameters
    ----------
    measure_one
        Called in the thread of its device.
    record
        Called in this thread with each result, as soon as there is one.

    Raises
    ------
    InputError
        If what was asked for makes no sense on any device.
    DeviceNotFound
        If there is no device at all.
    """
    units = _units(compute_unit)
    addresses, errors = _addresses(device)
    kept: dict[str, dict[str, Outcome]] = {address: {} for address in addresses}

    def keep(address: str, name: str, outcome: Outcome) -> None:
        kept[address][name] = record(outcome) if isinstance(outcome, Benchmark) else outcome

    workers = [Worker(address, units, measure_one) for address in addresses]
    try:
        _run_all(workers, keep)
    except KeyboardInterrupt as stopped:
        num_done = sum(isinstance(outcome, Benchmark) for outcomes in kept.values() for outcome in outcomes.values())
        stopped.add_note(f"{num_done} of the benchmarks had been finished and are recorded: enb.runs()")
        raise
    outcomes = {name: outcome for each in kept.values() for name, outcome in each.items()}
    results = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Benchmark)}
    errors |= {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, EmbedlError)}
    if not results and all(isinstance(error, InputError) for error in errors.values()):
        raise next(iter(errors.values()))
    for name, lost in (each for worker in workers for each in worker.returned.items()):
        message = f"{name} was lost and came back, and was measured again: {lost.message}"
        warnings.warn(message, EmbedlWarning, stacklevel=_WARN_CALLER - 1)
    for name, result in results.items():
        warn_about(result, where=name, stacklevel=_WARN_CALLER)
    return Benchmarks(results=results, errors=errors)


def _units(asked: Units) -> tuple[str, ...] | str:
    """Return the units by name; text alone stays text."""
    if isinstance(asked, str):
        return asked
    if not isinstance(asked, Iterable) or not (found := tuple(dict.fromkeys(str(unit) for unit in asked))):
        raise InputError(
            f"no compute unit was given: compute_unit={asked!r}", hint='give e.g. ["cpu", "gpu"], or "all"'
        )
    for unit in found:
        if unit not in list(ComputeUnit):
            raise UnknownNameError.among("compute unit", unit, list(ComputeUnit))
    return found


def _addresses(device: Devices) -> tuple[list[str], dict[str, EmbedlError]]:
    """Return each device's address once, as it was written first, and what cannot be had at all."""
    asked = [device] if isinstance(device, str | DeviceAddress) else device
    if not isinstance(asked, Iterable):
        raise InputError(f"device={device!r} is no address and no list of them", hint='give e.g. device="adb://*"')
    found: dict[DeviceAddress, str] = {}
    errors: dict[str, EmbedlError] = {}
    for parsed in [DeviceAddress.parse(each) for each in asked]:
        if parsed.name != EVERY:
            found.setdefault(_identity(parsed), str(parsed))
            continue
        try:
            for address in _every(parsed):
                found.setdefault(_identity(DeviceAddress.parse(address)), address)
        except DeviceNotFound as err:
            errors[str(parsed)] = err
    if not found:
        raise next(iter(errors.values()), InputError("no device was given", hint='give e.g. device="adb://*"'))
    return list(found.values()), errors


def _identity(address: DeviceAddress) -> DeviceAddress:
    """Return what tells devices apart; of an address that is wrong, itself: opening it says what is wrong."""
    try:
        return identity_of(address)
    except (InputError, UnknownNameError):
        return address


def _every(meant: DeviceAddress) -> Iterator[str]:
    """Return the devices that are ready; of others a warning tells what they lack."""
    listed = devices_meant(meant)
    ready = [each.address for each in listed if isinstance(each, DeviceInfo)]
    unready = [each for each in listed if not isinstance(each, DeviceInfo)]
    if not ready:
        words = "; ".join(f"{each.address} is {each.state!r}" for each in unready) or "none is there"
        hint = next((each.next_step for each in unready), "enb.devices() lists what is there")
        raise DeviceNotFound(f"{meant}: no device is ready: {words}", address=str(meant), hint=hint)
    for each in unready:
        message = f"{each.address} is left out: {each.state}; {each.next_step}"
        warnings.warn(message, EmbedlWarning, stacklevel=_WARN_CALLER + 2)
    return iter(ready)


def _run_all(workers: Sequence[Worker], keep: Callable[[str, str, Outcome], None]) -> None:
    """Have all work at once; returns, or is interrupted, when none does any more."""
    said: queue.SimpleQueue[Said] = queue.SimpleQueue()
    started: list[Worker] = []
    try:
        for worker in workers:
            worker.start(said, others=[other for other in workers if other is not worker])
            started.append(worker)
        starting = progress.Event(stage="starting")
        jobs = [progress.Job(name=each.address, event=starting, cancel=each.cancel) for each in workers]
        _follow(said, {job.name: job for job in jobs}, keep)
    finally:
        for worker in started:
            worker.ask_to_stop()
        until = time.monotonic() + _CLEAN_UP_S
        for worker in started:
            worker.join(until=until)
        _keep_rest(said, keep)


def _follow(
    said: queue.SimpleQueue[Said], jobs: dict[str, progress.Job], keep: Callable[[str, str, Outcome], None]
) -> None:
    """Show where each device stands and keep what comes, until the last has ended."""
    while not all(job.is_over for job in jobs.values()):
        stopping.check()
        try:
            each = said.get(timeout=_POLL_S)  # a wait without end could not be interrupted on Windows
        except queue.Empty:
            continue
        if each.outcome is not None:
            keep(each.device, each.name, each.outcome)
        jobs[each.device] = _advanced(jobs[each.device], each)
        _show(tuple(jobs.values()))


def _advanced(job: progress.Job, said: Said) -> progress.Job:
    """Return where a job stands after what it said."""
    errors = (*job.errors, said.outcome) if isinstance(said.outcome, EmbedlError) else job.errors
    return replace(job, event=said.event or job.event, errors=errors, is_over=job.is_over or said.is_last)


def _show(jobs: tuple[progress.Job, ...]) -> None:
    """Tell where all stand: in words for a line, and one by one for what shows each."""
    running = [job for job in jobs if not job.is_over]
    shown = [f"{job.name} {words_of(job.event) or job.event.stage}" for job in running[:_NUM_SHOWN]]
    more = f"; {len(running) - _NUM_SHOWN} more" if len(running) > _NUM_SHOWN else ""
    progress.emit("measure", "; ".join(shown) + more, done=len(jobs) - len(running), total=len(jobs), jobs=jobs)


def _keep_rest(said: queue.SimpleQueue[Said], keep: Callable[[str, str, Outcome], None]) -> None:
    """Keep what was finished between the last look and the stop."""
    while not said.empty():
        each = said.get()
        if each.outcome is not None:
            keep(each.device, each.name, each.outcome)
