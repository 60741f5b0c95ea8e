"""ONNX models as a source: an ``.onnx`` file or a ModelProto becomes a torch module, then goes PyTorch's way.

In: a model that reading.py has taken in, and samples. Out: reference outputs by onnxruntime, and a ``.pt2`` file. The
folder ``onnx/`` does the work; docs/decisions/0006 says why it is done through torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.converter import TORCH
from embedl_nb.compiler.keys.fingerprint import Fingerprint, fingerprint_onnx
from embedl_nb.compiler.one_line import one_line
from embedl_nb.compiler.onnx import reference
from embedl_nb.compiler.onnx.dtypes import computed_tensor
from embedl_nb.compiler.onnx.interface import interface_of, symbols_of
from embedl_nb.compiler.onnx.planning import plan_of
from embedl_nb.compiler.onnx.reading import Model, read_file, read_object
from embedl_nb.compiler.sources.from_torch import PROGRAM, failed_export, lowering_payload, save_program
from embedl_nb.compiler.sources.torch_noise import quiet
from embedl_nb.compiler.sources.varying import export_sample, torch_dimensions, without_symbols
from embedl_nb.errors import CompileError

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import torch

    from embedl_nb.compiler.onnx.values import Plan
    from embedl_nb.compiler.sources.samples import Samples

__all__ = ["OnnxSource", "take_onnx"]


class OnnxSource:
    """An ONNX model and its samples, ready to be run and exported.

    Parameters
    ----------
    model
        As it was read.
    example_inputs
        One sample, a list of samples, or None for a random one.
    input_shapes
        Sizes of inputs by name.
    dynamic_shapes
        Which dimensions are to stay open; an example of them is made up where none is given.

    Raises
    ------
    InputError, SignatureMismatchError
        If the samples do not fit the graph, or a dimension stays open.
    """

    converter = TORCH
    can_vary = True

    def __init__(
        self,
        model: Model,
        example_inputs: Any,
        input_shapes: Mapping[str, Sequence[int]] | None,
        dynamic_shapes: Any = None,
    ) -> None:
        self.model = model
        self.symbols = symbols_of(model)
        interface = interface_of(model, example_inputs, input_shapes, without_symbols(dynamic_shapes, self.symbols))
        self.samples = interface.samples
        self.output_names = model.outputs
        self.dropped: tuple[str, ...] = ()
        self._taken = interface.notes
        self.reference_notes: tuple[str, ...] = ()
        self._plan: Plan | None = None

    @property
    def name(self) -> str:
        """The file's or the graph's name."""
        return self.model.name

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""
        return self.model.origin

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it."""
        return fingerprint_onnx(self.model.hash_content(), self.samples)

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the result must know."""
        low = self.model.low_floats()
        wide = (f"values of {' and '.join(low)} are computed in float32, as LiteRT's operators do",) if low else ()
        made_up = ("no example inputs were given: it was verified on random ones",) if self.samples.is_made_up else ()
        return (*self._taken, *wide, *made_up)

    def check(self) -> None:
        """Plan it.

        Raises
        ------
        UnsupportedOperatorError, InputError, CompileError
            If an operator has no counterpart, or the graph makes no sense; the node is named.
        """
        reference.get_ready()
        self._planned()

    def run(self, samples: Samples) -> dict[str, np.ndarray[Any, Any]]:
        """Compute the reference: every output of every sample, as ``"<sample>/<name>"``.

        Raises
        ------
        CompileError, OutOfMemoryError
            If nothing can run the model.
        """
        arrays, self.reference_notes = reference.reference_outputs(self.model, samples.arrays())
        return arrays

    def export(self, folder: Path) -> dict[str, Any]:
        """Write it as a ``.pt2`` file; the payload says which node each module of it is.

        Raises
        ------
        CompileError
            If torch cannot export what was made of it.
        """
        import torch

        from embedl_nb.compiler.onnx.module import module_of, node_names

        module, inputs = module_of(self._planned()), tuple(map(computed_tensor, export_sample(self.samples)))
        dynamic_shapes = (torch_dimensions(self.samples),) if self.samples.varying else None
        try:
            with torch.no_grad(), quiet():
                program = torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes, strict=False)
        except Exception as err:
            if self.samples.varying:
                raise failed_export(self.name, err) from err
            raise CompileError(
                f"torch cannot export {self.name}: {one_line(err)}",
                hint="compile parts of the graph to find the node (onnx.utils.extract_model cuts them out)",
                details=f"{type(err).__name__}: {err}",
            ) from err
        with quiet():
            save_program(program, folder / PROGRAM)
        payload = lowering_payload(folder, self.samples, self.output_names)
        return {**payload, "module_names": node_names(self._planned())}

    def _planned(self) -> Plan:
        if self._plan is None:
            inputs = [_wide_spec(tensor) for tensor in export_sample(self.samples)]
            with quiet():
                self._plan = plan_of(self.model, inputs, self.samples.varying)
        return self._plan


def take_onnx(
    source: Path | onnx.ModelProto,
    example_inputs: Any,
    input_shapes: Mapping[str, Sequence[int]] | None,
    dynamic_shapes: Any = None,
) -> OnnxSource:
    """Return the source for an ``.onnx`` file or a ModelProto.

    Raises
    ------
    InputError, CompileError
        If it cannot be read, or the samples do not fit.
    """
    model = read_file(source) if isinstance(source, Path) else read_object(source)
    return OnnxSource(model, example_inputs, input_shapes, dynamic_shapes)


def _wide_spec(tensor: torch.Tensor) -> tuple[tuple[int, ...], torch.dtype]:
    return tuple(tensor.shape), computed_tensor(tensor.flatten()[:0]).dtype
