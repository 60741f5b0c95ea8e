"""Architectures written out here, because their operators matter more than their names do."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from zoo_pictures import picture
from zoo_table import Built, architecture


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    layers = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Two levels with skips by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.top, self.middle, self.bottom = _conv(3, 8), _conv(8, 16), _conv(16, 32)
        self.up_2, self.up_1 = nn.ConvTranspose2d(32, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.join_2, self.join_1, self.last = _conv(32, 16), _conv(16, 8), nn.Conv2d(8, 2, 1)

    def forward(self, x: Any) -> Any:
        top = self.top(x)
        middle = self.middle(F.max_pool2d(top, 2))
        bottom = self.bottom(F.max_pool2d(middle, 2))
        middle = self.join_2(torch.cat([self.up_2(bottom), middle], 1))
        return self.last(self.join_1(torch.cat([self.up_1(middle), top], 1)))


@architecture("UNet", kind="segmenter")
def _unet() -> Built:
    return UNet(), picture(32)


@architecture("Attention UNet gate", kind="segmenter")
def _gate() -> Built:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features, self.attention = _conv(3, 8), nn.Conv2d(8, 1, 1)

        def forward(self, x: Any) -> Any:
            y = self.features(x)
            attention = torch.sigmoid(self.attention(y))
            return y * attention, 1 - attention, 1 - self.attention(y)

    return Gate(), picture(16)


@architecture("ESPCN", kind="super-resolution", is_quick=True)
def _espcn() -> Built:
    layers = [nn.Conv2d(3, 16, 5, padding=2), nn.Tanh(), nn.Conv2d(16, 27, 3, padding=1), nn.PixelShuffle(3)]
    return nn.Sequential(*layers), picture(16)


@architecture("SSD head", kind="detector")
def _ssd() -> Built:
    class SSD(nn.Module):
        """Two feature maps; boxes are decoded, the best are taken by topk, and NMS stays outside."""

        def __init__(self) -> None:
            super().__init__()
            self.stem, self.next = nn.Sequential(_conv(3, 16, 2), _conv(16, 32, 2)), _conv(32, 32, 2)
            self.boxes = nn.ModuleList(nn.Conv2d(32, 8, 3, padding=1) for _ in range(2))
            self.scores = nn.ModuleList(nn.Conv2d(32, 6, 3, padding=1) for _ in range(2))

        def forward(self, x: Any) -> Any:
            maps = [self.stem(x)]
            maps.append(self.next(maps[0]))
            boxes = torch.cat([self._rows(head, m, 4) for head, m in zip(self.boxes, maps, strict=True)], 1)
            scores = torch.cat([self._rows(head, m, 3) for head, m in zip(self.scores, maps, strict=True)], 1)
            best, places = torch.topk(scores.softmax(-1).amax(-1), 10)
            centre, size = boxes[..., :2], torch.exp(boxes[..., 2:])
            corners = torch.cat([centre - size / 2, centre + size / 2], -1)
            return best, torch.gather(corners, 1, places.unsqueeze(-1).expand(-1, -1, 4))

        def _rows(self, head: Any, features: Any, width: int) -> Any:
            return head(features).permute(0, 2, 3, 1).reshape(1, -1, width)

    return SSD(), picture(32)


@architecture("DETR", kind="detector")
def _detr() -> Built:
    class DETR(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Sequential(_conv(3, 16, 2), _conv(16, 32, 2))
            options = {"batch_first": True, "dropout": 0.0}
            self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 2, 64, **options), 1)
            self.decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(32, 2, 64, **options), 1)
            self.positions, self.queries = (nn.Parameter(torch.randn(1, n, 32)) for n in (64, 7))
            self.classes, self.boxes = nn.Linear(32, 5), nn.Linear(32, 4)

        def forward(self, x: Any) -> Any:
            memory = self.encoder(self.backbone(x).flatten(2).mT + self.positions)
            found = self.decoder(self.queries, memory)
            return {"logits": self.classes(found), "boxes": self.boxes(found).sigmoid()}

    return DETR(), picture(32)


@architecture("MLP-Mixer", kind="classifier")
def _mixer() -> Built:
    class Mixer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, 24, 8, 8)
            self.tokens = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
            self.channels = nn.Sequential(nn.LayerNorm(24), nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24))
            self.norm, self.head = nn.LayerNorm(24), nn.Linear(24, 10)

        def forward(self, x: Any) -> Any:
            y = self.patches(x).flatten(2).mT
            y = y + self.tokens(self.norm(y).mT).mT
            return self.head((y + self.channels(y)).mean(1))

    return Mixer(), picture(32)


@architecture("PointNet", kind="points")
def _pointnet() -> Built:
    class PointNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Linear(3, 9)
            layers = [nn.Conv1d(3, 32, 1), nn.BatchNorm1d(32), nn.ReLU(), nn.Conv1d(32, 64, 1), nn.ReLU()]
            self.features, self.head = nn.Sequential(*layers), nn.Linear(64, 5)

        def forward(self, points: Any) -> Any:
            turned = points @ self.turn(points.amax(1)).view(-1, 3, 3)
            return self.head(self.features(turned.mT).max(-1).values)

    return PointNet(), torch.randn(1, 50, 3)


@architecture("Autoencoder", kind="autoencoder", is_quick=True)
def _autoencoder() -> Built:
    layers = [nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 64)]
    return nn.Sequential(nn.Flatten(), *layers, nn.Sigmoid()), torch.rand(1, 8, 8)


@architecture("VAE decoder", kind="generator")
def _vae() -> Built:
    layers: list[nn.Module] = [nn.Conv2d(4, 16, 3, padding=1)]
    for _ in range(2):
        layers += [nn.GroupNorm(4, 16), nn.SiLU(), nn.Upsample(scale_factor=2), nn.Conv2d(16, 16, 3, padding=1)]
    return nn.Sequential(*layers, nn.Conv2d(16, 3, 3, padding=1)), torch.randn(1, 4, 8, 8)


@architecture("DCGAN generator", kind="generator")
def _dcgan() -> Built:
    layers: list[nn.Module] = []
    for inputs, outputs, stride, padding in ((8, 32, 1, 0), (32, 16, 2, 1), (16, 8, 2, 1)):
        layers += [nn.ConvTranspose2d(inputs, outputs, 4, stride, padding), nn.BatchNorm2d(outputs), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.Conv2d(8, 3, 3, padding=1), nn.Tanh()), torch.randn(1, 8, 1, 1)


@architecture("DenseNet", kind="classifier")
def _densenet() -> Built:
    class Dense(nn.Module):
        def __init__(self, inputs: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 8, 3, padding=1)) for c in (inputs, inputs + 8)
            )

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = torch.cat([x, layer(x)], 1)
            return x

    layers = [
        nn.Conv2d(3, 8, 7, 2, 3),
        nn.MaxPool2d(3, 2, 1),
        Dense(8),
        nn.Conv2d(24, 12, 1),
        nn.AvgPool2d(2),
        Dense(12),
    ]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(28, 10)), picture(64)


@architecture("ShuffleNet", kind="classifier")
def _shufflenet() -> Built:
    class Unit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.branch = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU(), depthwise, nn.Conv2d(8, 8, 1))

        def forward(self, x: Any) -> Any:
            left, right = x.chunk(2, 1)
            return F.channel_shuffle(torch.cat([left, self.branch(right)], 1), 2)

    return nn.Sequential(
        _conv(3, 16, 2), Unit(), Unit(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5)
    ), picture(32)


@architecture("MobileNetV3 block", kind="classifier")
def _mobilenet_v3() -> Built:
    class Squeeze(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Conv2d(32, 8, 1), nn.Conv2d(8, 32, 1)

        def forward(self, x: Any) -> Any:
            return x * F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))

    depthwise = nn.Conv2d(32, 32, 5, 2, 2, groups=32, bias=False)
    layers = [nn.Conv2d(3, 32, 1), nn.Hardswish(), depthwise, nn.BatchNorm2d(32), nn.Hardswish(), Squeeze()]
    return nn.Sequential(*layers, nn.Conv2d(32, 16, 1), nn.BatchNorm2d(16)), picture(32)


@architecture("Mixture of experts", kind="router")
def _experts() -> Built:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router = nn.Linear(16, 4)
            self.experts = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))

        def forward(self, x: Any) -> Any:
            weights, chosen = torch.topk(self.router(x).softmax(-1), 2, dim=-1)
            weights = weights / weights.sum(-1, keepdim=True)
            outputs = torch.stack([expert(x) for expert in self.experts], 1)
            picked = torch.gather(outputs, 1, chosen.unsqueeze(-1).expand(-1, -1, 16))
            return (picked * weights.unsqueeze(-1)).sum(1)

    return Experts(), torch.randn(5, 16)


@architecture("Siamese matcher", kind="matcher")
def _siamese() -> Built:
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(_conv(3, 8, 2), _conv(8, 16, 2), nn.AdaptiveAvgPool2d(2), nn.Flatten())

        def forward(self, left: Any, right: Any) -> Any:
            return F.cosine_similarity(self.encoder(left), self.encoder(right))

    return Siamese(), (picture(16), picture(16))


@architecture("StyleGAN modulation", kind="generator")
def _style() -> Built:
    class Modulated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.style, self.conv = nn.Linear(8, 16), nn.Conv2d(16, 16, 3, padding=1)
            self.norm = nn.InstanceNorm2d(16)

        def forward(self, x: Any, latent: Any) -> Any:
            y = self.norm(x) * (1 + self.style(latent))[:, :, None, None]
            return F.leaky_relu(self.conv(F.interpolate(y, scale_factor=2, mode="bilinear")), 0.2)

    return Modulated(), (torch.randn(1, 16, 8, 8), torch.randn(1, 8))
