"""What an operator costs and where it comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph, Operator, Subgraph
from embedl_nb.model.macs import _WITHOUT_MACS, total_macs
from embedl_nb.model.operators import (
    count_float_operators,
    describe_operators,
    num_parameters,
    operator_precisions,
    operators_frame,
    precision_of,
)
from embedl_nb.model.schema import operator_code, schema
from embedl_nb.model.source_names import source_module
from embedl_nb.model.spec import Signature
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

CONV = "torch.nn.modules.conv.Conv2d"


def one_operator(
    name: str, inputs: list[tuple[int, ...]], constants: list[Any], output: tuple[int, ...], **options: Any
) -> bytes:
    """Build a model of one operator; its constants follow its inputs."""
    builder = ModelBuilder()
    tensors = [builder.input(f"x{i}", shape) for i, shape in enumerate(inputs)]
    tensors += [builder.constant(f"c{i}", np.asarray(value)) for i, value in enumerate(constants)]
    return builder.build({"y": builder.operator(name, tensors, builder.tensor("y", output), **options)})


def weights(*shape: int) -> Any:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("data", "macs"),
    [
        # 8 x 8 x 4 outputs, each of 3 x 3 x 3 products
        (lambda: models.conv_relu(size=8, channels=4), 8 * 8 * 4 * 27),
        # grouped: the weights hold a group's share of the channels
        (lambda: one_operator("CONV_2D", [(1, 8, 8, 8)], [weights(4, 3, 3, 2)], (1, 8, 8, 4)), 8 * 8 * 4 * 18),
        (
            lambda: one_operator("DEPTHWISE_CONV_2D", [(1, 8, 8, 6)], [weights(1, 5, 3, 6)], (1, 4, 4, 6)),
            4 * 4 * 6 * 15,
        ),
        (lambda: one_operator("CONV_3D", [(1, 4, 4, 4, 2)], [weights(3, 3, 3, 2, 5)], (1, 4, 4, 4, 5)), 64 * 5 * 54),
        (lambda: models.fully_connected(num_inputs=8, num_outputs=4), 32),
        (lambda: one_operator("FULLY_CONNECTED", [(2, 5, 8)], [weights(4, 8)], (2, 5, 4)), 2 * 5 * 8 * 4),
        (lambda: one_operator("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], [], (2, 3, 5)), 2 * 3 * 5 * 4),
        (lambda: transposed_conv(), 4 * 4 * 2 * 3 * 3 * 5),
        (lambda: models.quantized_fully_connected(num_inputs=8, num_outputs=4), 32),
        (lambda: models.chain(3), 0),
        (lambda: models.add(), 0),
    ],
)
def test_multiply_accumulates_follow_the_shapes(data: Callable[[], bytes], macs: int) -> None:
    graph = read_model(data())
    assert total_macs(graph.main, graph) == (macs, 0)


def transposed_conv() -> bytes:
    builder = ModelBuilder()
    shape = builder.constant("shape", np.array([1, 8, 8, 5], np.int32))
    kernel = builder.constant("kernel", weights(5, 3, 3, 2))
    x = builder.input("x", (1, 4, 4, 2))
    return builder.build(
        {"y": builder.operator("TRANSPOSE_CONV", [shape, kernel, x], builder.tensor("y", (1, 8, 8, 5)))}
    )


def test_a_left_input_that_is_taken_transposed_changes_the_count() -> None:
    options = schema().BatchMatMulOptionsT(adjX=True)
    graph = read_model(one_operator("BATCH_MATMUL", [(4, 3), (4, 5)], [], (3, 5), options=options))
    assert total_macs(graph.main, graph) == (3 * 5 * 4, 0)


def test_what_cannot_be_known_is_missing_and_not_zero() -> None:
    custom = describe_operators(read_model(models.custom_operator()))
    varying = describe_operators(read_model(one_operator("FULLY_CONNECTED", [(-1, 8)], [weights(4, 8)], (-1, 4))))

    assert custom[0].operator == "MyOperator"
    assert custom[0].macs is None
    assert (varying[0].macs, varying[0].activation_bytes) == (None, None)
    assert operators_frame(custom)["macs"].isna().tolist() == [True]


def test_an_operator_with_too_few_inputs_is_of_unknown_work() -> None:
    graph = read_model(one_operator("CONV_2D", [(1, 8, 8, 3)], [], (1, 8, 8, 4)))
    assert total_macs(graph.main, graph) == (0, 1)


def test_every_operator_said_to_do_no_products_is_in_the_schema() -> None:
    assert all(operator_code(name) >= 0 for name in _WITHOUT_MACS)


def test_parameters_are_weights_and_not_shapes() -> None:
    graph = read_model(transposed_conv())
    (info,) = describe_operators(graph)

    assert info.num_parameters == 5 * 3 * 3 * 2
    assert info.parameter_bytes == 4 * info.num_parameters
    assert num_parameters(graph) == info.num_parameters


def test_parameters_that_operators_share_count_once_in_the_model() -> None:
    builder = ModelBuilder()
    kernel = builder.constant("kernel", weights(4, 4))
    value = builder.input("x", (1, 4))
    for name in ("a", "b"):
        value = builder.operator("FULLY_CONNECTED", [value, kernel], builder.tensor(name, (1, 4)))
    graph = read_model(builder.build({"y": value}))

    assert [info.num_parameters for info in describe_operators(graph)] == [16, 16]
    assert num_parameters(graph) == 16


def test_the_quantized_bias_counts_as_parameters_too() -> None:
    graph = read_model(models.quantized_fully_connected(num_inputs=8, num_outputs=4))
    assert num_parameters(graph) == 8 * 4 + 4


def test_the_frame_has_one_row_an_operator() -> None:
    frame = operators_frame(describe_operators(read_model(models.conv_relu())))

    assert isinstance(frame, pd.DataFrame)
    assert frame.loc[0, ["index", "operator", "source", "dtype", "weights_dtype"]].tolist() == [
        0,
        "CONV_2D",
        "f.0",
        "float32",
        "float32",
    ]
    assert frame.loc[0, "inputs"] == ((1, 8, 8, 3),)
    assert frame.loc[0, "activation_bytes"] == 4 * (8 * 8 * 3 + 8 * 8 * 4)


@pytest.mark.parametrize(
    ("data", "precision"),
    [
        (models.conv_relu, "f32"),
        (models.quantized_fully_connected, "w8a8"),
        (models.chain, "f32"),
        (lambda: models.add(dtype="int32"), "i32"),
        (lambda: dequantized_weights("int8"), "w8af32"),
        (lambda: dequantized_weights("float16"), "wf16af32"),
    ],
)
def test_precision_is_read_off_the_tensors(data: Callable[[], bytes], precision: str) -> None:
    assert precision_of(read_model(data())) == precision


def dequantized_weights(dtype: str) -> bytes:
    """Build a fully connected layer whose weights are stored small and made float32 before use."""
    builder = ModelBuilder()
    scale = {"scale": 0.5} if dtype == "int8" else {}
    stored = builder.constant("stored", np.ones((4, 8), dtype), **scale)
    real = builder.operator("DEQUANTIZE", [stored], builder.tensor("real", (4, 8)))
    x = builder.input("x", (1, 8))
    return builder.build({"y": builder.operator("FULLY_CONNECTED", [x, real], builder.tensor("y", (1, 4)))})


def test_operators_of_different_precision_are_both_named() -> None:
    builder = ModelBuilder()
    value = builder.input("x", (1, 4))
    for index in range(3):
        scale = {"scale": [0.5]} if index == 1 else {}
        kernel = builder.constant(f"k{index}", np.ones((4, 4), "int8" if index == 1 else "float32"), **scale)
        value = builder.operator("FULLY_CONNECTED", [value, kernel], builder.tensor(f"v{index}", (1, 4)))
    assert precision_of(read_model(builder.build({"y": value}))) == "f32+w8af32"


@pytest.mark.parametrize(
    ("tensor_name", "source"),
    [
        (f"__main__.Net/torch.nn.modules.container.Sequential_f/pkg.IR_4/x.Sequential_c/{CONV}_3;", "f.4.c.3"),
        (f"__main__.Net/{CONV}_3;17", "3"),
        # fused: the last part does the work
        (f"m.Net/torch.nn.modules.batchnorm.BatchNorm2d_bn;;m.Net/m.My_Block_1/{CONV}_conv_1;2", "1.conv_1"),
        # names with underscores, behind classes with and without
        (f"m.Net/m.My_Block_1/{CONV}_conv_dw;2", "1.conv_dw"),
        (f"m.Net/{CONV}__conv_stem;", "_conv_stem"),
        (f"m.Net/{CONV}_In_p;2", "In_p"),
        ("m.Net/m.Block_A;2", "A"),
        ("m.Net/m._Private_head;2", "head"),
        ("m.Net/m.lowercase_head;2", "head"),
        # nested and local classes
        ("__main__.Outer/__main__.Outer.Inner_head/torch.nn.modules.linear.Linear_fc_a;2", "head.fc_a"),
        ("tests.test_x.<locals>.Net/tests.test_x.<locals>.Part_body;", "body"),
        # the form that the compiler writes, with the full path
        ("layers.4.c.3|Conv2d;2", "layers.4.c.3"),
        ("layers.1.norm|BatchNorm2d;;layers.1.conv_dw|Conv2d;2", "layers.1.conv_dw"),
        ("Net;1", ""),
        # the outermost module, and names that carry none
        ("__main__.Net;2", ""),
        ("serving_default_y_output", ""),
        ("arith.constant10", ""),
        ("model/conv2d/BiasAdd;model/relu/Relu", "relu"),
        ("StatefulPartitionedCall/net/block/bn/batchnorm/mul_1", "block.bn"),
        ("PartitionedCall/StatefulPartitionedCall_1/net/conv1/BiasAdd/ReadVariableOp", "conv1"),
        ("dense/MatMul", "dense"),
        ("block.depthwise|depthwise;block.pad|Pad", "block.depthwise"),
        ("PartitionedCall:0", ""),
        ("", ""),
    ],
)
def test_the_source_module_is_read_from_a_tensor_name(tensor_name: str, source: str) -> None:
    assert source_module(tensor_name) == source


def test_an_operator_that_makes_the_models_output_is_known_by_its_own_weights() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 8))
    kernel = builder.constant("m.Net/torch.nn.modules.linear.Linear_classifier;", weights(4, 8))
    y = builder.operator("FULLY_CONNECTED", [x, kernel], builder.tensor("serving_default_y_output", (1, 4)))
    (info,) = describe_operators(read_model(builder.build({"y": y})))

    assert info.source == "classifier"


def test_an_operator_with_too_few_inputs_is_described_all_the_same() -> None:
    graph = read_model(one_operator("TRANSPOSE_CONV", [(1, 4)], [weights(1, 1, 1, 1)], (1, 4)))
    assert precision_of(graph) == "f32"
    assert [info.macs for info in describe_operators(graph)] == [None]


def nested_composites(depth: int, *, fan: int) -> ModelGraph:
    """Build subgraphs each of which runs the next one ``fan`` times."""
    subgraphs = []
    for index in range(depth):
        calls = (index + 1,) if index + 1 < depth else ()
        code = "STABLEHLO_COMPOSITE" if calls else "ADD"
        operators = tuple(Operator(index=i, code=code, inputs=(), outputs=(), calls=calls) for i in range(fan))
        subgraphs.append(Subgraph(index=index, name="", tensors=(), operators=operators, inputs=(), outputs=()))
    return ModelGraph(subgraphs=tuple(subgraphs), signatures=(Signature(key="", inputs=(), outputs=()),))


def test_subgraphs_that_run_each_other_over_and_over_are_counted_once() -> None:
    graph = nested_composites(30, fan=4)  # 4^30 runs of the innermost
    assert total_macs(graph.main, graph) == (0, 0)


def test_subgraphs_nested_beyond_reason_have_an_unknown_number() -> None:
    graph = nested_composites(5000, fan=1)
    assert total_macs(graph.main, graph) == (0, 1)


def test_each_operators_precision_is_read_off_its_tensors() -> None:
    builder = ModelBuilder()
    x = builder.input("x", (1, 8))
    stored = builder.constant("stored", np.ones((8, 8), np.int8), scale=0.1)
    half = builder.constant("half", np.ones((8, 8), np.float16))
    real = [
        builder.operator("DEQUANTIZE", [constant], builder.tensor(name, (8, 8)))
        for constant, name in ((stored, "stored_dequant"), (half, "half_dequant"))
    ]
    for number, kernel in enumerate((builder.constant("plain", weights(8, 8)), stored, *real)):
        x = builder.operator("FULLY_CONNECTED", [x, kernel, -1], builder.tensor(f"dense{number}", (1, 8)))
    x = builder.operator("QUANTIZE", [x], builder.tensor("q", (1, 8), "int8", scale=0.1))
    x = builder.operator("TANH", [x], builder.tensor("tanh", (1, 8), "int8", scale=0.1))
    x = builder.operator("ARG_MAX", [x], builder.tensor("y", (1,), "int32"))
    graph = read_model(builder.build({"y": x}))

    codes = [operator.code for operator in graph.main.operators]
    by_type = list(zip(codes, operator_precisions(graph.main), strict=True))
    assert [precision for code, precision in by_type if code == "FULLY_CONNECTED"] == [
        "f32",
        "w8af32",
        "w8af32",
        "wf16af32",
    ]
    assert by_type[-2:] == [("TANH", "a8"), ("ARG_MAX", "i32")]
    assert count_float_operators(graph) == {"FULLY_CONNECTED": 2}
