"""Dimensions that stay open in the compiled model, which is verified at several sizes, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from torch import nn  # noqa: E402

from embedl_nb.compiler import compile_model, image_input  # noqa: E402
from embedl_nb.errors import CompileError, InputError, SignatureMismatchError, UnsupportedOperatorError  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert]


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, stride=2, padding=1)).eval()


def test_a_picture_of_any_height_runs_and_equals_its_source(net: nn.Module) -> None:
    model = compile_model(net, torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8), dynamic_shapes={2: (4, 20)})
    assert model.signatures[0].inputs[0].shape == (1, 3, -1, 8)
    assert model.parity is not None
    assert model.parity.passed
    assert model.parity.num_samples == 3  # the example's, the smallest and the largest size
    assert any("dimension 2 of input 'args_0' may be 4 to 20" in note for note in model.notes)
    assert model.memory.arena_bytes > 0
    x = torch.linspace(-1, 1, 3 * 13 * 8).reshape(1, 3, 13, 8)
    with torch.no_grad():
        np.testing.assert_allclose(model(x)["output_0"], net(x), rtol=1e-4, atol=1e-5)


def test_an_operator_that_cannot_vary_is_named() -> None:
    net = nn.Sequential(nn.Embedding(8, 4)).eval()
    with pytest.raises(UnsupportedOperatorError) as caught:
        compile_model(net, torch.zeros(1, 6, dtype=torch.int32), dynamic_shapes={1: (1, 64)})
    assert caught.value.operators
    assert "without dynamic_shapes" in caught.value.hint


class Deciding(nn.Module):
    def forward(self, x: Any) -> Any:
        return x * 2 if x.shape[1] > 5 else x + 1


def test_a_source_that_fixes_the_dimension_is_refused() -> None:
    with pytest.raises(CompileError, match="fixes a dimension that dynamic_shapes leaves open"):
        compile_model(Deciding().eval(), torch.ones(1, 4), dynamic_shapes={1: (2, 8)})


def test_a_size_on_which_the_source_fails_is_named() -> None:
    with pytest.raises(SignatureMismatchError, match=r"args_0 float32 \(1, 2\)"):
        compile_model(nn.Linear(4, 2).eval(), torch.ones(1, 4), dynamic_shapes={1: (2, 8)})


def test_options_that_make_no_sense_together_are_refused(net: nn.Module) -> None:
    program = torch.export.export(net, (torch.ones(1, 3, 8, 8),), strict=False)
    with pytest.raises(InputError, match="whose dimensions are its own"):
        compile_model(program, dynamic_shapes={2: (4, 20)})
    with pytest.raises(InputError, match="image_input"):
        compile_model(net, image_input(8), dynamic_shapes={2: (4, 20)})
    with pytest.raises(InputError, match="both given"):
        compile_model(net, torch.ones(1, 3, 8, 8), dynamic_shapes={2: (4, 20)}, state={"h": "g"})
    with pytest.raises(InputError, match="several signatures"):
        compile_model({"a": net}, {"a": torch.ones(1, 3, 8, 8)}, dynamic_shapes={2: (4, 20)})
