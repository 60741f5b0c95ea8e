"""The commands for runs that are there already: done again, written to a file, read from one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from embedl_nb import pipeline
from embedl_nb.commands.kinds import DATA, FUNCTION, RESULT, SAMPLES, SOURCE
from embedl_nb.commands.names import Names
from embedl_nb.commands.verbose import verbose

__all__ = ["export_runs", "import_runs", "rerun"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command("rerun")
@click.argument("run", type=RESULT)
@click.option("--source", type=SOURCE, help="Of a compile: the model, where it lived in a session only.")
@click.option("--example-inputs", type=SAMPLES, help="Of a compile, where they are not kept.")
@click.option("--data", type=DATA, help="Of a quantize, where it is not kept.")
@click.option("--evaluate", type=FUNCTION, help="Of a quantize: your metric (in a notebook).")
@click.option("--inputs", type=SAMPLES, help="Of a benchmark, where they are not kept.")
@click.option("--golden", type=SAMPLES, help="Of a benchmark, where they are not kept.")
@click.option("--samples", type=SAMPLES, help="Of a rehearsal, where they are not kept.")
@verbose
@click.pass_obj
def rerun(names: Names, /, run: str, **given: str | None) -> Any:
    """Do a recorded step again, and say whether it comes out the same and what has changed around it.

    RUN is a run id or its beginning, or in a notebook the name of a recorded result. Model, data, options and device
    are those of its record; what cannot be rebuilt of it is handed over by the options.
    """
    handed_over: Any = {name: _object(names, name, text) for name, text in given.items() if text is not None}
    return pipeline.rerun(names.run_id(run), **handed_over)


def _object(names: Names, option: str, text: str) -> Any:
    find = {"source": names.source, "data": names.data, "evaluate": names.function}
    return find.get(option, names.samples)(text)


@click.command("export-runs")
@click.argument("path", type=_FILE)
@click.argument("runs", type=RESULT, nargs=-1)
@click.option("--models/--no-models", default=True, show_default=True, help="With the models that they are of.")
@verbose
@click.pass_obj
def export_runs(names: Names, /, path: Path, runs: tuple[str, ...], *, models: bool) -> Any:
    """Write recorded runs to one file, which import-runs reads on another machine.

    PATH is the file to write. RUNS are run ids; by default all. Samples that runs were fed with stay here.
    """
    return pipeline.export_runs(path, [names.run_id(run) for run in runs] or None, models=models)


@click.command("import-runs")
@click.argument("path", type=_FILE)
@verbose
def import_runs(path: Path) -> Any:
    """Read runs that export-runs wrote, under their own ids; those that are here already stay as they are.

    PATH is the file. Every model in it is held against its hash.
    """
    return pipeline.import_runs(path)
