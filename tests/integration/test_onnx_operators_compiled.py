"""ONNX operators on tensors and of networks through LiteRT: proven against onnxruntime, as operators that run well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper  # noqa: E402

import embedl_nb as enb  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert]
RNG = np.random.default_rng(0)


def constant(name: str, *shape: int) -> Any:
    return numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)


def known(name: str, *values: float, dtype: Any = np.int64) -> Any:
    return numpy_helper.from_array(np.array(values, dtype=dtype), name)


def compiled(nodes: list[Any], shape: tuple[int, ...], constants: list[Any]) -> Any:
    """Compile a graph of input ``x`` and one output for each name that starts with ``y``."""
    outputs = [name for node in nodes for name in node.output if name.startswith("y")]
    graph = helper.make_graph(
        nodes,
        "operators",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    sample = RNG.normal(size=shape).astype(np.float32)
    return enb.compile(onnx.shape_inference.infer_shapes(model), (sample,))


def operators(model: Any) -> list[str]:
    return list(model.operators["operator"])


def test_windows_and_resizes_become_operators_that_run_well() -> None:
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["y_same"], auto_pad="SAME_UPPER", strides=[2, 2]),
        node("ConvTranspose", ["x", "t", "b"], ["y_up"], strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
        node("MaxPool", ["x"], ["y_far"], kernel_shape=[2, 2], dilations=[2, 2]),
        node("MaxPool", ["x"], ["y_most", "y_where"], kernel_shape=[2, 2], strides=[2, 2]),
        node("AveragePool", ["x"], ["y_mean"], kernel_shape=[3, 3], pads=[1] * 4),
        node("Resize", ["x", "", "double"], ["y_linear"], mode="linear"),
        node("Resize", ["x", "", "half_more"], ["y_nearest"], mode="nearest"),
        node("Resize", ["x", "", "half_more"], ["y_cubic"], mode="cubic"),
        node("Pad", ["x", "pads"], ["y_mirror"], mode="reflect"),
    ]
    constants = [constant("w", 4, 4, 3, 3), constant("t", 4, 6, 3, 3), constant("b", 6)]
    constants += [known("double", 1, 1, 2, 2, dtype=np.float32), known("half_more", 1, 1, 1.5, 1.5, dtype=np.float32)]
    model = compiled(nodes, (1, 4, 6, 8), [*constants, known("pads", 0, 0, 1, 2, 0, 0, 3, 1)])
    assert model.parity.passed
    found = operators(model)
    for wanted in ("CONV_2D", "TRANSPOSE_CONV", "AVERAGE_POOL_2D", "RESIZE_BILINEAR", "MIRROR_PAD"):
        assert found.count(wanted) == 1
    assert not [name for name in found if name.startswith("STABLEHLO")]


def test_a_gelu_of_older_opsets_is_one_operator() -> None:
    node = helper.make_node
    nodes = [
        node("Div", ["x", "root"], ["scaled"]),
        node("Erf", ["scaled"], ["erf"]),
        node("Add", ["erf", "one"], ["more"]),
        node("Mul", ["x", "more"], ["product"]),
        node("Mul", ["product", "half"], ["y"]),
    ]
    constants = [
        known(name, number, dtype=np.float32) for name, number in (("root", 2**0.5), ("one", 1), ("half", 0.5))
    ]
    model = compiled(nodes, (2, 5), constants)
    assert model.parity.passed
    assert operators(model) == ["GELU"]


def test_places_that_the_running_model_finds_are_looked_up_and_written() -> None:
    node = helper.make_node
    nodes = [
        node("TopK", ["x", "two"], ["y_least", "places"], axis=1, largest=0),
        node("GatherElements", ["x", "places"], ["y_again"], axis=1),
        node("ScatterElements", ["x", "places", "w"], ["y_put"], axis=1),
        node("ScatterElements", ["x", "places", "w"], ["y_added"], axis=1, reduction="add"),
        node("Slice", ["x", "last", "before_first", "one", "minus_two"], ["y_turned"]),
        node("ScatterND", ["x", "rows", "u"], ["y_rows"]),
        node("Gather", ["x", "uneven"], ["y_picked"], axis=1),
    ]
    constants = [constant("w", 2, 2, 3), constant("u", 1, 5, 3), known("two", 2), known("last", -1)]
    constants += [known("before_first", -100), known("one", 1), known("minus_two", -2), known("uneven", 0, 3, 1)]
    model = compiled(nodes, (2, 5, 3), [*constants, numpy_helper.from_array(np.array([[1]]), "rows")])
    assert model.parity.passed
    found = operators(model)
    assert found.count("EMBEDDING_LOOKUP") == 1
    assert found.count("STABLEHLO_SCATTER") == 1  # the one that overwrites where the model says


def test_what_litert_does_on_few_axes_or_in_doubles_is_written_otherwise() -> None:
    node = helper.make_node
    nodes = [
        node("LpPool", ["x"], ["y_norm"], kernel_shape=[2, 2, 2], p=3),
        node("Resize", ["x", "", "less"], ["y_row"], mode="linear"),
        node("ArgMax", ["x"], ["places"], axis=4, keepdims=0),
        node("Pow", ["places", "places"], ["y_power"]),
        node("SoftmaxCrossEntropyLoss", ["many", "y_class"], ["y_loss", "y_log"]),
        node("Reshape", ["x", "seven"], ["many"]),
        node("Abs", ["x"], ["positive"]),
        node("Cast", ["positive"], ["bytes"], to=2),
        node("MaxPool", ["bytes"], ["y_bytes"], kernel_shape=[2, 2, 2], pads=[1] * 6),
        node("ArgMax", ["many"], ["y_class"], axis=1, keepdims=0),
    ]
    constants = [known("less", 1, 1, 0.5, 1, 1, dtype=np.float32), known("seven", 1, 4, 3, 2, 2, 2, 1)]
    assert compiled(nodes, (1, 4, 3, 2, 4), constants).parity.passed


@pytest.mark.slow
def test_volumes_are_convolved_and_pooled_by_operators_that_exist() -> None:
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "w"], ["y_groups"], group=2, pads=[1] * 6),
        node("ConvTranspose", ["x", "t", "b"], ["y_up"], strides=[2, 2, 2], pads=[1, 0, 1, 0, 1, 0]),
        node("MaxPool", ["x"], ["y_most"], kernel_shape=[2, 2, 2], strides=[2, 2, 2]),
        node("AveragePool", ["x"], ["y_mean"], kernel_shape=[3, 3, 3], pads=[1] * 6, strides=[2, 2, 2]),
        node("Resize", ["x", "", "double"], ["y_nearest"], mode="nearest"),
    ]
    constants = [constant("w", 6, 2, 3, 3, 3), constant("t", 4, 3, 3, 3, 3), constant("b", 3)]
    model = compiled(nodes, (1, 4, 4, 5, 6), [*constants, known("double", 1, 1, 2, 2, 2, dtype=np.float32)])
    assert model.parity.passed
    assert not [name for name in operators(model) if name.startswith("STABLEHLO")]


@pytest.mark.slow
def test_recurrent_layers_run_unrolled_in_both_directions() -> None:
    nodes = [
        helper.make_node("LSTM", ["x", "w", "r", "b"], ["y", "y_h", "y_c"], hidden_size=4, direction="bidirectional"),
        helper.make_node("GRU", ["x", "gw", "gr", "gb"], ["y_g"], hidden_size=4, linear_before_reset=1),
    ]
    constants = [constant("w", 2, 16, 3), constant("r", 2, 16, 4), constant("b", 2, 32)]
    constants += [constant("gw", 1, 12, 3), constant("gr", 1, 12, 4), constant("gb", 1, 24)]
    model = compiled(nodes, (4, 2, 3), constants)
    assert model.parity.passed
    assert set(operators(model)) & {"FULLY_CONNECTED", "BATCH_MATMUL"}
