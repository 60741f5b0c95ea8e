"""ONNX models that were quantized elsewhere keep their integers: LiteRT computes in int8, by the same scales."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("litert_torch")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static  # noqa: E402

from embedl_nb.compiler import compile_model  # noqa: E402
from embedl_nb.model.evidence import Floor  # noqa: E402
from embedl_nb.model.flatbuffer import read_model  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert]

SHAPE = (1, 3, 16, 16)


def samples(number: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(number)
    return [{"x": rng.standard_normal(SHAPE).astype(np.float32)} for _ in range(4)]


class Samples(CalibrationDataReader):
    def __init__(self) -> None:
        self.left = iter(samples(1))

    def get_next(self) -> Any:
        return next(self.left, None)


def float_model(path: Path) -> None:
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> Any:
        return numpy_helper.from_array((0.3 * rng.standard_normal(shape)).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], pads=[1, 1, 1, 1], group=8),
        helper.make_node("Add", ["c2", "r1"], ["a"]),
        helper.make_node("GlobalAveragePool", ["a"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], transB=1),
    ]
    constants = [weight("w1", 8, 3, 3, 3), weight("b1", 8), weight("w2", 8, 1, 3, 3), weight("b2", 8)]
    constants += [weight("w3", 10, 8), weight("b3", 10)]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 10))],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


KINDS = [
    pytest.param(QuantType.QInt8, id="int8"),
    pytest.param(QuantType.QUInt8, id="uint8", marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=KINDS)
def quantized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("onnx")
    float_model(folder / "float.onnx")
    quantize_static(
        folder / "float.onnx",
        folder / "quantized.onnx",
        Samples(),
        quant_format=QuantFormat.QDQ,
        activation_type=request.param,
        weight_type=QuantType.QInt8,
        per_channel=True,
    )
    return compile_model(folder / "quantized.onnx", samples(2))


def test_every_operator_of_a_quantized_model_computes_in_int8(quantized: Any) -> None:
    graph = read_model(quantized.path).main
    computing = [each for each in graph.operators if each.code in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")]
    assert len(computing) == 3
    for each in graph.operators:
        assert graph.tensors[each.inputs[0]].dtype == "int8", each.code
        assert graph.tensors[each.outputs[0]].dtype == "int8", each.code
    for each in computing:
        weights = graph.tensors[each.inputs[1]]
        assert weights.dtype == "int8"
        assert weights.quantization is not None
        assert len(weights.quantization.scales) > 1
    assert quantized.precision == "w8a8"


def test_it_is_as_near_to_onnxruntime_as_integers_come_and_says_so(quantized: Any) -> None:
    assert quantized.parity.passed
    assert quantized.parity.floor is Floor.INTEGER
    assert "8-bit integers" in quantized.parity.sentence
    assert any("quantized tensors kept" in step for step in quantized.lineage)


def test_it_is_called_with_real_values(quantized: Any) -> None:
    (sample,) = samples(2)[:1]
    (real,) = quantized(sample["x"]).values()
    (raw,) = quantized(quantized_input(quantized, sample["x"]), raw=True).values()
    scale, shift = quantized.signatures[0].outputs[0].quantization.first
    np.testing.assert_allclose(real, (raw.astype(np.float64) - shift) * scale, rtol=1e-6)


def quantized_input(model: Any, x: Any) -> Any:
    scale, shift = model.signatures[0].inputs[0].quantization.first
    return (np.rint(x.astype(np.float64) / scale) + shift).clip(-128, 127).astype(np.int8)
