"""Refining in LiteRT's own kernels: better than plain int8 on uneven channels, and nothing else is touched."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from embedl_nb.errors import QuantizeError
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.likeness import sqnr_db
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import unpack
from embedl_nb.progress import Event, listening
from embedl_nb.quantizer.refine import equalize, refine
from embedl_nb.quantizer.refine.network import Walker
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

pytestmark = pytest.mark.litert

Array = np.ndarray[Any, Any]
SIZE, CHANNELS = 8, 12


def uneven(random: np.random.Generator, shape: tuple[int, ...], axis: int) -> Array:
    """Weights whose channels differ by a factor of 30."""
    by_channel = [1] * len(shape)
    by_channel[axis] = -1
    fan_in = np.prod(shape) / shape[axis]
    factors = random.permutation(np.geomspace(1, 30, shape[axis])).reshape(by_channel)
    return (random.normal(size=shape) * factors / np.sqrt(fan_in) / 8).astype(np.float32)


def network(*, activation: str = "RELU6", has_bias: bool = True) -> bytes:
    """Two convolutions around a depthwise one, added to what came before, averaged, and classified."""
    s, builder, random = schema(), ModelBuilder(), np.random.default_rng(0)
    kinds = s.ActivationFunctionType

    def conv(name: str, x: int, shape: tuple[int, ...], kind: str) -> int:
        weights = builder.constant(f"{name}_w", uneven(random, shape, 0))
        bias = builder.constant(f"{name}_b", random.normal(size=shape[0]).astype(np.float32) * 0.1)
        options = s.Conv2DOptionsT(padding=s.Padding.SAME, strideW=1, strideH=1)
        options.fusedActivationFunction = getattr(kinds, kind)
        out = builder.tensor(name, (1, SIZE, SIZE, shape[0]))
        return builder.operator("CONV_2D", [x, weights, bias], out, options=options)

    image = builder.input("image", (1, SIZE, SIZE, 3))
    stem = conv("stem", image, (CHANNELS, 3, 3, 3), "NONE")
    expanded = conv("expanded", stem, (2 * CHANNELS, 1, 1, CHANNELS), activation)
    weights = builder.constant("deep_w", uneven(random, (1, 3, 3, 2 * CHANNELS), 3))
    bias = builder.constant("deep_b", np.zeros(2 * CHANNELS, np.float32))
    options = s.DepthwiseConv2DOptionsT(padding=s.Padding.SAME, strideW=1, strideH=1, depthMultiplier=1)
    options.fusedActivationFunction = getattr(kinds, activation)
    deep = builder.tensor("deep", (1, SIZE, SIZE, 2 * CHANNELS))
    builder.operator("DEPTHWISE_CONV_2D", [expanded, weights, bias], deep, options=options)
    projected = conv("projected", deep, (CHANNELS, 1, 1, 2 * CHANNELS), "NONE")
    total = builder.tensor("total", (1, SIZE, SIZE, CHANNELS))
    builder.operator("ADD", [stem, projected], total, options=s.AddOptionsT())
    axes = builder.constant("axes", np.array([1, 2], np.int32))
    mean = builder.operator("MEAN", [total, axes], builder.tensor("mean", (1, CHANNELS)), options=s.ReducerOptionsT())
    constants = [builder.constant("head_w", uneven(random, (5, CHANNELS), 1))]
    constants += [builder.constant("head_b", random.normal(size=5).astype(np.float32))] if has_bias else []
    scores = builder.tensor("scores", (1, 5))
    builder.operator("FULLY_CONNECTED", [mean, *constants], scores, options=s.FullyConnectedOptionsT())
    return builder.build({"scores": scores})


def pictures(n: int, *, seed: int = 1) -> list[dict[str, Array]]:
    """Smooth pictures of changing brightness, between -1 and 1."""
    random = np.random.default_rng(seed)
    coarse = random.normal(size=(n, SIZE // 2, SIZE // 2, 3)) + random.normal(size=(n, 1, 1, 3))
    return [{"image": np.tanh(x[None]).repeat(2, axis=1).repeat(2, axis=2).astype(np.float32)} for x in coarse]


def quantized(
    content: bytes,
    samples: list[dict[str, Array]],
    *,
    kept_float: str | None = None,
    recipe_name: str = "static_wi8_ai8",
) -> bytes:
    """What ai-edge-quantizer makes of a model, from each tensor's smallest and largest value."""
    from ai_edge_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(bytearray(content))
    tool.load_quantization_recipe(getattr(recipe, recipe_name)())
    if kept_float is not None:
        tool.update_quantization_recipe(kept_float, "*", None, "no_quantize")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        statistics = ranges(content, samples) if tool.need_calibration else None
        return bytes(tool.quantize(statistics).quantized_model)


