"""Several modules become the signatures of one file, each proven, with shared weights stored once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from torch import nn  # noqa: E402

from embedl_nb.compiler import compile_model  # noqa: E402
from embedl_nb.errors import InputError, SignatureMismatchError, UnknownNameError  # noqa: E402
from embedl_nb.measure import measure  # noqa: E402
from embedl_nb.measure.benchmark import InputSource, OutputState  # noqa: E402
from embedl_nb.model import LiteRTModel  # noqa: E402

pytestmark = [
    pytest.mark.torch,
    pytest.mark.litert,
    pytest.mark.filterwarnings("ignore::embedl_nb.errors.UnstableMeasurementWarning"),
    pytest.mark.filterwarnings("ignore::embedl_nb.errors.ThrottledWarning"),
]

WORDS, WIDTH = 512, 32


class Encoder(nn.Module):
    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.table, self.mix = table, nn.Linear(WIDTH, WIDTH)

    def forward(self, tokens: Any) -> dict[str, Any]:
        return {"hidden": self.mix(self.table(tokens))}


class Decoder(nn.Module):
    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        self.table = table

    def forward(self, hidden: Any) -> dict[str, Any]:
        return {"logits": hidden @ self.table.weight.T}


TOKENS, HIDDEN = torch.tensor([[3, 1, 4, 1]]), torch.linspace(-1, 1, 4 * WIDTH).reshape(1, 4, WIDTH)
INPUTS = {"encode": {"tokens": TOKENS}, "decode": {"hidden": HIDDEN}}


@pytest.fixture(scope="module")
def modules() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    table = nn.Embedding(WORDS, WIDTH)
    return {"encode": Encoder(table).eval(), "decode": Decoder(table).eval()}


@pytest.fixture(scope="module")
def model(modules: dict[str, nn.Module]) -> LiteRTModel:
    return compile_model(modules, INPUTS)


def test_each_module_is_a_signature_with_its_own_names(model: LiteRTModel) -> None:
    found = {
        signature.key: ([spec.name for spec in signature.inputs], [spec.name for spec in signature.outputs])
        for signature in model.signatures
    }
    assert found == {"encode": (["tokens"], ["hidden"]), "decode": (["hidden"], ["logits"])}
    assert model.name == "encode_decode"
    assert "Encoder (encode) and torch Decoder (decode)" in " ".join(repr(model).split())


def test_weights_that_both_share_are_stored_once(model: LiteRTModel) -> None:
    table, mix = WORDS * WIDTH * 4, (WIDTH + 1) * WIDTH * 4
    assert table + mix < model.size_bytes < 1.5 * table


def test_each_signature_is_compared_with_its_source(model: LiteRTModel) -> None:
    assert model.parity is not None
    assert model.parity.passed
    assert [output.name for output in model.parity.outputs] == ["encode: hidden", "decode: logits"]


def test_a_signature_is_called_by_its_key(model: LiteRTModel, modules: dict[str, nn.Module]) -> None:
    with torch.no_grad():
        hidden = modules["encode"](TOKENS)["hidden"]
        logits = modules["decode"](hidden)["logits"]
    mine = model(tokens=TOKENS.int(), signature_key="encode")["hidden"]
    np.testing.assert_allclose(mine, hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model(mine, signature_key="decode")["logits"], logits, rtol=1e-4, atol=1e-4)
    with pytest.raises(UnknownNameError, match="decod"):
        model(HIDDEN, signature_key="decod")


def test_the_same_again_comes_from_the_cache(model: LiteRTModel, modules: dict[str, nn.Module]) -> None:
    again = compile_model(modules, INPUTS)
    assert (again.path, again.parity) == (model.path, model.parity)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"encode": {"tokens": TOKENS}}, "the example inputs encode"),
        (TOKENS, "the example inputs no dict"),
        ({"encode": TOKENS, "decode": HIDDEN, "more": HIDDEN}, "encode, decode, more"),
    ],
)
def test_example_inputs_of_other_signatures_are_refused(modules: dict[str, nn.Module], inputs: Any, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        compile_model(modules, inputs)
    assert "'encode': ..." in caught.value.hint


def test_a_module_that_fails_is_named(modules: dict[str, nn.Module]) -> None:
    with pytest.raises(SignatureMismatchError, match="Decoder"):
        compile_model(modules, {**INPUTS, "decode": {"hiden": HIDDEN}})


def test_a_benchmark_takes_the_first_signature_or_the_one_asked_for(model: LiteRTModel) -> None:
    options: dict[str, Any] = {"processes": 1, "iterations": 3, "warmup": 1, "profile": False, "num_threads": 1}
    first, second = measure(model, **options), measure(model, signature_key="decode", **options)
    assert (first.model_name, second.model_name) == ("encode_decode (encode)", "encode_decode (decode)")
    assert (first.input_source, second.input_source) == (InputSource.EXAMPLE, InputSource.RANDOM)
    assert first.outputs.state is OutputState.MATCH
    with pytest.raises(UnknownNameError):
        measure(model, signature_key="decod", **options)
