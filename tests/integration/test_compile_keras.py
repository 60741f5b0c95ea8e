"""Keras models, SavedModels and tf.Modules become verified LiteRT models, or are refused by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb import imports, progress
from embedl_nb.compiler import compile_model
from embedl_nb.errors import (
    CompileError,
    InputError,
    OutOfMemoryError,
    SignatureMismatchError,
    UnsupportedOperatorError,
)
from embedl_nb.model import LiteRTModel

pytestmark = [
    pytest.mark.keras,
    pytest.mark.litert,
    pytest.mark.skipif(
        not imports.is_installed("tensorflow"), reason="needs tensorflow: pip install 'embedl-nb[keras]'"
    ),
]
IMAGE = np.linspace(-1, 1, 192, dtype=np.float32).reshape(1, 8, 8, 3)


@pytest.fixture(scope="module")
def keras() -> Iterator[Any]:
    """Import Keras on TensorFlow, in the first test that needs it."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras has another backend here")
    keras.utils.set_random_seed(0)
    return keras


@pytest.fixture(scope="module")
def net(keras: Any) -> Any:
    """Return a functional model with two inputs, two outputs, a nested model and layers that Keras numbers itself."""
    layers = keras.layers
    image, meta = keras.Input((8, 8, 3), name="image"), keras.Input((4,), name="meta data")
    hidden = layers.BatchNormalization(name="bn")(layers.Conv2D(4, 3)(layers.Conv2D(4, 3, name="first")(image)))
    hidden = layers.Concatenate()(
        [layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(hidden)), meta]
    )
    inner = keras.Sequential([layers.Dense(5, name="up"), layers.Dense(6, name="down")], name="inner")
    return keras.Model([image, meta], [inner(hidden), layers.Dense(2, name="head")(hidden)], name="net")


def _names(model: LiteRTModel, index: int = 0) -> tuple[list[str], list[str]]:
    signature = model.signatures[index]
    return [spec.name for spec in signature.inputs], [spec.name for spec in signature.outputs]


def _passes(model: LiteRTModel) -> bool:
    return model.parity is not None and model.parity.passed


def _stages(run: Callable[[], LiteRTModel]) -> tuple[LiteRTModel, set[str]]:
    stages: set[str] = set()
    with progress.listening(lambda event: stages.add(event.stage)):
        model = run()
    return model, stages


def _two_signatures(folder: Path) -> Any:
    import tensorflow as tf

    class Coder(tf.Module):  # type: ignore[misc]  # tensorflow is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.weight = tf.Variable(np.linspace(-1, 1, 4 * 1024, dtype=np.float32).reshape(4, 1024))

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="x")])  # type: ignore[untyped-decorator]  # tensorflow is untyped here
        def encode(self, x: Any) -> Any:
            return {"code": tf.matmul(x, self.weight)}

        @tf.function(input_signature=[tf.TensorSpec((None, 4), tf.float32, name="z")])  # type: ignore[untyped-decorator]  # tensorflow is untyped here
        def squash(self, z: Any) -> Any:
            return {"y": tf.tanh(tf.matmul(z, self.weight))}

    module = Coder()
    tf.saved_model.save(module, str(folder), signatures={"encode": module.encode, "squash": module.squash})
    return module


