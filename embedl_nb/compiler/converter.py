"""Which child lowers a source, and how it is asked.

Whatever ends the child (a crash, a hang, no memory) becomes one error here that names the model and keeps the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from embedl_nb.errors import (
    BenchmarkError,
    CompileError,
    ConverterCrashedError,
    OutOfMemoryError,
    RuntimeCrashedError,
    RuntimeTimeoutError,
)
from embedl_nb.imports import version_of
from embedl_nb.runtime.pool import close_unused, prewarm, warm

__all__ = ["CHILD_NAME", "TENSORFLOW", "TORCH", "Converter"]

CHILD_NAME = "the converter"
"""What errors call the child."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """A tool that lowers, in a child of its own.

    Attributes
    ----------
    module
        What the child runs; it answers ``lower`` with ``steps``, sentences for the lineage.
    tool
        The distribution that does the work, for the lineage.
    """

    module: str
    tool: str

    @property
    def version(self) -> str:
        """The tool and its version, as a lineage names it."""
        return f"{self.tool} {version_of(self.tool)}".strip()

    def prewarm(self) -> None:
        """Start the child without waiting for it: its imports take seconds."""
        prewarm(self.module, what=CHILD_NAME)

    def dismiss(self) -> None:
        """Stop a child that was started and is not needed; one that has worked stays for the next compile."""
        close_unused(self.module)

    def ask(self, command: str, payload: dict[str, Any], *, name: str, timeout_s: float) -> dict[str, Any]:
        """Ask the child for ``command`` and wait for its answer.

        Parameters
        ----------
        name
            Of the source model, for errors.

        Raises
        ------
        EmbedlError
            The child's own.
        ConverterCrashedError
            If it died, or did not answer within ``timeout_s``.
        CompileError
            For any other exception in it; its traceback is in ``details``.
        OutOfMemoryError
            If memory ran out.
        """
        with warm(self.module, what=CHILD_NAME) as child:
            log_path = str(child.log_path)
            try:
                return child.request(command, payload, timeout_s=timeout_s)
            except OutOfMemoryError:
                raise
            except RuntimeTimeoutError as err:
                raise ConverterCrashedError(
                    f"the converter did not finish {name} within {timeout_s:g} s and was stopped",
                    log_path=log_path,
                    hint="give timeout_s more time",
                    details=err.details,
                ) from err
            except RuntimeCrashedError as err:
                raise ConverterCrashedError(
                    f"{err.message} (while lowering {name})",
                    log_path=err.log_path or log_path,
                    hint=f"its log is {err.log_path or log_path}",
                    details=err.details,
                ) from err
            except BenchmarkError as err:
                raise CompileError(
                    f"{err.message} (while lowering {name})",
                    hint=err.hint or f".details has where; its log is {log_path}",
                    details=err.details,
                ) from err


TORCH = Converter(module="embedl_nb.compiler.lowering.torch_child", tool="litert-torch")
"""Lowers a ``.pt2`` file with flat tensors in and out."""
TENSORFLOW = Converter(module="embedl_nb.compiler.keras.keras_child", tool="tensorflow")
"""Lowers Keras and TensorFlow models; it also reads their files."""
