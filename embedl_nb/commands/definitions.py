"""The commands: options, help, types, defaults. Each calls one function of the pipeline and returns its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from embedl_nb import __version__, pipeline
from embedl_nb.commands.again import export_runs, import_runs, rerun
from embedl_nb.commands.comparing import compare
from embedl_nb.commands.exploring import explore, explorer_of
from embedl_nb.commands.kinds import (
    DEVICE,
    MODEL,
    RESULT,
    SAMPLES,
    SOURCE,
    TARGET,
    KeyValue,
    NamedRange,
    NamedShape,
    OneOf,
)
from embedl_nb.commands.names import Names
from embedl_nb.commands.picking import pick
from embedl_nb.commands.quantizing import quantize, sensitivity
from embedl_nb.commands.suggestions import BRAND, CATALOG_WORDS, CHIP, DEVICES_QUERY, NPU, RUNS_QUERY, TIER
from embedl_nb.commands.verbose import verbose
from embedl_nb.errors import UnknownNameError
from embedl_nb.units import ComputeUnit, Layout

__all__ = ["COMMANDS", "SHELL"]


class _Group(click.Group):
    """A group that knows the close matches of a mistyped command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            error = UnknownNameError.among("command", args[0], self.commands)
            raise error from click.UsageError(error.message, ctx)
        return super().resolve_command(ctx, args)


@click.command("compile")
@click.argument("source", type=SOURCE)
@click.option("--inputs", type=SAMPLES, help="Example inputs, one sample; with a list of samples all are verified.")
@click.option("--name", help="What to call the model.  [default: the name of its class or file]")
@click.option("--device", type=TARGET, help="The phone or chip it is for: 'Samsung Galaxy S24', SM8650")
@click.option("--aot/--no-aot", default=False, show_default=True, help="Compile it for that device's NPU as well.")
@click.option("--input-shape", "input_shapes", type=NamedShape(), multiple=True, help="Of an ONNX model: x=1,3,224,224")
@click.option(
    "--dynamic-shape",
    "dynamic_shapes",
    type=NamedRange(),
    multiple=True,
    help="A dimension that stays open, with its smallest and largest size: x:2=64,512",
)
@click.option(
    "--layout",
    type=OneOf("layout", Layout),
    default=str(Layout.KEEP),
    show_default=True,
    help="nhwc: 4-D inputs and outputs have their channels last.",
)
@click.option(
    "--state",
    type=KeyValue("OUTPUT=INPUT"),
    multiple=True,
    help="An output, and the input that takes it in the next call; samples are steps.",
)
@click.option(
    "--verify/--no-verify", default=True, show_default=True, help="Prove that it computes what its source computes."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the compiled model there as well; what --aot makes is saved beside it, as NAME_npu.tflite.",
)
@verbose
@click.pass_obj
def _compile(
    names: Names,
    /,
    source: str,
    *,
    inputs: str | None,
    input_shapes: tuple[tuple[str, tuple[int, ...]], ...],
    dynamic_shapes: tuple[tuple[str, int, tuple[int, int]], ...],
    state: tuple[tuple[str, str], ...],
    device: str | None,
    output: Path | None,
    **options: Any,
) -> Any:
    """Compile a model to LiteRT and prove that it equals its source.

    SOURCE is an .onnx, .pt2, .keras, .h5 or .tflite file or a SavedModel's folder, or in a notebook the name of a
    variable that holds a torch module, an exported program, an ONNX or a Keras model. Inputs are an .npz or .npy file,
    or the name of a variable; ONNX and Keras models need none.
    """
    samples = None if inputs is None else names.samples(inputs)
    ranges: dict[str, dict[int, tuple[int, int]]] = {}
    for input_name, dimension, sizes in dynamic_shapes:
        ranges.setdefault(input_name, {})[dimension] = sizes
    model = pipeline.compile(
        names.source(source),
        samples,
        input_shapes=dict(input_shapes) or None,
        dynamic_shapes=ranges or None,
        state=dict(state) or None,
        device=None if device is None else names.device(device),
        **options,
    )
    if output is not None:
        model.save(output)
        if model.aot is not None:
            model.aot.save(output.with_stem(f"{output.stem}_npu"))
    return model


