"""A recorded run done again: what is rebuilt, what has to be handed over, what is said of what has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedl_nb as enb
from embedl_nb import cache, config, runstore
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.registry import using_provider
from embedl_nb.errors import DeviceNotFound, InputError, SchemaTooNewError, UnknownNameError
from embedl_nb.measure import Benchmark
from embedl_nb.measure.benchmark import Flag, FlagKind
from embedl_nb.model import LiteRTModel
from embedl_nb.model.fidelity_rows import Evaluation
from embedl_nb.pipeline.calls import LostArgument, call_of, given_again, recorded_call
from embedl_nb.pipeline.rerun_result import differences_between, outcome_of
from embedl_nb.placement import Placement
from embedl_nb.placement.rehearsal.agreement import Agreement
from embedl_nb.placement.rehearsal.result import Rehearsal
from embedl_nb.runstore import spool
from embedl_nb.testing import models
from embedl_nb.testing.devices import VirtualDevice, VirtualProvider
from embedl_nb.testing.results import fake_benchmark, fake_fidelity

SHORT: dict[str, Any] = {"processes": 2, "iterations": 20, "profile": False}


@pytest.fixture
def bench(spooled_home: Path) -> Iterator[VirtualDevice]:
    device = VirtualDevice()
    with using_provider(VirtualProvider(device)):
        yield device


@pytest.fixture
def recorded(bench: VirtualDevice, tmp_path: Path) -> Benchmark:
    """Return a benchmark with options and inputs of its own, whose model's file is gone afterwards."""
    path = models.write(tmp_path, models.fully_connected(), name="net")
    inputs = np.arange(8, dtype="float32")[None]
    result: Any = enb.benchmark(path, "virtual://bench", inputs=inputs, num_threads=3, warmup=1, **SHORT)
    path.unlink()
    return result  # type: ignore[no-any-return]


def edit(run_id: str, **changes: Any) -> None:
    """Change a record that still waits."""
    path = next(path for path in spool.paths() if spool.run_id_of(path) == run_id)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _rehearsal(output: dict[str, Any]) -> Rehearsal:
    """Return one of a single sample, of which the figures do not matter but for those of ``output``."""
    agreement = {"reference": "the CPU", "outputs": [output], "num_samples": 1, "worst_sample": 0, "worst_sqnr_db": 0.0}
    words = dict.fromkeys(("model_name", "model_sha256", "precision", "chip", "htp_arch", "qairt", "simulator"), "")
    counts = dict.fromkeys(("num_partitions", "num_npu_operators", "num_cpu_operators"), 1)
    return Rehearsal(**words, **counts, samples="1 sample", against_cpu=Agreement.from_record(agreement))


def test_a_benchmark_runs_again_with_its_options_and_inputs(recorded: Benchmark, bench: VirtualDevice) -> None:
    num_before = len(bench.requests)
    again = enb.rerun(str(recorded.run_id))
    before, now = bench.requests[0], bench.requests[num_before]
    assert (now.num_threads, now.warmup, now.iterations, now.profile) == (3, 1, 20, False)
    assert Path(before.model_path).name != Path(now.model_path).name == f"{recorded.model_sha256}.tflite"
    assert again.is_same
    assert again.after.run_id != again.before.run_id == recorded.run_id
    assert runstore.get(str(again.after.run_id))["call"] == runstore.get(str(recorded.run_id))["call"]
    assert again.frame().empty
    assert "the same within noise: 5.0" in repr(again)


def test_what_has_changed_around_it_is_said_one_row_each(recorded: Benchmark, bench: VirtualDevice) -> None:
    result = json.loads(json.dumps(recorded.to_record()))
    result["environment"]["versions"]["ai-edge-litert"] = "2.2.9"
    result["environment"]["hostname"] = "elsewhere"
    result["device"]["os"] = "Virtual 0.9"
    edit(str(recorded.run_id), result=result)
    bench._conditions = [
        Conditions(clock_s=0, busy_s=0, measured_s=0, stolen_s=0, governor="powersave", load_average_1m=7)
    ]
    bench._samples_ms = lambda _number, count: [7.0 + i % 3 * 0.01 for i in range(count)]
    again = enb.rerun(str(recorded.run_id))
    rows = {row.name: (row.before, row.after) for row in again.differences}
    assert rows["ai-edge-litert"][0] == "2.2.9"
    assert rows["device build"] == ("Virtual 0.9", "Virtual 1.0")
    assert rows["governor"] == ("none", "powersave")
    assert rows["hostname"][0] == "elsewhere"
    assert again.is_same is False
    assert again.sentence.startswith("1.4 times slower: 5.0")
    assert "ai-edge-litert 2.2.9 -> " in again.sentence
    assert again.frame()["name"].iloc[0] == "ai-edge-litert"