def ranges(content: bytes, samples: list[dict[str, Array]]) -> dict[str, dict[str, Array]]:
    """Smallest and largest value of each tensor, as ai-edge-quantizer takes them."""
    walker = Walker(content)
    seen = walker.given(samples)
    for step in walker.walk(samples):
        seen.update(step.outputs)
    tensors = walker.subgraph.tensors
    return {
        tensors[index].name: {"min": np.min(values).reshape(1), "max": np.max(values).reshape(1)}
        for index, values in seen.items()
    }


def run(content: bytes, samples: list[dict[str, Array]]) -> Array:
    """Run the whole model in LiteRT; real values out."""
    walker, interpreter = Walker(content), Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    given, rows = walker.given(samples), []
    output = interpreter.get_output_details()[0]
    for i in range(len(samples)):
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], given[detail["index"]][i])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(output["index"]).astype(np.float64))
    scale, zero_point = output["quantization"]
    return (np.stack(rows) - zero_point) * (scale or 1.0)


def fidelity(reference: bytes, content: bytes) -> float:
    samples = pictures(60, seed=2)
    return sqnr_db(run(reference, samples), run(content, samples))


def operators(content: bytes) -> list[tuple[str, str]]:
    graph = read_model(content).main
    return [(o.code, graph.tensors[o.outputs[0]].dtype) for o in graph.operators]


@pytest.mark.parametrize("activation", ["RELU6", "RELU"])
def test_refining_an_equalized_model_beats_plain_int8_on_other_samples(activation: str) -> None:
    content, samples = network(activation=activation), pictures(64)
    plain = quantized(content, samples)
    equal = equalize(content, samples)
    plain_equal = quantized(equal, samples)
    refined = refine(equal, plain_equal, samples)

    assert fidelity(content, refined) > fidelity(content, plain_equal) + 0.5
    assert fidelity(content, refined) > fidelity(content, plain) + 2
    assert operators(refined) == operators(plain_equal)
    assert {dtype for _, dtype in operators(refined)} == {"int8"}


def test_correcting_the_biases_alone_leaves_weights_and_scales() -> None:
    content, samples = network(), pictures(64)
    plain = quantized(content, samples)
    corrected = refine(content, plain, samples, rounding="nearest")
    before, after = unpack(plain), unpack(corrected)
    changed = set()
    for old, new in zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True):
        data = [model.buffers[t.buffer].data for model, t in ((before, old), (after, new))]
        if any(d is not None and len(d) for d in data) and bytes(data[0]) != bytes(data[1]):
            changed.add(old.name.decode())
        if old.name.decode().endswith("_w"):
            np.testing.assert_array_equal(old.quantization.scale, new.quantization.scale)
    assert changed
    assert all(name.endswith("_b") for name in changed)
    assert fidelity(content, corrected) > fidelity(content, plain)


def test_the_same_samples_give_the_same_bytes_and_progress_reaches_its_end() -> None:
    content, samples = network(), pictures(12)
    plain = quantized(content, samples)
    events: list[Event] = []
    with listening(events.append):
        first = refine(content, plain, samples)
    assert refine(content, plain, samples) == first
    assert events[-1].done == events[-1].total == len(read_model(plain).main.operators)


def test_operators_that_stay_float_are_left_alone_and_the_others_refined() -> None:
    content, samples = network(), pictures(64)
    mixed = quantized(content, samples, kept_float="deep")
    refined = refine(content, mixed, samples)
    assert operators(refined) == operators(mixed)
    assert "float32" in {dtype for _, dtype in operators(refined)}
    assert fidelity(content, refined) > fidelity(content, mixed)


