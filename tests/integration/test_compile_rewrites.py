"""Operators that LiteRT refuses are rewritten into what it runs, exactly; and each rewrite is still needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from compiled_calls import Calls, compiled, is_refused_without, outputs_without  # noqa: E402
from torch import nn  # noqa: E402

from embedl_nb.compiler import compile_model  # noqa: E402
from embedl_nb.compiler.lowering.rewrites import REWRITES  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.litert,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]

_LARGEST, _SMALLEST = 2**31 - 1, -(2**31)
TIES = torch.tensor([[1.0, 0.0, 2.0, 0.0, 1.0, -0.0], [3.0, 3.0, 3.0, -1.0, 5.0, 5.0], [0.0, 1.0, 1.0, 1.0, 0.0, 2.0]])
INTEGERS = torch.tensor([[_SMALLEST, 0, _LARGEST, 0, _SMALLEST + 1, -1], [4, 4, _LARGEST, 2, 2, -7]])
DIFFERENT = torch.randperm(2 * 3 * 4 * 5, generator=torch.Generator().manual_seed(0)).float().reshape(2, 3, 4, 5)
FRACTIONS = torch.linspace(-0.999, 0.999, 12).reshape(3, 4)


def test_sorting_keeps_torchs_order_also_of_equal_values() -> None:
    model = compiled(
        lambda x, i: torch.sort(x, stable=True),
        lambda x, i: torch.sort(x, dim=0, descending=True, stable=True),
        lambda x, i: torch.argsort(i, dim=0, stable=True),
        lambda x, i: torch.sort(i, descending=True, stable=True),
        lambda x, i: torch.sort(i, stable=True)[0],
        lambda x, i: torch.sort(x > 1, stable=True),
        lambda x, i: torch.msort(x),
        inputs=(TIES, INTEGERS),
    )
    assert "TOPK_V2" in set(model.operators["operator"])


def test_the_first_of_several_are_found_along_every_axis() -> None:
    functions: list[Callable[..., Any]] = [
        lambda x: torch.topk(x, 2)[0],
        lambda x: torch.topk(x, 1, dim=0),
        lambda x: torch.topk(x, 3, dim=-2, largest=False),
        lambda x: torch.topk(x[0, 0, 0], 5)[1],
        lambda x: torch.argsort(x, dim=1, descending=True),
        lambda x: torch.kthvalue(x, 2, dim=1),
        lambda x: torch.median(x, dim=2, keepdim=True),
        lambda x: torch.median(x),
    ]
    compiled(*functions, inputs=(DIFFERENT,))


def test_a_slice_over_all_of_an_axis_does_not_keep_a_model_from_compiling() -> None:
    compiled(lambda x: nn.functional.linear(x[:, 0:None], FRACTIONS), inputs=(FRACTIONS.reshape(1, 3, 4),))


def test_running_products_and_extremes_are_torchs() -> None:
    compiled(
        lambda x, i: torch.cumprod(x, dim=1),
        lambda x, i: torch.cumprod(i, dim=0),
        lambda x, i: torch.cummax(i, dim=1),
        lambda x, i: torch.cummin(x, dim=0),
        inputs=(FRACTIONS, torch.tensor([[1, 3, 3, 2, 3], [0, -1, -1, 5, -1]])),
    )


def test_functions_without_a_lowering_are_torchs() -> None:
    compiled(
        torch.erfinv,
        torch.erfc,
        torch.exp2,
        lambda x: torch.fmax(x, x.flip(0)),
        lambda x: torch.fmin(x, x.flip(0)),
        lambda x: torch.hypot(x, x.flip(0)),
        inputs=(FRACTIONS,),
    )


def test_one_hot_compiles_without_its_checks() -> None:
    model = compiled(lambda i: nn.functional.one_hot(i, 6), inputs=(torch.tensor([[0, 5, 2], [1, 1, 3]]),))
    assert "ONE_HOT" in set(model.operators["operator"])


def test_erfinv_is_torchs_at_its_ends_and_beyond() -> None:
    compiled(torch.erfinv, inputs=(torch.tensor([-1.0, 1.0, 0.0, 0.9999999, -0.9999999, 1e-9, 1.5]),))


class Constants(nn.Module):
    """A constant minus, and over, what a convolution or a transposition gives."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.register_buffer("scale", torch.tensor([1.0, 2.0, 3.0]))

    def forward(self, x: Any) -> Any:
        last = x.permute(0, 2, 3, 1)
        return 1 - self.conv(x), 2 / self.conv(x), self.scale - last, self.scale / torch.exp(last)


def test_a_constant_is_not_swapped_with_what_it_is_less_or_divided_by() -> None:
    inputs = (torch.linspace(0.1, 1, 48).reshape(1, 3, 4, 4),)
    model = compile_model(Constants().eval(), inputs)
    assert model.parity is not None
    assert model.parity.passed


def test_unsigned_integers_are_carried_by_wider_ones_and_wrap_round() -> None:
    narrow, wide = torch.tensor([0, 1, 7, 65535], dtype=torch.uint16), torch.tensor([3, 1], dtype=torch.uint32)
    model = compiled(
        lambda narrow, wide: (narrow.int() - 5).to(torch.uint16),
        lambda narrow, wide: (narrow.float() * 0.5).to(torch.uint16),
        lambda narrow, wide: torch.cat([wide, wide]),
        lambda narrow, wide: narrow,
        inputs=(narrow, wide),
    )
    assert {spec.dtype for spec in model.signatures[0].inputs} == {"int32"}
    assert any("uint16 in the source and int32" in note for note in model.notes)


