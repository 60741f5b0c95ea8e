"""The quantizing child against ai-edge-quantizer called directly: same rules, same ranges, same files."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import (
    CalibrationError,
    InputError,
    QuantizeError,
    RecipeError,
    SignatureMismatchError,
    UnknownNameError,
    UnsupportedOperatorError,
)
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.operators import precision_of
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.quantizer import engine as engine_module
from embedl_nb.quantizer.engine import Engine
from embedl_nb.quantizer.legality import plan_operators, require_effect, scope_names
from embedl_nb.quantizer.ranges import RangeStatistics, ranges_of
from embedl_nb.quantizer.recipe import RangeMethod
from embedl_nb.quantizer.recipes import resolve_recipe, rules_of
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

pytestmark = pytest.mark.litert

Sample = dict[str, np.ndarray[Any, Any]]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as opened:
        yield opened


@pytest.fixture(scope="module")
def aeq() -> Any:
    import ai_edge_quantizer.quantizer
    import ai_edge_quantizer.recipe
    import ai_edge_quantizer.utils.recipe_utils

    return ai_edge_quantizer


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    return lambda data: models.write(tmp_path, data)


def everything(seed: int = 0) -> bytes:
    """Build a network of many operator types: with weights and without, of whole numbers, with several outputs."""
    s, random = schema(), np.random.default_rng(seed)
    builder = ModelBuilder()
    image = builder.input("image", (1, 8, 8, 32))

    def weights(name: str, *shape: int) -> int:
        return builder.constant(name, random.normal(size=shape).astype(np.float32))

    def integers(name: str, *values: int) -> int:
        return builder.constant(name, np.array(values, np.int32))

    same = {"padding": s.Padding.SAME, "strideW": 1, "strideH": 1}
    conv = builder.operator(
        "CONV_2D",
        [image, weights("conv/w", 32, 3, 3, 32), weights("conv/b", 32)],
        builder.tensor("conv", (1, 8, 8, 32)),
        options=s.Conv2DOptionsT(**same, fusedActivationFunction=s.ActivationFunctionType.RELU6),
    )
    deep = builder.operator(
        "DEPTHWISE_CONV_2D",
        [conv, weights("deep/w", 1, 3, 3, 32), weights("deep/b", 32)],
        builder.tensor("deep", (1, 8, 8, 32)),
        options=s.DepthwiseConv2DOptionsT(**same, depthMultiplier=1),
    )
    total = builder.operator("ADD", [deep, conv], builder.tensor("total", (1, 8, 8, 32)), options=s.AddOptionsT())
    pooled = builder.operator(
        "AVERAGE_POOL_2D",
        [total],
        builder.tensor("pooled", (1, 4, 4, 32)),
        options=s.Pool2DOptionsT(padding=s.Padding.VALID, strideW=2, strideH=2, filterWidth=2, filterHeight=2),
    )
    left, right = builder.tensor("left", (1, 4, 4, 16)), builder.tensor("right", (1, 4, 4, 16))
    builder.operator("SPLIT", [integers("axis", 3), pooled], left, right, options=s.SplitOptionsT(numSplits=2))
    bent = builder.operator("TANH", [left], builder.tensor("bent", (1, 4, 4, 16)))
    summed = builder.operator(
        "CUMSUM", [right, integers("along", 1)], builder.tensor("summed", (1, 4, 4, 16)), options=s.CumsumOptionsT()
    )
    joined = builder.operator(
        "CONCATENATION",
        [bent, summed],
        builder.tensor("joined", (1, 4, 4, 32)),
        options=s.ConcatenationOptionsT(axis=3),
    )
    mean = builder.operator(
        "MEAN", [joined, integers("axes", 1, 2)], builder.tensor("mean", (1, 32)), options=s.ReducerOptionsT()
    )
    dense = builder.operator(
        "FULLY_CONNECTED",
        [mean, weights("dense/w", 8, 32), weights("dense/b", 8)],
        builder.tensor("dense", (1, 8)),
        options=s.FullyConnectedOptionsT(),
    )
    likely = builder.operator("SOFTMAX", [dense], builder.tensor("likely", (1, 8)), options=s.SoftmaxOptionsT(beta=1.0))
    shape = builder.operator(
        "SHAPE", [likely], builder.tensor("shape", (2,), "int32"), options=s.ShapeOptionsT(outType=s.TensorType.INT32)
    )
    twice = builder.operator("ADD", [shape, shape], builder.tensor("twice", (2,), "int32"), options=s.AddOptionsT())
    return builder.build({"likely": likely, "twice": twice})


def image_samples(num_samples: int, *, seed: int = 0) -> list[Sample]:
    random = np.random.default_rng(seed)
    return [{"image": random.normal(size=(1, 8, 8, 32)).astype(np.float32)} for _ in range(num_samples)]


def theirs(
    aeq: Any, path: Path, rules: Any, samples: dict[str, list[Sample]]
) -> tuple[dict[str, tuple[float, float]], bytes]:
    """Calibrate and quantize with the library alone."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = aeq.quantizer.Quantizer(str(path), rules)
        found = made.calibrate(samples) if made.need_calibration else None
        ranges = {name: (qsv["min"].item(), qsv["max"].item()) for name, qsv in (found or {}).items()}
        result = made.quantize(found, enable_progress_bar=False, enable_progress_report=False)
    return ranges, bytes(result.quantized_model)


