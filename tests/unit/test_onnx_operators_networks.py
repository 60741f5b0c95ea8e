"""ONNX operators of networks: windows, resizing, recurrence and sampling, each against onnxruntime or the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from onnx import helper  # noqa: E402

from embedl_nb.errors import UnsupportedOperatorError  # noqa: E402
from embedl_nb.testing.onnx.calling import call_operator, reference_of  # noqa: E402

RNG = np.random.default_rng(0)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def floats(*values: float) -> Any:
    return np.array(values, dtype=np.float32)


def by_onnxruntime(
    name: str, inputs: list[Any], attributes: dict[str, Any], *, opset: int, num_outputs: int = 1
) -> list[Any]:
    names = ["" if value is None else f"x{position}" for position, value in enumerate(inputs)]
    outputs = [f"y{position}" for position in range(num_outputs)]
    given = {label: value for label, value in zip(names, inputs, strict=True) if label}
    constants = [onnx.numpy_helper.from_array(value, label) for label, value in given.items() if label != "x0"]
    graph = helper.make_graph(
        [helper.make_node(name, names, outputs, **attributes)],
        "one node",
        [helper.make_tensor_value_info("x0", helper.np_dtype_to_tensor_dtype(inputs[0].dtype), inputs[0].shape)],
        [helper.make_empty_tensor_value_info(output) for output in outputs],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: list[Any] = session.run(None, {"x0": inputs[0]})
    return found


def assert_like_onnxruntime(
    name: str, inputs: list[Any], attributes: dict[str, Any], *, opset: int, num_outputs: int = 1
) -> None:
    expected = by_onnxruntime(name, inputs, attributes, opset=opset, num_outputs=num_outputs)
    found = call_operator(name, inputs, attributes, opset=opset, num_outputs=num_outputs)
    for want, got in zip(expected, found, strict=True):
        assert got.shape == want.shape
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


LINE, PICTURE, VOLUME = normal(1, 4, 9), normal(1, 4, 7, 8), normal(1, 4, 5, 5, 6)
CONVOLUTIONS: list[tuple[Any, Any, dict[str, Any]]] = [
    (LINE, normal(6, 4, 3), {"pads": [1, 2], "dilations": [2]}),
    (PICTURE, normal(6, 4, 3, 3), {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    (PICTURE, normal(6, 4, 3, 3), {"pads": [0, 1, 2, 0]}),
    (PICTURE, normal(6, 4, 3, 2), {"auto_pad": "SAME_UPPER", "strides": [2, 3]}),
    (PICTURE, normal(6, 4, 3, 2), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    (PICTURE, normal(6, 4, 3, 3), {"auto_pad": "VALID"}),
    (PICTURE, normal(8, 1, 3, 3), {"group": 4}),
    (VOLUME, normal(6, 2, 3, 3, 3), {"group": 2, "pads": [1] * 6}),
]


@pytest.mark.parametrize(("x", "weight", "attributes"), CONVOLUTIONS)
def test_a_convolution_pads_slides_and_groups(x: Any, weight: Any, attributes: dict[str, Any]) -> None:
    assert_like_onnxruntime("Conv", [x, weight, normal(len(weight))], attributes, opset=13)


TRANSPOSED: list[tuple[Any, Any, dict[str, Any]]] = [
    (LINE, normal(4, 6, 3), {"strides": [2], "pads": [1, 0]}),
    (PICTURE, normal(4, 6, 4, 4), {"strides": [2, 2], "pads": [1, 1, 1, 1]}),
    (PICTURE, normal(4, 6, 3, 3), {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]}),
    (PICTURE, normal(4, 6, 2, 2), {"strides": [3, 3], "output_padding": [2, 1]}),
    (PICTURE, normal(4, 6, 3, 3), {"strides": [2, 2], "dilations": [2, 1]}),
    (PICTURE, normal(4, 3, 3, 3), {"group": 2, "strides": [2, 1]}),
    (PICTURE, normal(4, 6, 3, 3), {"strides": [2, 2], "output_shape": [16, 17]}),
    (PICTURE, normal(4, 6, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    (VOLUME, normal(4, 3, 3, 3, 2), {"strides": [2, 1, 2], "pads": [1, 0, 0, 1, 1, 0], "group": 2}),
]


@pytest.mark.parametrize(("x", "weight", "attributes"), TRANSPOSED)
def test_a_transposed_convolution_reaches_and_crops(x: Any, weight: Any, attributes: dict[str, Any]) -> None:
    bias = normal(weight.shape[1] * attributes.get("group", 1))
    assert_like_onnxruntime("ConvTranspose", [x, weight, bias], attributes, opset=11)


POOLS: list[tuple[Any, dict[str, Any]]] = [
    (LINE, {"kernel_shape": [3], "strides": [2], "ceil_mode": 1}),
    (PICTURE, {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    (PICTURE, {"kernel_shape": [3, 2], "strides": [3, 2], "pads": [0, 1, 1, 0], "ceil_mode": 1}),
    (PICTURE, {"kernel_shape": [2, 3], "auto_pad": "SAME_LOWER", "strides": [1, 2]}),
    (PICTURE, {"kernel_shape": [2, 3], "dilations": [2, 2], "pads": [1, 0, 0, 2]}),
    (VOLUME, {"kernel_shape": [2, 2, 3], "strides": [1, 2, 2], "pads": [0, 1, 0, 1, 0, 1]}),
]


@pytest.mark.parametrize(("x", "attributes"), POOLS)
def test_a_pool_takes_maximum_mean_or_norm_of_its_window(x: Any, attributes: dict[str, Any]) -> None:
    assert_like_onnxruntime("MaxPool", [x], attributes, opset=12)
    assert_like_onnxruntime("MaxPool", [x], attributes, opset=12, num_outputs=2)
    for counts in (0, 1):
        assert_like_onnxruntime("AveragePool", [x], {**attributes, "count_include_pad": counts}, opset=19)
    assert_like_onnxruntime("LpPool", [x], {**attributes, "p": 3}, opset=18)


def test_a_maximum_is_found_again_in_column_major_order_and_put_back() -> None:
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
    x = normal(1, 2, 4, 6)
    assert_like_onnxruntime("MaxPool", [x], {**attributes, "storage_order": 1}, opset=12, num_outputs=2)
    values, places = call_operator("MaxPool", [x], attributes, opset=12, num_outputs=2)
    found = call_operator("MaxUnpool", [values, places], attributes, opset=11)[0]
    np.testing.assert_array_equal(found, np.where(np.isin(x, values), x, 0))
    odd = normal(1, 1, 5, 5)
    values, places = call_operator("MaxPool", [odd], attributes, opset=12, num_outputs=2)
    assert_like_onnxruntime("MaxUnpool", [values, places, ints(1, 1, 5, 5)], attributes, opset=11)


def test_global_pools_reduce_all_spatial_axes() -> None:
    for name in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        assert_like_onnxruntime(name, [VOLUME], {}, opset=13)


COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("sizes", [(14, 16), (5, 11), (3, 1)])
def test_a_picture_is_resized_with_every_mode_and_coordinate(coordinates: str, sizes: tuple[int, int]) -> None:
    inputs = [PICTURE, floats(), floats(), ints(1, 4, *sizes)]
    common = {"coordinate_transformation_mode": coordinates}
    for rounding in ("round_prefer_floor", "floor"):
        assert_like_onnxruntime("Resize", inputs, {**common, "nearest_mode": rounding}, opset=19)
    assert_like_onnxruntime("Resize", inputs, {**common, "mode": "linear"}, opset=19)
    for is_inside_only in (0, 1):
        assert_like_onnxruntime(
            "Resize", inputs, {**common, "mode": "cubic", "exclude_outside": is_inside_only}, opset=19
        )


def test_a_part_of_a_picture_is_resized_and_what_is_outside_has_the_value_for_it() -> None:
    roi = floats(0.1, -0.3, 0.8, 1.2)
    attributes = {
        "axes": [2, 3],
        "coordinate_transformation_mode": "tf_crop_and_resize",
        "mode": "linear",
        "extrapolation_value": 9.0,
    }
    inputs = [PICTURE, roi, floats(), ints(6, 9)]
    expected = reference_of("Resize", inputs, attributes, opset=19)[0]
    np.testing.assert_allclose(call_operator("Resize", inputs, attributes, opset=19)[0], expected, rtol=1e-4, atol=1e-5)


def test_a_picture_is_shrunk_smoothly_and_keeps_its_aspect_ratio() -> None:
    for mode in ("linear", "cubic"):
        inputs = [PICTURE, None, None, ints(4, 4)]
        attributes = {"mode": mode, "antialias": 1, "axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}
        expected = reference_of("Resize", inputs, attributes, opset=19)[0]
        found = call_operator("Resize", inputs, attributes, opset=19)[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_old_versions_resize_by_scales() -> None:
    scales = floats(1, 1, 2, 1.5)
    for mode in ("nearest", "linear"):
        assert_like_onnxruntime("Resize", [PICTURE, scales], {"mode": mode}, opset=10)
        assert_like_onnxruntime("Upsample", [PICTURE, scales], {"mode": mode}, opset=9)
        by_attribute = call_operator("Upsample", [PICTURE], {"mode": mode, "scales": scales.tolist()}, opset=7)
        np.testing.assert_array_equal(
            by_attribute[0], call_operator("Upsample", [PICTURE, scales], {"mode": mode}, opset=9)[0]
        )


GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
ACTIVATIONS = {"RNN": ["Relu"], "GRU": ["HardSigmoid", "Softsign"], "LSTM": ["Sigmoid", "ScaledTanh", "Elu"]}


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("name", ["RNN", "GRU", "LSTM"])
def test_a_recurrent_layer_runs_each_direction_from_its_states_to_each_sequences_end(name: str, direction: str) -> None:
    count, gates, size = 2 if direction == "bidirectional" else 1, GATES[name], 3
    states = [normal(count, 2, size)] * (2 if name == "LSTM" else 1)
    weights = [normal(count, gates * size, 4), normal(count, gates * size, size), normal(count, 2 * gates * size)]
    inputs = [normal(5, 2, 4), *weights, np.array([5, 3], np.int32), *states]
    num_outputs = 3 if name == "LSTM" else 2
    plain: dict[str, Any] = {"hidden_size": size, "direction": direction}
    assert_like_onnxruntime(name, inputs, plain, opset=14, num_outputs=num_outputs)
    assert_like_onnxruntime(name, inputs[:3], plain, opset=14, num_outputs=num_outputs)
    numbers = {"activation_alpha": [0.3] * count, "activation_beta": [0.4] * count} if name == "GRU" else {}
    if name == "LSTM":
        numbers = {"activation_alpha": [0.7, 0.9] * count, "activation_beta": [0.6] * count}
    special = {**plain, "activations": ACTIVATIONS[name] * count, "clip": 0.8, **numbers}
    special |= {"linear_before_reset": 1} if name == "GRU" else {}
    assert_like_onnxruntime(name, inputs, special, opset=14, num_outputs=num_outputs)


def test_an_lstm_looks_at_its_cell_through_peepholes() -> None:
    inputs = [normal(3, 2, 4), normal(1, 12, 4), normal(1, 12, 3), normal(1, 24), None, None, None, normal(1, 9)]
    assert_like_onnxruntime("LSTM", inputs, {"hidden_size": 3}, opset=14, num_outputs=3)


def test_a_recurrent_layer_with_the_batch_first_gives_the_same_turned_around() -> None:
    x, weights = normal(5, 2, 4), [normal(2, 9, 4), normal(2, 9, 3)]
    attributes = {"hidden_size": 3, "direction": "bidirectional"}
    every, last = call_operator("GRU", [x, *weights], attributes, opset=14, num_outputs=2)
    first = {**attributes, "layout": 1}
    turned, turned_last = call_operator("GRU", [x.swapaxes(0, 1), *weights], first, opset=14, num_outputs=2)
    np.testing.assert_allclose(turned, every.transpose(2, 0, 1, 3), rtol=1e-5)
    np.testing.assert_allclose(turned_last, last.transpose(1, 0, 2), rtol=1e-5)


def test_an_unknown_activation_is_refused_by_name() -> None:
    inputs = [normal(3, 2, 4), normal(1, 3, 4), normal(1, 3, 3)]
    with pytest.raises(UnsupportedOperatorError, match="activation 'Swish'"):
        call_operator("RNN", inputs, {"hidden_size": 3, "activations": ["Swish"]}, opset=14)


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("border", ["zeros", "border", "reflection"])
def test_a_grid_samples_a_picture_with_every_mode_and_border(mode: str, border: str) -> None:
    grid = RNG.uniform(-1.7, 1.7, (2, 3, 5, 2)).astype(np.float32)
    for is_aligned in (0, 1):
        attributes = {"mode": mode, "padding_mode": border, "align_corners": is_aligned}
        assert_like_onnxruntime("GridSample", [normal(2, 3, 4, 6), grid], attributes, opset=16)


def test_a_grid_is_made_from_a_matrix_and_samples_a_volume() -> None:
    theta = normal(1, 3, 4)
    for is_aligned in (0, 1):
        inputs, attributes = [theta, ints(1, 4, 2, 3, 4)], {"align_corners": is_aligned}
        expected = reference_of("AffineGrid", inputs, attributes, opset=20)[0]
        grid = call_operator("AffineGrid", inputs, attributes, opset=20)[0]
        np.testing.assert_allclose(grid, expected, rtol=1e-4, atol=1e-5)
    sampled = reference_of("GridSample", [VOLUME, grid], {"mode": "linear"}, opset=20)[0]
    found = call_operator("GridSample", [VOLUME, grid], {"mode": "linear"}, opset=20)[0]
    np.testing.assert_allclose(found, sampled, rtol=1e-4, atol=1e-4)


def test_boxes_are_aligned_by_mean_and_maximum() -> None:
    boxes = floats(0, 0, 5, 4, 1, 2, 9, 9, -3, -2, 1, 1).reshape(3, 4)
    for mode in ("avg", "max"):
        for coordinates in ("half_pixel", "output_half_pixel"):
            attributes = {
                "mode": mode,
                "coordinate_transformation_mode": coordinates,
                "output_height": 2,
                "output_width": 3,
                "sampling_ratio": 2,
                "spatial_scale": 0.8,
            }
            inputs = [PICTURE, boxes, ints(0, 0, 0)]
            assert_like_onnxruntime("RoiAlign", inputs, attributes, opset=16)
    with pytest.raises(UnsupportedOperatorError, match="sampling_ratio 0"):
        call_operator("RoiAlign", inputs, {}, opset=16)


def test_known_boxes_are_pooled_by_maximum_and_suppressed_where_they_overlap() -> None:
    boxes = floats(0, 0, 0, 5, 4, 0, 2, 1, 7, 6).reshape(2, 5)
    attributes = {"pooled_shape": [2, 3], "spatial_scale": 0.9}
    expected = by_onnxruntime("MaxRoiPool", [PICTURE, boxes], attributes, opset=13)[0]
    np.testing.assert_allclose(
        call_operator("MaxRoiPool", [PICTURE, boxes], attributes, opset=13, known={1})[0], expected
    )
    corners = np.sort(RNG.uniform(0, 1, (1, 12, 2, 2)).astype(np.float32), axis=2).reshape(1, 12, 4)
    inputs = [corners, RNG.uniform(0, 1, (1, 2, 12)).astype(np.float32), ints(4), floats(0.3), floats(0.2)]
    kept = by_onnxruntime("NonMaxSuppression", inputs, {}, opset=11)[0]
    np.testing.assert_array_equal(call_operator("NonMaxSuppression", inputs, opset=11, known={0, 1})[0], kept)


def test_a_number_of_boxes_that_only_the_running_model_knows_is_refused() -> None:
    inputs = [normal(1, 3, 4), normal(1, 1, 3), ints(2)]
    with pytest.raises(UnsupportedOperatorError, match="how many boxes") as refused:
        call_operator("NonMaxSuppression", inputs, opset=11)
    assert refused.value.operators == ("NonMaxSuppression",)
    assert "outside the model" in refused.value.hint


def test_a_deformable_convolution_without_moves_is_a_convolution() -> None:
    weight, moves = normal(6, 2, 3, 3), np.zeros((1, 36, 4, 4), np.float32)
    attributes = {"group": 2, "strides": [2, 2], "pads": [1, 1, 1, 1]}
    found = call_operator("DeformConv", [PICTURE, weight, moves], {**attributes, "offset_group": 2}, opset=19)[0]
    plain = call_operator("Conv", [PICTURE, weight], attributes, opset=13)[0]
    np.testing.assert_allclose(found, plain, rtol=1e-4, atol=1e-5)


def test_a_deformable_convolution_looks_where_it_is_moved_to() -> None:
    inputs = [PICTURE, normal(6, 4, 2, 2), normal(1, 8, 6, 7), normal(6), normal(1, 4, 6, 7)]
    expected = reference_of("DeformConv", inputs, {}, opset=19)[0]
    np.testing.assert_allclose(call_operator("DeformConv", inputs, opset=19)[0], expected, rtol=1e-3, atol=1e-4)


def test_four_spatial_axes_are_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="over 4 spatial axes"):
        call_operator("Conv", [normal(1, 1, 3, 3, 3, 3), normal(1, 1, 2, 2, 2, 2)], opset=13)