def test_a_model_keeps_the_names_of_its_inputs_outputs_and_layers(net: Any) -> None:
    model = compile_model(net, {"image": IMAGE, "meta data": np.ones((1, 4))})
    assert _passes(model)
    assert _names(model) == (["image", "meta data"], ["inner", "head"])
    sources = set(model.operators["source"])
    convolutions = {layer.name for layer in net.layers if "conv2d" in layer.name}
    assert {"first", "inner.up", "inner.down", "head", *convolutions} <= sources
    _, stages = _stages(lambda: compile_model(net, {"image": IMAGE, "meta data": np.ones((1, 4))}))
    assert "lower" not in stages, "the same model comes from the cache"


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_file_is_read_by_the_child_and_found_again(net: Any, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"net{suffix}"
    net.save(path)
    model = compile_model(path)
    assert _passes(model)
    assert model.parity is not None
    assert str(model.parity.sample_source) == "synthetic"
    assert _names(model) == (["image", "meta data"], ["inner", "head"])
    assert any("(1, 8, 8, 3), there were no example inputs" in note for note in model.notes)
    outputs = model(IMAGE, np.ones((1, 4), np.float32))
    expected = net([IMAGE, np.ones((1, 4), np.float32)])
    np.testing.assert_allclose(outputs["head"], expected[1], rtol=1e-4, atol=1e-5)
    again, stages = _stages(lambda: compile_model(path))
    assert stages == {"cache"}
    assert again.sha256 == model.sha256


def test_names_that_no_scope_of_tensorflow_can_have_are_kept_in_a_file(keras: Any, tmp_path: Path) -> None:
    layers = [keras.layers.Dense(3, name="a layer"), keras.layers.Dense(2, name="odd<b>")]
    net = keras.Sequential([keras.Input((4,)), *layers], name="my model (1)")
    net.save(tmp_path / "net.keras")
    model = compile_model(tmp_path / "net.keras")
    assert _passes(model)
    assert "a layer" in set(model.operators["source"])
    with pytest.raises(InputError, match=r"the name 'my model \(1\)'") as caught:
        compile_model(net)
    assert "compile that file" in caught.value.hint


def test_a_class_from_a_cell_is_compiled(keras: Any) -> None:
    class Net(keras.Model):  # type: ignore[misc]  # Keras is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.body = keras.Sequential([keras.layers.Dense(8, name="one")], name="body")

        def call(self, x: Any, scale: Any = None) -> Any:
            hidden = self.body(x)
            return {"y": hidden if scale is None else hidden * scale, "pair": (hidden, hidden + 1)}

    net = Net()
    model = compile_model(net, {"x": np.ones((3, 4)), "scale": np.full((3, 1), 2.0)})
    assert _passes(model)
    assert _names(model) == (["x", "scale"], ["y", "pair_0", "pair_1"])
    assert "body.one" in set(model.operators["source"])
    with pytest.raises(InputError, match="no example inputs were given"):
        compile_model(Net())


def test_a_failing_model_names_the_users_line(keras: Any) -> None:
    class Failing(keras.Model):  # type: ignore[misc]  # Keras is untyped here
        def call(self, x: Any) -> Any:
            return keras.ops.reshape(x, (7, 7))

    with pytest.raises(SignatureMismatchError, match=r"test_compile_keras\.py:\d+: `return keras\.ops\.reshape"):
        compile_model(Failing(), np.ones((3, 4)))


def test_a_saved_model_keeps_its_signatures_and_stores_weights_once(keras: Any, tmp_path: Path) -> None:
    _two_signatures(tmp_path / "coder")
    model = compile_model(tmp_path / "coder")
    assert {signature.key for signature in model.signatures} == {"encode", "squash"}
    assert _passes(model)
    assert model.parity is not None
    assert {output.name for output in model.parity.outputs} == {"encode: code", "squash: y"}
    assert model.size_bytes < 2 * 4 * 4 * 1024
    assert model(np.ones((1, 4), np.float32), signature_key="squash")["y"].shape == (1, 1024)
    _, stages = _stages(lambda: compile_model(tmp_path / "coder"))
    assert stages == {"cache"}


def test_an_operator_that_litert_lacks_is_named_with_its_layer(keras: Any) -> None:
    class Root(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped here
        def call(self, x: Any) -> Any:
            return keras.ops.cholesky(keras.ops.eye(4) + 0 * x)

    inputs = keras.Input((4, 4))
    with pytest.raises(UnsupportedOperatorError, match=r"no implementation of Cholesky.*layer 'root'") as caught:
        compile_model(keras.Model(inputs, Root(name="root")(inputs)))
    assert caught.value.operators == ("Cholesky",)
    assert "Flex" in caught.value.hint


def test_a_weight_that_is_no_number_is_named(keras: Any) -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="broken")])
    net.layers[0].kernel.assign(np.full((4, 3), np.nan, np.float32))
    with pytest.raises(InputError, match=r"broken/kernel.* 12 NaN"):
        compile_model(net)


def test_a_model_that_reads_text_is_refused(keras: Any) -> None:
    inputs = keras.Input((1,), dtype="string", name="words")
    with pytest.raises(InputError, match="takes words string"):
        compile_model(keras.Model(inputs, keras.layers.StringLookup(vocabulary=["a"])(inputs)))


def test_files_that_run_code_or_hold_no_model_are_refused(keras: Any, tmp_path: Path) -> None:
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x + 1, name="sneaky")(inputs)).save(tmp_path / "lambda.keras")
    with pytest.raises(InputError, match=r"Python code .Lambda layer 'sneaky'") as caught:
        compile_model(tmp_path / "lambda.keras")
    assert "safe_mode=False" in caught.value.hint
    keras.Sequential([inputs, keras.layers.Dense(3)]).save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(InputError, match="holds weights, not a model"):
        compile_model(tmp_path / "net.weights.h5")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no SavedModel: it has no saved_model\.pb but nothing"):
        compile_model(tmp_path / "empty")
    (tmp_path / "empty" / "saved_model.pb").write_bytes(b"\xff" * 10)
    with pytest.raises(InputError, match="no readable SavedModel"):
        compile_model(tmp_path / "empty")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory")