@pytest.mark.parametrize(
    "name",
    [
        *(f"dynamic_wi{bits}{size}_afp32" for bits in (8, 4, 2) for size in ("c", "b32", "b64")),
        *(f"dynamic_wi{bits}c_hr_afp32" for bits in (8, 4, 2)),
        *("dynamic_wi8_afp32", "dynamic_wi4_afp32", "dynamic_legacy_wi8_afp32"),
        *("weight_only_wi8_afp32", "weight_only_wi4_afp32", "static_wi8_ai8", "static_wi8_ai16"),
    ],
)
def test_a_name_has_the_rules_that_the_library_has_under_it(aeq: Any, name: str) -> None:
    assert rules_of(name) == json.loads(json.dumps(getattr(aeq.recipe, name)()))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("static_wi4_ai8", {"activation_num_bits": 8, "weight_num_bits": 4}),
        ("static_wi4_ai16", {"activation_num_bits": 16, "weight_num_bits": 4}),
    ],
)
def test_a_static_name_beyond_the_librarys_list_has_the_rules_that_it_would_write(
    aeq: Any, name: str, options: dict[str, int]
) -> None:
    manager = aeq.recipe_manager.RecipeManager()
    manager.add_static_config(regex=".*", operation_name="*", **options)
    assert rules_of(name) == json.loads(json.dumps(manager.get_quantization_recipe()))


def test_float16_has_the_rules_that_the_library_would_write(aeq: Any) -> None:
    manager = aeq.recipe_manager.RecipeManager()
    manager.add_weight_only_config(regex=".*", operation_name="*", num_bits=16, algorithm_key="float_casting")
    assert rules_of("float16") == json.loads(json.dumps(manager.get_quantization_recipe()))


def test_every_recipe_the_library_names_is_known_and_those_for_bundles_are_refused(aeq: Any, engine: Engine) -> None:
    known = engine.named_recipes()
    assert {"static_wi8_ai8", "sample_advanced_usage", "default_a8w8", "gemma4_mixed48"} <= set(known)
    for name, rules in known.items():
        if rules is None:
            with pytest.raises(RecipeError, match="bundle"):
                resolve_recipe(name)
        else:
            # Not every name is a function; those that are win over a file of the same name.
            assert [dict(rule) for rule in resolve_recipe(name).rules] == json.loads(
                json.dumps(aeq.utils.recipe_utils.resolve_recipe(name))
            )


def test_an_unknown_recipe_names_close_ones() -> None:
    with pytest.raises(UnknownNameError) as error:
        resolve_recipe("static_wi8_a8")
    assert "static_wi8_ai8" in error.value.candidates


