"""Fidelity: what quantizing cost, measured on samples that were not used to calibrate.

In: the float and the quantized model's outputs on the same samples, and what other steps found out (layers, the user's
metric, latency, the curve). Out: :class:`Fidelity`, which shows itself and names each floor that was missed. The
figures are those of likeness.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Displayable, View
from embedl_nb.display.figures import draw
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.model.evidence import OutputMatch, compare_outputs
from embedl_nb.model.fidelity_rows import (
    CalibrationSource,
    CurvePoint,
    Evaluation,
    LatencyCheck,
    LayerFidelity,
    OutputFidelity,
)
from embedl_nb.model.likeness import psnr_db, topk_agreement

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike

__all__ = ["FEWEST_SAMPLES", "LEAST_SQNR_DB", "LEAST_TOP1_AGREEMENT", "Fidelity", "Floor", "compare_fidelity"]

SCHEMA_VERSION = 1
LEAST_SQNR_DB = 20.0
LEAST_TOP1_AGREEMENT = 0.90
FEWEST_SAMPLES = 10
_TOP = 5


class Floor(StrEnum):
    """What a quantized model must not fall short of without a warning."""

    SQNR = "sqnr"
    """Some output is below 20 dB."""
    TOP1 = "top1"
    """Fewer than 90 % of the samples keep their top-1 class."""
    LATENCY = "latency"
    """It is slower than the float model."""
    RANDOM_DATA = "random_data"
    """It was calibrated with, or judged on, noise."""
    NOT_HELD_OUT = "not_held_out"
    """It was judged on the samples that calibrated it."""
    FEW_SAMPLES = "few_samples"
    """It was judged on so few samples that chance decides."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Fidelity(Displayable):
    """How near a quantized model is to the float model it was made from, and what was gained.

    Attributes
    ----------
    outputs
        One row an output.
    num_samples
        Samples that it was judged on.
    num_calibration_samples
        Samples that it was calibrated with; 0 for a recipe that needs none.
    is_held_out
        Whether the former were kept apart from the latter.
    data
        Where the samples come from.
    layers
        One row an operator, in the order they run; empty where layers were not compared.
    evaluation
        The user's own metric.
    latency
        Float against quantized on one device.
    num_operators
        Operators of the float model.
    float_operators
        How many of them compute in float in the quantized model, by type: ``{"SOFTMAX": 1}``.
    recipe, calibration
        Records of the resolved recipe and of what the calibration samples were like.
    recipe_sentence, calibration_sentence
        The same in a line for people; "" where nothing is known.
    curve, price_sentence
        Accuracy against latency, where operators are kept in float for a target, and whose latencies they are.
    """

    outputs: tuple[OutputFidelity, ...]
    num_samples: int
    num_calibration_samples: int = 0
    is_held_out: bool = True
    data: CalibrationSource = CalibrationSource.GIVEN
    layers: tuple[LayerFidelity, ...] = ()
    evaluation: Evaluation | None = None
    latency: LatencyCheck | None = None
    num_operators: int = 0
    float_operators: Mapping[str, int] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    recipe_sentence: str = ""
    calibration_sentence: str = ""
    curve: tuple[CurvePoint, ...] = ()
    price_sentence: str = ""
    schema_version: int = SCHEMA_VERSION

    @property
    def sqnr_db(self) -> float:
        """SQNR of the worst output, dB."""
        return min((output.sqnr_db for output in self.outputs), default=math.inf)

    @property
    def top1_agreement(self) -> float | None:
        """Top-1 agreement of the worst output that holds class scores, 0 to 1."""
        return min((o.top1_agreement for o in self.outputs if o.top1_agreement is not None), default=None)

    @property
    def num_float_operators(self) -> int:
        """Operators that the recipe left in float."""
        return sum(self.float_operators.values())

    @property
    def floors(self) -> tuple[Floor, ...]:
        """The floors that it fell short of."""
        top1 = self.top1_agreement
        missed = {
            Floor.SQNR: not self.sqnr_db >= LEAST_SQNR_DB,
            Floor.TOP1: top1 is not None and not top1 >= LEAST_TOP1_AGREEMENT,
            Floor.LATENCY: self.latency is not None and self.latency.is_slower,
            Floor.RANDOM_DATA: self.data == CalibrationSource.RANDOM,
            Floor.NOT_HELD_OUT: not self.is_held_out,
            Floor.FEW_SAMPLES: self.data == CalibrationSource.GIVEN and self.num_samples < FEWEST_SAMPLES,
        }
        return tuple(floor for floor, is_missed in missed.items() if is_missed)

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each missed floor: which figure, and what to try."""
        from embedl_nb.model.fidelity_view import floor_sentence

        return tuple(floor_sentence(self, floor) for floor in self.floors)

    @property
    def sentence(self) -> str:
        """Return one line for headlines: ``"21.3 dB, 95 % of top-1 kept (100 held-out samples)"``."""
        from embedl_nb.model.fidelity_view import sentence

        return sentence(self)

    def frame(self) -> pd.DataFrame:
        """Return one row a layer; columns: :class:`~embedl_nb.model.fidelity_rows.LayerFidelity`."""
        import pandas as pd

        columns = [row.name for row in fields(LayerFidelity)]
        return pd.DataFrame([[getattr(layer, name) for name in columns] for layer in self.layers], columns=columns)

    def calibration_frame(self) -> pd.DataFrame:
        """Return what the calibration samples showed, one row an activation: range, which samples set it, outliers.

        Raises
        ------
        InputError
            If nothing was calibrated.
        """
        import pandas as pd

        if self.calibration is None:
            raise InputError(
                "nothing was calibrated", hint="a static recipe calibrates, e.g. enb.quantize(model, data)"
            )
        return pd.DataFrame(self.calibration["ranges"]["tensors"])

    def along_the_network(self) -> Any:
        """Draw the error of every layer, in the order they run.

        Returns
        -------
        plotly.graph_objects.Figure
            x is the layer, y its SQNR in dB.

        Raises
        ------
        InputError
            If layers were not compared.
        """
        return draw("fidelity", self)

    def tradeoff(self) -> Any:
        """Draw accuracy against latency for every point of :attr:`curve`.

        Returns
        -------
        plotly.graph_objects.Figure
            x is the latency in ms, y the metric where there is one, else SQNR in dB.

        Raises
        ------
        InputError
            If there is no curve.
        """
        return draw("tradeoff", self)

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "outputs": [output.to_record() for output in self.outputs],
            "num_samples": self.num_samples,
            "num_calibration_samples": self.num_calibration_samples,
            "is_held_out": self.is_held_out,
            "data": str(self.data),
            "layers": [layer.to_record() for layer in self.layers],
            "evaluation": self.evaluation.to_record() if self.evaluation else None,
            "latency": self.latency.to_record() if self.latency else None,
            "num_operators": self.num_operators,
            "float_operators": dict(self.float_operators),
            "recipe": dict(self.recipe),
            "calibration": None if self.calibration is None else dict(self.calibration),
            "recipe_sentence": self.recipe_sentence,
            "calibration_sentence": self.calibration_sentence,
            "curve": [point.to_record() for point in self.curve],
            "price_sentence": self.price_sentence,
            "schema_version": self.schema_version,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Fidelity:
        """Rebuild from :meth:`to_record`.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        InputError
            If it is no record of a fidelity.
        """
        SchemaTooNewError.check("this fidelity", record.get("schema_version"), SCHEMA_VERSION)
        try:
            evaluation, latency = record["evaluation"], record["latency"]
            parts = {
                "outputs": tuple(OutputFidelity.from_record(row) for row in record["outputs"]),
                "layers": tuple(LayerFidelity.from_record(row) for row in record["layers"]),
                "curve": tuple(CurvePoint.from_record(row) for row in record["curve"]),
                "evaluation": None if evaluation is None else Evaluation.from_record(evaluation),
                "latency": None if latency is None else LatencyCheck.from_record(latency),
                "data": CalibrationSource(record["data"]),
            }
            return cls(**{**record, **parts})
        except (KeyError, TypeError, ValueError) as err:
            raise InputError(
                f"this is no record of a fidelity: {type(err).__name__}: {err}",
                hint="pass what Fidelity.to_record() returned",
            ) from err

    def _view(self) -> View:
        from embedl_nb.model.fidelity_view import fidelity_view

        return fidelity_view(self)


def compare_fidelity(
    reference_outputs: Sequence[Mapping[str, ArrayLike]],
    quantized_outputs: Sequence[Mapping[str, ArrayLike]],
) -> Fidelity:
    """Compare the quantized model's outputs with the float model's, sample by sample.

    Parameters
    ----------
    reference_outputs, quantized_outputs
        One dict a sample, arrays by output name, real values (not the integers of a quantized output).

    Returns
    -------
    Fidelity
        With its outputs; what else is known is added with ``dataclasses.replace``.

    Raises
    ------
    InputError
        If the numbers of samples differ or there is none.

    Examples
    --------
    >>> fidelity = compare_fidelity([{"y": [[1.0, 2.0]]}], [{"y": [[1.0, 2.1]]}])
    >>> fidelity.sentence
    '27.0 dB, 100 % of top-1 kept (1 held-out sample)'
    """
    if not reference_outputs:
        raise InputError("there is no sample to judge the quantized model on", hint="give more data")
    parity = compare_outputs(reference_outputs, quantized_outputs)
    outputs = tuple(_output(match, reference_outputs, quantized_outputs) for match in parity.outputs)
    return Fidelity(outputs=outputs, num_samples=len(reference_outputs))


def _output(
    match: OutputMatch,
    reference: Sequence[Mapping[str, ArrayLike]],
    quantized: Sequence[Mapping[str, ArrayLike]],
) -> OutputFidelity:
    import numpy as np

    psnr, top5 = -math.inf, None
    if math.isfinite(match.max_abs_error):  # shapes and types allowed a comparison
        rows = [np.asarray(sample[match.name]) for sample in reference]
        values = [np.asarray(sample[match.name]) for sample in quantized]
        psnr = psnr_db(np.concatenate([r.reshape(-1) for r in rows]), np.concatenate([v.reshape(-1) for v in values]))
        if match.top1_agreement is not None and rows[0].shape[-1] > _TOP:
            top5 = topk_agreement(np.concatenate(rows), np.concatenate(values), k=_TOP)
    return OutputFidelity(
        name=match.name,
        sqnr_db=match.sqnr_db,
        psnr_db=psnr,
        cosine=match.cosine,
        max_error=match.max_abs_error,
        top1_agreement=match.top1_agreement,
        top5_agreement=top5,
        note=match.note,
    )
