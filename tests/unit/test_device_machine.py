"""Facts about this machine, and how the kernel's files are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedl_nb.device import DeviceInfo, machine
from embedl_nb.device.host import HostProvider


def test_the_host_knows_its_facts() -> None:
    (info,) = HostProvider().devices()
    assert info.address == "host://"
    assert 1 <= info.num_cores <= (os.cpu_count() or 1)
    assert info.memory_bytes > 2**20
    assert info.cpu
    assert info.os
    assert DeviceInfo.from_record(info.to_record()) == info


def test_a_containers_limits_are_read_from_the_second_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    (tmp_path / "memory.max").write_text("1073741824\n")
    monkeypatch.setattr(machine, "_CGROUP_V2", tmp_path)
    assert machine.container_cpu_limit() == 1.5
    assert machine.num_usable_cores() == 1
    assert machine.container_memory_limit_bytes() == 2**30
    assert machine.usable_memory_bytes() <= 2**30


def test_a_containers_limits_are_read_from_the_first_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    (tmp_path / "cpu" / "cpu.stat").write_text("nr_periods 9\nnr_throttled 4\nthrottled_time 1\n")
    monkeypatch.setattr(machine, "_CGROUP_V2", tmp_path)
    assert machine.container_cpu_limit() == 0.5
    assert machine.num_usable_cores() == 1
    assert machine.read_conditions().num_limit_events == 4


@pytest.mark.parametrize("content", ["max 100000", "", "nonsense"])
def test_no_limit_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    (tmp_path / "cpu.max").write_text(content)
    (tmp_path / "memory.max").write_text("max")
    monkeypatch.setattr(machine, "_CGROUP_V2", tmp_path)
    assert machine.container_cpu_limit() is None
    assert machine.container_memory_limit_bytes() is None


def test_throttling_and_clocks_are_summed_and_averaged_over_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for core, (clock_khz, count) in enumerate([(2_000_000, 3), (3_000_000, 4)]):
        for folder, name, value in (
            ("cpufreq", "scaling_cur_freq", clock_khz),
            ("thermal_throttle", "core_throttle_count", count),
        ):
            (tmp_path / f"cpu{core}" / folder).mkdir(parents=True)
            (tmp_path / f"cpu{core}" / folder / name).write_text(f"{value}\n")
    (tmp_path / "cpu0" / "cpufreq" / "scaling_governor").write_text("powersave\n")
    monkeypatch.setattr(machine, "_CPU_FOLDER", tmp_path)
    conditions = machine.read_conditions()
    assert conditions.clock_hz == 2.5e9
    assert conditions.num_throttle_events == 7
    assert conditions.governor == "powersave"


def test_what_the_machine_does_not_say_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CPU_FOLDER", tmp_path)
    monkeypatch.setattr(machine, "_CGROUP_V2", tmp_path)
    conditions = machine.read_conditions()
    assert conditions.clock_hz is None
    assert conditions.governor is None
    assert conditions.num_throttle_events is None
    assert conditions.num_limit_events is None
