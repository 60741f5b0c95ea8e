"""The verbs that make a model smaller and say what that cost: quantize, and the sensitivity of its operators."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlWarning
from embedl_nb.pipeline.bar import showing
from embedl_nb.pipeline.calls import call_of
from embedl_nb.pipeline.recording import kept_path, recorded

if TYPE_CHECKING:
    from embedl_nb.model import LiteRTModel
    from embedl_nb.quantizer import Recipe, Sensitivity

__all__ = ["quantize", "sensitivity"]


def quantize(
    model: LiteRTModel | str | Path,
    data: Any = None,
    *,
    recipe: str | Path | Recipe | Mapping[str, Any] | Sequence[Mapping[str, Any]] = "auto",
    num_samples: int = 100,
    seed: int = 0,
    effort: str = "normal",
    overrides: Mapping[str, str] | None = None,
    evaluate: Callable[[LiteRTModel], Any] | None = None,
    higher_is_better: bool = True,
    max_degradation: float | None = None,
    min_sqnr_db: float | None = None,
    device: str = "host://",
    name: str | None = None,
) -> LiteRTModel:
    """Make a model smaller and say what it cost, on samples that were not used to calibrate.

    Parameters
    ----------
    model
        A float LiteRT model or the path of a ``.tflite`` file.
    data
        Samples to calibrate with and to judge on: arrays (N, ...), a dict of them by input name, a list or generator of
        samples, a torch Dataset or DataLoader, a folder of ``.npy`` files, an ``.npz`` or ``.h5`` file,
        ``enb.images(...)``, or ``"random"``, which every place that shows the model says. A dict by signature key holds
        any of these for each signature. Dynamic and weight-only recipes need none.
    recipe
        ``"auto"`` looks for the best all-integer model; a name such as ``"static_wi8_ai8"`` (short: ``"int8"``,
        ``"fp16"``), a recipe's ``.json`` file or the recipe of another model is applied as it is.
    num_samples
        To calibrate with; others judge. A set with fewer gives a quarter of them to the judges. The recipe of another
        model brings its own, and its seed.
    seed
        Which samples are chosen; the same seed, data and recipe give the same model. With a target, measured prices
        steer the search as well: there the recipe of the result is what repeats it.
    effort
        ``"light"``, ``"normal"`` or ``"high"``: how much work ``"auto"`` may do.
    overrides
        ``{"FULLY_CONNECTED": "float", "blocks.3": "static_wi8_ai16"}``: operator types or names, and what they become.
    evaluate
        Your own metric: a function of a callable model, which returns one figure, or one score a sample for an
        interval of the drop.
    higher_is_better
        Whether a larger metric is better.
    max_degradation
        The most that the metric may lose, in its own unit; operators are kept in float until it holds.
    min_sqnr_db
        The least SQNR of the worst output; operators are kept in float until it holds.
    device
        Whose operator latencies price what is kept in float. ``host://`` is this machine, not a phone.
    name
        What to call the result; by default the model's name.

    Returns
    -------
    LiteRTModel
        Its ``fidelity`` says what it cost: outputs, layers, metric, latency and the resolved recipe.

    Raises
    ------
    QuantizeError
        If the model is quantized already, or the quantizer fails.
    RecipeError, UnknownNameError
        If the recipe is unknown, or none of the model's operators can take it.
    CalibrationError
        If the data cannot be used, or a static recipe has none.
    InputError
        If the model or an option cannot be used.

    Warns
    -----
    EmbedlWarning
        If the result is below 20 dB or 90 % of the top-1 answers, slower than float on this machine, judged on fewer
        than 10 samples, or short of the target.

    Examples
    --------
    >>> small = enb.quantize(model, enb.images("photos", size=224))  # doctest: +SKIP
    >>> small.fidelity.frame().nsmallest(3, "sqnr_db")  # doctest: +SKIP
    """
    from embedl_nb import runstore
    from embedl_nb.model import as_model
    from embedl_nb.quantizer import QuantizeOptions, quantize_model

    asked: dict[str, Any] = {
        "num_samples": num_samples,
        "seed": seed,
        "effort": effort,
        "evaluate": evaluate,
        "higher_is_better": higher_is_better,
        "max_degradation": max_degradation,
        "min_sqnr_db": min_sqnr_db,
        "device": device,
        "name": name,
    }
    options = QuantizeOptions.checked(**asked)
    subject = as_model(model)
    with showing("quantize"), runstore.pausing():
        result = quantize_model(subject, data, recipe=recipe, overrides=overrides, options=options)
    if result.fidelity is not None:
        for sentence in (*result.notes[len(subject.notes) :], *result.fidelity.warnings):
            warnings.warn(sentence, EmbedlWarning, stacklevel=2)
    call = call_of(files=("data",), model=subject, data=data, recipe=_repeatable(recipe), overrides=overrides, **asked)
    result = recorded("quantize", result, model=result, parent_run_id=subject.run_id, call=call)
    return dataclasses.replace(result, path=kept_path(result))


def _repeatable(recipe: str | Path | Recipe | Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Any:
    from embedl_nb.quantizer import Recipe

    return recipe.to_record() if isinstance(recipe, Recipe) else recipe


def sensitivity(
    model: LiteRTModel | str | Path,
    data: Any = None,
    *,
    recipe: str | Path | Recipe | Mapping[str, Any] | Sequence[Mapping[str, Any]] = "static_wi8_ai8",
    by: str = "operator",
    num_samples: int = 100,
    seed: int = 0,
    overrides: Mapping[str, str] | None = None,
    time_limit_s: float | None = None,
) -> Sensitivity:
    """Say which operators a model must not lose: each is quantized alone, and left out alone.

    Parameters
    ----------
    model
        A float LiteRT model or the path of a ``.tflite`` file.
    data, num_samples, seed, overrides
        As of :func:`quantize`.
    recipe
        What is done to the operators; ``model.fidelity.recipe`` of a quantized model asks about that one.
    by
        ``"operator"``, or ``"source"`` for the blocks of the source model.
    time_limit_s
        After which nothing new is begun, s. What was measured is kept: the next call goes on.

    Returns
    -------
    Sensitivity
        The worst first; ``.frame()`` is the ranked table.

    Raises
    ------
    EmbedlError
        As :func:`quantize`.

    Examples
    --------
    >>> enb.sensitivity(model, crops).frame().head()  # doctest: +SKIP
    """
    from embedl_nb import runstore
    from embedl_nb.model import as_model
    from embedl_nb.quantizer import QuantizeOptions, sensitivity_of

    options = QuantizeOptions.checked(num_samples=num_samples, seed=seed)
    with showing("sensitivity"), runstore.pausing():
        return sensitivity_of(
            as_model(model),
            data,
            recipe=recipe,
            overrides=overrides,
            by=by,
            time_limit_s=time_limit_s,
            options=options,
        )
