# ruff: noqa: D102 - the names of the tests are sentences
"""What every provider of devices must do, as a test suite: subclass it in a test file and say which provider is tried.

::

    class TestMyLab(ProviderConformance):
        def provider(self):
            return MyLab()
"""

from __future__ import annotations

from pathlib import Path

from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.info import DeviceInfo
from embedl_nb.device.provider import Device, Provider
from embedl_nb.errors import BenchmarkError, DeviceError, EmbedlError, InputError
from embedl_nb.runtime.raw_run import MeasureRequest
from embedl_nb.testing import models

__all__ = ["ProviderConformance"]

_ITERATIONS = 5
_COUNTERS = ("clock_s", "busy_s", "measured_s", "stolen_s", "num_throttle_events", "num_limit_events")


class ProviderConformance:
    """Tests that need at least one device; it is the first that the provider lists as ready."""

    def provider(self) -> Provider:
        """Return the provider under test."""
        raise NotImplementedError

    def device(self) -> Device:
        """Return its first device."""
        provider = self.provider()
        listed = _ready(provider)
        _expect(len(listed) > 0, "the provider lists no device to test with")
        return provider.open(DeviceAddress.parse(listed[0].address))

    def test_it_speaks_the_protocols(self) -> None:
        _expect(isinstance(self.provider(), Provider), "the provider lacks a part of the Provider protocol")
        _expect(isinstance(self.device(), Device), "its device lacks a part of the Device protocol")

    def test_the_scheme_is_lower_case_and_has_no_slashes(self) -> None:
        scheme = self.provider().scheme
        _expect(scheme == scheme.lower() and bool(scheme) and "/" not in scheme, f"scheme {scheme!r}")

    def test_every_listed_address_is_its_own_and_opens(self) -> None:
        provider = self.provider()
        listed = _ready(provider)
        addresses = [info.address for info in listed]
        _expect(len(set(addresses)) == len(addresses), f"addresses repeat: {addresses}")
        for info in listed:
            parsed = DeviceAddress.parse(info.address)
            _expect(parsed.scheme == provider.scheme, f"{info.address} is of another scheme than {provider.scheme}")
            _expect(provider.open(parsed).info == info, f"{info.address} says something else once it is open")

    def test_what_is_not_ready_says_what_to_do(self) -> None:
        for listed in self.provider().devices():
            row = listed.to_row()
            _expect(row["state"] == "ready" or bool(row["next_step"]), f"{row} says no next step")

    def test_its_addresses_are_among_those_it_lists(self) -> None:
        provider = self.provider()
        typed, listed = set(provider.addresses()), {info.address for info in provider.devices()}
        _expect(typed <= listed, f"addresses {sorted(typed - listed)} are not listed")

    def test_the_facts_are_filled(self) -> None:
        info = self.device().info
        _expect(bool(info.name and info.cpu and info.os), f"empty facts: {info}")
        _expect(info.num_cores >= 1 and info.memory_bytes > 0, f"impossible facts: {info}")
        _expect(len(info.compute_units) >= 1, "no compute unit")

    def test_a_device_that_is_not_there_is_named(self) -> None:
        provider = self.provider()
        missing = DeviceAddress(scheme=provider.scheme, name="no-such-device-93b1")
        try:
            provider.open(missing)
        except (InputError, DeviceError) as err:
            _expect("no-such-device-93b1" in str(err), f"the error does not name the device: {err}")
            _expect(bool(err.hint), "the error has no hint")
        else:
            raise AssertionError(f"{missing} opened")

    def test_the_lease_can_be_taken_again_after_an_error(self) -> None:
        device = self.device()
        try:
            with device.lease():
                raise _DeliberateError
        except _DeliberateError:
            pass
        with device.lease():
            pass

    def test_a_run_holds_what_was_asked_for(self, tmp_path: Path) -> None:
        device = self.device()
        path = models.write(tmp_path, models.conv_relu())
        with device.lease():
            run = device.run(MeasureRequest(model_path=str(path), iterations=_ITERATIONS, warmup=1, num_threads=1))
        _remove(run.outputs_path)
        n, shortest_ms = len(run.samples_ms), min(run.samples_ms, default=0.0)
        if run.summary is not None:
            _expect(run.samples_ms == (), "single times and a summary of them")
            n, shortest_ms = run.summary.n, run.summary.min_ms
        _expect(n == _ITERATIONS, f"{n} iterations instead of {_ITERATIONS}")
        _expect(shortest_ms > 0, "an iteration took no time")
        _expect(run.num_threads == 1, f"{run.num_threads} threads instead of 1")
        _expect(len(run.events) >= 1, "no events, though the profile was asked for")
        counts = {len(event.durations_ms) for event in run.events}
        _expect(counts == {len(run.profiled_ms)}, f"events of {counts} iterations, profiled {len(run.profiled_ms)}")
        _expect(max(run.peak_memory_bytes.values()) > 0, "no memory was seen")

    def test_a_run_without_a_profile_has_no_events(self, tmp_path: Path) -> None:
        device = self.device()
        path = models.write(tmp_path, models.fully_connected())
        with device.lease():
            run = device.run(MeasureRequest(model_path=str(path), iterations=_ITERATIONS, profile=False))
        _remove(run.outputs_path)
        _expect(run.events == () and run.profiled_ms == (), "events, though no profile was asked for")

    def test_a_missing_model_is_an_error_and_the_lease_is_free_again(self, tmp_path: Path) -> None:
        device = self.device()
        try:
            with device.lease():
                device.run(MeasureRequest(model_path=str(tmp_path / "missing.tflite"), iterations=_ITERATIONS))
        except (InputError, BenchmarkError) as err:
            _expect("missing.tflite" in str(err), f"the error does not name the file: {err}")
        else:
            raise AssertionError("a model that is not there was measured")
        with device.lease():
            pass

    def test_counters_never_run_backwards(self) -> None:
        device = self.device()
        before, after = device.conditions(), device.conditions()
        for name in _COUNTERS:
            early, late = getattr(before, name), getattr(after, name)
            _expect((early is None) == (late is None), f"{name} came or went")
            _expect(early is None or late >= early, f"{name} fell from {early} to {late}")


def _ready(provider: Provider) -> list[DeviceInfo]:
    return [info for info in provider.devices() if isinstance(info, DeviceInfo)]


class _DeliberateError(EmbedlError):
    """Raised by a test inside a lease."""


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def _remove(path: str | None) -> None:
    if path is not None:
        Path(path).unlink(missing_ok=True)
