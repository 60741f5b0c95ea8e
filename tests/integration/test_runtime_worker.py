"""The worker and the real runtime: outputs, stages, operators, and every kind of model that it must take or refuse."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from embedl_nb import progress
from embedl_nb.errors import (
    EmbedlError,
    InputError,
    RuntimeCrashedError,
    SignatureMismatchError,
    UnknownNameError,
    UnsupportedOperatorError,
)
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack
from embedl_nb.runtime import litert_c, pool
from embedl_nb.runtime.arrays import load_arrays, save_arrays, take_arrays
from embedl_nb.runtime.process import Child
from embedl_nb.runtime.raw_run import EventKind, MeasureRequest, RawRun
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

pytestmark = pytest.mark.litert

WORKER = "embedl_nb.runtime.worker"
PATIENCE_S = 120.0
Arrays = dict[str, np.ndarray]


@pytest.fixture
def worker() -> Iterator[Child]:
    with pool.warm(WORKER, what="the LiteRT runtime") as child:
        yield child


@pytest.fixture
def run(worker: Child, tmp_path: Path) -> Callable[..., Arrays]:
    """Run a model's bytes on samples and return the outputs."""

    def run(data: bytes, *samples: Arrays, **fields: Any) -> Arrays:
        model = models.write(tmp_path, data)
        arrays = {f"{index}/{name}": array for index, sample in enumerate(samples) for name, array in sample.items()}
        save_arrays(tmp_path / "inputs.npz", arrays)
        payload = {"model_path": str(model), "inputs_path": str(tmp_path / "inputs.npz"), **fields}
        answer = worker.request("run", payload, timeout_s=PATIENCE_S)
        return take_arrays(answer["outputs_path"])

    return run


@pytest.fixture
def measure(worker: Child, tmp_path: Path) -> Callable[..., RawRun]:
    """Measure a model's bytes, briefly unless told otherwise."""

    def measure(data: bytes, **fields: Any) -> RawRun:
        model = models.write(tmp_path, data)
        request = MeasureRequest(model_path=str(model), **{"budget_s": 0.5, **fields})
        answer = worker.request("measure", json.loads(json.dumps(request.to_json())), timeout_s=PATIENCE_S)
        return RawRun.from_json(answer)

    return measure


def built(build: Callable[[ModelBuilder], dict[str, int]], *, signature_key: str | None = "serving_default") -> bytes:
    builder = ModelBuilder()
    return builder.build(build(builder), signature_key=signature_key)


def cast(source: str, target: str, shape: tuple[int, ...] = (2, 3)) -> bytes:
    return built(lambda b: {"y": b.operator("CAST", [b.input("x", shape, source)], b.tensor("y", shape, target))})


def absolute(shape: tuple[int, ...], **fields: Any) -> bytes:
    return built(lambda b: {"y": b.operator("ABS", [b.input("x", shape)], b.tensor("y", shape))}, **fields)


def test_the_structs_have_the_sizes_that_the_headers_assert() -> None:
    assert ctypes.sizeof(litert_c.Layout) == 68
    assert ctypes.sizeof(litert_c.RankedTensorType) == 72
    assert ctypes.sizeof(litert_c.ProfiledEventData) == 104


def test_outputs_are_what_the_model_computes(run: Callable[..., Arrays]) -> None:
    a, b = np.array([[1, 2, 3, 4]], np.float32), np.array([[10, 20, 30, -40]], np.float32)
    outputs = run(models.two_outputs(), {"a": a, "b": b}, {"a": b, "b": b})
    assert {name: array.tolist() for name, array in outputs.items()} == {
        "0/sum": (a + b).tolist(),
        "0/product": (a * b).tolist(),
        "1/sum": (b + b).tolist(),
        "1/product": (b * b).tolist(),
    }


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", "int8", "int16", "int64", "uint8", "uint16", "uint32", "bool", "int32"]
)
def test_each_dtype_goes_in_and_comes_out(run: Callable[..., Arrays], dtype: str) -> None:
    values = np.array([[0, 1, 2], [3, 100, 127]]).astype(dtype)
    assert np.array_equal(run(cast(dtype, "float32"), {"x": values})["0/y"], values.astype(np.float32))
    back = run(cast("float32", dtype), {"x": values.astype(np.float32)})["0/y"]
    assert back.dtype == values.dtype
    assert np.array_equal(back, values)


def test_bfloat16_travels_as_float32(run: Callable[..., Arrays]) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    rounded = values.astype(ml_dtypes.bfloat16).astype(np.float32)
    assert np.array_equal(run(cast("bfloat16", "float32"), {"x": values})["0/y"], rounded)
    assert np.array_equal(run(cast("float32", "bfloat16"), {"x": rounded})["0/y"], rounded)


