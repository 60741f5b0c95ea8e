"""What is suggested for operators that stop a compile."""

from __future__ import annotations

import re

import pytest

from embedl_nb.compiler.explaining.advice import ADVICE, DEFAULT, Advice, advice_for


@pytest.mark.parametrize("row", ADVICE, ids=lambda row: row.seen)
def test_every_row_is_about_the_operator_that_was_seen_to_fail(row: Advice) -> None:
    assert re.fullmatch(row.operators, row.seen)
    assert row.seen in row.sample
    assert re.search(r"\d+\.\d+", row.source)
    assert row.suggestion in advice_for([row.seen])


@pytest.mark.parametrize(
    ("operator", "says"),
    [
        ("aten.digamma", "polynomial"),
        ("aten.polar", "real and imaginary parts apart"),
        ("aten.linalg_inv_ex", "matrix decompositions"),
        ("aten._fft_r2c", "torch.matmul"),
        ("aten._fft_c2r", "inverse transform"),
        ("aten.nonzero", "depends on the values"),
        ("aten.index.Tensor", "multiply by the mask"),
        ("aten.unique_dim", "count outside"),
        ("aten.randint.low", "draw the random numbers outside"),
        ("aten.rrelu_with_noise_functional", "draw the random numbers outside"),
        ("while_loop", "fixed number of turns"),
        ("STABLEHLO_SORT", "torch.topk"),
    ],
)
def test_known_operators_have_a_rewrite(operator: str, says: str) -> None:
    assert says in advice_for([operator])


@pytest.mark.parametrize("operator", ["aten.conv2d", "aten.reflection_pad2d", "aten.special_erf", "tfl.tanh", "index"])
def test_others_have_the_general_one(operator: str) -> None:
    assert advice_for([operator]) == DEFAULT


def test_many_operators_do_not_make_a_long_hint() -> None:
    assert advice_for(row.seen for row in ADVICE).count("; ") <= 4
    assert advice_for(["aten.i0", "aten.lgamma"]) == advice_for(["aten.i0"])
