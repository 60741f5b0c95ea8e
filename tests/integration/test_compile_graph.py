"""Folding BatchNorm and decomposing operator by operator leave the function as it was."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from embedl_nb.compiler.explaining.lowering_errors import FAILURE_PATTERNS, NODE_PATTERN  # noqa: E402
from embedl_nb.compiler.lowering.decompose import Rounds, with_rounds  # noqa: E402
from embedl_nb.compiler.lowering.fold import fold_batch_norms  # noqa: E402
from embedl_nb.compiler.lowering.names import module_path, shorten_module_stacks  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::FutureWarning")]


def _randomised(net: nn.Module) -> nn.Module:
    for part in net.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            if part.affine:
                nn.init.uniform_(part.weight, 0.5, 2)
                nn.init.normal_(part.bias)
    return net.eval()


def _exported(net: nn.Module, inputs: Any) -> Any:
    return torch.export.export(net.eval(), (inputs,), strict=False)


def _targets(program: Any) -> collections.Counter[str]:
    return collections.Counter(str(node.target) for node in program.graph.nodes if node.op == "call_function")


def _num_norms(program: Any) -> int:
    return sum(number for target, number in _targets(program).items() if "batch_norm" in target)


FOLDED: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "2d": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)), (1, 3, 6, 6)),
    "2d with bias": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), (1, 3, 6, 6)),
    "2d of groups": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8)), (1, 4, 6, 6)),
    "2d padded same": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4)), (1, 3, 6, 6)),
    "1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4)), (1, 3, 6)),
    "3d": (lambda: nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4)), (1, 3, 4, 4, 4)),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 3), nn.BatchNorm2d(4)), (1, 3, 6, 6)),
    "transposed of groups": (
        lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)),
        (1, 4, 6, 6),
    ),
    "linear": (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), (5, 3)),
    "without affine": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)), (1, 3, 6, 6)),
}


@pytest.mark.parametrize("is_core", [False, True], ids=["as exported", "in core operators"])
@pytest.mark.parametrize("case", FOLDED)
def test_a_folded_batch_norm_changes_nothing(case: str, is_core: bool) -> None:
    make, shape = FOLDED[case]
    net, inputs = _randomised(make()), torch.randn(shape)
    program = _exported(net, inputs)
    if is_core:
        program = program.run_decompositions()
    is_foldable = not (is_core and case == "linear")  # by then it is an addmm of a transposed weight
    assert fold_batch_norms(program) == is_foldable
    assert _num_norms(program) == (not is_foldable)
    torch.testing.assert_close(program.module()(inputs), net(inputs), rtol=1e-4, atol=1e-5)


class Shared(nn.Module):
    """One convolution followed by two different BatchNorms, and one BatchNorm after two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.other = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.a, self.b = nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Any) -> Any:
        return self.a(self.conv(x)) + self.b(self.conv(x)) + self.a(self.other(x))


def test_shared_weights_and_shared_statistics_are_folded_apart() -> None:
    net, inputs = _randomised(Shared()), torch.randn(1, 3, 4, 4)
    program = _exported(net, inputs)
    assert fold_batch_norms(program) == 3
    torch.testing.assert_close(program.module()(inputs), net(inputs), rtol=1e-4, atol=1e-5)


class Used(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Any) -> Any:
        y = self.conv(x)
        return self.norm(y) + y


@pytest.mark.parametrize(
    "net",
    [Used(), nn.BatchNorm2d(3), nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))],
    ids=["the convolution is used twice", "no convolution", "statistics of the batch"],
)
def test_what_cannot_be_folded_stays(net: nn.Module) -> None:
    net, inputs = net.eval(), torch.randn(2, 3, 4, 4)
    program = _exported(net, inputs)
    assert fold_batch_norms(program) == 0
    assert _num_norms(program) == 1
    torch.testing.assert_close(program.module()(inputs), net(inputs))


def test_folding_keeps_the_modules_names() -> None:
    program = _exported(
        nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), nn.ReLU()), torch.randn(1, 3, 6, 6)
    )
    fold_batch_norms(program)
    shorten_module_stacks(program)
    calls = [node for node in program.graph.nodes if node.op == "call_function"]
    assert [module_path(node) for node in calls] == ["0.0", "1"]


class Views(nn.Module):
    def forward(self, x: Any) -> Any:
        first, second = x.reshape(2, 2, 2).chunk(2, dim=1)
        return torch.cat([first.contiguous().flatten(1), second.transpose(1, 2).flatten(1)], dim=1).to(torch.float64)


class InPlace(nn.Module):
    def forward(self, x: Any) -> Any:
        y = nn.functional.relu_(nn.functional.linear(x, torch.ones(4, 4)))
        return y, y + 1


class Writes(nn.Module):
    def forward(self, x: Any) -> Any:
        y = x * 2
        y[:, 0] = 1
        return y


class Decides(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))


@pytest.mark.parametrize(
    ("net", "shape", "is_local"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU6(inplace=True), nn.Flatten()),
            (1, 3, 6, 6),
            True,
        ),
        (nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=True), (1, 3, 4), True),
        (nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.GELU(), nn.Softmax(-1), nn.Dropout()), (2, 4), True),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Hardswish(), nn.AvgPool2d(2)), (1, 3, 6, 6), True),
        (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.MaxPool2d(2), nn.SiLU()), (1, 3, 6, 6), True),
        (Views(), (2, 4), True),
        (InPlace(), (2, 4), True),
        (nn.LSTM(4, 3), (2, 4), False),
        (Writes(), (2, 4), False),
        (Decides(), (2, 4), False),
    ],
    ids=["conv", "transformer", "norms", "pool", "upsample", "views", "in place", "lstm", "writes", "decides"],
)
def test_decomposing_operator_by_operator_gives_what_torch_gives(
    net: nn.Module, shape: tuple[int, ...], is_local: bool
) -> None:
    inputs = torch.randn(shape)
    table = torch._decomp.core_aten_decompositions()
    expected = _exported(net, inputs).run_decompositions(dict(table))
    rounds = Rounds()
    program = with_rounds(_exported(net, inputs), rounds).run_decompositions(dict(table))
    assert bool(rounds.num_local) == is_local
    assert _targets(program) == _targets(expected)
    torch.testing.assert_close(program.module()(inputs), net(inputs))


def test_every_pattern_of_a_failure_matches_its_sample() -> None:
    for entry in (*FAILURE_PATTERNS, NODE_PATTERN):
        found = entry.pattern.search(entry.sample)
        assert found is not None
        assert found["name"] in entry.sample