@pytest.mark.parametrize("shape", [(2, 3), (5, 3)])
def test_int4_is_packed_and_unpacked(run: Callable[..., Arrays], shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(-8, 8, shape).astype(np.int8)
    assert np.array_equal(run(cast("int4", "float32", shape), {"x": values})["0/y"], values)
    assert np.array_equal(run(cast("float32", "int4", shape), {"x": values.astype(np.float32)})["0/y"], values)


def test_strings_are_refused_by_name(run: Callable[..., Arrays]) -> None:
    with pytest.raises(InputError, match="'x' has element type string"):
        run(cast("string", "float32"), {"x": np.zeros((2, 3))})


def test_an_open_dimension_takes_the_size_of_each_sample(run: Callable[..., Arrays]) -> None:
    samples = [{"x": -np.ones((rows, 4), np.float32)} for rows in (3, 7, 7, 1)]
    outputs = run(absolute((-1, 4)), *samples)
    assert [outputs[f"{i}/y"].shape for i in range(4)] == [(3, 4), (7, 4), (7, 4), (1, 4)]
    assert all((array == 1).all() for array in outputs.values())


def test_an_input_that_is_returned_leaves_the_rest_right(run: Callable[..., Arrays]) -> None:
    def build(b: ModelBuilder) -> dict[str, int]:
        x = b.input("x", (1, 4))
        return {"y": b.operator("ABS", [x], b.tensor("y", (1, 4))), "same": x}

    x = np.array([[-1, 2, -3, 4]], np.float32)
    outputs = run(built(build), {"x": x}, {"x": 2 * x})
    assert np.array_equal(outputs["0/y"], abs(x))
    assert np.array_equal(outputs["0/same"], x)
    assert np.array_equal(outputs["1/y"], abs(2 * x))
    assert np.array_equal(outputs["1/same"], 2 * x)


def test_a_value_that_is_returned_twice_comes_under_both_names(run: Callable[..., Arrays]) -> None:
    def build(b: ModelBuilder) -> dict[str, int]:
        y = b.operator("ABS", [b.input("x", (1, 2))], b.tensor("y", (1, 2)))
        return {"first": y, "second": y}

    outputs = run(built(build), {"x": np.array([[-1, 2]], np.float32)})
    assert outputs["0/first"].tolist() == outputs["0/second"].tolist() == [[1, 2]]


def test_a_constant_and_an_intermediate_value_can_be_outputs(run: Callable[..., Arrays]) -> None:
    def build(b: ModelBuilder) -> dict[str, int]:
        y = b.operator("ABS", [b.input("x", (1, 2))], b.tensor("y", (1, 2)))
        z = b.operator("NEG", [y], b.tensor("z", (1, 2)))
        return {"y": y, "z": z, "seven": b.constant("seven", np.full(3, 7, np.float32))}

    outputs = run(built(build), {"x": np.array([[-1, 2]], np.float32)})
    assert outputs["0/y"].tolist() == [[1, 2]]
    assert outputs["0/z"].tolist() == [[-1, -2]]
    assert outputs["0/seven"].tolist() == [7, 7, 7]


def test_a_model_without_signatures_goes_by_its_tensors_names(run: Callable[..., Arrays]) -> None:
    outputs = run(absolute((1, 2), signature_key=None), {"serving_default_x": np.array([[-1, 2]], np.float32)})
    assert outputs["0/y"].tolist() == [[1, 2]]


def test_a_model_without_inputs_gives_its_outputs_once(run: Callable[..., Arrays]) -> None:
    def build(b: ModelBuilder) -> dict[str, int]:
        return {"y": b.operator("ABS", [b.constant("c", np.full(2, -3, np.float32))], b.tensor("y", (2,)))}

    assert {name: array.tolist() for name, array in run(built(build)).items()} == {"0/y": [3, 3]}


def test_no_samples_for_a_model_with_inputs_are_refused(run: Callable[..., Arrays]) -> None:
    with pytest.raises(InputError, match="holds no sample"):
        run(absolute((1, 2)))


def test_an_unknown_signature_names_the_known(run: Callable[..., Arrays]) -> None:
    with pytest.raises(UnknownNameError, match="servin_default") as caught:
        run(models.add(), {"a": np.zeros((1, 4))}, signature_key="servin_default")
    assert caught.value.candidates == ("serving_default",)


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ({"a": np.zeros((1, 4), np.float32)}, "takes inputs"),
        ({"a": np.zeros((1, 4), np.float32), "c": np.zeros((1, 4), np.float32)}, "takes inputs"),
        ({"a": np.zeros((1, 4), np.float32), "b": np.zeros((1, 5), np.float32)}, r"'b' has shape \(1, 5\)"),
        ({"a": np.zeros((1, 4), np.float32), "b": np.zeros(4, np.float32)}, r"'b' has shape \(4,\)"),
        ({"a": np.zeros((1, 4), np.float64), "b": np.zeros((1, 4), np.float32)}, "'a' has dtype float64"),
    ],
)
def test_inputs_that_do_not_fit_are_named(run: Callable[..., Arrays], sample: Arrays, said: str) -> None:
    with pytest.raises(SignatureMismatchError, match=said):
        run(models.add(), sample)


