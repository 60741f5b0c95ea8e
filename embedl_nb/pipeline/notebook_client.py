"""Executes a notebook and lets a terminal follow it. An adapter: the one place that knows nbclient.

A cell's heading, the progress lines of the verbs and the text of the cells tagged ``answer`` reach the terminal; the
notebook keeps everything else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from embedl_nb.errors import EmbedlError

__all__ = ["execute"]

_ANSWER = "answer"
_CELL_TIMEOUT_S = 600
_WARNING = "Warning: "
_PROGRESS_PREFIXES = ("compile | ", "benchmark | ")


def execute(notebook: Any, folder: Path, say: Callable[[str], None], progress: Callable[[str], None]) -> None:
    """Run every cell of ``notebook`` in place, with ``folder`` as working directory and this very Python.

    Parameters
    ----------
    notebook
        A notebook node of nbformat 4; outputs are written into it, also when a cell fails.
    folder
        Working directory of the kernel.
    say
        Gets each line of an answer.
    progress
        Gets lines that may be overwritten by the next.

    Raises
    ------
    EmbedlError
        If a cell fails, with the cell's own error; if its kernel dies, or does not finish a cell in time.
    """
    manager = AsyncKernelManager(kernel_name="python3")
    if manager.kernel_spec is not None:
        # A user's kernel of the same name may be another Python; this one has the packages.
        manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client = _FollowedClient(
        notebook,
        km=manager,
        timeout=_CELL_TIMEOUT_S,
        resources={"metadata": {"path": str(folder)}},
        say=say,
        progress=progress,
    )
    try:
        # The kernel ends before this returns: it still records what it has, and nothing is left running.
        client.execute(cleanup_kc=True)
    except CellExecutionError as err:
        raise EmbedlError(
            f"the quickstart notebook stopped: {err.ename}: {err.evalue}",
            hint="run 'embedl-nb doctor', which names what is missing on this machine",
            details=str(err),
        ) from err
    except DeadKernelError as err:
        raise EmbedlError(
            "the quickstart notebook stopped: its kernel died",
            hint="run it again; if nobody stopped it, look for a limit on memory or time on this machine",
        ) from err
    except CellTimeoutError as err:
        raise EmbedlError(
            f"the quickstart notebook stopped: a cell did not finish within {_CELL_TIMEOUT_S} s",
            hint="run it again when the machine is less busy",
            details=str(err),
        ) from err


class _FollowedClient(NotebookClient):  # type: ignore[misc]  # nbclient publishes no types
    """A client that repeats to a terminal what its reader wants to follow."""

    def __init__(
        self, notebook: Any, *, say: Callable[[str], None], progress: Callable[[str], None], **options: Any
    ) -> None:
        super().__init__(notebook, **options)
        self._say = say
        self._progress = progress

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        kind, content = msg["msg_type"], msg["content"]
        if kind in ("display_data", "update_display_data"):
            line = content["data"].get("text/plain", "")
            if line.startswith(_PROGRESS_PREFIXES):
                self._progress(line)
        if _ANSWER in cell.metadata.get("tags", ()):
            if kind == "stream":
                for line in content["text"].splitlines():
                    if content["name"] == "stdout" or line.startswith(_WARNING):
                        self._say(line)
            elif kind == "execute_result":
                self._say(content["data"].get("text/plain", "").split("\n", 1)[0])
        return super().process_message(msg, cell, cell_index)
