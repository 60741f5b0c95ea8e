"""Error along the network, in LiteRT's own kernels: what each operator makes, what it inherits, and what is paired."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.errors import InputError, QuantizeError, SignatureMismatchError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.likeness import sqnr_db
from embedl_nb.model.schema import schema
from embedl_nb.model.writer import pack, unpack
from embedl_nb.quantizer.engine import Engine
from embedl_nb.quantizer.evaluation import evaluate
from embedl_nb.runtime.arrays import save_arrays
from embedl_nb.testing import models
from embedl_nb.testing.models import ModelBuilder

pytest.importorskip("ai_edge_litert")
from embedl_nb.quantizer.layers import compare_layers
from embedl_nb.quantizer.probes import Probe

pytestmark = pytest.mark.litert

RANDOM = np.random.default_rng(0)
WEIGHTS = [RANDOM.normal(size=(8, 8)).astype(np.float32) / 3 for _ in range(3)]
SAMPLES = [{"x": RANDOM.uniform(-1, 1, (1, 8)).astype(np.float32)} for _ in range(6)]
X = np.concatenate([sample["x"] for sample in SAMPLES])
SCALE = 4 / 127


def dense(builder: ModelBuilder, x: int, weights: np.ndarray, name: str, **quantization: Any) -> int:
    """Add a fully connected operator; with a scale for its output, an int8 one."""
    if quantization:
        weights_scale = float(abs(weights).max() / 127)
        integers = np.rint(weights / weights_scale).astype(np.int8)
        kernel = builder.constant(f"{name}.weights", integers, scale=weights_scale)
        output = builder.tensor(name, (1, 8), "int8", **quantization)
    else:
        kernel = builder.constant(f"{name}.weights", weights)
        output = builder.tensor(name, (1, 8))
    return builder.operator(
        "FULLY_CONNECTED", [x, kernel, -1], output, options=schema().FullyConnectedOptionsT(), version=4
    )


def network(weights: list[np.ndarray], *, names: tuple[str, ...] = ("first", "second", "third")) -> bytes:
    builder = ModelBuilder()
    value = builder.input("x", (1, 8))
    for kernel, name in zip(weights, names, strict=True):
        value = dense(builder, value, kernel, name)
    return builder.build({"y": value})


def by_name(reference: bytes, quantized: bytes, samples: Any = SAMPLES) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in compare_layers(reference, quantized, samples)}


def power(values: np.ndarray) -> float:
    return float((values.astype(np.float64) ** 2).sum())


def test_a_model_against_itself_has_no_error_anywhere() -> None:
    rows = compare_layers(network(WEIGHTS), network(WEIGHTS), SAMPLES)

    assert [row["name"] for row in rows] == ["first", "second", "third"]
    assert {row[key] for row in rows for key in ("sqnr_db", "made_here_db", "inherited_db")} == {math.inf}
    assert {row["made_here_share"] for row in rows} == {0.0}
    assert {row["precision"] for row in rows} == {"f32"}


def test_an_error_is_made_where_weights_differ_and_inherited_behind() -> None:
    changed = WEIGHTS[1] + RANDOM.normal(scale=0.02, size=(8, 8)).astype(np.float32)
    rows = by_name(network(WEIGHTS), network([WEIGHTS[0], changed, WEIGHTS[2]]))

    reference = X @ WEIGHTS[0].T
    expected_db = sqnr_db(reference @ WEIGHTS[1].T, reference @ changed.T)
    assert rows["first"]["sqnr_db"] == math.inf
    assert rows["second"]["made_here_db"] == pytest.approx(expected_db, abs=0.01)
    assert rows["second"]["sqnr_db"] == pytest.approx(expected_db, abs=0.01)
    assert rows["second"]["made_here_share"] == pytest.approx(1.0)
    assert rows["third"]["made_here_db"] == math.inf
    assert rows["third"]["inherited_db"] == rows["third"]["sqnr_db"] < math.inf


def test_what_is_made_and_what_is_inherited_sum_to_the_error() -> None:
    changed = [kernel + RANDOM.normal(scale=0.02, size=(8, 8)).astype(np.float32) for kernel in WEIGHTS]
    row = by_name(network(WEIGHTS), network(changed))["third"]

    before, before_changed = X @ WEIGHTS[0].T @ WEIGHTS[1].T, X @ changed[0].T @ changed[1].T
    signal = before @ WEIGHTS[2].T
    error, made = before_changed @ changed[2].T - signal, before @ changed[2].T - signal
    for key, noise in (("sqnr_db", error), ("made_here_db", made), ("inherited_db", error - made)):
        assert row[key] == pytest.approx(10 * math.log10(power(signal) / power(noise)), abs=0.01)
    assert row["made_here_share"] == pytest.approx(power(made) / (power(made) + power(error - made)), abs=1e-3)


def quantized_network(*, with_reshape: bool = False) -> bytes:
    """Build ``first`` and ``second`` in int8, with int8 inputs and outputs, and between them perhaps a reshape."""
    builder = ModelBuilder()
    x = builder.input("x", (1, 8), "int8", scale=1 / 127)
    value = dense(builder, x, WEIGHTS[0], "first", scale=SCALE)
    if with_reshape:
        shape = builder.constant("shape", np.array([1, 8], np.int32))
        value = builder.operator(
            "RESHAPE",
            [value, shape],
            builder.tensor("reshaped", (1, 8), "int8", scale=SCALE),
            options=schema().ReshapeOptionsT(newShape=[1, 8]),
        )
    return builder.build({"y": dense(builder, value, WEIGHTS[1], "second", scale=SCALE)})


def float_network(*, with_reshape: bool = False) -> bytes:
    builder = ModelBuilder()
    value = dense(builder, builder.input("x", (1, 8)), WEIGHTS[0], "first")
    if with_reshape:
        shape = builder.constant("shape", np.array([1, 8], np.int32))
        options = schema().ReshapeOptionsT(newShape=[1, 8])
        value = builder.operator("RESHAPE", [value, shape], builder.tensor("reshaped", (1, 8)), options=options)
    return builder.build({"y": dense(builder, value, WEIGHTS[1], "second")})


def rounded(values: np.ndarray, scale: float) -> np.ndarray:
    return np.clip(np.rint(values / scale), -128, 127) * scale


def rounded_weights(weights: np.ndarray) -> np.ndarray:
    return rounded(weights, abs(weights).max() / 127)


def test_the_rounding_of_the_input_is_charged_to_the_operator_that_reads_it() -> None:
    row = by_name(float_network(), quantized_network())["first"]

    signal = X @ WEIGHTS[0].T
    value = rounded(rounded(X, 1 / 127) @ rounded_weights(WEIGHTS[0]).T, SCALE)
    assert row["precision"] == "w8a8"
    assert row["inherited_db"] == math.inf
    assert row["made_here_db"] == row["sqnr_db"] == pytest.approx(sqnr_db(signal, value), abs=0.3)


def test_a_value_is_rounded_by_the_operator_that_makes_it_and_not_once_more_by_its_reader() -> None:
    row = by_name(float_network(), quantized_network())["second"]

    handed = rounded(X @ WEIGHTS[0].T, SCALE)
    signal = X @ WEIGHTS[0].T @ WEIGHTS[1].T
    made = rounded(handed @ rounded_weights(WEIGHTS[1]).T, SCALE) - handed @ WEIGHTS[1].T
    assert row["made_here_db"] == pytest.approx(10 * math.log10(power(signal) / power(made)), abs=0.3)
    assert row["sqnr_db"] < row["made_here_db"]


def test_an_operator_that_only_moves_integers_makes_no_noise() -> None:
    rows = by_name(float_network(with_reshape=True), quantized_network(with_reshape=True))

    assert rows["reshaped"]["precision"] == "a8"
    assert rows["reshaped"]["made_here_db"] == math.inf
    assert rows["reshaped"]["sqnr_db"] == pytest.approx(rows["first"]["sqnr_db"], abs=0.01)


def test_conversions_are_seen_through_and_their_rounding_goes_to_the_reader() -> None:
    builder = ModelBuilder()
    value = dense(builder, builder.input("x", (1, 8)), WEIGHTS[0], "first")
    value = builder.operator("QUANTIZE", [value], builder.tensor("first_quantized", (1, 8), "int8", scale=SCALE))
    value = dense(builder, value, WEIGHTS[1], "second", scale=SCALE)
    value = builder.operator("DEQUANTIZE", [value], builder.tensor("second_dequant", (1, 8)), version=2)
    mixed = builder.build({"y": dense(builder, value, WEIGHTS[2], "third")})
    rows = by_name(network(WEIGHTS), mixed)

    assert list(rows) == ["first", "second", "third"]
    assert [row["precision"] for row in rows.values()] == ["f32", "w8a8", "f32"]
    assert rows["first"]["sqnr_db"] == math.inf
    assert rows["second"]["inherited_db"] == math.inf
    assert rows["second"]["made_here_db"] == rows["second"]["sqnr_db"] < 60
    # The float kernel is handed the very values that the quantized network would hand it.
    assert rows["third"]["made_here_db"] > 100
    assert rows["third"]["inherited_db"] == pytest.approx(rows["third"]["sqnr_db"], abs=0.01)


def test_operators_that_were_renamed_are_paired_by_position() -> None:
    renamed = network(WEIGHTS, names=("a", "b", "c"))
    assert [row["name"] for row in compare_layers(network(WEIGHTS), renamed, SAMPLES)] == ["first", "second", "third"]


def looked_up(weights: np.ndarray) -> bytes:
    builder = ModelBuilder()
    index = builder.input("x", (1,), "int32")
    table = builder.constant("table", WEIGHTS[2])
    found = builder.operator(
        "GATHER", [table, index], builder.tensor("found", (1, 8)), options=schema().GatherOptionsT()
    )
    return builder.build({"y": dense(builder, found, weights, "first")})


def test_an_input_of_integers_is_no_activation() -> None:
    samples = [{"x": np.array([place], np.int32)} for place in range(3)]
    rows = by_name(looked_up(WEIGHTS[0]), looked_up(WEIGHTS[0] * 1.01), samples)

    assert rows["found"]["sqnr_db"] == math.inf
    assert rows["first"]["made_here_db"] == pytest.approx(40.0, abs=0.01)


def two_signatures(factor: float) -> bytes:
    """Build a model whose second signature runs another subgraph than the first."""
    model = unpack(network([kernel * np.float32(factor) for kernel in WEIGHTS]))
    model.subgraphs.append(copy.deepcopy(model.subgraphs[0]))
    model.subgraphs[1].operators, model.subgraphs[1].outputs = model.subgraphs[1].operators[:1], [2]
    other = copy.deepcopy(model.signatureDefs[0])
    other.signatureKey, other.subgraphIndex = "other", 1
    other.outputs[0].tensorIndex = 2
    model.signatureDefs.append(other)
    return pack(model)


def test_the_asked_signature_is_compared() -> None:
    rows = compare_layers(two_signatures(1.0), two_signatures(1.1), SAMPLES, signature_key="other")
    assert [row["name"] for row in rows] == ["first"]
    assert rows[0]["sqnr_db"] == pytest.approx(20.0, abs=0.01)


def shifted(by: list[float]) -> bytes:
    builder = ModelBuilder()
    mask = builder.constant("mask", np.array([by], np.float32))
    masked = builder.tensor("masked", (1, 8))
    builder.operator("ADD", [builder.input("x", (1, 8)), mask], masked, options=schema().AddOptionsT())
    return builder.build({"y": masked})


@pytest.mark.parametrize(
    ("lowest", "other", "expected_db"),
    [
        (-math.inf, -math.inf, math.inf),
        (-math.inf, -1.0, math.inf),
        (-3e38, -3e38, math.inf),
        (-1.0, -math.inf, -math.inf),
    ],
)
def test_a_mask_counts_where_the_reference_is_finite(lowest: float, other: float, expected_db: float) -> None:
    zeros = [0.0] * 7
    (row,) = compare_layers(shifted([*zeros, lowest]), shifted([*zeros, other]), SAMPLES)
    assert row["sqnr_db"] == row["made_here_db"] == expected_db


def test_operators_that_refuse_to_run_on_their_own_are_still_compared_in_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing(Probe):
        def __init__(self, *args: Any, cut: Any = (), **kwargs: Any) -> None:
            if cut:
                raise QuantizeError("this kernel wants its neighbours")
            super().__init__(*args, **kwargs)

    complete = by_name(float_network(), quantized_network())
    monkeypatch.setattr("embedl_nb.quantizer.layers.Probe", Refusing)
    rows = by_name(float_network(), quantized_network())

    assert {name: row["sqnr_db"] for name, row in rows.items()} == {
        name: row["sqnr_db"] for name, row in complete.items()
    }
    assert {row[key] for row in rows.values() for key in ("made_here_db", "inherited_db", "made_here_share")} == {None}


def test_a_model_that_does_not_run_is_said_to_be_so() -> None:
    with pytest.raises(QuantizeError, match="LiteRT does not run"):
        compare_layers(
            models.unsupported_operator(), models.unsupported_operator(), [{"x": np.ones((1, 4), np.float32)}]
        )


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="no sample"):
        compare_layers(network(WEIGHTS), network(WEIGHTS), [])
    with pytest.raises(InputError, match="no tensor in common"):
        compare_layers(network(WEIGHTS), models.conv_relu(), SAMPLES)
    with pytest.raises(SignatureMismatchError):
        compare_layers(network(WEIGHTS), network(WEIGHTS), [{"x": np.ones((1, 7), np.float32)}])


def test_the_rows_come_back_from_the_child_as_they_were_made(tmp_path: Path) -> None:
    float_path = models.write(tmp_path, float_network(), name="float")
    quantized_path = models.write(tmp_path, quantized_network(), name="quantized")
    samples_path = tmp_path / "samples.npz"
    save_arrays(samples_path, {f"{i}/x": sample["x"] for i, sample in enumerate(SAMPLES)})
    with Engine() as engine:
        layers = engine.compare_layers(float_path, quantized_path, samples_path, signature_key=None)

    assert [layer.name for layer in layers] == ["first", "second"]
    assert layers[0].inherited_db == math.inf
    expected = compare_layers(float_network(), quantized_network(), SAMPLES)
    assert [layer.sqnr_db for layer in layers] == pytest.approx([row["sqnr_db"] for row in expected])


def test_a_metric_is_given_models_that_take_many_samples_at_once(tmp_path: Path) -> None:
    reference = X @ WEIGHTS[0].T @ WEIGHTS[1].T

    def error(model: LiteRTModel) -> np.ndarray:
        return abs(model(X)["y"] - reference).max(axis=1)

    float_model, quantized = (
        LiteRTModel.open(models.write(tmp_path, content, name=name))
        for content, name in ((float_network(), "float"), (quantized_network(), "quantized"))
    )
    evaluation = evaluate(error, float_model, quantized, higher_is_better=False)

    assert evaluation.num_samples == len(SAMPLES)
    assert evaluation.float_score < 1e-5 < evaluation.drop < 0.2
    assert evaluation.drop_ci95 is not None
    assert evaluation.drop_ci95[0] > 0
