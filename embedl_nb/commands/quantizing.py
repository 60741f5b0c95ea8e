"""The commands that quantize, and ask what it would cost: options and help; the work is the pipeline's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from embedl_nb import pipeline
from embedl_nb.commands.kinds import DATA, DEVICE, FUNCTION, MODEL, RECIPE, KeyValue, Numbers, OneOf
from embedl_nb.commands.names import Names
from embedl_nb.commands.verbose import verbose
from embedl_nb.errors import InputError

__all__ = ["quantize", "sensitivity"]

_AS_THEY_ARE = {"crop": 1.0, "mean": None, "std": None, "layout": "nchw"}


@click.command("quantize")
@click.argument("model", type=MODEL)
@click.option("--data", type=DATA, help="Samples of real inputs, or 'random'.")
@click.option(
    "--recipe",
    type=RECIPE,
    default="auto",
    show_default=True,
    help="auto, int8, int16, fp16, dynamic, weight_only, a name of ai-edge-quantizer, or a .json file.",
)
@click.option("--num-samples", type=int, default=100, show_default=True, help="Samples to calibrate with.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of samples.")
@click.option(
    "--effort",
    type=OneOf("effort", ("light", "normal", "high")),
    default="normal",
    show_default=True,
    help="How much work the recipe auto may do.",
)
@click.option(
    "--override",
    "overrides",
    type=KeyValue(value=RECIPE),
    multiple=True,
    help="An operator type or name, and its recipe or 'float': --override SOFTMAX=float",
)
@click.option("--evaluate", type=FUNCTION, help="Your metric: a function of a model (in a notebook).")
@click.option(
    "--higher-is-better/--lower-is-better", default=True, show_default=True, help="Which way the metric is better."
)
@click.option(
    "--max-degradation", type=float, help="The most the metric may lose; operators stay float until it holds."
)
@click.option("--min-sqnr-db", type=float, help="The least SQNR in dB; operators stay float until it holds.")
@click.option("--device", type=DEVICE, default="host://", show_default=True, help="Whose latencies are the prices.")
@click.option("--image-size", type=int, help="The data is a folder of pictures: their size in pixels.")
@click.option("--image-crop", type=float, default=1.0, show_default=True, help="Central share of each picture.")
@click.option("--image-mean", type=Numbers(), help="Of each channel, as in 0.485,0.456,0.406.")
@click.option("--image-std", type=Numbers(), help="Of each channel, as in 0.229,0.224,0.225.")
@click.option(
    "--image-layout",
    type=OneOf("layout", ("nchw", "nhwc")),
    default="nchw",
    show_default=True,
    help="Order of the axes.",
)
@click.option("--name", help="What to call the result.  [default: the model's name]")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Save the quantized model there as well."
)
@verbose
@click.pass_obj
def quantize(
    names: Names,
    /,
    model: str,
    *,
    data: str | None,
    recipe: str,
    overrides: tuple[tuple[str, str], ...],
    evaluate: str | None,
    image_size: int | None,
    image_crop: float,
    image_mean: tuple[float, ...] | None,
    image_std: tuple[float, ...] | None,
    image_layout: str,
    device: str,
    output: Path | None,
    **options: Any,
) -> Any:
    """Make a model smaller and say what it cost, layer by layer.

    MODEL is a float .tflite file or a run id, or in a notebook the name of a variable. Data is a folder of .npy files,
    an .npz or .h5 file, a folder of pictures with --image-size, or the name of a variable.
    """
    samples = None if data is None else names.data(data)
    preprocessing = {"crop": image_crop, "mean": image_mean, "std": image_std, "layout": image_layout}
    if image_size is not None:
        samples = _pictures(samples, size=image_size, **preprocessing)
    elif preprocessing != _AS_THEY_ARE:
        raise InputError("pictures are prepared for a size, and none is given", hint="say --image-size, e.g. 224")
    small = pipeline.quantize(
        names.model(model),
        samples,
        recipe=names.recipe(recipe),
        overrides=dict(overrides) or None,
        evaluate=None if evaluate is None else names.function(evaluate),
        device=names.device(device),
        **options,
    )
    if output is not None:
        small.save(output)
    return small


@click.command("sensitivity")
@click.argument("model", type=MODEL)
@click.option("--data", type=DATA, help="Samples of real inputs, or 'random'.")
@click.option("--recipe", type=RECIPE, default="static_wi8_ai8", show_default=True, help="What to do to operators.")
@click.option(
    "--by",
    type=OneOf("grouping", ("operator", "source")),
    default="operator",
    show_default=True,
    help="Operators one by one, or blocks of the source model.",
)
@click.option("--num-samples", type=int, default=100, show_default=True, help="Samples to calibrate with.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of samples.")
@click.option("--time-limit-s", type=float, help="Begin nothing new after so many seconds; the next call goes on.")
@verbose
@click.pass_obj
def sensitivity(names: Names, /, model: str, *, data: str | None, recipe: str, **options: Any) -> Any:
    """Quantize each operator alone and leave it out alone: which ones make the error.

    MODEL is a float .tflite file or a run id, or in a notebook the name of a variable.
    """
    return pipeline.sensitivity(
        names.model(model), None if data is None else names.data(data), recipe=names.recipe(recipe), **options
    )


def _pictures(samples: Any, **preprocessing: Any) -> Any:
    from embedl_nb.quantizer import images

    if samples is None:
        raise InputError("--image-size prepares pictures, and there are none", hint="name their folder with --data")
    return images(samples, **preprocessing)