@pytest.mark.parametrize(
    "name",
    [
        *("static_wi8_ai8", "static_wi8_ai16", "static_wi4_ai8", "dynamic_wi8_afp32", "dynamic_wi4_afp32"),
        *("dynamic_wi4b32_afp32", "weight_only_wi8_afp32", "weight_only_wi4_afp32", "float16"),
        *("dynamic_legacy_wi8_afp32", "sample_advanced_usage"),
    ],
)
def test_a_named_recipe_makes_the_file_that_the_library_makes_and_the_plan_says_what_is_in_it(
    aeq: Any, engine: Engine, write: Callable[[bytes], Path], tmp_path: Path, name: str
) -> None:
    path, output, samples = write(everything()), tmp_path / "small.tflite", image_samples(12)
    recipe, graph = resolve_recipe(name), read_model(path)
    found, content = theirs(aeq, path, recipe.full_rules, {"serving_default": samples})
    ranges = ranges_of(engine.observe(path, samples, signature_key=None)) if recipe.needs_calibration else None
    for tensor, bounds in found.items():
        if ranges is not None and graph_dtypes(graph)[tensor] == "float32":
            assert ranges[tensor] == pytest.approx(bounds, rel=1e-6, abs=1e-6)

    engine.apply(path, recipe.full_rules, ranges, output)

    assert output.read_bytes() == content
    plans = plan_operators(recipe, graph, engine=engine)
    assert [plan.is_quantized for plan in plans] == list(quantized_in(output, graph))
    assert all(bool(plan.reason) != plan.is_quantized for plan in plans)
    weighty = {plan.precision for plan in plans if plan.precision.startswith("w")}
    assert weighty == set(precision_of(read_model(output)).split("+")) - {"f32"}


@pytest.mark.parametrize("algorithm", ["OCTAV", "MSE", "HADAMARD_ROTATION"])
@pytest.mark.parametrize("name", ["static_wi8_ai8", "dynamic_wi8_afp32"])
def test_another_algorithm_of_the_library_is_applied_verbatim_and_planned_as_it_comes_out(
    aeq: Any, engine: Engine, write: Callable[[bytes], Path], tmp_path: Path, name: str, algorithm: str
) -> None:
    path, output = write(models.fully_connected(num_inputs=64, num_outputs=32)), tmp_path / "small.tflite"
    random = np.random.default_rng(0)
    samples = [{"x": random.normal(size=(1, 64)).astype(np.float32)} for _ in range(4)]
    recipe = resolve_recipe([rule | {"algorithm_key": algorithm} for rule in rules_of(name) or []])
    ranges = ranges_of(engine.observe(path, samples, signature_key=None))

    engine.apply(path, recipe.full_rules, ranges if recipe.needs_calibration else None, output)

    assert output.read_bytes() == theirs(aeq, path, recipe.full_rules, {"serving_default": samples})[1]
    (plan,) = plan_operators(recipe, read_model(path), engine=engine)
    assert plan.precision == precision_of(read_model(output))


def test_each_signature_is_observed_and_the_ranges_are_merged(
    aeq: Any, engine: Engine, write: Callable[[bytes], Path], tmp_path: Path
) -> None:
    path, output, random = write(models.two_signatures()), tmp_path / "small.tflite", np.random.default_rng(0)
    samples = {
        key: [{"x": (random.normal(size=(1, 8)) * scale).astype(np.float32)} for _ in range(5)]
        for key, scale in (("first", 1), ("second", 100))
    }
    seen = [engine.observe(path, some, signature_key=key) for key, some in samples.items()]
    rules = rules_of("static_wi8_ai8") or []
    engine.apply(path, rules, ranges_of(seen), output)

    assert [one.signature_key for one in seen] == ["first", "second"]
    assert output.read_bytes() == theirs(aeq, path, rules, samples)[1]


def graph_dtypes(graph: Any) -> dict[str, str]:
    return {tensor.name: tensor.dtype for tensor in graph.main.tensors}


def quantized_in(path: Path, float_graph: Any) -> Iterator[bool]:
    """Say for each operator of the float model whether its counterpart computes with less than float32."""
    graph = read_model(path)
    tensors = graph.main.tensors
    stored = {operator.outputs[0] for operator in graph.main.operators if operator.code == "DEQUANTIZE"}
    stored &= {o.outputs[0] for o in graph.main.operators if o.outputs and tensors[o.inputs[0]].is_constant}
    kept = [operator for operator in graph.main.operators if operator.code not in ("QUANTIZE", "DEQUANTIZE")]
    assert [operator.code for operator in kept] == [operator.code for operator in float_graph.main.operators]
    for operator in kept:
        used = [tensors[index] for index in (*operator.inputs, *operator.outputs)]
        is_small = any(tensor.quantization is not None for tensor in used)
        yield is_small or any(index in stored for index in operator.inputs)


