"""The floor for what computes in half precision."""

from __future__ import annotations

import numpy as np
import pytest

from embedl_nb.model.evidence import Floor, Parity, SampleSource, compare_outputs


def compared(outputs: np.ndarray, reference: np.ndarray, floor: Floor) -> Parity:
    return compare_outputs([{"y": reference}], [{"y": outputs}], sample_source=SampleSource.GIVEN, floor=floor)


def test_a_hundred_layers_in_float16_reach_its_floor_and_not_that_of_floats() -> None:
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((1, 64)).astype(np.float32)
    half = reference.astype(np.float16)
    for _ in range(100):
        weights = np.linalg.qr(rng.standard_normal((64, 64)))[0]
        reference = np.maximum(reference @ weights, -0.5).astype(np.float32)
        half = np.maximum(half @ weights.astype(np.float16), np.float16(-0.5))
    held_to_half = compared(half.astype(np.float32), reference, Floor.HALF)
    assert held_to_half.passed
    assert "held to 40 dB as it may compute in float16" in held_to_half.sentence
    assert not compared(half.astype(np.float32), reference, Floor.FLOAT).passed


@pytest.mark.parametrize("wrong", [lambda y: y[:, ::-1], lambda y: np.full_like(y, y[0, 0]), lambda y: y * 1.05])
def test_what_is_wrong_stays_wrong(wrong: object) -> None:
    reference = np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32)
    assert not compared(wrong(reference), reference, Floor.HALF).passed