def test_a_sustained_benchmark_is_sustained_again_and_says_both_steady_states(
    bench: VirtualDevice, tmp_path: Path
) -> None:
    path = models.write(tmp_path, models.fully_connected(), name="net")
    result: Any = enb.benchmark(path, "virtual://bench", sustain="1s", **SHORT)
    again = enb.rerun(result.run_id)
    assert again.after.options.sustain_s == 1
    assert again.after.sustained is not None
    assert ", sustained " in again.sentence


def test_an_npu_that_computes_otherwise_in_its_simulator_is_not_the_same(project_root: Path) -> None:
    record = json.loads((project_root / "tests/unit/records/v1/preflight.json").read_text())["result"]
    exact = {
        "name": "scores",
        "matches": True,
        "sqnr_db": "inf",
        "max_abs_error": 0.0,
        "max_rel_error": 0.0,
        "cosine": 1.0,
    }
    rehearsals = [_rehearsal(exact), _rehearsal({**exact, "matches": False, "sqnr_db": 3.0, "max_abs_error": 1.0})]
    before, after = (replace(Placement.from_record(record), rehearsal=each) for each in rehearsals)
    assert outcome_of(before, before)[0] is True
    is_same, said = outcome_of(before, after)
    assert is_same is False
    assert "rehearsed otherwise: equal before; its NPU artifact" in said


def test_a_metric_that_comes_out_otherwise_for_the_same_file_is_said(tmp_path: Path) -> None:
    evaluation = Evaluation(metric="accuracy", float_score=0.9, quantized_score=0.8)
    model = LiteRTModel.open(models.write(tmp_path, models.fully_connected(), name="net"))
    before, after = (
        replace(model, fidelity=replace(fake_fidelity(3), evaluation=each))
        for each in (evaluation, replace(evaluation, quantized_score=0.7))
    )
    assert "otherwise" not in outcome_of(before, before)[1]
    assert "evaluated otherwise: accuracy: float 0.9, quantized 0.8, drop 0.1" in outcome_of(before, after)[1]


def test_a_load_that_is_about_the_same_is_no_difference() -> None:
    first = fake_benchmark()
    loads = [replace(first, environment=replace(first.environment, load_average_1m=load)) for load in (0.4, 1.1, 3.0)]
    assert differences_between(loads[0], loads[1], ({}, {})) == ()
    (only,) = differences_between(loads[0], loads[2], ({}, {}))
    assert str(only) == "load 0.4 -> 3"


def test_a_machine_that_was_busy_only_once_is_a_difference() -> None:
    first = replace(fake_benchmark(), flags=())
    busy = replace(first, flags=(Flag(kind=FlagKind.BUSY_MACHINE, sentence="busy machine: others used 1.8 cores"),))
    assert [str(each) for each in differences_between(first, busy, ({}, {}))] == ["busy machine no -> yes"]
    assert differences_between(busy, busy, ({}, {})) == ()


def test_another_compute_unit_is_not_the_same_whatever_the_time() -> None:
    first = fake_benchmark()
    other = replace(first, placement=replace(first.placement, got="gpu"))
    assert outcome_of(first, other)[0] is False


def test_a_record_from_before_calls_were_kept_says_what_is_assumed(recorded: Benchmark) -> None:
    edit(str(recorded.run_id), call={})
    again = enb.rerun(str(recorded.run_id))
    assert [sentence.partition("=")[0] for sentence in again.assumed] == ["inputs", "golden", "signature_key"]
    assert ("inputs", "given", "random") in [(row.name, row.before, row.after) for row in again.differences]
    assert "assumed" in repr(again)