def test_a_plan_says_why_an_operator_stays_float(engine: Engine) -> None:
    graph = read_model(everything())

    def reasons(name: str, **options: Any) -> dict[str, str]:
        plans = plan_operators(resolve_recipe(name, **options), graph, engine=engine)
        return {plan.name: plan.reason for plan in plans if not plan.is_quantized}

    assert reasons("int8") == {
        "summed": "static_wi8_ai8 does not know CUMSUM",
        "shape": "static_wi8_ai8 does not know SHAPE",
        "twice": "its values are whole numbers or truth values",
    }
    assert reasons("dynamic_legacy_wi8_afp32")["dense"] == "it has fewer than 1024 weights"
    assert reasons("dynamic")["bent"] == "dynamic_wi8_afp32 does not know TANH"
    assert reasons("int8", overrides={"TANH": "float"})["bent"] == "static_wi8_ai8 with overrides leaves out TANH"


def test_operators_kept_in_float_are_float_in_the_file_also_one_with_two_outputs(
    engine: Engine, write: Callable[[bytes], Path], tmp_path: Path
) -> None:
    path, output, samples = write(everything()), tmp_path / "small.tflite", image_samples(4)
    graph = read_model(path)
    kept = [name for name in scope_names(graph) if name in ("left;right", "dense")]
    recipe = resolve_recipe("int8").with_float(kept)
    engine.apply(path, recipe.full_rules, ranges_of(engine.observe(path, samples, signature_key=None)), output)

    plans = plan_operators(recipe, graph, engine=engine)
    assert [plan.name for plan in plans if plan.reason == "kept in float"] == ["left", "dense"]
    assert [plan.is_quantized for plan in plans] == list(quantized_in(output, graph))


def test_a_recipe_that_would_change_nothing_says_why(engine: Engine) -> None:
    recipe = resolve_recipe("dynamic")
    with pytest.raises(RecipeError, match="10 TANH: dynamic_wi8_afp32 does not know TANH"):
        require_effect(recipe, plan_operators(recipe, read_model(models.chain(10)), engine=engine))


def test_blocks_that_do_not_fit_are_known_before_work_starts(engine: Engine) -> None:
    graph = read_model(models.fully_connected(num_inputs=40))
    with pytest.raises(RecipeError, match="blocks of 32") as error:
        plan_operators(resolve_recipe("dynamic_wi4b32_afp32"), graph, engine=engine)
    assert "overrides" in error.value.hint


@pytest.mark.parametrize(
    "change", [{"operation": "ADD"}, {"algorithm_key": "MAGIC"}, {"operation": "DANCE"}, {"op_config": {"colour": 1}}]
)
def test_rules_that_are_not_legal_are_refused_with_a_way_out(engine: Engine, change: dict[str, Any]) -> None:
    (rule,) = rules_of("dynamic_wi8_afp32") or []
    recipe = resolve_recipe([rule | change])
    with pytest.raises(RecipeError) as error:
        plan_operators(recipe, read_model(models.add()), engine=engine)
    assert error.value.hint


def test_a_static_recipe_without_ranges_is_refused(
    engine: Engine, write: Callable[[bytes], Path], tmp_path: Path
) -> None:
    with pytest.raises(QuantizeError, match="tatistics") as error:
        engine.apply(write(models.fully_connected()), rules_of("static_wi8_ai8") or [], None, tmp_path / "small.tflite")
    assert "samples" in error.value.hint
    assert not (tmp_path / "small.tflite").exists()


def test_a_quantized_model_is_refused_with_its_precision(
    engine: Engine, write: Callable[[bytes], Path], tmp_path: Path
) -> None:
    path, half = write(models.quantized_fully_connected()), tmp_path / "half.tflite"
    with pytest.raises(QuantizeError, match="w8a8"):
        engine.observe(path, [{"x": np.zeros((1, 8), np.float32)}], signature_key=None)
    with pytest.raises(QuantizeError, match="w8a8"):
        engine.apply(path, rules_of("dynamic_wi8_afp32") or [], None, tmp_path / "small.tflite")
    engine.apply(write(models.fully_connected()), rules_of("float16") or [], None, half)
    with pytest.raises(QuantizeError, match="wf16af32"):
        engine.apply(half, rules_of("dynamic_wi8_afp32") or [], None, tmp_path / "small.tflite")