WEIGHT = torch.linspace(-1, 1, 12).reshape(2, 6)


def test_a_linear_layer_on_axes_of_one_compiles() -> None:
    compiled(
        lambda x: torch.nn.functional.linear(x[:, :, :1], WEIGHT, WEIGHT[:, 0]),
        lambda x: torch.relu(x[:, :, :1]) @ WEIGHT.T,
        inputs=(torch.linspace(-1, 1, 24).reshape(1, 2, 2, 6),),
    )


@pytest.mark.slow
def test_a_linear_layer_on_axes_of_one_is_still_refused_without_its_barrier() -> None:
    row = torch.ones(1, 1, 1, 6)
    assert is_refused_without(lambda x: x @ WEIGHT.T, (row,)), "part_reshapes is no longer needed"


def test_bits_are_read_as_another_type() -> None:
    model = compiled(lambda x: x.view(torch.int32), lambda x: x[0, 0].view(torch.int32), inputs=(FRACTIONS,))
    assert "BITCAST" in set(model.operators["operator"])


KEYS = torch.linspace(-1, 1, 24).reshape(1, 1, 4, 6)


def _shared_keys(x: Any) -> Any:
    """Give several heads of attention the same keys, and transpose them."""
    return x[:, :, None].expand(1, 1, 3, 4, 6).reshape(1, 3, 4, 6).transpose(-1, -2)


def test_keys_that_heads_share_are_transposed_whole() -> None:
    compiled(
        lambda x: KEYS.flip(2).expand(1, 3, 4, 6) @ _shared_keys(x),
        lambda x: x.repeat(1, 3, 1, 1).permute(0, 1, 3, 2),
        lambda x: x.repeat(2, 1, 2, 3),
        lambda x: x.long().expand(2, 3, 4, 6).permute(3, 2, 1, 0),
        inputs=(KEYS,),
    )


@pytest.mark.slow
@pytest.mark.parametrize("function", [_shared_keys, lambda x: x.repeat(1, 3, 1, 1).permute(0, 1, 3, 2)])
def test_a_broadcast_is_still_transposed_wrongly_without_its_rewrite(function: Callable[..., Any]) -> None:
    (found,) = outputs_without(Calls(function), (KEYS,))
    assert abs(found - function(KEYS).numpy()).max() > 0.1, "lower_broadcasts is no longer needed"


@pytest.mark.slow
@pytest.mark.parametrize(
    "function", [lambda x: 1 - x.permute(0, 2, 3, 1), lambda x: 1 / x.permute(0, 2, 3, 1)], ids=["less", "over"]
)
def test_constants_are_still_swapped_without_their_rewrite(function: Callable[..., Any]) -> None:
    x = torch.linspace(2, 3, 48).reshape(1, 3, 4, 4)
    (found,) = outputs_without(Calls(function), (x,))
    assert abs(found - function(x).numpy()).max() > 0.1, "move_constants is no longer needed"


SORTS: dict[str, Callable[..., Any]] = {
    "topk.default": lambda x: torch.topk(x, 2)[0],
    "sort.default": lambda x: torch.sort(x)[0],
    "sort.stable": lambda x: torch.sort(x, stable=True)[1],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SORTS)
def test_sorts_are_still_refused_without_their_rewrite(name: str) -> None:
    assert is_refused_without(SORTS[name], (TIES,)), f"the rewrite of {name} is no longer needed"


def test_what_has_no_lowering_still_has_none() -> None:
    from litert_torch import fx_infra
    from litert_torch.backend import lowerings

    packet = torch.ops.aten
    table = fx_infra.decomp.pre_lower_decomp()
    without = [op for op, entry in REWRITES.items() if entry.reason == "litert-torch has no lowering for it"]
    gained = [str(op) for op in without if op in table or lowerings.lookup(op)]
    assert len(without) > 20
    assert lowerings.lookup(packet._assert_async.msg) is None, "drop_assertions is no longer needed"
    assert not gained, f"litert-torch has learnt these; their rewrites may go: {gained}"


def test_every_rewrite_says_why_and_with_what_it_was_seen() -> None:
    for entry in REWRITES.values():
        assert entry.reason
        assert any(digit.isdigit() for digit in entry.seen_with)


def test_a_gelu_that_is_written_out_is_one_operator() -> None:
    root = torch.tensor(2.0).sqrt()
    model = compiled(
        lambda x: x * 0.5 * (1.0 + torch.erf(x / 2**0.5)),
        lambda x: 0.5 * (x * (torch.erf(x * 0.70710678) + 1)),
        lambda x: x * (1 + torch.erf(x / root)) / 2,
        lambda x: x * ((1 + torch.erf(x / 1.41421)) * 0.5),
        inputs=(DIFFERENT / 30 - 2,),
    )
    assert set(model.operators["operator"]) == {"GELU"}


def test_what_only_looks_like_a_gelu_stays_what_it_is() -> None:
    model = compiled(
        lambda x: x * 0.5 * (1.0 + torch.erf(x / 1.5)),
        lambda x: x * 0.5 * (2.0 + torch.erf(x / 2**0.5)),
        lambda x: (x + 1) * 0.5 * (1.0 + torch.erf(x / 2**0.5)),
        lambda x: x * 0.25 * (1.0 + torch.erf(x / 2**0.5)),
        lambda x: (1.0 + torch.erf(x / 2**0.5)).sum(1) * x[:, 0] * 0.5,
        inputs=(DIFFERENT / 30 - 2,),
    )
    assert "GELU" not in set(model.operators["operator"])
