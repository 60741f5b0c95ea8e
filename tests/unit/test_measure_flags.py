"""Each doubt is one sentence with its figures, and the serious ones are warned of."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from embedl_nb.device.conditions import Conditions
from embedl_nb.errors import ThrottledWarning, UnstableMeasurementWarning
from embedl_nb.measure.benchmark import FlagKind
from embedl_nb.measure.flags import machine_flags, profile_flags, sample_flags, warn_of
from embedl_nb.measure.layers import LayerProfile
from embedl_nb.runtime.raw_run import RawRun


def run_of(samples_ms: Any, *, settled: bool | None = None, profile_note: str = "") -> RawRun:
    return RawRun(
        runtime_version="",
        num_threads=1,
        load_ms=1,
        compile_ms=1,
        first_ms=1,
        warmup_ms=(),
        samples_ms=tuple(samples_ms),
        settled=settled,
        peak_memory_bytes={},
        memory_source="",
        profiled_ms=(),
        profile_note=profile_note,
        events=(),
        outputs_path=None,
        inputs="random",
        pid=1,
        wall_start=0.0,
    )


def window(seconds: float = 10.0, **rises: Any) -> tuple[Conditions, Conditions]:
    """Return two readings between which counters rose; other readings are the later one's."""
    counters = {"busy_s", "measured_s", "stolen_s", "num_throttle_events", "num_limit_events"}
    before = {key: 0 if key in counters else value for key, value in rises.items()}
    return Conditions(clock_s=100.0, **before), Conditions(clock_s=100.0 + seconds, **rises)


def steady(seed: int, count: int = 100) -> Any:
    return 5 + np.random.default_rng(seed).normal(0, 0.05, count)


def test_steady_processes_on_a_quiet_machine_raise_no_flag() -> None:
    assert sample_flags([run_of(steady(i), settled=True) for i in range(3)]) == ()
    assert machine_flags([window(busy_s=9.5, measured_s=9.4, stolen_s=0.01, num_limit_events=0)], num_cores=2) == ()


def test_one_process_is_not_comparable() -> None:
    (flag,) = sample_flags([run_of(steady(0))])
    assert flag.kind is FlagKind.SINGLE_PROCESS
    assert flag.sentence.startswith("single process, not comparable")


def test_a_drift_says_how_much_and_from_what_to_what() -> None:
    runs = [run_of(steady(i) * np.linspace(1, 1.2, 100)) for i in range(3)]
    (flag,) = sample_flags(runs)
    assert flag.kind is FlagKind.DRIFT
    assert "grew by" in flag.sentence
    assert "%" in flag.sentence
    assert "ms" in flag.sentence


def test_two_modes_say_both_speeds() -> None:
    (flag,) = sample_flags([run_of(steady(0)), run_of(steady(1)), run_of(steady(2) * 1.5)])
    assert flag.kind is FlagKind.TWO_MODES
    assert "7.5 ms" in flag.sentence.replace("7.49", "7.5").replace("7.51", "7.5")


def test_a_median_that_did_not_settle_is_told() -> None:
    flags = sample_flags([run_of(steady(0), settled=True), run_of(steady(1, 60), settled=False)])
    assert [flag.kind for flag in flags] == [FlagKind.NOT_SETTLED]
    assert "1 of 2 processes" in flags[0].sentence
    assert "60 iterations" in flags[0].sentence


def test_other_processes_make_a_busy_machine() -> None:
    (flag,) = machine_flags([window(busy_s=15.0, measured_s=9.0, load_average_1m=2.4)], num_cores=2)
    assert flag.kind is FlagKind.BUSY_MACHINE
    assert "0.6 of 2 cores" in flag.sentence
    assert "2.4" in flag.sentence


def test_a_hypervisor_that_takes_time_makes_a_busy_machine() -> None:
    (flag,) = machine_flags([window(stolen_s=2.0)], num_cores=2)
    assert "10.0 %" in flag.sentence


def test_heat_and_a_containers_limit_are_throttling() -> None:
    flags = machine_flags([window(num_throttle_events=4, num_limit_events=7, temperature_celsius=94.0)], num_cores=2)
    assert [flag.kind for flag in flags] == [FlagKind.THROTTLED, FlagKind.THROTTLED]
    assert "4 times" in flags[0].sentence
    assert "94" in flags[0].sentence
    assert "7 times" in flags[1].sentence


def test_a_saving_frequency_policy_is_told() -> None:
    (flag,) = machine_flags([window(governor="powersave")], num_cores=2)
    assert flag.kind is FlagKind.GOVERNOR
    assert "powersave" in flag.sentence
    assert machine_flags([window(governor="performance")], num_cores=2) == ()


def test_a_machine_that_says_nothing_raises_no_flag() -> None:
    assert machine_flags([window()], num_cores=2) == ()


def test_layers_that_explain_too_little_are_told() -> None:
    (flag,) = profile_flags(LayerProfile(mean_ms=10.0, unattributed_ms=2.0), [])
    assert flag.kind is FlagKind.LAYERS_INCOMPLETE
    assert "80.0 %" in flag.sentence
    assert profile_flags(LayerProfile(mean_ms=10.0, unattributed_ms=0.4), []) == ()


def test_what_was_wrong_with_the_profile_is_told_once() -> None:
    runs = [run_of([1.0], profile_note="it differed"), run_of([1.0], profile_note="it differed")]
    assert [flag.sentence for flag in profile_flags(LayerProfile(), runs)] == ["layers incomplete: it differed"]


def test_serious_flags_warn_and_others_do_not() -> None:
    flags = machine_flags(
        [window(busy_s=15.0, measured_s=0.0, num_throttle_events=1, governor="schedutil")], num_cores=2
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of((*flags, *sample_flags([run_of(steady(0))])), stacklevel=1)
    assert [warning.category for warning in caught] == [UnstableMeasurementWarning, ThrottledWarning]
    assert all(str(warning.message) in {flag.sentence for flag in flags} for warning in caught)


@pytest.mark.parametrize("kind", list(FlagKind))
def test_every_kind_of_flag_has_a_name_a_person_reads(kind: FlagKind) -> None:
    assert kind.value == kind.value.lower()
    assert "_" not in kind.value