@click.command("preflight")
@click.argument("model", type=MODEL)
@click.option(
    "--device",
    type=TARGET,
    multiple=True,
    required=True,
    help="A phone or a chip: 'Samsung Galaxy S24', SM8650, adb://SERIAL; again for each of several.",
)
@click.option(
    "--compute-unit",
    "compute_units",
    type=OneOf("compute unit", ComputeUnit),
    multiple=True,
    default=[str(unit) for unit in ComputeUnit],
    show_default=True,
    help="Which units to ask about; again for each of several.",
)
@click.option("--signature-key", help="Which signature.  [default: the first]")
@click.option(
    "--rehearse/--no-rehearse",
    default=False,
    show_default=True,
    help="Run the NPU's artifact in the vendor's simulator.",
)
@click.option("--samples", type=SAMPLES, help="What to rehearse on.  [default: the model's own]")
@click.option("--source", type=MODEL, help="The float model to compare with as well.  [default: none]")
@verbose
@click.pass_obj
def _preflight(
    names: Names,
    /,
    model: str,
    *,
    device: tuple[str, ...],
    samples: str | None,
    source: str | None,
    **options: Any,
) -> Any:
    """Say where every operator would run on a phone, and why, without the phone.

    MODEL and the source are a .tflite file or a run id, or in a notebook the name of a variable; samples are an .npz
    file, or the name of a variable.
    """
    targets = names.devices(device)
    return pipeline.preflight(
        names.model(model),
        targets if len(targets) > 1 else targets[0],
        samples=None if samples is None else names.samples(samples),
        source=None if source is None else names.model(source),
        **options,
    )


@click.command("benchmark")
@click.argument("model", type=MODEL)
@click.option(
    "--device",
    type=DEVICE,
    multiple=True,
    help="Address of a device; several are measured at once, adb://* is every phone.  [default: host://]",
)
@click.option(
    "--compute-unit",
    type=OneOf("compute unit", (*ComputeUnit, "all")),
    multiple=True,
    help="Where the model is to run; of several each in turn.  [default: cpu]",
)
@click.option(
    "--allow-fallback/--no-fallback",
    default=True,
    show_default=True,
    help="Whether operators may run elsewhere than asked; both are shown.",
)
@click.option("--golden", type=SAMPLES, help="Expected outputs by name.  [default: the source model's own]")
@click.option("--inputs", type=SAMPLES, help="One sample.  [default: the model's first example, else random]")
@click.option("--signature-key", help="Which signature to measure.  [default: the first]")
@click.option("--threads", "num_threads", type=int, help="CPU threads.  [default: the usable cores, 4 at most]")
@click.option("--processes", type=int, default=3, show_default=True, help="Fresh processes; one is not comparable.")
@click.option("--iterations", type=int, help="Timed iterations a process.  [default: until the median settles]")
@click.option("--warmup", type=int, help="Iterations before the timed ones.  [default: chosen by time]")
@click.option("--profile/--no-profile", default=True, show_default=True, help="Time each operator, in its own pass.")
@click.option(
    "--runtime-option",
    "runtime_options",
    type=KeyValue(),
    multiple=True,
    help="Handed to the runtime; on a phone to its tool, beside cpu_mask=0xf0 (cores 4 to 7), tool_version=2.1.6 and "
    "keep_on_phone=true.",
)
@click.option("--energy", is_flag=True, help="Measure energy on an unplugged phone: 2 min more.")
@click.option("--sustain", help="Run on for so long, 90s or 10m: latency over time, throttling, steady state.")
@explore
@verbose
@click.pass_obj
def _benchmark(
    names: Names,
    /,
    model: str,
    *,
    device: tuple[str, ...],
    compute_unit: tuple[str, ...],
    golden: str | None,
    inputs: str | None,
    runtime_options: tuple[tuple[str, str], ...],
    explore: bool,
    **options: Any,
) -> Any:
    """Measure a model on a device, operator by operator, or on many at once.

    MODEL is a .tflite file or a run id, or in a notebook the name of a variable. Golden outputs and inputs are an .npz
    file, or the name of a variable.
    """
    show_layers = explorer_of(names, explore=explore, profile=options["profile"])
    subject = names.model(model)
    result = pipeline.benchmark(
        subject,
        _one_or_all(names.devices(device), default="host://"),
        compute_unit=_one_or_all(compute_unit, default=str(ComputeUnit.CPU)),
        golden=None if golden is None else names.samples(golden),
        inputs=None if inputs is None else names.samples(inputs),
        runtime_options=dict(runtime_options) or None,
        **options,
    )
    show_layers(result, subject)
    return result


def _one_or_all(given: tuple[str, ...], *, default: str) -> str | tuple[str, ...]:
    """Return one as text, which gives one result, and several as they are, which give a set of them."""
    return given if len(given) > 1 else (*given, default)[0]


@click.command("runs")
@click.argument("query", type=RUNS_QUERY, nargs=-1)
@click.option("--limit", type=int, default=200, show_default=True, help="How many at most.")
@click.option("--browse", is_flag=True, help="In a notebook: search, compare and report runs, or do them again.")
@verbose
@click.pass_obj
def _runs(names: Names, /, query: tuple[str, ...], *, limit: int, browse: bool) -> Any:
    """List what was recorded, newest first.

    QUERY is what is to hold of the columns: "kind == benchmark and p50_ms < 10 and device ~ 'S24'".
    """
    return names.browse_runs(" ".join(query)) if browse else pipeline.runs(" ".join(query) or None, limit=limit)