def test_inputs_that_are_gone_can_be_handed_over(recorded: Benchmark) -> None:
    for file in (config.data_dir() / "samples").glob("*.npz"):
        file.unlink()
    with pytest.raises(InputError, match="inputs is not here any more") as caught:
        enb.rerun(str(recorded.run_id))
    assert f'enb.rerun("{recorded.run_id}", inputs=...)' in caught.value.hint
    assert enb.rerun(str(recorded.run_id), inputs=np.zeros((1, 8), "float32")).is_same


def test_a_run_whose_model_was_deleted_says_so(recorded: Benchmark) -> None:
    for file in (config.data_dir() / "models").iterdir():
        file.unlink()
    with pytest.raises(UnknownNameError, match="its model 'net' is gone"):
        enb.rerun(str(recorded.run_id))


def test_a_device_that_is_not_attached_is_named(recorded: Benchmark) -> None:
    with using_provider(VirtualProvider()), pytest.raises(DeviceNotFound, match="virtual://bench"):
        enb.rerun(str(recorded.run_id))


def test_a_run_of_a_newer_version_is_refused(recorded: Benchmark) -> None:
    edit(str(recorded.run_id), schema_version=spool.SCHEMA_VERSION + 1)
    with pytest.raises(SchemaTooNewError):
        enb.rerun(str(recorded.run_id))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "KeyError: 'form'"),
        ("live", "TypeError"),
        ({"form": {"object": "Popen", "fields": []}}, "KeyError: 'Popen'"),
        ({"form": {"array": "a7"}}, "KeyError: 'a7'"),
        ({"form": {"dict": 5}}, "TypeError"),
    ],
    ids=["empty", "text", "unknown class", "unknown array", "no pairs"],
)
def test_an_argument_that_was_edited_by_hand_is_named_and_can_be_handed_over(
    inputs: Any, said: str, recorded: Benchmark
) -> None:
    run_id = str(recorded.run_id)
    call = runstore.get(run_id)["call"]
    edit(run_id, call=call | {"arguments": call["arguments"] | {"inputs": inputs}})
    with pytest.raises(InputError, match=rf"run {run_id} .*: its record of inputs cannot be read \(.*{said}") as caught:
        enb.rerun(run_id)
    assert f'enb.rerun("{run_id}", inputs=...)' in caught.value.hint
    assert enb.rerun(run_id, inputs=np.zeros((1, 8), "float32")).is_same


@pytest.mark.parametrize(
    ("model", "said"), [("x", "a str"), ({"form": "x"}, "a str")], ids=["no description", "no form"]
)
def test_a_model_that_was_edited_by_hand_is_named(model: Any, said: str, recorded: Benchmark) -> None:
    run_id = str(recorded.run_id)
    call = runstore.get(run_id)["call"]
    edit(run_id, call=call | {"arguments": call["arguments"] | {"model": model}})
    with pytest.raises(InputError, match=rf"run {run_id} .*: its record of model cannot be read \(.*{said}"):
        enb.rerun(run_id)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("x", "call is a str"),
        ({"arguments": [1]}, "call.arguments is a list"),
        ({"environment": "x"}, "call.environment is a str"),
    ],
    ids=["call", "arguments", "environment"],
)
def test_a_call_that_was_edited_by_hand_is_named(call: Any, said: str, spooled_home: Path) -> None:
    record = {"run_id": "20261122-170401-3f9a", "call": call}
    with pytest.raises(InputError, match=f"run 20261122-170401-3f9a .*: {said}"):
        recorded_call(record)


@pytest.mark.parametrize(
    ("kind", "arguments", "named"),
    [
        ("compile", {"source": "net.onnx", "bogus": 1}, "bogus"),
        ("quantize", {"model": "net.tflite", "bogus": 1}, "bogus"),
        ("quantize", {"data": None}, "model"),
    ],
)
def test_an_argument_too_many_or_too_few_for_the_step_is_named(
    kind: str, arguments: dict[str, Any], named: str, spooled_home: Path, tmp_path: Path
) -> None:
    model = enb.LiteRTModel.open(models.write(tmp_path, models.fully_connected(), name="net"))
    run_id = runstore.record(kind, model.to_record(), model_path=model.path, call=call_of(**arguments))
    with pytest.raises(InputError, match=f"run {run_id} cannot be done again: .*'{named}'"):
        enb.rerun(run_id)


