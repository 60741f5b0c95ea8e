"""The command that compares: options and help; the work is the pipeline's."""

from __future__ import annotations

from typing import Any

import click

from embedl_nb import pipeline
from embedl_nb.commands.exploring import explore, explorer_of
from embedl_nb.commands.kinds import DEVICE, SAMPLES, SUBJECT, KeyValue, OneOf
from embedl_nb.commands.names import Names
from embedl_nb.commands.verbose import verbose
from embedl_nb.units import ComputeUnit

__all__ = ["compare"]


@click.command("compare")
@click.argument("subjects", type=SUBJECT, nargs=-1, required=True)
@click.option("--device", type=DEVICE, default="host://", show_default=True, help="Where models are measured.")
@click.option(
    "--compute-unit",
    type=OneOf("compute unit", ComputeUnit),
    default=str(ComputeUnit.CPU),
    show_default=True,
    help="Where models are to run.",
)
@click.option(
    "--allow-fallback/--no-fallback", default=True, show_default=True, help="Whether operators may run elsewhere."
)
@click.option("--inputs", type=SAMPLES, help="One sample.  [default: each model's first example, else random]")
@click.option("--threads", "num_threads", type=int, help="CPU threads.  [default: the usable cores, 4 at most]")
@click.option("--processes", type=int, default=6, show_default=True, help="Fresh processes of each model, in turns.")
@click.option("--iterations", type=int, help="Timed iterations a process.  [default: until the median settles]")
@click.option("--warmup", type=int, help="Iterations before the timed ones.  [default: chosen by time]")
@click.option("--profile/--no-profile", default=True, show_default=True, help="Time each operator, in its own pass.")
@click.option("--runtime-option", "runtime_options", type=KeyValue(), multiple=True, help="Handed to the runtime.")
@click.option(
    "--margin", type=float, default=0.02, show_default=True, help="Share of the latency below which nothing differs."
)
@explore
@verbose
@click.pass_obj
def compare(
    names: Names,
    /,
    subjects: tuple[str, ...],
    *,
    device: str,
    inputs: str | None,
    runtime_options: tuple[tuple[str, str], ...],
    explore: bool,
    **options: Any,
) -> Any:
    """Say which is faster, by how much, and how sure that is.

    SUBJECTS are run ids of benchmarks, or .tflite files and run ids of compiles, which are measured in turns first; in
    a notebook also names of variables. All others are held against the first.
    """
    show_layers = explorer_of(names, explore=explore, profile=options["profile"])
    given = [names.source(name) for name in subjects]
    found = pipeline.compare(
        *given,
        device=names.device(device),
        inputs=None if inputs is None else names.samples(inputs),
        runtime_options=dict(runtime_options) or None,
        **options,
    )
    show_layers(found, *given)
    return found
