"""What a phone's GPU would run: LiteRT's GPU delegate is asked, on the Vulkan driver that this machine has."""

from embedl_nb.placement.gpu.asking import ask_gpu

__all__ = ["ask_gpu"]