def test_a_run_whose_arguments_are_a_list_is_not_measured_again(recorded: Benchmark, bench: VirtualDevice) -> None:
    edit(str(recorded.run_id), call={"arguments": [1]})
    num_before = len(bench.requests)
    with pytest.raises(InputError, match=r"call\.arguments is a list"):
        enb.rerun(str(recorded.run_id))
    assert len(bench.requests) == num_before


def test_an_object_that_the_step_does_not_take_is_refused(recorded: Benchmark) -> None:
    with pytest.raises(UnknownNameError, match="object that a benchmark takes"):
        enb.rerun(str(recorded.run_id), data=[1])


def test_a_compile_of_a_live_module_names_it_and_what_can_be_done_instead(spooled_home: Path, tmp_path: Path) -> None:
    class Net:
        __module__ = "torch.nn"

    model = enb.LiteRTModel.open(models.write(tmp_path, models.fully_connected(), name="net"))
    run_id = runstore.record("compile", model.to_record(), model_path=model.path, call=call_of(source=Net()))
    later = runstore.record("benchmark", fake_benchmark().to_record(), parent_run_id=run_id)
    with pytest.raises(InputError, match=r"source was a live Net \(torch.nn\)") as caught:
        enb.rerun(run_id)
    assert f'enb.rerun("{run_id}", source=...)' in caught.value.hint
    assert f"{later} (benchmark)" in caught.value.hint


def test_nothing_is_taken_from_the_cache_meanwhile(spooled_home: Path, tmp_path: Path) -> None:
    work = tmp_path / "entry"
    work.mkdir()
    data = models.fully_connected()
    (work / cache.MODEL).write_bytes(data)
    entry = cache.write_meta(work, {"sha256": hashlib.sha256(data).hexdigest()})
    cache.publish("ab" * 32, entry)
    with cache.bypassed():
        assert cache.find("ab" * 32) is None
    assert cache.find("ab" * 32) is not None


ARRAY = np.arange(6, dtype="int8").reshape(2, 3)


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        "random",
        {"x": (1, 3, 4), "y": [True, None]},
        {"audio": {2: (64, 512)}, 0: "batch"},
        ARRAY,
        [(ARRAY, 2.5), (ARRAY + 1, 3.5)],
        {"x": ARRAY, "file": np.float32(2)},
    ],
    ids=str,
)
def test_a_value_comes_back_as_it_was_given(value: Any, spooled_home: Path) -> None:
    described = json.loads(json.dumps(call_of(value=value)["arguments"]["value"]))
    np.testing.assert_equal(given_again("value", described), value)


def test_a_file_that_has_changed_is_not_what_was_given(spooled_home: Path, tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(b"one")
    described = call_of(files=("source",), source=str(file))["arguments"]["source"]
    assert given_again("source", described) == file
    file.write_bytes(b"two")
    with pytest.raises(LostArgument, match="has changed since"):
        given_again("source", described)
    file.unlink()
    with pytest.raises(LostArgument, match="there is no"):
        given_again("source", described)


def test_pictures_come_back_by_their_paths(spooled_home: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for name in ("a.png", "b.png"):
        image.fromarray(np.full((8, 8, 3), 9, "uint8")).save(tmp_path / name)
    pictures = enb.images(tmp_path, size=4)
    described = json.loads(json.dumps(call_of(data=pictures)["arguments"]["data"]))
    again = given_again("data", described)
    assert again == pictures
    np.testing.assert_array_equal(again[1], pictures[1])


def test_arrays_beyond_the_limit_are_named_and_not_kept(spooled_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedl_nb.runstore.samples.LARGEST_BYTES", 100)
    described = call_of(data=np.zeros(1000))["arguments"]["data"]
    with pytest.raises(LostArgument, match=r"7.8 KiB of arrays"):
        given_again("data", described)
    assert not (config.data_dir() / "samples").exists()


def test_the_same_arrays_are_kept_once(spooled_home: Path) -> None:
    for _ in range(2):
        call_of(data=ARRAY)
    assert len(list((config.data_dir() / "samples").iterdir())) == 1


def test_kept_arrays_that_were_damaged_are_not_used(spooled_home: Path) -> None:
    described = call_of(data=ARRAY)["arguments"]["data"]
    (file,) = (config.data_dir() / "samples").iterdir()
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(LostArgument):
        given_again("data", described)
