"""ONNX reductions, scans, products, normalizations, losses and transforms; against onnx's reference or by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("torch")

from embedl_nb.errors import UnsupportedOperatorError
from embedl_nb.testing.onnx.calling import call_operator, reference_of

RNG = np.random.default_rng(0)
X = RNG.normal(size=(2, 3, 4)).astype(np.float32)
PICTURE = RNG.normal(size=(2, 4, 3, 5)).astype(np.float32)
A = RNG.normal(size=(3, 4)).astype(np.float32)
B = RNG.normal(size=(4, 5)).astype(np.float32)
C = RNG.normal(size=(5,)).astype(np.float32)
WHOLE = np.array([[5, 1, 5], [2, 7, 7]], np.int8)


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def normal(*shape: int) -> Any:
    return RNG.normal(size=shape).astype(np.float32)


PLAIN = ("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum")
# operator, opset, inputs, attributes
AS_THE_REFERENCE: list[tuple[str, int, list[Any], dict[str, Any]]] = [
    *[(name, 18, [X, ints(-1, 0)], {"keepdims": 0}) for name in (*PLAIN, "ReduceSumSquare")],
    *[(name, 18, [X], {}) for name in PLAIN],
    ("ReduceLogSum", 18, [abs(X), ints(1)], {}),
    ("ReduceSum", 11, [X], {"axes": [1], "keepdims": 0}),
    ("ReduceSum", 13, [X], {"noop_with_empty_axes": 1}),
    ("ReduceMax", 18, [np.zeros((2, 0), np.float32), ints(1)], {}),
    ("ReduceMax", 20, [WHOLE > 4, ints(1)], {}),
    *[
        (name, 13, [WHOLE], {"axis": axis, "select_last_index": last, "keepdims": 0})
        for name in ("ArgMax", "ArgMin")
        for axis in (0, -1)
        for last in (0, 1)
    ],
    *[
        (name, 26, [X, np.array(1)], {"exclusive": exclusive, "reverse": reverse})
        for name in ("CumSum", "CumProd")
        for exclusive in (0, 1)
        for reverse in (0, 1)
    ],
    ("MatMul", 13, [X, normal(4, 2)], {}),
    ("MatMul", 13, [X[0, 0], X[0, 1]], {}),
    ("Gemm", 13, [A, B, C], {}),
    ("Gemm", 13, [A.T.copy(), B.T.copy(), C], {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", 13, [A, B], {"alpha": 2.0}),
    ("Gemm", 13, [A, B, normal(3, 5)], {}),
    ("Einsum", 12, [A, B], {"equation": "ij, jk -> ki"}),
    ("Det", 22, [normal(2, 4, 4)], {}),
    ("Det", 22, [np.array([[0.0, 2.0], [3.0, 0.0]], np.float32)], {}),
    ("BatchNormalization", 15, [PICTURE, normal(4), normal(4), normal(4), abs(normal(4))], {}),
    ("InstanceNormalization", 22, [PICTURE, normal(4), normal(4)], {"epsilon": 0.1}),
    ("LayerNormalization", 17, [X, normal(4), normal(4)], {}),
    ("LayerNormalization", 17, [X, normal(3, 1)], {"axis": 1}),
    ("GroupNormalization", 21, [PICTURE, normal(4), normal(4)], {"num_groups": 2}),
    ("RMSNormalization", 23, [X, normal(4)], {}),
    ("LpNormalization", 22, [X], {"axis": 1, "p": 2}),
    ("RotaryEmbedding", 23, [normal(1, 2, 3, 4), normal(1, 3, 2), normal(1, 3, 2)], {}),
    ("RotaryEmbedding", 23, [normal(1, 3, 8), normal(9, 2), normal(9, 2), ints(4, 0, 8)[None]], {"num_heads": 2}),
    ("RotaryEmbedding", 23, [normal(1, 2, 3, 6), normal(1, 3, 2), normal(1, 3, 2)], {"rotary_embedding_dim": 4}),
    ("RotaryEmbedding", 23, [normal(1, 2, 3, 4), normal(1, 3, 2), normal(1, 3, 2)], {"interleaved": 1}),
    ("DFT", 20, [normal(2, 6, 1), np.array(8), np.array(1)], {"onesided": 1}),
    ("DFT", 20, [normal(2, 6, 2), np.array(4), np.array(1)], {}),
    ("DFT", 20, [normal(2, 6, 2), np.array(6), np.array(1)], {"inverse": 1}),
    *[(f"{name}Window", 17, [np.array(9)], {"periodic": 0}) for name in ("Hann", "Hamming", "Blackman")],
]
IDS = [f"{case[0]}-{position}" for position, case in enumerate(AS_THE_REFERENCE)]


@pytest.mark.parametrize(("name", "opset", "inputs", "attributes"), AS_THE_REFERENCE, ids=IDS)
def test_an_operator_gives_what_the_reference_gives(
    name: str, opset: int, inputs: list[Any], attributes: dict[str, Any]
) -> None:
    wanted = reference_of(name, inputs, attributes, opset=opset)
    for known in ((), range(len(inputs))):
        (got,) = call_operator(name, inputs, attributes, opset=opset, known=known)
        assert got.shape == wanted[0].shape
        assert got.dtype == wanted[0].dtype
        np.testing.assert_allclose(got, wanted[0], rtol=1e-5, atol=1e-6)


def test_neighbouring_channels_damp_each_other() -> None:
    import torch

    (found,) = call_operator("LRN", [PICTURE], {"size": 3, "alpha": 0.1, "bias": 2.0}, opset=13)
    wanted = torch.nn.functional.local_response_norm(torch.from_numpy(PICTURE), 3, alpha=0.1, k=2.0)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5)


def test_half_a_spectrum_is_inverted_to_the_signal_it_comes_from() -> None:
    signal = normal(2, 7, 1)
    (half,) = call_operator("DFT", [signal, None, np.array(1)], {"onesided": 1}, opset=20)
    inverse = {"onesided": 1, "inverse": 1}
    (back,) = call_operator("DFT", [half, np.array(7), np.array(1)], inverse, opset=20)
    np.testing.assert_allclose(back, signal, atol=1e-5)


def test_frames_of_a_signal_are_windowed_and_transformed() -> None:
    signal, window = normal(1, 20), np.hanning(8).astype(np.float32)
    (found,) = call_operator("STFT", [signal, np.array(4), window], opset=17)
    frames = np.stack([signal[:, start : start + 8] * window for start in (0, 4, 8, 12)], 1)
    wanted = np.fft.rfft(frames)
    np.testing.assert_allclose(found[..., 0] + 1j * found[..., 1], wanted, atol=1e-5)


def test_until_opset_20_a_group_has_one_scale() -> None:
    scale, bias = normal(2), normal(2)
    old = call_operator("GroupNormalization", [PICTURE, scale, bias], {"num_groups": 2}, opset=18)
    new = call_operator("GroupNormalization", [PICTURE, scale.repeat(2), bias.repeat(2)], {"num_groups": 2}, opset=21)
    np.testing.assert_allclose(old, new, rtol=1e-6)


def test_batch_normalization_in_training_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="training"):
        call_operator("BatchNormalization", [PICTURE, *[normal(4)] * 4], {"training_mode": 1}, opset=15)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("ignored", [None, 1])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_a_loss_leaves_out_what_is_ignored_and_weighs_the_rest(
    reduction: str, ignored: int | None, is_weighted: bool
) -> None:
    import torch

    scores, target, weight = normal(4, 3, 2), RNG.integers(0, 3, (4, 2)), abs(normal(3))
    attributes: dict[str, Any] = {"reduction": reduction} | ({} if ignored is None else {"ignore_index": ignored})
    inputs = [scores, target, *([weight] if is_weighted else [])]
    (found,) = call_operator("SoftmaxCrossEntropyLoss", inputs, attributes, opset=13)
    wanted = torch.nn.functional.cross_entropy(
        torch.from_numpy(scores),
        torch.from_numpy(target),
        torch.from_numpy(weight) if is_weighted else None,
        ignore_index=-100 if ignored is None else ignored,
        reduction=reduction,
    )
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5)


def test_attention_sees_nothing_beyond_itself_where_it_is_causal_and_shares_keys_among_heads() -> None:
    import torch

    query, key, value = normal(1, 4, 3, 8), normal(1, 2, 3, 8), normal(1, 2, 3, 8)
    (found,) = call_operator("Attention", [query, key, value], {"is_causal": 1}, opset=23)
    parts = [torch.from_numpy(part) for part in (query, key.repeat(2, 1), value.repeat(2, 1))]
    wanted = torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True)
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-6)


def test_a_query_that_may_look_nowhere_gets_zeros() -> None:
    mask = np.array([[True, True], [False, False]])
    (found,) = call_operator("Attention", [*[normal(1, 1, 2, 4)] * 3, mask], opset=23)
    assert not found[0, 0, 1].any()
    assert np.isfinite(found).all()
