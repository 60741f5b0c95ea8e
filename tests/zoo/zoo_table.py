"""The table of the zoo: small architectures with random weights, each of which has to compile and equal its source.

The families fill it (zoo_pictures, zoo_language, zoo_signals, zoo_written). Sizes are as small as the architecture
allows, so that it is its operators that are tried and not the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["ZOO", "Architecture", "architecture", "lively", "pretrained_class"]

Built = tuple[Any, Any]
"""A module in eval mode and one sample of inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One entry.

    Attributes
    ----------
    build
        Returns the module in eval mode and its example inputs.
    is_quick
        Whether it is tried in the default suite too.
    """

    name: str
    kind: str
    build: Callable[[], Built]
    is_quick: bool = False

    def make(self) -> Built:
        """Build it with the same random weights each time."""
        import torch

        torch.manual_seed(0)
        module, inputs = self.build()
        return lively(module), inputs


ZOO: dict[str, Architecture] = {}


def architecture(
    name: str, *, kind: str, is_quick: bool = False
) -> Callable[[Callable[[], Built]], Callable[[], Built]]:
    """Enter the decorated function under ``name``."""

    def enter(build: Callable[[], Built]) -> Callable[[], Built]:
        assert name not in ZOO, f"{name} is there already"
        ZOO[name] = Architecture(name=name, kind=kind, build=build, is_quick=is_quick)
        return build

    return enter


def lively(module: Any) -> Any:
    """Give BatchNorm statistics that are not those of an untrained layer, and return the module in eval mode."""
    from torch import nn

    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats:
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 1.5)
    return module.eval()


def pretrained_class(config: str, model: str, **options: Any) -> Any:
    """Return a model of transformers with random weights."""
    import transformers

    return getattr(transformers, model)(getattr(transformers, config)(**options))
