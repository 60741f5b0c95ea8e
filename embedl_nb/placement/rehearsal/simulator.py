"""Qualcomm's simulator of a Snapdragon's NPU, seen from the parent: what it is told of a chip, and a child for it.

In: a graph of a context binary, and arrays by position for each sample. Out: the same of what it gives. The simulator
is part of onnxruntime-qnn, and onnxruntime opens the binary for it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from embedl_nb.device.catalog import Chip
from embedl_nb.errors import BenchmarkError, InputError, MissingDependencyError
from embedl_nb.imports import is_installed, version_of
from embedl_nb.placement.npu.sdk import INSTALL, package_folder
from embedl_nb.runtime.arrays import by_sample, join_samples, save_arrays, take_arrays
from embedl_nb.runtime.process import Child

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Graph", "Simulator", "check_installed", "htp_arch"]

_WORKER, _WHO = "embedl_nb.runtime.simulator_worker", "Qualcomm's simulator"
_PACKAGES = ("onnxruntime", "onnxruntime_qnn", "onnx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One graph of a context binary: what a ``DISPATCH_OP`` runs.

    Attributes
    ----------
    name
        In the binary.
    context_path
        A file with the binary and nothing else.
    inputs, outputs
        dtype and shape of each, in the order of the operator, which is the binary's own.
    """

    name: str
    context_path: Path
    inputs: tuple[tuple[str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, tuple[int, ...]], ...]


def htp_arch(chip: Chip) -> str:
    """Return the version of a chip's Hexagon NPU: ``"75"``; ``""`` where it is not known."""
    found = re.fullmatch(r"Hexagon v(\d+)", chip.npu)
    return found[1] if found else ""


def check_installed() -> None:
    """See that the simulator is on this machine.

    Raises
    ------
    MissingDependencyError
        If it is not.
    """
    if not all(map(is_installed, _PACKAGES)):
        raise MissingDependencyError(
            "Qualcomm's simulator is not installed", extra="qualcomm", install=INSTALL, hint=INSTALL
        )


class Simulator:
    """The simulator of one chip's NPU, in a child process of its own.

    Raises
    ------
    InputError
        If it is not known which NPU the chip has.
    MissingDependencyError
        If the simulator is not installed.
    """

    def __init__(self, chip: Chip) -> None:
        # A chip that the simulator is not told of would be taken for its default one, in silence.
        known = {"soc_model": chip.npu_target, "htp_arch": htp_arch(chip)}
        if not any(known.values()):
            raise InputError(
                f"it is not known which Hexagon NPU {chip} has, so Qualcomm's simulator cannot stand in for it",
                hint="rehearse on a chip of which it is known: enb.catalog(npu='qualcomm')",
            )
        check_installed()
        libraries = package_folder("onnxruntime_qnn")
        self._settings = {
            "provider_path": str(libraries / "libonnxruntime_providers_qnn.so"),
            "options": {
                "backend_path": str(libraries / "libQnnHtp.so"),
                **{option: value for option, value in known.items() if value},
            },
        }
        folders = [str(libraries), str(libraries.with_name("onnxruntime_qnn.libs"))]
        folders += [path for path in [os.environ.get("LD_LIBRARY_PATH", "")] if path]
        self._child = Child(_WORKER, what=_WHO, environment={"LD_LIBRARY_PATH": ":".join(folders)})

    @property
    def version(self) -> str:
        """What the simulator is part of."""
        return f"onnxruntime-qnn {version_of('onnxruntime-qnn')}"

    @property
    def log_path(self) -> Path:
        """Where its output is kept."""
        return self._child.log_path

    def run(self, graph: Graph, samples: Sequence[Sequence[Array]], *, timeout_s: float) -> list[list[Array]]:
        """Return the outputs of every sample.

        Raises
        ------
        BenchmarkError
            If it refuses the binary or the arrays, crashes, hangs or runs out of memory; ``details`` names its log.
        """
        with tempfile.TemporaryDirectory(prefix="embedl_nb-") as folder:
            inputs_path = Path(folder) / "inputs.npz"
            save_arrays(inputs_path, join_samples([{str(i): a for i, a in enumerate(sample)} for sample in samples]))
            request = {
                "graph": {
                    "name": graph.name,
                    "context_path": str(graph.context_path),
                    "inputs": graph.inputs,
                    "outputs": graph.outputs,
                },
                "simulator": self._settings,
                "inputs_path": str(inputs_path),
            }
            try:
                answer = self._child.request("run", request, timeout_s=timeout_s)
            except BenchmarkError as err:
                if str(self.log_path) not in err.details:
                    err.details = f"log: {self.log_path}\n{err.details}"
                raise
        returned = by_sample(take_arrays(answer["outputs_path"]))
        return [[sample[str(place)] for place in range(len(graph.outputs))] for sample in returned.values()]

    def close(self) -> None:
        """End the child."""
        self._child.close()

    def __enter__(self) -> Simulator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