def test_a_layer_that_no_memory_can_hold_is_refused_at_once(net: Any, tmp_path: Path) -> None:
    net.save(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras") as whole, zipfile.ZipFile(tmp_path / "wide.keras", "w") as wide:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                content = re.sub(rb'"units": \d+', b'"units": 1000000000', content)
            wide.writestr(name, content)
    with pytest.raises(OutOfMemoryError, match=r"wide\.keras asks for more memory than a LiteRT model of 2 GiB needs"):
        compile_model(tmp_path / "wide.keras")
    assert _passes(compile_model(tmp_path / "net.keras"))  # by the same child


@pytest.mark.parametrize("kind", ["WriteFile", "EagerPyFunc", "SaveV2"])
def test_a_saved_model_that_does_more_than_compute_is_refused(keras: Any, tmp_path: Path, kind: str) -> None:
    import tensorflow as tf

    module, target = tf.Module(), str(tmp_path / "target")

    def call(x: Any) -> Any:
        if kind == "WriteFile":
            with tf.control_dependencies([tf.io.write_file(target, "x")]):
                return tf.identity(x)
        if kind == "SaveV2":
            with tf.control_dependencies(
                [tf.raw_ops.SaveV2(prefix=target, tensor_names=["x"], shape_and_slices=[""], tensors=[x])]
            ):
                return tf.identity(x)
        return tf.py_function(lambda value: value, [x], tf.float32)

    module.call = tf.function(call, input_signature=[tf.TensorSpec((2,), tf.float32, name="x")])
    tf.saved_model.save(module, str(tmp_path / "sneaky"), signatures=module.call)
    with pytest.raises(InputError, match=f"the operator {kind}"):
        compile_model(tmp_path / "sneaky")
    assert not list(tmp_path.glob("target*"))


def test_options_of_other_frameworks_are_refused(keras: Any) -> None:
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    with pytest.raises(InputError, match="layout was given for a Keras or TensorFlow model"):
        compile_model(net, layout="nhwc")
    with pytest.raises(InputError, match="input_shapes is for ONNX models"):
        compile_model(net, input_shapes={"x": (1, 4)})
    with pytest.raises(InputError, match="signature 'a' is a Keras or TensorFlow model"):
        compile_model({"a": net})


# -- longer ones -------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_file_brings_no_tensorflow_into_the_kernel_and_leaves_no_file(
    net: Any, tmp_path: Path, project_root: Path
) -> None:
    net.save(tmp_path / "net.keras")
    (tmp_path / "temporary").mkdir()
    script = """
import sys
from embedl_nb.compiler import compile_model
assert compile_model(sys.argv[1]).parity.passed
heavy = {"tensorflow", "keras", "torch", "h5py"} & set(sys.modules)
assert not heavy, heavy
"""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(project_root), *sys.path]),
        "EMBEDL_NB_HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "temporary"),
    }
    command = [sys.executable, "-c", script, str(tmp_path / "net.keras")]
    subprocess.run(command, env=environment, check=True, timeout=600)
    assert [path.name for path in (tmp_path / "temporary").iterdir()] == []


def _layers_of_many_kinds(keras: Any) -> dict[str, Callable[[], Any]]:
    layers = keras.layers

    def stacked(shape: tuple[int, ...], *parts: Any) -> Any:
        return keras.Sequential([keras.Input(shape), *parts])

    def attention() -> Any:
        x = keras.Input((6, 16))
        attended = layers.MultiHeadAttention(2, 8, name="attention")(x, x)
        return keras.Model(x, layers.LayerNormalization()(layers.Add()([x, attended])))

    return {
        "lstm": lambda: stacked((5, 3), layers.LSTM(8, return_sequences=True), layers.LSTM(4), layers.Dense(2)),
        "gru": lambda: stacked((5, 3), layers.Bidirectional(layers.GRU(8)), layers.Dense(2)),
        "unrolled": lambda: stacked((4, 3), layers.LSTM(8, unroll=True)),
        "conv1d": lambda: stacked(
            (32, 4), layers.Conv1D(8, 3, padding="causal"), layers.Conv1DTranspose(4, 3, strides=2)
        ),
        "conv2d": lambda: stacked(
            (8, 8, 4), layers.UpSampling2D(), layers.SeparableConv2D(8, 3), layers.Conv2DTranspose(4, 3, strides=2)
        ),
        "attention": attention,
        "preprocessing": lambda: stacked((8, 8, 3), layers.Resizing(4, 4), layers.RandomFlip(), layers.Rescaling(0.1)),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lstm", "gru", "unrolled", "conv1d", "conv2d", "attention", "preprocessing"])
def test_layers_of_many_kinds_compute_the_same(keras: Any, kind: str) -> None:
    assert _passes(compile_model(_layers_of_many_kinds(keras)[kind]()))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "EfficientNetB0"])
def test_an_application_computes_the_same(keras: Any, name: str) -> None:
    net = getattr(keras.applications, name)(weights=None)
    model = compile_model(net)
    assert _passes(model)
    layers = {layer.name for layer in net.layers}
    named = [source for source in model.operators["source"] if source]
    assert set(named) <= layers
    assert len(named) > 0.9 * len(model.operators)


def test_float64_says_what_to_do(keras: Any) -> None:
    inputs = keras.Input((4,), dtype="float64")
    with pytest.raises(CompileError, match="MatMul") as caught:
        compile_model(keras.Model(inputs, keras.layers.Dense(3, dtype="float64")(inputs)))
    assert "float32" in caught.value.hint
