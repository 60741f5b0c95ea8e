"""Dimensions that stay open in the compiled model, which is verified at several sizes, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from compiled_calls import Calls  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from embedl_nb.compiler import compile_model, image_input  # noqa: E402
from embedl_nb.errors import (  # noqa: E402
    CompileError,
    InputError,
    SignatureMismatchError,
    UnknownNameError,
    UnsupportedOperatorError,
)

pytestmark = [pytest.mark.torch, pytest.mark.litert]


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, stride=2, padding=1)).eval()


def test_a_picture_of_any_height_runs_and_equals_its_source(net: nn.Module) -> None:
    model = compile_model(net, torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8), dynamic_shapes={2: (4, 20)})
    assert model.signatures[0].inputs[0].shape == (1, 3, -1, 8)
    assert model.parity is not None
    assert model.parity.passed
    assert model.parity.num_samples == 3  # the example's, the smallest and the largest size
    assert any("dimension 2 of input 'args_0' may be 4 to 20" in note for note in model.notes)
    assert model.memory.arena_bytes > 0
    x = torch.linspace(-1, 1, 3 * 13 * 8).reshape(1, 3, 13, 8)
    with torch.no_grad():
        np.testing.assert_allclose(model(x)["output_0"], net(x), rtol=1e-4, atol=1e-5)


def _mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))


def _cnn() -> nn.Module:
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 5))
    return nn.Sequential(*layers)


def _encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


@pytest.mark.parametrize(
    ("make", "shape", "opened", "other"),
    [
        (_mlp, (2, 8), {0: "batch"}, (7, 8)),
        (_cnn, (2, 3, 8, 8), {0: (1, 5)}, (3, 3, 8, 8)),
        (_encoder, (1, 6, 8), {1: (1, 32)}, (1, 11, 8)),
        (_encoder, (2, 6, 8), {0: "batch", 1: "time"}, (3, 9, 8)),
    ],
    ids=["mlp", "cnn", "encoder-time", "encoder-batch-time"],
)
def test_linear_layers_and_attention_run_at_every_size(make: Any, shape: Any, opened: Any, other: Any) -> None:
    torch.manual_seed(0)
    source = make().eval()
    model = compile_model(source, torch.randn(shape), dynamic_shapes=opened)
    assert model.signatures[0].inputs[0].shape == tuple(-1 if axis in opened else n for axis, n in enumerate(shape))
    assert model.parity is not None
    assert model.parity.num_samples == 3
    x = torch.randn(other)  # a size that compiling has not seen
    with torch.no_grad():
        np.testing.assert_allclose(model(x)["output_0"], source(x), rtol=1e-4, atol=1e-5)


def test_an_open_batch_adds_no_operator_to_a_linear_layer() -> None:
    torch.manual_seed(0)
    model = compile_model(_mlp().eval(), torch.randn(2, 8), dynamic_shapes={0: "batch"})
    assert list(model.operators["operator"]) == ["FULLY_CONNECTED", "FULLY_CONNECTED"]


def test_a_mean_over_all_of_an_open_input_counts_its_elements() -> None:
    model = compile_model(Calls(lambda x: x.mean()).eval(), torch.randn(2, 6), dynamic_shapes={0: (1, 3), 1: (4, 9)})
    assert model.parity is not None
    assert model.parity.passed


def _attended(x: Any, **options: Any) -> Any:
    heads = x.unflatten(-1, (4, 2)).transpose(1, 2)
    return F.scaled_dot_product_attention(heads, heads[:, :2], heads[:, 2:], enable_gqa=True, **options)


def test_operators_of_every_family_follow_open_sizes() -> None:
    """The product itself compares each with torch's, at the example's, the smallest and the largest sizes."""
    functions: list[Any] = [
        lambda x: _attended(x, is_causal=True),
        lambda x: _attended(x, attn_mask=torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()),
        lambda x: _attended(x, attn_mask=torch.full((x.shape[1], x.shape[1]), 0.5)),
        lambda x: (x.cumsum(1), x.softmax(1), x.log_softmax(-2), x.prod(1), x.amax((0, 1)), (x > 0).sum(1)),
        lambda x: (x.var(-1), torch.var_mean(x, 1, correction=0), F.layer_norm(x, (8,))),
        lambda x: (F.normalize(x, dim=-1), x.norm(1, dim=(1, 2)), x.norm(torch.inf, dim=1), x.norm()),
        lambda x: (x[:, -1], x[:, -3:-1], x[:, ::2], x.split([3, 5], -1), F.pad(x, (1, 2, 3, 0), value=-2.0)),
        lambda x: (x + torch.arange(x.shape[1])[None, :, None], x * (x.shape[1] // 2 + 1), torch.zeros_like(x)),
        lambda x: (x.clamp(-0.5, 0.5), F.gelu(x), F.silu(x), F.leaky_relu(x, 0.2), 1 / (x.abs() + 1), 1 - x, x**2),
        lambda x: (torch.where(x > 0, x, 0.0), (x > 0.5) & (x <= 1) | (x == 0), x.masked_fill(x > 0, -1.0)),
        lambda x: (torch.cat([x, x * 2], 1), x[:, :, None].expand(-1, -1, 3, -1), x.flatten(1), x @ x.mT),
    ]
    model = compile_model(Calls(*functions).eval(), torch.randn(2, 6, 8), dynamic_shapes={0: (1, 3), 1: (4, 9)})
    assert model.parity is not None
    assert (model.parity.passed, model.parity.num_samples) == (True, 3)


class Looking(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.gather(1, torch.zeros_like(x, dtype=torch.int64))


def test_an_operator_that_cannot_vary_is_named() -> None:
    with pytest.raises(UnsupportedOperatorError) as caught:
        compile_model(Looking().eval(), torch.ones(2, 6), dynamic_shapes={1: (4, 64)})
    assert caught.value.operators == ("aten.gather",)
    assert "dynamic_shapes" in caught.value.hint


def test_a_model_whose_runtime_does_not_follow_an_open_size_is_told_so() -> None:
    with pytest.raises(CompileError, match="the result does not run") as caught:
        compile_model(nn.Conv1d(8, 4, 3, padding=1).eval(), torch.randn(2, 8, 6), dynamic_shapes={0: (1, 3), 2: (4, 9)})
    assert "leave dimensions out of dynamic_shapes" in caught.value.hint


def test_dimensions_that_must_be_equal_are_to_be_given_one_name() -> None:
    class Adding(nn.Module):
        def forward(self, x: Any, y: Any) -> Any:
            return x + y

    with pytest.raises(CompileError, match="needs dimensions to be equal") as caught:
        compile_model(Adding().eval(), (torch.ones(1, 4), torch.ones(1, 4)), dynamic_shapes=({1: (2, 8)}, {1: (2, 8)}))
    assert "one name" in caught.value.hint


class Deciding(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 2 if x.shape[1] > 5 else x + 1


def test_a_source_that_fixes_the_dimension_is_refused() -> None:
    with pytest.raises(CompileError, match="fixes a dimension that dynamic_shapes leaves open"):
        compile_model(Deciding().eval(), torch.ones(1, 4), dynamic_shapes={1: (2, 8)})


def test_a_size_on_which_the_source_fails_is_named() -> None:
    with pytest.raises(SignatureMismatchError, match=r"args_0 float32 \(1, 2\)"):
        compile_model(nn.Linear(4, 2).eval(), torch.ones(1, 4), dynamic_shapes={1: (2, 8)})


def test_options_that_make_no_sense_together_are_refused(net: nn.Module) -> None:
    program = torch.export.export(net, (torch.ones(1, 3, 8, 8),), strict=False)
    with pytest.raises(InputError, match="whose dimensions are its own"):
        compile_model(program, dynamic_shapes={2: (4, 20)})
    with pytest.raises(InputError, match="image_input"):
        compile_model(net, image_input(8), dynamic_shapes={2: (4, 20)})
    with pytest.raises(InputError, match="both given"):
        compile_model(net, torch.ones(1, 3, 8, 8), dynamic_shapes={2: (4, 20)}, state={"h": "g"})
    with pytest.raises(InputError, match="several signatures"):
        compile_model({"a": net}, {"a": torch.ones(1, 3, 8, 8)}, dynamic_shapes={2: (4, 20)})


@pytest.fixture(scope="module")
def reshaping() -> Any:
    """Return a graph that splits (batch, time, 6) into heads by its own shape, as exporters write it, and masks it."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    constants = {
        "zero": np.array(0),
        "one": np.array(1),
        "one_": np.array([1]),
        "first": np.array([0]),
        "heads": np.array([2, 3]),
        "table": np.arange(64 * 6, dtype=np.float32).reshape(64, 6) / 100,
        "weight": np.linspace(-1, 1, 36, dtype=np.float32).reshape(6, 6),
    }
    node = helper.make_node
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Gather", ["shape", "zero"], ["batch"]),
        node("Gather", ["shape", "one"], ["time"]),
        node("Unsqueeze", ["batch", "first"], ["batch_"]),
        node("Unsqueeze", ["time", "first"], ["time_"]),
        node("Slice", ["table", "first", "time_", "first"], ["places"]),
        node("Add", ["x", "places"], ["placed"]),
        node("MatMul", ["placed", "weight"], ["product"]),
        node("Concat", ["batch_", "time_", "heads"], ["wanted"], axis=0),
        node("Reshape", ["product", "wanted"], ["split"]),
        node("Transpose", ["split"], ["turned"], perm=[0, 2, 1, 3]),
        node("Range", ["zero", "time", "one"], ["count"]),
        node("Cast", ["count"], ["steps"], to=onnx.TensorProto.FLOAT),
        node("Concat", ["batch_", "one_", "one_", "time_"], ["whole"], axis=0),
        node("Expand", ["steps", "whole"], ["spread"]),
        node("Transpose", ["spread"], ["column"], perm=[0, 1, 3, 2]),
        node("Mul", ["turned", "column"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "reshaping",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", "time", 6])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 2, "time", 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("opened", "shape"),
    [
        ({"batch": (1, 3), "time": (2, 40)}, (-1, -1, 6)),
        ({"x": {1: (2, 40)}}, (2, -1, 6)),
    ],
    ids=["by-its-names", "by-input-and-dimension"],
)
def test_an_onnx_graph_that_computes_with_its_own_shape_follows_open_sizes(
    reshaping: Any, opened: Any, shape: Any
) -> None:
    model = compile_model(reshaping, np.ones((2, 5, 6), np.float32), dynamic_shapes=opened)
    assert model.signatures[0].inputs[0].shape == shape
    assert model.parity is not None
    assert (model.parity.passed, model.parity.num_samples) == (True, 3)
    import onnxruntime

    x = np.random.default_rng(0).standard_normal((2, 23, 6)).astype(np.float32)  # a size that compiling has not seen
    (expected,) = onnxruntime.InferenceSession(reshaping.SerializeToString()).run(None, {"x": x})
    np.testing.assert_allclose(model(x)["y"], expected, rtol=1e-4, atol=1e-4)


def test_an_onnx_model_with_open_dimensions_needs_no_example(reshaping: Any) -> None:
    model = compile_model(reshaping, dynamic_shapes={"batch": "batch", "time": (3, 9)}, verify=False)
    assert model.signatures[0].inputs[0].shape == (-1, -1, 6)
    assert any("dimension 1 of input 'x' may be 3 to 9" in note for note in model.notes)


def test_what_an_onnx_file_fixes_or_does_not_name_stays_closed(reshaping: Any) -> None:
    x = np.ones((2, 5, 6), np.float32)
    with pytest.raises(InputError, match=r"dimension 2 of input x .* which the file fixes to 6"):
        compile_model(reshaping, x, dynamic_shapes={"x": {2: (1, 8)}})
    with pytest.raises(UnknownNameError, match="'bach'") as caught:
        compile_model(reshaping, x, dynamic_shapes={"bach": (1, 8)})
    assert "batch" in str(caught.value)
    with pytest.raises(InputError, match="open, and no example inputs were given"):
        compile_model(reshaping, dynamic_shapes={"batch": (1, 8)})


def test_an_onnx_node_that_holds_for_one_size_only_is_named() -> None:
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "sizes"], ["y"], name="flat")],
        "fixing",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [12])],
        [onnx.numpy_helper.from_array(np.array([12]), "sizes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(UnsupportedOperatorError, match="fixes the dimension 'batch'") as caught:
        compile_model(model, np.ones((3, 4), np.float32), dynamic_shapes={"batch": (2, 3)})
    assert caught.value.operators == ("Reshape",)
    assert "node 'flat'" in str(caught.value)


def test_an_onnx_size_beyond_what_the_graph_holds_for_is_said(reshaping: Any) -> None:
    with pytest.raises(CompileError, match="fixes a dimension that dynamic_shapes leaves open") as caught:
        compile_model(reshaping, np.ones((2, 5, 6), np.float32), dynamic_shapes={"time": "any"})
    assert "64" in str(caught.value.details)  # its table of places is as long
