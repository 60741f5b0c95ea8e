"""Sound and series in: encoders of speech, recurrent and temporal networks."""

from __future__ import annotations

from typing import Any

from zoo_table import Built, architecture, pretrained_class

SPEECH: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": [16, 16, 16],
    "conv_kernel": [10, 3, 3],
    "conv_stride": [5, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "vocab_size": 32,
}


def _sound(length: int) -> Any:
    import torch

    return torch.randn(1, length)


@architecture("wav2vec2", kind="speech encoder")
def _wav2vec2() -> Built:
    return pretrained_class("Wav2Vec2Config", "Wav2Vec2ForCTC", **SPEECH), _sound(800)


@architecture("HuBERT", kind="speech encoder")
def _hubert() -> Built:
    return pretrained_class("HubertConfig", "HubertModel", **SPEECH), _sound(800)


@architecture("Whisper encoder", kind="speech encoder")
def _whisper() -> Built:
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=2,
        encoder_ffn_dim=64,
        num_mel_bins=20,
        max_source_positions=50,
    )
    return WhisperEncoder(config), torch.randn(1, 20, 100)


@architecture("AST", kind="sound classifier")
def _ast() -> Built:
    import torch

    options = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    options |= {"max_length": 64, "num_mel_bins": 32}
    return pretrained_class("ASTConfig", "ASTForAudioClassification", **options), torch.randn(1, 64, 32)


@architecture("LSTM", kind="series")
def _lstm() -> Built:
    import torch
    from torch import nn

    return nn.LSTM(6, 12, num_layers=2, batch_first=True, bidirectional=True), torch.randn(1, 6, 6)


@architecture("GRU", kind="series")
def _gru() -> Built:
    import torch
    from torch import nn

    return nn.GRU(6, 12, batch_first=True), torch.randn(1, 6, 6)


@architecture("TCN", kind="series")
def _tcn() -> Built:
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Causal(nn.Module):
        def __init__(self, inputs: int, outputs: int, dilation: int) -> None:
            super().__init__()
            self.reach = 2 * dilation
            self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(inputs, outputs, 3, dilation=dilation))
            self.skip = nn.Conv1d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

        def forward(self, x: Any) -> Any:
            return F.relu(F.relu(self.conv(F.pad(x, (self.reach, 0)))) + self.skip(x))

    return nn.Sequential(Causal(4, 16, 1), Causal(16, 16, 2), Causal(16, 16, 4), nn.Conv1d(16, 3, 1)), torch.randn(
        1, 4, 40
    )


@architecture("WaveNet", kind="sound generator")
def _wavenet() -> Built:
    import torch
    from torch import nn

    class Gated(nn.Module):
        def __init__(self, dilation: int) -> None:
            super().__init__()
            self.filter = nn.Conv1d(8, 8, 2, dilation=dilation)
            self.gate = nn.Conv1d(8, 8, 2, dilation=dilation)
            self.mix = nn.Conv1d(8, 8, 1)

        def forward(self, x: Any) -> Any:
            y = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
            return self.mix(y) + x[..., -y.shape[-1] :]

    return nn.Sequential(nn.Conv1d(1, 8, 1), *(Gated(2**i) for i in range(4)), nn.Conv1d(8, 16, 1)), torch.randn(
        1, 1, 64
    )


@architecture("EnCodec", kind="sound codec")
def _encodec() -> Built:
    """The shape of EnCodec's autoencoder: strided convolutions, an LSTM with a skip, transposed convolutions."""
    import torch
    from torch import nn

    class Memory(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(16, 16)

        def forward(self, x: Any) -> Any:
            y = x.permute(2, 0, 1)
            return (self.lstm(y)[0] + y).permute(1, 2, 0)

    down = [nn.Conv1d(1, 8, 7, padding=3), nn.ELU(), nn.Conv1d(8, 16, 8, stride=4, padding=2), nn.ELU()]
    up = [nn.ConvTranspose1d(16, 8, 8, stride=4, padding=2), nn.ELU(), nn.Conv1d(8, 1, 7, padding=3)]
    return nn.Sequential(*down, Memory(), *up), torch.randn(1, 1, 32)