@click.command("devices")
@click.argument("query", type=DEVICES_QUERY, nargs=-1)
@click.option("--pick", is_flag=True, help="In a notebook: search and pick devices, and the phones of the catalog.")
@verbose
@click.pass_obj
def _devices(names: Names, /, query: tuple[str, ...], *, pick: bool) -> Any:
    """List what can measure a model now.

    QUERY is words that a device has, or what is to hold of the columns: "state == ready and memory_mib >= 8 GiB".
    """
    return names.pick_devices() if pick else pipeline.devices(" ".join(query) or None)


@click.command("catalog")
@click.argument("words", type=CATALOG_WORDS, nargs=-1)
@click.option("--brand", type=BRAND, help="Samsung, Google, Motorola ...")
@click.option("--chip", type=CHIP, help="A part or a name: SM8650, 'Snapdragon 8 Gen 3'")
@click.option("--npu", type=NPU, help="Part of its name, or whose SDK compiles for it: 'hexagon v75', qualcomm")
@click.option("--min-ram-gb", type=int, help="The least memory of every version of the phone, in GB.")
@click.option("--tier", type=TIER, help="entry, mid or flagship")
@click.option("--api-level", type=int, help="An Android API level that it was seen with.")
@click.option("--year", type=int, help="Of its launch; phones of unknown year are left out.")
@verbose
def _catalog(words: tuple[str, ...], **filters: Any) -> Any:
    """List the phones that are known, with their chips.

    WORDS are what the names of the phone or of its chip begin with: galaxy s24; or what is to hold of the columns:
    "npu ~ hexagon and min_ram_gb >= 8".
    """
    return pipeline.catalog(" ".join(words) or None, **filters)


@click.command("report")
@click.argument("results", type=RESULT, nargs=-1)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("embedl_nb_report.html"),
    show_default=True,
    help="The file to write.",
)
@verbose
@click.pass_obj
def _report(names: Names, results: tuple[str, ...], output: Path) -> Any:
    """Write results to one HTML file that opens offline.

    RESULTS are run ids, or in a notebook names of variables, in the order they are to be read. Without any,
    what a notebook has recorded since its kernel started.
    """
    return pipeline.report(names.results(results) or None, output)


@click.command("doctor")
@verbose
def _doctor() -> Any:
    """Check this machine and name the fix for what is missing."""
    return pipeline.doctor()


@click.command("fetch-tool")
@click.argument("version")
@verbose
def _fetch_tool(version: str) -> Any:
    """Fetch LiteRT's benchmark_model, which measures on phones, from where Google publishes it.

    VERSION is a release of LiteRT, 2.2.0, or legacy for the older program, which compares outputs on phones and is
    published without a version. The program is kept in the cache folder and pushed to phones that lack it.
    """
    return pipeline.fetch_tool(version)


@click.command("quickstart")
@click.argument("folder", default="embedl_nb_quickstart", type=click.Path(file_okay=False))
@verbose
def _quickstart(folder: str) -> Any:
    """Compile, verify and measure a pretrained model, and keep the notebook and a report.

    FOLDER is where both are written, embedl_nb_quickstart by default.
    """
    return pipeline.quickstart(folder)


@click.command("ui")
@click.option("--port", type=int, help="Port of the page.  [default: a free one]")
@verbose
def _ui(port: int | None) -> None:
    """Open MLflow's web page on the recorded runs, until interrupted."""
    pipeline.ui(port=port)


@click.command("clear")
@verbose
def _cache_clear() -> Any:
    """Remove the cached models. Recorded runs keep theirs."""
    from embedl_nb.units import format_bytes

    return f"freed {format_bytes(pipeline.cache_clear())}"


_cache = _Group("cache", commands={"clear": _cache_clear}, help="The cache of models.")

COMMANDS: dict[str, click.Command] = {
    "compile": _compile,
    "quantize": quantize,
    "sensitivity": sensitivity,
    "preflight": _preflight,
    "benchmark": _benchmark,
    "compare": compare,
    "pick": pick,
    "runs": _runs,
    "rerun": rerun,
    "export-runs": export_runs,
    "import-runs": import_runs,
    "devices": _devices,
    "catalog": _catalog,
    "report": _report,
    "doctor": _doctor,
    "fetch-tool": _fetch_tool,
    "quickstart": _quickstart,
    "ui": _ui,
    "cache": _cache,
}
"""Every command by its name in a shell."""

SHELL = click.version_option(__version__, prog_name="embedl-nb", message="%(prog)s %(version)s")(
    verbose(
        _Group(
            "embedl-nb",
            commands=COMMANDS,
            help="Compile, quantize and benchmark models for phones.",
            epilog="Start with 'embedl-nb doctor', then 'embedl-nb quickstart'.",
        )
    )
)
"""The program ``embedl-nb``."""
