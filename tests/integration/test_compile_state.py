"""Networks that carry state from call to call are compared with their source over whole sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from torch import nn  # noqa: E402

from embedl_nb.compiler import compile_model  # noqa: E402
from embedl_nb.compiler.sources.from_torch import TorchSource  # noqa: E402
from embedl_nb.compiler.sources.samples import read_samples  # noqa: E402
from embedl_nb.compiler.sources.sequence import StatefulSource  # noqa: E402
from embedl_nb.errors import InputError, SignatureMismatchError, UnknownNameError  # noqa: E402
from embedl_nb.model import LiteRTModel  # noqa: E402
from embedl_nb.runtime.arrays import by_sample, load_arrays  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert]

STATE = {"h_out": "h_in"}
START = torch.zeros(1, 5)


class Stream(nn.Module):
    """One step of a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRUCell(3, 5), nn.Linear(5, 2)

    def forward(self, x: Any, h_in: Any) -> dict[str, Any]:
        h = self.cell(x, h_in)
        return {"y": self.head(h), "h_out": h}


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Stream().eval()


def _steps(num_steps: int) -> list[dict[str, Any]]:
    times = torch.arange(num_steps * 3.0).reshape(num_steps, 1, 3)
    return [{"x": torch.sin(time), **({"h_in": START} if index == 0 else {})} for index, time in enumerate(times)]


@pytest.fixture(scope="module")
def model(net: nn.Module) -> LiteRTModel:
    return compile_model(net, _steps(20), state=STATE)


def test_a_sequence_is_compared_to_its_end(model: LiteRTModel) -> None:
    assert model.parity is not None
    assert model.parity.passed
    assert (model.parity.num_samples, len(model.parity.errors_over_time)) == (20, 20)
    assert "20 given samples in time, largest error" in repr(model)


def test_the_source_is_fed_its_own_state(model: LiteRTModel, net: nn.Module) -> None:
    assert model.samples_path is not None
    assert model.golden_path is not None
    golden, inputs = by_sample(load_arrays(model.golden_path)), by_sample(load_arrays(model.samples_path))
    h, steps = START, _steps(20)
    for index, step in enumerate(steps):
        np.testing.assert_allclose(inputs[index]["h_in"], h, rtol=1e-5, atol=1e-6)
        with torch.no_grad():
            h = net(step["x"], h)["h_out"]
        np.testing.assert_allclose(golden[index]["h_out"], h, rtol=1e-5, atol=1e-6)


def test_the_model_keeps_both_ends_of_the_state_and_knows_them(model: LiteRTModel) -> None:
    assert model.state == (("h_out", "h_in"),)
    assert LiteRTModel.from_record(model.to_record()).state == model.state
    h = START.numpy()
    for step in _steps(3):
        outputs = model(x=step["x"], h_in=h)
        h = outputs["h_out"]
    assert model.golden_path is not None
    np.testing.assert_allclose(h, by_sample(load_arrays(model.golden_path))[2]["h_out"], rtol=1e-4, atol=1e-5)


def test_few_steps_are_followed_by_made_up_ones(net: nn.Module) -> None:
    again = compile_model(net, _steps(2), state=STATE)
    assert again.parity is not None
    assert "16 synthetic samples in time" in again.parity.sentence


@pytest.mark.parametrize(
    ("state", "error", "said"),
    [
        ({"h_out": "h"}, UnknownNameError, "input for state"),
        ({"h": "h_in"}, UnknownNameError, "output for state"),
        ({"y": "h_in"}, SignatureMismatchError, r"out of 'y' as float32 \(1, 2\).*'h_in' as float32 \(1, 5\)"),
    ],
)
def test_a_state_that_cannot_be_handed_on_is_refused(
    net: nn.Module, state: dict[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        compile_model(net, _steps(1), state=state)


def test_state_of_several_signatures_is_refused(net: nn.Module) -> None:
    with pytest.raises(InputError, match="several signatures"):
        compile_model({"step": net}, {"step": _steps(1)}, state=STATE)


def test_made_up_steps_are_the_same_each_time(net: nn.Module) -> None:
    first, second = (StatefulSource(TorchSource(net, read_samples(_steps(1))), (("h_out", "h_in"),)) for _ in range(2))
    mine, others = first.samples.arrays(), second.samples.arrays()
    assert len(by_sample(mine)) == 16
    assert all(np.array_equal(array, others[key]) for key, array in mine.items())
    assert not np.array_equal(mine["1/x"], mine["2/x"])


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(1, 3))

    def forward(self, x: Any) -> Any:
        self.total.add_(x)
        return self.total * 2


def test_state_that_the_module_keeps_to_itself_is_named() -> None:
    model = compile_model(Counting().eval(), torch.ones(1, 3))
    assert any("changes its own total" in note and "state={output: input}" in note for note in model.notes)
