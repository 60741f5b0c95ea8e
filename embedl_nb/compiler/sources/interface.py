"""Where a compiled model's inputs and outputs differ from its source's: channels last, and pictures as bytes.

An :class:`AdaptedSource` stands in front of any source whose export is a ``.pt2`` file. Samples and reference outputs
are turned here; the same is done to the exported graph in the child (interface_graph.py), and verifying the result
proves that both agree.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.keys.fingerprint import Fingerprint, extended
from embedl_nb.compiler.sources.wrapping import WrappedSource
from embedl_nb.errors import InputError
from embedl_nb.units import Layout

if TYPE_CHECKING:
    import numpy as np
    import torch

    from embedl_nb.compiler.sources.pictures import ImageInput
    from embedl_nb.compiler.sources.samples import Samples
    from embedl_nb.compiler.sources.source import Source

__all__ = ["AdaptedSource", "adapted", "read_layout"]

_IMAGE_RANK = 4
_TO_LAST, _TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


def read_layout(layout: str) -> Layout:
    """Return the layout with this name.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        return Layout(layout)
    except ValueError as err:
        raise InputError(f"layout={layout!r} is no layout", hint="give 'nhwc' or 'keep'") from err


def adapted(source: Source, layout: Layout, *, is_alone: bool = True) -> Source:
    """Return ``source`` with the interface that was asked for, itself where that is its own.

    Of several sources (not ``is_alone``) some may have nothing that a layout changes.
    """
    if layout is Layout.KEEP and not source.samples.images:
        return source
    return AdaptedSource(source, layout, is_alone=is_alone)


class AdaptedSource(WrappedSource):
    """A source, seen through another interface.

    Parameters
    ----------
    source
        Its samples say which inputs are pictures.
    layout
        What becomes of its other 4-D inputs and of its 4-D outputs.
    is_alone
        Whether it is an error if there are none.
    """

    def __init__(self, source: Source, layout: Layout, *, is_alone: bool) -> None:
        super().__init__(source)
        self._is_alone = is_alone
        self._layout = layout
        self._images: dict[str, ImageInput] = dict(source.samples.images)
        self._turned_inputs = self._to_turn(
            {
                name: tensor.dim()
                for name, tensor in zip(source.samples.names, source.samples.first.tensors, strict=True)
                if name not in self._images
            }
        )
        self._turned_outputs: tuple[str, ...] = ()
        self.samples = self._outer(source.samples)

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it."""
        images = tuple(
            (name, image.height, image.width, image.mean, image.std, image.scale, image.order, image.dtype)
            for name, image in self._images.items()
        )
        return extended(self._inner.fingerprint(), "interface", str(self._layout), images)

    def run(self, samples: Samples) -> dict[str, np.ndarray[Any, Any]]:
        """Compute the reference on samples of this interface.

        Raises
        ------
        InputError
            If the layout was asked for, and no input and no output is 4-D.
        """
        golden = self._inner.run(self._without_interface(samples))
        ranks = {key.partition("/")[2]: array.ndim for key, array in golden.items()}
        self._turned_outputs = self._to_turn(ranks)
        if self._is_alone and self._layout is Layout.NHWC and not self._changes():
            raise InputError(
                f"layout='nhwc' was asked for, and {self.name} has no 4-D input or output",
                hint="leave layout out",
            )
        return {
            key: array.transpose(_TO_LAST) if key.partition("/")[2] in self._turned_outputs else array
            for key, array in golden.items()
        }

    def export(self, folder: Path) -> dict[str, Any]:
        """Write what the child needs; the interface is in the payload."""
        images = {name: image.to_payload() for name, image in self._images.items()}
        interface = {"images": images, "inputs": list(self._turned_inputs), "outputs": list(self._turned_outputs)}
        return {**self._inner.export(folder), "interface": interface}

    def _changes(self) -> bool:
        return bool(self._turned_inputs or self._turned_outputs or self._images)

    def _to_turn(self, ranks: dict[str, int]) -> tuple[str, ...]:
        if self._layout is Layout.KEEP:
            return ()
        return tuple(name for name, rank in ranks.items() if rank == _IMAGE_RANK)

    def _outer(self, samples: Samples) -> Samples:
        """Return the source's samples as this interface takes them."""
        import torch

        def convert(name: str, tensor: torch.Tensor, index: int) -> torch.Tensor:
            if name in self._images:
                return torch.from_numpy(self._images[name].pixels(index))
            return tensor.permute(_TO_LAST).contiguous() if name in self._turned_inputs else tensor

        return samples.mapped(convert)

    def _without_interface(self, samples: Samples) -> Samples:
        """Undo :meth:`_outer`, as the compiled model does."""
        import torch

        def convert(name: str, tensor: torch.Tensor, index: int) -> torch.Tensor:  # noqa: ARG001 - what mapped() calls
            if name in self._images:
                return torch.from_numpy(self._images[name].preprocessed(tensor.numpy()))
            return tensor.permute(_TO_FIRST).contiguous() if name in self._turned_inputs else tensor

        return samples.mapped(convert)
