"""The command that picks: options and help; the work is the pipeline's."""

from __future__ import annotations

from typing import Any

import click

from embedl_nb import pipeline
from embedl_nb.commands.kinds import RESULT
from embedl_nb.commands.names import Names
from embedl_nb.commands.suggestions import OBJECTIVE, RESULTS_QUERY
from embedl_nb.commands.verbose import verbose

__all__ = ["pick"]


@click.command("pick")
@click.argument("results", type=RESULT, nargs=-1, required=True)
@click.option(
    "--where", type=RESULTS_QUERY, help="The budget: 'p95_ms <= 10 and peak_memory_mib <= 150 and degradation <= 0.01'"
)
@click.option("--minimize", type=OBJECTIVE, help="What those that meet it are ranked by.  [default: p50_ms]")
@click.option("--maximize", type=OBJECTIVE, help="The same, the largest first.")
@verbose
@click.pass_obj
def pick(names: Names, /, results: tuple[str, ...], **options: Any) -> Any:
    """Pick the best model, device and unit under a budget, and say what ruled out each of the others.

    RESULTS are run ids of benchmarks, or in a notebook names of variables: benchmarks, sets or lists of them, or a
    table of runs.
    """
    return pipeline.pick(names.results(results), **options)