def test_a_model_that_was_written_anew_is_loaded_anew(run: Callable[..., Arrays]) -> None:
    x = np.array([[-1, 2, -3, 4]], np.float32)
    assert run(absolute((1, 4)), {"x": x})["0/y"].tolist() == [[1, 2, 3, 4]]
    negative = built(lambda b: {"y": b.operator("NEG", [b.input("x", (1, 4))], b.tensor("y", (1, 4)))})
    assert run(negative, {"x": x})["0/y"].tolist() == [[1, -2, 3, -4]]


def test_more_models_than_are_kept_still_run(run: Callable[..., Arrays]) -> None:
    for size in (*range(1, 9), 1):
        assert run(absolute((1, size)), {"x": -np.ones((1, size), np.float32)})["0/y"].sum() == size


@pytest.mark.parametrize(
    ("data", "operator"), [(models.unsupported_operator(), "STABLEHLO_SORT"), (models.custom_operator(), "MyOperator")]
)
def test_an_operator_without_a_kernel_is_named(
    run: Callable[..., Arrays], measure: Callable[..., RawRun], data: bytes, operator: str
) -> None:
    for attempt in (lambda: run(data, {"x": np.zeros((1, 4), np.float32)}), lambda: measure(data)):
        with pytest.raises(UnsupportedOperatorError, match=operator) as caught:
            attempt()
        assert caught.value.operators == (operator,)


def test_an_output_whose_shape_depends_on_values_is_named(measure: Callable[..., RawRun]) -> None:
    data = built(
        lambda b: {"places": b.operator("WHERE", [b.input("x", (4,), "bool")], b.tensor("y", (-1, 1), "int64"))}
    )
    with pytest.raises(InputError, match="places"):
        measure(data)


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"no model " * 100, models.conv_relu()[:-300], models.conv_relu()[:40]]
)
def test_a_file_that_is_no_whole_model_is_named(measure: Callable[..., RawRun], data: bytes) -> None:
    with pytest.raises(InputError, match=r"tiny\.tflite"):
        measure(data)


def test_a_damaged_model_never_takes_more_than_its_worker(tmp_path: Path) -> None:
    whole = models.conv_relu()
    random = np.random.default_rng(0)
    outcomes = set()
    for _ in range(12):
        damaged = bytearray(whole)
        for place in random.integers(8, len(whole), 12):
            damaged[place] = random.integers(256)
        model = models.write(tmp_path, bytes(damaged))
        request = MeasureRequest(model_path=str(model), iterations=1, warmup=0, profile=False)
        try:
            with pool.warm(WORKER, what="the LiteRT runtime") as child:
                child.request("measure", request.to_json(), timeout_s=3)
                outcomes.add("ran")
        except EmbedlError as err:
            outcomes.add(type(err).__name__)
    assert len(outcomes) > 1


def test_a_missing_model_is_named(worker: Child) -> None:
    for command in ("run", "measure"):
        with pytest.raises(InputError, match=r"nowhere\.tflite"):
            worker.request(command, {"model_path": "/nowhere.tflite", "inputs_path": None}, timeout_s=PATIENCE_S)


def test_a_measurement_has_every_stage(measure: Callable[..., RawRun]) -> None:
    found = measure(models.conv_relu(size=64, channels=16), iterations=40, warmup=3, num_threads=1)
    assert found.num_threads == 1
    assert found.runtime_version.startswith("ai-edge-litert 2.")
    assert (len(found.samples_ms), len(found.warmup_ms), found.settled) == (40, 3, None)
    assert all(value > 0 for value in (found.load_ms, found.compile_ms, found.first_ms, *found.samples_ms))
    assert list(found.peak_memory_bytes) == ["start", "load", "compile", "first", "run"]
    assert all(10 * 2**20 < peak < 2**30 for peak in found.peak_memory_bytes.values())
    assert found.inputs == "random"
    assert len(found.profiled_ms) == 40
    assert found.profile_note == ""


