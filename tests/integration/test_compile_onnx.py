"""ONNX models become verified LiteRT models, whose interface and operators carry the graph's own names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from embedl_nb import imports  # noqa: E402
from embedl_nb.compiler import compile_model  # noqa: E402
from embedl_nb.compiler.onnx import reference  # noqa: E402
from embedl_nb.compiler.sources.from_onnx import take_onnx  # noqa: E402
from embedl_nb.errors import CompileError, EmbedlWarning, MissingDependencyError  # noqa: E402
from embedl_nb.model.evidence import SampleSource  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert]

FLOAT = TensorProto.FLOAT
RNG = np.random.default_rng(0)
ODD = "features/conv.1|a;b c"
LONG = "block/" * 200 + "fc"


def info(name: str, shape: Any, dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(name: str, *shape: int, dtype: Any = np.float32) -> Any:
    return numpy_helper.from_array((0.2 * RNG.standard_normal(shape)).astype(dtype), name)


def model(nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: Any = (), opset: int = 17) -> Any:
    graph = helper.make_graph(nodes, "net", inputs, outputs, list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="me", ir_version=8)


def classifier() -> Any:
    nodes = [
        helper.make_node("Conv", ["im/age", "w", "b"], ["c"], name=ODD, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "fw", "fb"], ["h"], name=LONG, transB=1),
        helper.make_node("Softmax", ["h"], ["class;scores x"], name="last"),
    ]
    constants = [weight("w", 4, 3, 3, 3), weight("b", 4), weight("fw", 5, 4), weight("fb", 5)]
    return model(nodes, [info("im/age", ("N", 3, 8, 8))], [info("class;scores x", ("N", 5))], constants)


def test_a_file_is_compiled_with_its_own_names(tmp_path: Path) -> None:
    onnx.save(classifier(), tmp_path / "net.onnx")
    with pytest.warns(EmbedlWarning, match="random"):
        compiled = compile_model(tmp_path / "net.onnx", input_shapes={"im/age": (1, 3, 8, 8)})
    signature = compiled.signatures[0]
    assert [spec.name for spec in signature.inputs] == ["im/age"]
    assert [spec.name for spec in signature.outputs] == ["class;scores x"]
    sources = dict(zip(compiled.operators["operator"], compiled.operators["source"], strict=True))
    assert sources["CONV_2D"] == ODD
    assert sources["FULLY_CONNECTED"] == LONG
    assert compiled.parity is not None
    assert compiled.parity.passed
    assert compiled.parity.sample_source is SampleSource.SYNTHETIC
    assert compiled.name == "net"
    assert compiled.lineage[0] == "onnx me opset 17"


def test_the_same_model_from_an_object_comes_from_the_cache(tmp_path: Path) -> None:
    proto = classifier()
    onnx.save(proto, tmp_path / "net.onnx")
    sample = {"im/age": RNG.standard_normal((1, 3, 8, 8)).astype(np.float32)}
    with pytest.warns(EmbedlWarning, match="N=1"):
        first = compile_model(tmp_path / "net.onnx", sample)
    with pytest.warns(EmbedlWarning, match="N=1"):
        second = compile_model(proto, [sample, {"im/age": np.sin(sample["im/age"])}])
    assert second.sha256 == first.sha256
    assert second.parity is not None
    assert second.parity.num_samples == 2


def test_doubles_long_integers_and_passed_on_values_keep_their_meaning() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "k"], ["product"]),
        helper.make_node("Add", ["i", "one"], ["next"]),
        helper.make_node("Identity", ["i"], ["same"]),
    ]
    constants = [
        numpy_helper.from_array(np.array([0.5, 2.0, 3.0]), "k"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array([7.0, 8.0], np.float32), "fixed"),
    ]
    inputs = [info("x", (2, 3), TensorProto.DOUBLE), info("i", (3,), TensorProto.INT64)]
    outputs = [
        info("product", (2, 3), TensorProto.DOUBLE),
        info("next", (3,), TensorProto.INT64),
        info("same", (3,), TensorProto.INT64),
        info("fixed", (2,)),
    ]
    x, i = RNG.standard_normal((2, 3)), np.array([1, 2, 3])
    with pytest.warns(EmbedlWarning, match="float64 are computed in float32"):
        compiled = compile_model(model(nodes, inputs, outputs, constants), (x, i))
    assert any("'x' is float64 in the source and float32" in note for note in compiled.notes)
    assert any("output 'next' is int64 in the source and int32" in note for note in compiled.notes)
    dtypes = {spec.name: spec.dtype for spec in compiled.signatures[0].inputs}
    given = {"x": x.astype(dtypes["x"]), "i": i.astype(dtypes["i"])}
    returned = compiled(**given)
    assert np.allclose(returned["product"], x * [0.5, 2.0, 3.0], atol=1e-6)
    assert returned["next"].tolist() == [2, 3, 4]
    assert returned["same"].tolist() == [1, 2, 3]
    assert returned["fixed"].tolist() == [7.0, 8.0]


def half_precision() -> Any:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Tanh", ["h"], ["y"])]
    inputs, outputs = [info("x", (2, 64), TensorProto.FLOAT16)], [info("y", (2, 8), TensorProto.FLOAT16)]
    return model(nodes, inputs, outputs, [weight("w", 64, 8, dtype=np.float16)])


def test_the_reference_of_a_half_precision_model_is_computed_in_float32(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(half_precision(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    source = take_onnx(path, None, None)
    outputs, notes = reference.reference_outputs(source.model, source.samples.arrays())
    assert outputs["0/y"].dtype == np.float32
    assert notes == ()


def test_a_half_precision_model_is_verified_as_it_is_compiled() -> None:
    with pytest.warns(EmbedlWarning, match="float16 are computed in float32"):
        compiled = compile_model(half_precision())
    assert compiled.parity is not None
    assert compiled.parity.passed


def test_what_onnxruntime_does_not_run_is_run_by_onnx_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    ask = reference._run
    monkeypatch.setattr(
        reference, "_run", lambda payload, command: "no kernel for it" if command == "run" else ask(payload, command)
    )
    proto = model([helper.make_node("Abs", ["x"], ["y"])], [info("x", (3,))], [info("y", (3,))])
    source = take_onnx(proto, np.array([-1.0, 2.0, -3.0], np.float32), None)
    assert source.run(source.samples)["0/y"].tolist() == [1.0, 2.0, 3.0]
    assert "ONNX's own implementation" in source.reference_notes[0]
    assert "no kernel for it" in source.reference_notes[0]


def test_a_model_that_nothing_runs_says_what_both_said() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", kernel_shape=[9, 9])
    source = take_onnx(
        model([node], [info("x", (1, 3, 8, 8))], [info("y", None)], [weight("w", 4, 5, 3, 3)]), None, None
    )
    with pytest.raises(CompileError, match=r"no reference to compare with: onnxruntime says .*; ONNX's own .* says"):
        source.run(source.samples)


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_package_says_how_to_install_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    is_installed = imports.is_installed
    monkeypatch.setattr(imports, "is_installed", lambda module: module != missing and is_installed(module))
    with pytest.raises(MissingDependencyError, match=f"{missing} is needed") as caught:
        compile_model("net.onnx")
    assert caught.value.install == "pip install 'embedl-nb[onnx]'"
