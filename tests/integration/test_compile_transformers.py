"""Models of transformers compile as they are: keyword inputs, masks, ModelOutput, caches and captured layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")
transformers = pytest.importorskip("transformers")

from embedl_nb.compiler import compile_model  # noqa: E402
from embedl_nb.compiler.sources.from_torch import TorchSource  # noqa: E402
from embedl_nb.compiler.sources.samples import read_samples  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert]

SIZES: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 16,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
TOKENS = torch.tensor([[5, 3, 9, 7, 0, 0]])
INPUTS = {"input_ids": TOKENS, "attention_mask": (TOKENS > 0).long()}


def _exported(model: Any, folder: Path) -> TorchSource:
    source = TorchSource(model.eval(), read_samples(INPUTS))
    source.run(source.samples)
    source.export(folder)
    return source


def test_a_masked_model_equals_its_source_by_the_names_of_its_own() -> None:
    torch.manual_seed(0)
    model = compile_model(transformers.BertModel(transformers.BertConfig(**SIZES)).eval(), INPUTS)
    signature = model.signatures[0]
    assert [spec.name for spec in signature.inputs] == ["input_ids", "attention_mask"]
    assert [spec.name for spec in signature.outputs] == ["last_hidden_state", "pooler_output"]
    assert model.parity is not None
    assert model.parity.passed


def test_a_cache_for_the_next_call_is_left_out(tmp_path: Path) -> None:
    source = _exported(transformers.LlamaForCausalLM(transformers.LlamaConfig(**SIZES)), tmp_path)
    assert source.output_names == ("logits",)
    assert len(source.dropped) == 1


def test_layers_that_are_captured_are_outputs_and_leave_no_hook_behind(tmp_path: Path) -> None:
    config = transformers.BertConfig(**SIZES, output_hidden_states=True, attn_implementation="eager")
    model = transformers.BertModel(config)
    source = _exported(model, tmp_path)
    assert source.output_names == ("last_hidden_state", "pooler_output", "hidden_states_0", "hidden_states_1")
    assert not any(part._forward_hooks for part in model.modules())