def test_the_peak_memory_of_a_stage_is_its_own(measure: Callable[..., RawRun]) -> None:
    found = measure(models.conv_relu(size=512, channels=32), iterations=1)
    if found.memory_source != "VmHWM":
        pytest.skip("this system cannot reset a process's peak memory")
    activations = 512 * 512 * 32 * 4
    assert found.peak_memory_bytes["run"] - found.peak_memory_bytes["load"] > activations
    small = measure(models.conv_relu(), iterations=1)
    assert small.peak_memory_bytes["run"] < found.peak_memory_bytes["run"] - activations / 2


def test_events_name_the_operators_in_order(measure: Callable[..., RawRun]) -> None:
    def build(b: ModelBuilder) -> dict[str, int]:
        shape = (64, 64)
        x = b.operator("ABS", [b.input("x", shape)], b.tensor("a", shape))
        x = b.operator("ATAN2", [x, x], b.tensor("b", shape))
        return {"y": b.operator("NEG", [x], b.tensor("y", shape))}

    found = measure(built(build))
    assert [(step.name, step.kind) for step in found.events] == [
        ("Abs (NC)", EventKind.DELEGATE),
        ("ATAN2", EventKind.OPERATOR),
        ("Negate (NC)", EventKind.DELEGATE),
    ]
    assert found.events[1].node_index == 1
    assert [step.index for step in found.events] == [0, 1, 2]
    starts = [step.start_ms for step in found.events]
    assert starts == sorted(starts)
    assert {len(step.durations_ms) for step in found.events} == {len(found.profiled_ms)}


def test_operators_account_for_at_least_95_percent_of_a_heavy_model(measure: Callable[..., RawRun]) -> None:
    found = measure(models.conv_relu(size=256, channels=32), iterations=30, num_threads=1)
    accounted = sum(sum(step.durations_ms) for step in found.events)
    assert 0.95 <= accounted / sum(found.profiled_ms) <= 1.0


def test_an_operator_that_runs_subgraphs_does_not_count_them_twice(measure: Callable[..., RawRun]) -> None:
    found = measure(while_model(limit=5))
    names = [step.name for step in found.events]
    assert names.count("WHILE") == 1
    assert names.count("ATAN2") == 5
    for position, whole in enumerate(found.profiled_ms):
        assert sum(step.durations_ms[position] for step in found.events) <= whole


def while_model(*, limit: int) -> bytes:
    """``while max(x) < limit: x = x + 1``, with an ATAN2 in the body that XNNPACK leaves to the runtime."""
    s, shape = schema(), (64, 64)
    main = ModelBuilder()
    options = s.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=2)
    loop = main.operator("WHILE", [main.input("x", shape)], main.tensor("y", shape), options=options)
    condition = ModelBuilder()
    axes = condition.constant("axes", np.array([0, 1], np.int32))
    largest = condition.operator(
        "REDUCE_MAX", [condition.input("x", shape), axes], condition.tensor("max", ()), options=s.ReducerOptionsT()
    )
    bound = condition.constant("limit", np.array(limit, np.float32))
    less = condition.operator("LESS", [largest, bound], condition.tensor("less", (), "bool"))
    body = ModelBuilder()
    one = body.constant("one", np.array(1, np.float32))
    inputs = [body.input("x", shape), one]
    added = body.operator("ADD", inputs, body.tensor("added", shape), options=s.AddOptionsT())
    body.operator("ATAN2", [added, added], body.tensor("unused", shape))
    scaled = body.operator("MUL", [added, one], body.tensor("scaled", shape), options=s.MulOptionsT())
    whole = s.ModelT.InitFromPackedBuf(main.build({"y": loop}), 0)
    for part in (condition.build({"less": less}), body.build({"scaled": scaled})):
        add_subgraph(whole, s.ModelT.InitFromPackedBuf(part, 0))
    return pack(whole)


def add_subgraph(model: Any, part: Any) -> None:
    (subgraph,) = part.subgraphs
    for tensor in subgraph.tensors:
        tensor.buffer += len(model.buffers)
    for operator in subgraph.operators:
        operator.opcodeIndex += len(model.operatorCodes)
    model.buffers += part.buffers
    model.operatorCodes += part.operatorCodes
    model.subgraphs.append(subgraph)


