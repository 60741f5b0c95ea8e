"""Exported programs as a source: a ``torch.export.ExportedProgram`` in memory, or a ``.pt2`` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.converter import TORCH
from embedl_nb.compiler.keys.fingerprint import Fingerprint, fingerprint_program
from embedl_nb.compiler.sources.custom_operators import refuse_custom_operators
from embedl_nb.compiler.sources.from_torch import PROGRAM, failed_forward, lowering_payload, output_array, save_program
from embedl_nb.compiler.sources.outputs import flatten_outputs
from embedl_nb.compiler.sources.pt2_check import SAVE_AGAIN, refuse_untrusted
from embedl_nb.compiler.sources.samples import Samples
from embedl_nb.compiler.sources.torch_noise import quiet
from embedl_nb.errors import CompileError, InputError

if TYPE_CHECKING:
    import numpy as np
    import torch

    from embedl_nb.compiler.sources.varying import Symbols

__all__ = ["ProgramSource", "load_program"]


class ProgramSource:
    """An exported program and its samples, ready to be run and saved."""

    converter = TORCH
    reference_notes: tuple[str, ...] = ()
    can_vary = False
    symbols: Symbols = {}  # noqa: RUF012 - read only

    def __init__(self, program: torch.export.ExportedProgram, samples: Samples, *, name: str) -> None:
        self.program = program
        self.samples = samples
        self.name = name
        self.output_names: tuple[str, ...] = ()
        self.dropped: tuple[str, ...] = ()

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""
        return f"torch.export {self.name}"

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it."""
        return fingerprint_program(self.program, self.samples)

    def notes(self) -> tuple[str, ...]:
        """Say what a reader of the result must know."""
        return ()

    def check(self) -> None:
        """Look at the weights.

        Raises
        ------
        InputError
            If a weight is NaN, or a GPU's.
        """
        import torch

        for name, tensor in self.program.state_dict.items():
            if tensor.device.type != "cpu":
                raise InputError(
                    f"{name!r} of the exported program is on {tensor.device}, and so are constants in its graph",
                    hint="export the module on the CPU, or give the module itself",
                )
            if tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
                raise InputError(f"{name!r} of the exported program holds NaN", hint="export it with valid weights")

    def run(self, samples: Samples) -> dict[str, np.ndarray[Any, Any]]:
        """Compute the reference: every output of every sample, as ``"<sample>/<name>"``.

        Raises
        ------
        SignatureMismatchError
            If the inputs do not fit the program.
        """
        import torch

        module = self.program.module()
        arrays: dict[str, np.ndarray[Any, Any]] = {}
        for index, sample in enumerate(samples.samples):
            args, kwargs = samples.call_with(tuple(tensor.clone() for tensor in sample.tensors))
            try:
                with torch.no_grad():
                    returned = module(*args, **kwargs)
            except Exception as err:
                raise failed_forward(self.name, err, samples) from err
            self.output_names, tensors, self.dropped = flatten_outputs(returned)
            pairs = zip(self.output_names, tensors, strict=True)
            arrays |= {f"{index}/{name}": output_array(name, tensor) for name, tensor in pairs}
        return arrays

    def export(self, folder: Path) -> dict[str, Any]:
        """Write it as a ``.pt2`` file."""
        refuse_custom_operators(self.program, self.name)
        with quiet():
            save_program(self.program, folder / PROGRAM)
        return lowering_payload(folder, self.samples, self.output_names)


def load_program(path: Path) -> torch.export.ExportedProgram:
    """Load a ``.pt2`` file that holds nothing but plain tensors and operators on them.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or would need trust; it says what in it does.
    CompileError
        If this torch cannot load it.
    """
    refuse_untrusted(path)
    import torch

    try:
        with quiet():
            return torch.export.load(path)
    except Exception as err:
        raise CompileError(f"torch cannot load {path}: {err}", hint=SAVE_AGAIN, details=str(err)) from err
