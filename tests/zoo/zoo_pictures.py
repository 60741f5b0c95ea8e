"""Pictures in: classifiers, detectors, segmenters and backbones of transformers."""

from __future__ import annotations

from typing import Any

from zoo_table import Built, architecture, pretrained_class

TRANSFORMER: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
FOUR_STAGES: dict[str, Any] = {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1]}


def picture(size: int, batch: int = 1) -> Any:
    """Return a random picture, shape (batch, 3, size, size)."""
    import torch

    return torch.randn(batch, 3, size, size)


@architecture("MobileNetV1", kind="classifier")
def _mobilenet_v1() -> Built:
    options = {"image_size": 64, "depth_multiplier": 0.25, "min_depth": 8}
    return pretrained_class("MobileNetV1Config", "MobileNetV1ForImageClassification", **options), picture(64)


@architecture("MobileNetV2", kind="classifier")
def _mobilenet_v2() -> Built:
    options = {"image_size": 64, "depth_multiplier": 0.35}
    return pretrained_class("MobileNetV2Config", "MobileNetV2ForImageClassification", **options), picture(64)


@architecture("MobileViT", kind="classifier")
def _mobilevit() -> Built:
    options = {
        "image_size": 64,
        "hidden_sizes": [16, 24, 32],
        "neck_hidden_sizes": [8, 8, 16, 24, 32, 40, 64],
        "num_attention_heads": 2,
    }
    return pretrained_class("MobileViTConfig", "MobileViTForImageClassification", **options), picture(64)


@architecture("EfficientNet", kind="classifier")
def _efficientnet() -> Built:
    options = {"image_size": 64, "width_coefficient": 0.25, "depth_coefficient": 0.3, "hidden_dim": 320}
    return pretrained_class("EfficientNetConfig", "EfficientNetForImageClassification", **options), picture(64)


@architecture("ResNet", kind="classifier")
def _resnet() -> Built:
    options = {"embedding_size": 16, **FOUR_STAGES, "layer_type": "bottleneck"}
    return pretrained_class("ResNetConfig", "ResNetForImageClassification", **options), picture(64)


@architecture("RegNet", kind="classifier")
def _regnet() -> Built:
    options = {"embedding_size": 16, **FOUR_STAGES, "groups_width": 16, "layer_type": "y"}
    return pretrained_class("RegNetConfig", "RegNetForImageClassification", **options), picture(64)


@architecture("BiT", kind="classifier")
def _bit() -> Built:
    options = {"embedding_size": 64, "hidden_sizes": [128, 256], "depths": [1, 1]}
    return pretrained_class("BitConfig", "BitForImageClassification", **options), picture(64)


@architecture("ConvNeXt", kind="classifier")
def _convnext() -> Built:
    return pretrained_class("ConvNextConfig", "ConvNextForImageClassification", **FOUR_STAGES), picture(64)


@architecture("ConvNeXt V2", kind="classifier")
def _convnext_v2() -> Built:
    return pretrained_class("ConvNextV2Config", "ConvNextV2ForImageClassification", **FOUR_STAGES), picture(64)


@architecture("PoolFormer", kind="classifier")
def _poolformer() -> Built:
    options = {"hidden_sizes": [16, 32, 48, 64], "depths": [1, 1, 1, 1]}
    return pretrained_class("PoolFormerConfig", "PoolFormerForImageClassification", **options), picture(64)


@architecture("ViT", kind="classifier", is_quick=True)
def _vit() -> Built:
    options = {**TRANSFORMER, "image_size": 32, "patch_size": 8}
    return pretrained_class("ViTConfig", "ViTForImageClassification", **options), picture(32)


@architecture("DeiT", kind="classifier")
def _deit() -> Built:
    options = {**TRANSFORMER, "image_size": 32, "patch_size": 8}
    return pretrained_class("DeiTConfig", "DeiTForImageClassification", **options), picture(32)


@architecture("BEiT", kind="classifier")
def _beit() -> Built:
    options = {**TRANSFORMER, "image_size": 32, "patch_size": 8, "use_relative_position_bias": True}
    return pretrained_class("BeitConfig", "BeitForImageClassification", **options), picture(32)


@architecture("DINOv2", kind="backbone")
def _dinov2() -> Built:
    options = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8}
    return pretrained_class("Dinov2Config", "Dinov2Model", **options), picture(32)


@architecture("Swin", kind="classifier")
def _swin() -> Built:
    options = {
        "image_size": 32,
        "patch_size": 2,
        "embed_dim": 16,
        "depths": [2, 2],
        "num_heads": [2, 2],
        "window_size": 4,
    }
    return pretrained_class("SwinConfig", "SwinForImageClassification", **options), picture(32)


@architecture("SegFormer", kind="segmenter")
def _segformer() -> Built:
    options = {
        "depths": [1, 1, 1, 1],
        "hidden_sizes": [16, 32, 64, 64],
        "decoder_hidden_size": 32,
        "num_labels": 5,
    }
    return pretrained_class("SegformerConfig", "SegformerForSemanticSegmentation", **options), picture(64)


@architecture("YOLOS", kind="detector")
def _yolos() -> Built:
    options = {**TRANSFORMER, "image_size": [32, 32], "patch_size": 8, "num_detection_tokens": 5}
    return pretrained_class("YolosConfig", "YolosForObjectDetection", **options), picture(32)


@architecture("CLIP vision", kind="backbone")
def _clip_vision() -> Built:
    options = {**TRANSFORMER, "image_size": 32, "patch_size": 8, "projection_dim": 16}
    return pretrained_class("CLIPVisionConfig", "CLIPVisionModelWithProjection", **options), picture(32)