def test_each_sample_is_seen_once_in_order_whatever_the_chunks(
    engine: Engine, write: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(models.chain(2))
    samples = [{"x": np.full((1, 16), index, np.float32)} for index in range(11)]
    monkeypatch.setattr(engine_module, "_CHUNK_SAMPLES", 4)
    seen = engine.observe(path, iter(samples), signature_key="serving_default")
    column = seen.names.index("serving_default_x")
    assert list(seen.maxima[:, column]) == list(range(11))
    assert seen.signature_key == "serving_default"


def test_observing_leaves_no_file_behind(
    engine: Engine, write: Callable[[bytes], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    engine.observe(write(models.chain(2)), [{"x": np.zeros((1, 16), np.float32)}], signature_key=None)
    assert not list(folder.iterdir())


def test_infinities_do_not_widen_a_range_and_are_counted(engine: Engine, write: Callable[[bytes], Path]) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 4))
    builder.operator("EXP", [x], builder.tensor("y", (1, 4)))
    path = write(builder.build({"y": 1}))
    values = np.array([[0.0, 1.0, 100.0, -1.0]], np.float32)
    seen = engine.observe(path, [{"x": values}, {"x": values * 0}], signature_key=None)
    low, high = ranges_of(seen, RangeMethod.MIN_MAX)["y"]
    assert (low, high) == pytest.approx((np.exp(-1), np.exp(1)))
    assert seen.num_irregular[seen.names.index("y")] == 1


def test_histograms_do_not_depend_on_the_order_of_the_samples(engine: Engine, write: Callable[[bytes], Path]) -> None:
    path, samples = write(everything()), image_samples(9)
    samples[4]["image"] *= 100

    def observe(some: list[Sample]) -> RangeStatistics:
        return engine.observe(path, some, signature_key=None, histograms=True)

    one, other = observe(samples).histograms, observe(samples[::-1]).histograms
    assert one is not None
    assert other is not None
    for tensor in range(len(one.exponents)):
        first, second = (dict(zip(h.edges(tensor), h.counts[tensor], strict=False)) for h in (one, other))
        assert {k: v for k, v in first.items() if v} == {k: v for k, v in second.items() if v}
        assert one.exponents[tensor] == other.exponents[tensor]


@pytest.mark.parametrize("value", [0.3, -1e30, 1e-30, 0.0])
def test_a_tensor_of_one_value_has_a_histogram(engine: Engine, write: Callable[[bytes], Path], value: float) -> None:
    path = write(models.chain(1, shape=(1, 1)))
    sample = {"x": np.full((1, 1), value, np.float32)}
    seen = engine.observe(path, [sample, sample], signature_key=None, histograms=True)
    assert seen.histograms is not None
    counts, edges = seen.histograms.counts[0], seen.histograms.edges(0)
    (place,) = np.flatnonzero(counts)
    assert counts[place] == 2
    assert edges[place] <= np.float32(value) < edges[place + 1]
    for method in RangeMethod:
        low, high = ranges_of(seen, method)[seen.names[0]]
        assert low <= np.float32(value) <= high


def test_every_way_to_choose_ranges_makes_a_model_that_runs(
    engine: Engine, write: Callable[[bytes], Path], tmp_path: Path
) -> None:
    path, output, samples = write(everything()), tmp_path / "small.tflite", image_samples(10)
    seen = engine.observe(path, samples, signature_key=None, histograms=True)
    widest = ranges_of(seen, RangeMethod.MIN_MAX)
    for method in RangeMethod:
        ranges = ranges_of(seen, method)
        assert all(widest[name][0] <= low <= high <= widest[name][1] for name, (low, high) in ranges.items())
        engine.apply(path, rules_of("static_wi8_ai8") or [], ranges, output)
        assert precision_of(read_model(output)) == "w8a8"


@pytest.mark.parametrize(
    ("sample", "says"),
    [
        ({"y": np.zeros((1, 16), np.float32)}, "'y'"),
        ({"x": np.zeros((1, 15), np.float32)}, r"\(1, 15\)"),
        ({"x": np.zeros((1, 16), np.float64)}, "float64"),
    ],
)
def test_a_sample_that_does_not_fit_is_named(
    engine: Engine, write: Callable[[bytes], Path], sample: Sample, says: str
) -> None:
    path = write(models.chain(2))
    good = {"x": np.zeros((1, 16), np.float32)}
    with pytest.raises(SignatureMismatchError, match=f"sample 1.*{says}"):
        engine.observe(path, [good, sample], signature_key=None)
    assert engine.observe(path, [good], signature_key=None).num_samples == 1


def test_no_samples_and_an_unknown_signature_are_errors(engine: Engine, write: Callable[[bytes], Path]) -> None:
    path = write(models.chain(2))
    with pytest.raises(CalibrationError, match="no sample"):
        engine.observe(path, [], signature_key=None)
    with pytest.raises(InputError, match="other"):
        engine.observe(path, [{"x": np.zeros((1, 16), np.float32)}], signature_key="other")


def test_a_generator_that_fails_leaves_the_engine_usable(engine: Engine, write: Callable[[bytes], Path]) -> None:
    path, good = write(models.chain(2)), {"x": np.zeros((1, 16), np.float32)}

    def failing() -> Iterator[Sample]:
        yield good
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="the disk went away"):
        engine.observe(path, failing(), signature_key=None)
    assert engine.observe(path, [good], signature_key=None).num_samples == 1