def test_given_inputs_are_measured_and_their_outputs_kept(measure: Callable[..., RawRun], tmp_path: Path) -> None:
    x = np.array([[-1, 2, -3, 4]], np.float32)
    save_arrays(tmp_path / "given.npz", {"0/x": x, "1/x": 2 * x})
    found = measure(absolute((1, 4)), inputs_path=str(tmp_path / "given.npz"), iterations=3, profile=False)
    assert found.inputs == "given"
    assert found.outputs_path is not None
    assert {name: array.tolist() for name, array in load_arrays(found.outputs_path).items()} == {"0/y": abs(x).tolist()}
    Path(found.outputs_path).unlink()
    assert found.events == ()
    assert found.profiled_ms == ()


def test_random_inputs_follow_the_seed(measure: Callable[..., RawRun]) -> None:
    outputs = []
    for seed in (1, 1, 2):
        found = measure(absolute((1, 8)), seed=seed, iterations=1, profile=False)
        assert found.outputs_path is not None
        outputs.append(load_arrays(found.outputs_path)["0/y"].tolist())
        Path(found.outputs_path).unlink()
    assert outputs[0] == outputs[1] != outputs[2]


def test_an_open_dimension_needs_given_inputs(measure: Callable[..., RawRun]) -> None:
    with pytest.raises(InputError, match="open shape"):
        measure(absolute((-1, 4)))


@pytest.mark.parametrize(("arrays", "said"), [({}, r"given\.npz"), ({"x": np.zeros((1, 4), np.float32)}, "array 'x'")])
def test_an_input_file_without_samples_is_refused(
    measure: Callable[..., RawRun], tmp_path: Path, arrays: Arrays, said: str
) -> None:
    save_arrays(tmp_path / "given.npz", arrays)
    with pytest.raises(InputError, match=said):
        measure(absolute((1, 4)), inputs_path=str(tmp_path / "given.npz"))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"iterations": 0}, "iterations is 0"),
        ({"num_threads": 0}, "num_threads is 0"),
        ({"runtime_options": {"kernel_mod": "x"}}, "kernel_mod"),
        ({"runtime_options": {"kernel_mode": "x"}}, "kernel_mode"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(
    measure: Callable[..., RawRun], fields: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        measure(absolute((1, 4)), **fields)


def test_the_reference_kernels_take_over_when_asked(measure: Callable[..., RawRun]) -> None:
    found = measure(models.conv_relu(), runtime_options={"kernel_mode": "reference"})
    assert [(step.name, step.kind) for step in found.events] == [("CONV_2D", EventKind.OPERATOR)]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted through /proc")
def test_the_number_of_threads_reaches_the_runtime(worker: Child, tmp_path: Path) -> None:
    model = models.write(tmp_path, models.conv_relu(size=128, channels=8))
    seen: dict[int, int] = {}
    for num_threads in (1, 3):

        def count(event: progress.Event, num_threads: int = num_threads) -> None:
            if event.stage == "measure":
                seen[num_threads] = len(list(Path(f"/proc/{worker.pid}/task").iterdir()))

        request = MeasureRequest(
            model_path=str(model), num_threads=num_threads, settle_ratio=0.0, max_iterations=10**6, budget_s=1.5
        )
        with progress.listening(count):
            worker.request("measure", request.to_json(), timeout_s=PATIENCE_S)
    assert seen[3] - seen[1] == 2


def test_a_worker_that_is_killed_in_the_middle_of_a_measurement_says_so(tmp_path: Path) -> None:
    model = models.write(tmp_path, models.conv_relu(size=256, channels=32))
    request = MeasureRequest(model_path=str(model), max_iterations=10**6, settle_ratio=0.0, budget_s=PATIENCE_S)
    with Child(WORKER, what="the LiteRT runtime") as child:

        def kill(event: progress.Event) -> None:
            if event.stage == "measure":
                os.kill(child.pid, signal.SIGKILL)

        with progress.listening(kill), pytest.raises(RuntimeCrashedError, match="LiteRT runtime was killed") as caught:
            child.request("measure", request.to_json(), timeout_s=PATIENCE_S)
    assert caught.value.signal == "SIGKILL"


def test_the_median_is_not_that_of_the_first_inferences(measure: Callable[..., RawRun]) -> None:
    def is_below_the_first() -> bool:
        found = measure(models.conv_relu(size=128, channels=16), num_threads=1, budget_s=2)
        assert found.settled is not None
        assert len(found.samples_ms) >= 3
        return statistics.median(found.samples_ms) <= found.first_ms

    # A machine that grows busy after the first inference turns it round, but not every time.
    assert any(is_below_the_first() for _ in range(6))
