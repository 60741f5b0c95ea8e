"""Runs from one machine to another, in one file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Displayable, Fact, View
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.pipeline.recording import pictures_of
from embedl_nb.units import counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Imported", "export_runs", "import_runs"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Imported(Displayable):
    """What an import has come to.

    Attributes
    ----------
    host
        Where the runs were exported; each says so in its record and in the store.
    run_ids
        Of the runs that are new here.
    already_here
        Of those that were here before, which stay as they are.
    conflicting
        Of those whose id another run has here; they are not imported.
    num_models
        Models that are new here.
    """

    path: Path
    host: str
    run_ids: tuple[str, ...]
    already_here: tuple[str, ...]
    conflicting: tuple[str, ...]
    num_models: int

    def _view(self) -> View:
        new = f"{counted(len(self.run_ids), 'run')} and {counted(self.num_models, 'model')} from {self.host}"
        known = f"{len(self.already_here)} already here"
        taken = f"the id of {', '.join(self.conflicting)} is that of another run here; not imported"
        return View(
            headline=" | ".join([f"imported {new}", *([known] if self.already_here else [])]),
            facts=(Fact("file", str(self.path)),),
            warnings=(taken,) if self.conflicting else (),
            next_step="enb.runs()",
        )


def export_runs(path: str | Path, runs: Sequence[str] | pd.DataFrame | None = None, *, models: bool = True) -> Path:
    """Write recorded runs to one file, which :func:`import_runs` reads on another machine.

    Parameters
    ----------
    path
        The file to write, a zip; its folder is made.
    runs
        Run ids or their beginnings, or rows of :func:`runs`; by default all.
    models
        Whether their models come along. Samples that runs were fed with never do.

    Returns
    -------
    Path
        Of the file written.

    Raises
    ------
    UnknownNameError
        If there is no such run.
    InputError
        If nothing is to be exported, or the path is a device or a pipe.
    RunStoreError
        If the store cannot be read, or the file not written.
    """
    from embedl_nb import runstore

    target = Path(path).expanduser().absolute()
    run_ids = None if runs is None else _ids(runs)
    if not (records := runstore.records(run_ids)):
        raise InputError("there is no run to export", hint="embedl_nb.runs() lists what is recorded")
    runstore.write_archive(target, records, with_models=models)
    return target


def import_runs(path: str | Path) -> Imported:
    """Read runs that :func:`export_runs` wrote: under their ids, with their times and provenance, marked as imported.

    A file may be imported any number of times; what is here already stays as it is.

    Parameters
    ----------
    path
        Of the file.

    Returns
    -------
    Imported
        With the ids of the new runs.

    Raises
    ------
    InputError
        If the file is damaged, or a model in it is not what its hash says; no run is imported then.
    SchemaTooNewError
        If a newer embedl_nb wrote it.
    """
    from embedl_nb import runstore

    archive = runstore.Archive(Path(path).expanduser().absolute())
    records = list(archive.records())
    pictures = {record["run_id"]: _pictures(archive.path, record) for record in records}
    num_models = archive.keep_models()
    new, known, taken = runstore.take_over(records, pictures=pictures, host=archive.host)
    return Imported(
        path=archive.path,
        host=archive.host,
        run_ids=tuple(new),
        already_here=tuple(known),
        conflicting=tuple(taken),
        num_models=num_models,
    )


def _pictures(path: Path, record: dict[str, Any]) -> dict[str, str]:
    """Draw what the run's page shall show; whoever cannot be drawn is no result of ours."""
    from embedl_nb.pipeline.steps import result_of

    try:
        return pictures_of(result_of(record))
    except SchemaTooNewError:
        raise
    except Exception as err:  # whatever a record of another hand may hold
        raise InputError(
            f"{path} is no sound file of runs: {record['run_id']} cannot be read: "
            f"{type(err).__name__}: {getattr(err, 'message', err)}",
            hint="nothing was taken from it; export the runs again",
        ) from err


def _ids(runs: Sequence[str] | pd.DataFrame) -> list[str]:
    rows: Any = runs  # a frame or a list
    return [str(run) for run in (rows["run_id"] if hasattr(rows, "columns") else rows)]