def test_an_interrupt_stays_an_interrupt_and_the_next_engine_works(write: Callable[[bytes], Path]) -> None:
    path, good = write(models.chain(2)), {"x": np.zeros((1, 16), np.float32)}

    def interrupted() -> Iterator[Sample]:
        yield good
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Engine() as one:
        one.observe(path, interrupted(), signature_key=None)
    with Engine() as other:
        assert other.observe(path, [good], signature_key=None).num_samples == 1


def test_a_child_that_dies_is_one_error_and_the_engine_goes_on(write: Callable[[bytes], Path]) -> None:
    path, good = write(models.chain(2)), {"x": np.zeros((1, 16), np.float32)}

    def samples(opened: Engine) -> Iterator[Sample]:
        yield from [good] * 16
        opened._child(anew=False).kill()
        yield good

    with Engine() as opened:
        with pytest.raises(QuantizeError, match="the quantizer"):
            opened.observe(path, samples(opened), signature_key=None)
        assert opened.observe(path, [good], signature_key=None).num_samples == 1


@pytest.mark.parametrize(
    ("data", "operator"), [(models.unsupported_operator(), "STABLEHLO_SORT"), (models.custom_operator(), "MyOperator")]
)
def test_an_operator_that_the_runtime_lacks_is_named(
    engine: Engine, write: Callable[[bytes], Path], data: bytes, operator: str
) -> None:
    with pytest.raises(UnsupportedOperatorError) as error:
        engine.observe(write(data), [{"x": np.zeros((1, 4), np.float32)}], signature_key=None)
    assert error.value.operators == (operator,)


def test_the_body_of_a_composite_is_no_obstacle(engine: Engine, write: Callable[[bytes], Path], tmp_path: Path) -> None:
    model = unpack(models.composite())
    for tensor in model.subgraphs[0].tensors:
        tensor.name = b"outer " + tensor.name  # the library wants names of their own
    path, output = write(pack(model)), tmp_path / "small.tflite"
    seen = engine.observe(path, [{"x": np.ones((1, 8), np.float32)}], signature_key=None)
    assert np.isfinite(seen.minima).all()
    recipe = resolve_recipe("int8")
    (plan,) = plan_operators(recipe, read_model(path), engine=engine)
    assert not plan.is_quantized
    engine.apply(path, recipe.full_rules, ranges_of(seen), output)


def test_a_dimension_that_varies_takes_samples_of_several_sizes(engine: Engine, write: Callable[[bytes], Path]) -> None:
    builder = ModelBuilder()
    x = builder.input("x", (-1, 4))
    builder.operator("TANH", [x], builder.tensor("y", (-1, 4)))
    path = write(builder.build({"y": 1}))
    samples = [{"x": np.full((size, 4), size, np.float32)} for size in (1, 3, 2, 3)]
    seen = engine.observe(path, samples, signature_key=None)
    assert list(seen.maxima[:, seen.names.index("serving_default_x")]) == [1, 3, 2, 3]
