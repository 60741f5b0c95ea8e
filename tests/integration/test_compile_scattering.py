"""Adding by index, masks, windows and searches compile into operators that LiteRT runs, with torch's values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from compiled_calls import Calls, compiled, is_refused_without, outputs_without  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.litert,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

_GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(3, 4, 5, generator=_GENERATOR)
ROWS = torch.randn(4, 4, 5, generator=_GENERATOR)
NUMBERS = torch.tensor([0, 2, 2, 1])
EACH = torch.randint(0, 3, (4, 3, 5), generator=_GENERATOR)
PICTURE = torch.randn(1, 2, 8, 9, generator=_GENERATOR)
COARSE = PICTURE.round()  # with equal values


def test_rows_are_added_by_index_however_often_it_names_one() -> None:
    model = compiled(
        lambda x, rows, i, _: x.index_add(0, i, rows),
        lambda x, rows, *_: x.index_add(1, torch.tensor([3, 3, 0]), rows[:3, :3], alpha=2),
        lambda x, rows, _, each: x.scatter_add(0, each, rows),
        lambda x, rows, i, _: x[:, 0].scatter_add(0, i[:, None].expand(4, 5), rows[:, 0]),
        lambda x, rows, _, each: x.scatter(0, each[:3], rows, reduce="multiply"),
        lambda x, rows, *_: x.scatter_add(-2, torch.tensor([[[0, 3], [3, 1]]]), rows),
        lambda x, rows, i, _: x.long().index_add(0, i, rows.long()),
        lambda x, rows, i, _: torch.zeros(3, 5).index_add_(0, i, rows[:, 0]),
        inputs=(X, ROWS, NUMBERS, EACH),
    )
    assert "UNSORTED_SEGMENT_SUM" in set(model.operators["operator"])


def test_a_tensor_is_turned_round_along_any_axes() -> None:
    compiled(
        lambda x: x.flip((0, 2)),
        lambda x: x.flip((-1, 0, 1)),
        lambda x: x.flip(1),
        lambda x: x.flip(()) + 1,
        lambda x: (x > 0).flip((0, 1)),
        lambda x: x.long().flip((1, -1)),
        inputs=(X,),
    )
    assert is_refused_without(lambda x: x.flip((0, 2)), (X,))


def test_small_integers_are_shifted_by_all_their_bits() -> None:
    compiled(
        lambda x: (x * 50).to(torch.int8) >> 7,
        lambda x: (x * 50).to(torch.int8) >> torch.tensor(7, dtype=torch.int8),
        lambda x: (x.abs() * 90).to(torch.uint8) >> 8,
        lambda x: (x * 50).to(torch.int8) << 7,
        lambda x: (x * 9000).to(torch.int16) >> 15,
        inputs=(X,),
    )


def test_values_are_accumulated_at_positions() -> None:
    compiled(
        lambda x, rows, i: x.index_put((i,), rows, accumulate=True),
        lambda x, rows, i: x.index_put((i, i - 1), rows[:, 0], accumulate=True),
        lambda x, rows, i: torch.ops.aten.index_put(x, [None, i], rows[:3], True),
        lambda x, rows, i: torch.ops.aten.index_put(x, [i, None, i], rows[..., 0], True),
        inputs=(X, ROWS, NUMBERS),
    )


@pytest.mark.parametrize("include_self", [True, False])
def test_rows_are_reduced_by_index(include_self: bool) -> None:
    def by_each(kind: str) -> Callable[..., Any]:
        return lambda x, rows, _, each: x.scatter_reduce(0, each, rows, kind, include_self=include_self)

    def by_row(kind: str) -> Callable[..., Any]:
        return lambda x, rows, i, _: x.index_reduce(0, i[:3], rows[:3], kind, include_self=include_self)

    compiled(
        *map(by_each, ("sum", "prod", "mean", "amax", "amin")),
        *map(by_row, ("prod", "mean", "amax", "amin")),
        lambda x, _, i, __: x[:, 0, 0].long().scatter_reduce(0, i, i * 3 - 4, "mean", include_self=include_self),
        inputs=(X, ROWS, NUMBERS, EACH),
    )


def _with_written(x: Any) -> Any:
    x = x.clone()
    x[x > 0.5] = 0
    x[:, x[0, :, 0] > 0] = torch.arange(5.0)
    return x


def test_what_a_mask_chooses_is_overwritten() -> None:
    compiled(
        _with_written,
        lambda x: x.index_put((x[:, 0, 0] > 0,), torch.tensor(2.0)),
        lambda x: x.masked_scatter(x > 0, x.flip(0)),
        lambda x: x.masked_scatter(x[0, 0] > 0, torch.arange(60.0)),
        inputs=(X,),
    )


def test_blocks_that_overlap_are_added_up() -> None:
    compiled(
        lambda x: F.fold(F.unfold(x, 3, padding=1), (8, 9), 3, padding=1),
        lambda x: F.fold(F.unfold(x, (3, 2), (2, 1), (1, 0), (2, 3)), (8, 9), (3, 2), (2, 1), (1, 0), (2, 3)),
        lambda x: F.fold(x.reshape(16, 9)[:12, :8], (4, 11), 2, stride=(2, 3)),
        inputs=(PICTURE,),
    )


def test_the_largest_value_of_each_window_is_found_and_where_it_stands() -> None:
    compiled(
        lambda x: F.adaptive_max_pool2d(x, (3, 4), return_indices=True),
        lambda x: F.adaptive_max_pool2d(x, (4, 3)),
        lambda x: F.adaptive_max_pool1d(x[0], 4),
        lambda x: F.max_pool2d(x, 3, 2, 1, return_indices=True),
        lambda x: F.max_pool2d(x, (3, 2), (3, 2), (1, 0), ceil_mode=True, return_indices=True),
        lambda x: F.max_pool2d(x, 2, dilation=2, return_indices=True)[1],
        lambda x: F.max_pool1d(x[0], 2, return_indices=True),
        lambda x: F.max_unpool2d(*F.max_pool2d(x[..., :8], 2, return_indices=True), 2),
        inputs=(COARSE,),
    )


def test_the_nearest_pixel_is_torchs_at_every_size() -> None:
    model = compiled(
        lambda x: F.interpolate(x, size=(11, 13)),
        lambda x: F.interpolate(x, size=(5, 4)),
        lambda x: F.interpolate(x, scale_factor=(1.5, 2)),
        lambda x: F.interpolate(x, scale_factor=2),
        inputs=(PICTURE,),
    )
    assert "RESIZE_NEAREST_NEIGHBOR" in set(model.operators["operator"]), "twice the size needs no rewrite"


def test_a_value_is_found_between_boundaries() -> None:
    bounds = torch.tensor([-1.0, 0.0, 0.5, 1.0])
    compiled(
        lambda x: torch.bucketize(x, bounds),
        lambda x: torch.bucketize(x.round(), bounds, right=True, out_int32=True),
        lambda x: torch.searchsorted(torch.sort(x, stable=True)[0], x, side="right"),
        inputs=(torch.cat([X, torch.full((1, 4, 5), torch.nan)]),),
    )


def test_integers_are_shifted() -> None:
    compiled(
        lambda x, n: (x << 3, x >> 2, x << n, x >> n, torch.bitwise_left_shift(x, 1)),
        inputs=(torch.tensor([-9, -1, 0, 5, 1023]).int(), torch.tensor([0, 1, 2, 3, 20]).int()),
    )


def test_constants_of_a_rewrite_reach_programs_that_are_decomposed_as_a_whole() -> None:
    lstm = nn.LSTM(9, 9).eval()
    compiled(
        lambda x: lstm(x[0, :, :3])[0],
        lambda x: F.interpolate(x, size=(5, 7)),
        lambda x: F.max_pool2d(x, 2, return_indices=True),
        inputs=(PICTURE,),
    )


WITHOUT: dict[str, Callable[..., Any]] = {
    "index_add": lambda x, rows: x.index_add(0, NUMBERS, rows),
    "scatter_add": lambda x, rows: x.scatter_add(0, EACH, rows),
    "scatter_reduce": lambda x, rows: x.scatter_reduce(0, EACH, rows, "amax"),
    "index_put": lambda x, rows: x.index_put((NUMBERS,), rows, accumulate=True),
    "index_put of a mask": lambda x, _: x.index_put((x > 0,), torch.tensor(2.0)),
    "col2im": lambda x, _: F.fold(x.reshape(1, 12, 5), (2, 6), 2),
    "max_pool2d_with_indices": lambda x, _: F.max_pool2d(x, 2, return_indices=True)[1],
    "upsample_nearest2d": lambda x, _: F.interpolate(x[None], size=(7, 9)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT)
def test_what_is_rewritten_is_still_refused_or_wrong_without(name: str) -> None:
    function = WITHOUT[name]
    try:
        (found,) = outputs_without(Calls(function), (X, ROWS))
    except (RuntimeError, ValueError, TypeError, IndexError):
        return
    expected = function(X, ROWS).numpy()
    assert abs(found.reshape(expected.shape) - expected).max() > 0.1, f"the rewrite of {name} is no longer needed"


@pytest.mark.slow
def test_what_needs_no_rewrite_is_right_without_one() -> None:
    (found,) = outputs_without(Calls(lambda x, _: x + 1), (X, ROWS))  # else the test above passes whatever happens
    assert torch.equal(torch.from_numpy(found), X + 1)
