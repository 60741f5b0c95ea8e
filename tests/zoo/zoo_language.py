"""Tokens in: encoders and decoders of transformers, with an attention mask where they take one."""

from __future__ import annotations

from typing import Any

from zoo_table import Built, architecture, pretrained_class

SMALL: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 40,
}


def tokens(length: int = 12) -> dict[str, Any]:
    """Return token numbers and a mask whose last three are padding, shape (1, length), int64."""
    import torch

    mask = torch.ones(1, length, dtype=torch.int64)
    mask[:, -3:] = 0
    return {"input_ids": torch.randint(2, 99, (1, length)), "attention_mask": mask}


@architecture("BERT", kind="text encoder")
def _bert() -> Built:
    return pretrained_class("BertConfig", "BertModel", **SMALL), tokens()


@architecture("DistilBERT", kind="text encoder")
def _distilbert() -> Built:
    options = {"vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    return pretrained_class("DistilBertConfig", "DistilBertForSequenceClassification", **options), tokens()


@architecture("ALBERT", kind="text encoder")
def _albert() -> Built:
    return pretrained_class("AlbertConfig", "AlbertModel", **SMALL, embedding_size=16), tokens()


@architecture("RoBERTa", kind="text encoder")
def _roberta() -> Built:
    return pretrained_class("RobertaConfig", "RobertaForMaskedLM", **SMALL), tokens()


@architecture("ELECTRA", kind="text encoder")
def _electra() -> Built:
    return pretrained_class("ElectraConfig", "ElectraForTokenClassification", **SMALL, embedding_size=16), tokens()


@architecture("MPNet", kind="text encoder")
def _mpnet() -> Built:
    return pretrained_class("MPNetConfig", "MPNetModel", **SMALL), tokens()


@architecture("MobileBERT", kind="text encoder")
def _mobilebert() -> Built:
    options = {**SMALL, "intra_bottleneck_size": 16, "embedding_size": 16, "true_hidden_size": 16}
    return pretrained_class("MobileBertConfig", "MobileBertModel", **options), tokens()


@architecture("SqueezeBERT", kind="text encoder")
def _squeezebert() -> Built:
    return pretrained_class("SqueezeBertConfig", "SqueezeBertModel", **SMALL, embedding_size=32), tokens()


@architecture("DeBERTa V2", kind="text encoder")
def _deberta() -> Built:
    options = {**SMALL, "relative_attention": True, "position_buckets": 8, "pos_att_type": ["p2c", "c2p"]}
    return pretrained_class("DebertaV2Config", "DebertaV2Model", **options), tokens()


@architecture("T5 encoder", kind="text encoder")
def _t5() -> Built:
    options = {"vocab_size": 99, "d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2}
    return pretrained_class("T5Config", "T5EncoderModel", **options), tokens()


@architecture("CLIP text", kind="text encoder")
def _clip_text() -> Built:
    options = {**SMALL, "projection_dim": 16, "eos_token_id": 98}
    return pretrained_class("CLIPTextConfig", "CLIPTextModelWithProjection", **options), tokens()


@architecture("GPT-2", kind="text decoder")
def _gpt2() -> Built:
    options = {"vocab_size": 99, "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 40, "use_cache": False}
    return pretrained_class("GPT2Config", "GPT2LMHeadModel", **options), {"input_ids": tokens()["input_ids"]}


@architecture("Llama", kind="text decoder")
def _llama() -> Built:
    options = {**SMALL, "num_key_value_heads": 1, "use_cache": False}
    return pretrained_class("LlamaConfig", "LlamaForCausalLM", **options), {"input_ids": tokens()["input_ids"]}
