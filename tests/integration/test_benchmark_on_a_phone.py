"""``enb.benchmark`` on virtual phones, as a user calls it: the phone, where it ran, and what is doubtful."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import embedl_nb as enb
from embedl_nb.errors import FallbackWarning, ThrottledWarning, UnitUnavailableError
from embedl_nb.measure import Benchmark
from embedl_nb.pipeline.ahead_of_time import chip_of
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import ARM64_PROGRAM, Faults, VirtualPhone, adb_server

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
pytestmark = pytest.mark.litert
ROUNDING_MS = 1e-3  # the tool prints each layer in whole us


@pytest.fixture(scope="module")
def rack() -> Iterator[tuple[VirtualPhone, str]]:
    with adb_server() as server, VirtualPhone("Samsung Galaxy S24", soc="SM8650") as phone:
        server.connect(phone)
        yield phone, f"adb://{phone.address}?server={server.host}:{server.port}"


@pytest.fixture
def phone(rack: tuple[VirtualPhone, str]) -> Iterator[VirtualPhone]:
    yield rack[0]
    rack[0].faults = Faults()


@pytest.fixture
def address(rack: tuple[VirtualPhone, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    tool = tmp_path / "benchmark_model"
    tool.write_bytes(ARM64_PROGRAM)
    monkeypatch.setenv("EMBEDL_NB_BENCHMARK_MODEL", str(tool))
    return rack[1]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return models.write(tmp_path, models.conv_relu(), name="net")


def test_a_benchmark_of_a_phone_says_which_phone_and_that_its_numbers_are_virtual(address: str, model: Path) -> None:
    result = enb.benchmark(model, address, iterations=20, warmup=1, num_threads=1, processes=2)
    first = repr(result).splitlines()[0]
    assert first.startswith("net | f32 | virtual Galaxy S24 cpu (asked cpu) | p50 ")
    assert "2 processes, n = 40" in first
    assert result.provenance == "virtual"
    assert result.placement.is_as_asked
    assert "operators by XNNPACK" in result.placement.sentence
    assert 0 < sum(layer.mean_ms for layer in result.layer_table) <= result.profiled_mean_ms + ROUNDING_MS
    assert result.memory.definition.startswith("growth of the process's peak resident memory")
    assert "SHA-256" in result.environment.versions["benchmark_model"]
    assert "outputs were not checked on this device" in repr(result)
    assert (result.environment.is_charging, result.environment.is_screen_on) == (False, False)
    assert "battery 83 %, not charging, screen off, battery saver off" in repr(result)
    assert (result.thermal.start_status, result.thermal.peak_status) == (0, 0)
    assert enb.load(result.run_id) == result
    assert Benchmark.from_record(json.loads(json.dumps(result.to_record()))) == result


def test_models_take_turns_on_a_phone_whose_tool_keeps_no_single_times(
    address: str, model: Path, tmp_path: Path
) -> None:
    other = models.write(tmp_path, models.conv_relu(size=32), name="other")
    options = {"iterations": 5, "warmup": 1, "processes": 2, "num_threads": 1, "profile": False}
    comparison = enb.compare(model, other, device=address, **options)
    assert (comparison.about, comparison.provenance) == ("model", "virtual")
    assert "2 pairs of processes that took turns" in comparison.verdict.method
    assert comparison.ratio == pytest.approx(
        comparison.first.latency.p50_ms / comparison.second.latency.p50_ms, rel=0.05
    )


def test_a_gpu_that_silently_falls_back_is_a_warning_or_an_error_never_a_gpu_number(address: str, model: Path) -> None:
    options = {"iterations": 5, "warmup": 1, "processes": 1, "profile": False, "compute_unit": "gpu"}
    with pytest.warns(FallbackWarning, match="none of 1 operators on the GPU"):
        result = enb.benchmark(model, address, **options)
    assert (result.placement.asked, result.placement.got) == ("gpu", "cpu")
    assert "fallback" in [flag.kind for flag in result.flags]
    with pytest.raises(UnitUnavailableError, match="gpu"):
        enb.benchmark(model, address, allow_fallback=False, **options)


def test_a_phones_address_is_a_target_too(address: str) -> None:
    assert chip_of(address, aot=True).part == "SM8650"


def test_a_gpu_that_works_is_what_was_got(address: str, phone: VirtualPhone, model: Path) -> None:
    phone.faults = Faults(gpu_works=True)
    result = enb.benchmark(model, address, iterations=5, warmup=1, processes=1, profile=False, compute_unit="gpu")
    assert result.placement.got == "gpu"
    assert result.placement.is_as_asked


def test_loads_from_a_cache_are_told_from_cold_ones(address: str, phone: VirtualPhone, model: Path) -> None:
    options = {"iterations": 3, "warmup": 1, "processes": 2, "profile": False}
    cache = {"xnnpack_weight_cache_file_path": "weights.cache"}
    result = enb.benchmark(model, address, runtime_options=cache, **options)
    assert result.init_kind == "cold"
    assert result.init_cached_ms is not None
    assert " cold, " in repr(result)
    assert " cached, first " in repr(result)
    assert "a native process of the phone's shell" in repr(result)
    assert enb.load(result.run_id) == result
    left = [path.name for path in (phone.root / "data/local/tmp/embedl_nb").rglob("*") if path.is_file()]
    assert left == ["benchmark_model"]


def test_a_model_is_pushed_once_for_all_processes_and_gone_when_they_are_done(
    address: str, phone: VirtualPhone, model: Path
) -> None:
    before = len(phone.commands)
    enb.benchmark(model, address, iterations=5, warmup=1, processes=3, profile=False)
    moved = [command for command in phone.commands[before:] if "mv " in command and "model.tflite" in command]
    assert len(moved) == 1
    left = [path.name for path in (phone.root / "data/local/tmp/embedl_nb").rglob("*") if path.is_file()]
    assert left == ["benchmark_model"]


# The last one: a phone takes minutes to cool down.
def test_a_hot_phone_is_said_to_be_throttled_and_since_when_it_is_while_sustained(
    address: str, phone: VirtualPhone, model: Path
) -> None:
    phone.faults = Faults(celsius_per_busy_s=1e6)
    with pytest.warns(ThrottledWarning, match="thermal status"):
        result = enb.benchmark(model, address, iterations=20, warmup=0, processes=1, profile=False, sustain="1s")
    assert result.thermal.peak_status is not None
    assert result.thermal.peak_status >= 2
    assert result.sustained is not None
    assert result.sustained.duration_s >= 1.0
    assert result.sustained.points[0].n > 100
    assert result.sustained.throttled_after_s == result.sustained.points[0].time_s
    assert enb.load(result.run_id) == result