@pytest.mark.parametrize(
    ("recipe", "is_refined"),
    [("static_wi8_ai16", True), ("dynamic_wi8_afp32", False), ("weight_only_wi8_afp32", False)],
)
def test_other_recipes_are_refined_where_activations_are_integers(recipe: str, is_refined: bool) -> None:
    content, samples = network(), pictures(64)
    plain = quantized(content, samples, recipe_name=recipe)
    refined = refine(content, plain, samples)
    gain_db = fidelity(content, refined) - fidelity(content, plain)
    assert operators(refined) == operators(plain)
    assert gain_db > 1 if is_refined else gain_db == 0


def test_a_layer_without_a_bias_is_refined_too() -> None:
    content, samples = network(has_bias=False), pictures(64)
    plain = quantized(content, samples)
    assert fidelity(content, refine(content, plain, samples)) > fidelity(content, plain)


@pytest.mark.parametrize("content", [models.add((1, 8)), models.chain(3)], ids=["add", "chain"])
def test_a_model_without_weights_comes_back_as_it_was(content: bytes) -> None:
    signature = read_model(content).signatures[0]
    random = np.random.default_rng(3)
    samples = [{i.name: random.normal(size=i.shape).astype(np.float32) for i in signature.inputs} for _ in range(4)]
    assert equalize(content, samples) == content
    np.testing.assert_array_equal(run(refine(content, content, samples), samples), run(content, samples))


def test_a_composite_operator_is_run_as_it_is() -> None:
    samples = [{"x": np.full((1, 8), value, np.float32)} for value in (0.5, -1.0)]
    content = models.composite()
    np.testing.assert_array_equal(run(refine(content, content, samples), samples), run(content, samples))


def test_an_operator_that_does_not_run_is_named_as_the_reason() -> None:
    content = models.unsupported_operator()
    with pytest.raises(QuantizeError, match="does not run"):
        refine(content, content, [{"x": np.zeros((1, 4), np.float32)}])


def test_equalizing_keeps_the_function_and_evens_out_the_channels() -> None:
    content, samples = network(), pictures(30)
    equal = equalize(content, samples)
    assert fidelity(content, equal) > 90

    def spread(model: bytes, *names: str) -> float:
        """How much larger the largest channel of some tensors is than the smallest."""
        walker, largest = Walker(model), np.zeros(1)
        for step in walker.walk(samples):
            for tensor, values in step.outputs.items():
                if walker.subgraph.tensors[tensor].name in names:
                    of_channels = np.abs(np.stack(values)).reshape(-1, values[0].shape[-1]).max(axis=0)
                    largest = np.maximum(largest, of_channels)
        return float(largest.max() / largest.min())

    # Tensors that are added share their factors; what a ReLU6 bounds stays.
    added = ("stem", "projected", "total", "mean")
    assert spread(content, *added) > 5
    assert spread(equal, *added) == pytest.approx(1, rel=1e-3)
    assert spread(equal, "expanded") == pytest.approx(spread(content, "expanded"), rel=1e-3)


def test_equalizing_leaves_channels_alone_that_are_not_finite() -> None:
    content, samples = network(), pictures(3)
    samples[1]["image"][0, 2, 2, 1] = np.inf
    before, after = unpack(content), unpack(equalize(content, samples))
    for old, new in zip(before.buffers, after.buffers, strict=True):
        assert (old.data is None and new.data is None) or bytes(old.data) == bytes(new.data)


def test_walking_gives_what_the_whole_model_gives_and_forgets_what_is_read() -> None:
    content, samples = network(), pictures(5)
    plain = quantized(content, samples)
    walker = Walker(plain)
    *_, last = walker.walk(samples)
    (values,) = last.outputs.values()
    output = walker.subgraph.tensors[walker.subgraph.outputs[0]].quantization
    assert output is not None
    real = (np.stack(values).astype(np.float64) - output.zero_points[0]) * output.scales[0]
    np.testing.assert_allclose(real, run(plain, samples), rtol=1e-6)
    assert 0 < walker.peak_bytes < sum(tensor.num_bytes or 0 for tensor in walker.subgraph.tensors)
