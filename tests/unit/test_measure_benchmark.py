"""A Benchmark goes through JSON unchanged, shows itself, and gives frames."""

from __future__ import annotations

import dataclasses
import json

import pytest

from embedl_nb.device.info import DeviceInfo
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.measure.benchmark import Benchmark, Flag, FlagKind, OutputCheck, OutputState, PlacementSummary
from embedl_nb.measure.views import benchmark_view, headline
from embedl_nb.model.evidence import compare_outputs
from embedl_nb.testing.results import fake_benchmark

LAYER_COLUMNS = [
    "index",
    "name",
    "operator",
    "source",
    "compute_unit",
    "start_ms",
    "mean_ms",
    "p50_ms",
    "p95_ms",
    "share",
]


def on_this_machine(result: Benchmark, **changes: object) -> Benchmark:
    device = DeviceInfo(
        address="host://", name="myhost", cpu="Some CPU", num_cores=2, memory_bytes=2**30, os="Linux", compute_units=()
    )
    return dataclasses.replace(result, device=device, **changes)


def test_it_goes_through_json_unchanged() -> None:
    parity = compare_outputs([{"y": [1.0, float("nan")]}], [{"y": [1.0, 2.0]}])
    result = dataclasses.replace(
        fake_benchmark(4),
        outputs=OutputCheck(state=OutputState.DIFFER, parity=parity, sentence="differ"),
        flags=(Flag(kind=FlagKind.DRIFT, sentence="drift: 9 %"),),
        unattributed_operators=(3, 4),
        run_id="20261122-170401-3f9a",
    )
    text = json.dumps(result.to_record(), allow_nan=False)
    again = Benchmark.from_record(json.loads(text))
    assert json.dumps(again.to_record()) == text
    assert again.layer_table == result.layer_table
    assert again.latency == result.latency
    assert Benchmark.from_record(json.loads(json.dumps(fake_benchmark().to_record()))) == fake_benchmark()


def test_a_newer_record_is_refused_by_its_version() -> None:
    with pytest.raises(SchemaTooNewError, match="99"):
        Benchmark.from_record({**fake_benchmark().to_record(), "schema_version": 99})


@pytest.mark.parametrize("record", [{}, {"schema_version": 1}, {**fake_benchmark(1).to_record(), "latency": {}}])
def test_something_else_than_a_benchmark_is_refused(record: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no record of a benchmark"):
        Benchmark.from_record(record)


def test_the_first_line_answers_the_question() -> None:
    result = on_this_machine(fake_benchmark(2, p50_ms=3.4), model_name="mobilenet_v2")
    assert headline(result).startswith("mobilenet_v2 | f32 | myhost cpu (asked cpu) | p50 3.4")
    assert headline(result).endswith("3 x 200) | outputs match")
    assert repr(result).splitlines()[0] == headline(result)


def test_a_fallback_shows_both_units() -> None:
    result = dataclasses.replace(
        fake_benchmark(2), placement=PlacementSummary(asked="gpu", got="cpu", sentence="asked gpu, got cpu")
    )
    assert "cpu (asked gpu)" in headline(result)


def test_processes_of_different_length_show_their_range() -> None:
    result = fake_benchmark(0)
    samples = result.latency.samples_ms
    latency = dataclasses.replace(result.latency, samples_ms=(samples[0][:187], *samples[1:]))
    assert "3 x 187-200" in headline(dataclasses.replace(result, latency=latency))


def test_this_machine_is_said_not_to_be_a_phone() -> None:
    text = repr(on_this_machine(fake_benchmark(2)))
    assert "this machine is not a phone" in text
    assert 'enb.benchmark(model, "adb://*")' in benchmark_view(on_this_machine(fake_benchmark(2))).next_step


def test_unchecked_outputs_are_the_first_unknown() -> None:
    result = dataclasses.replace(fake_benchmark(2), outputs=OutputCheck(state=OutputState.NOT_CHECKED))
    view = benchmark_view(result)
    assert "outputs not checked" in view.headline
    assert "golden" in view.next_step


def test_flags_are_warnings_and_the_remainder_is_shown() -> None:
    result = dataclasses.replace(
        fake_benchmark(12), flags=(Flag(kind=FlagKind.TWO_MODES, sentence="two modes: 3 and 5 ms"),)
    )
    view = benchmark_view(result)
    assert view.warnings == ("two modes: 3 and 5 ms",)
    assert view.pictures == ("waterfall_svg",)
    (table,) = view.tables
    assert table.title == "Slowest layers (10 of 12)"
    assert "belong to no layer" in table.note
    assert view.provenance == "virtual"


def test_without_a_profile_there_is_no_table_and_no_picture() -> None:
    view = benchmark_view(fake_benchmark(0))
    assert view.tables == ()
    assert view.pictures == ()


def test_the_layers_are_a_frame_with_the_named_columns() -> None:
    frame = fake_benchmark(5).layers
    assert list(frame.columns[:10]) == LAYER_COLUMNS
    assert len(frame) == 5
    assert list(fake_benchmark(0).layers.columns[:10]) == LAYER_COLUMNS


def test_the_frame_has_one_row_with_its_provenance() -> None:
    frame = fake_benchmark(5).frame()
    assert len(frame) == 1
    assert frame.loc[0, "provenance"] == "virtual"
    assert {"p50_ms", "p95_ms", "peak_memory_mib", "asked", "got"} <= set(frame.columns)
