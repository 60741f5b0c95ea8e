"""Whether one model's outputs are another's: held to a floor, and said in one sentence.

In: the outputs of a reference and of a model, on the same samples. Out: :class:`Parity`, one row an output. It knows
arrays and numbers (likeness.py), nothing of models or of how they were run.

The floor that a float model must reach, on every sample: SQNR of at least 60 dB, or no error above 1e-4 of the largest
value; integers and truth values are equal; NaNs and infinities stand in the same places. A model that computes in 8-bit
integers rounds after every operator, and two implementations round ties apart: its floats need 30 dB, or no error above
2 of the 127 steps of the largest value. Half precision has 11 significant bits: one rounding leaves about 66 dB, and
errors that add up at random cost 10 log10(n) dB after n of them, so that 40 dB, or no error above 1e-2 of the largest
value, is what 400 roundings one after the other leave.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Displayable, Table, View
from embedl_nb.errors import InputError
from embedl_nb.model.likeness import as_real, cosine, finite, largest_absolute, sqnr_db, top1_agreement
from embedl_nb.units import Provenance, format_ratio

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

__all__ = [
    "LARGEST_RELATIVE_ERROR",
    "LEAST_SQNR_DB",
    "Floor",
    "OutputMatch",
    "Parity",
    "SampleSource",
    "compare_outputs",
]

LEAST_SQNR_DB = 60.0
LARGEST_RELATIVE_ERROR = 1e-4


class Floor(StrEnum):
    """How near floats have to be."""

    FLOAT = "float"
    """For a model that computes in floats."""
    INTEGER = "integer"
    """For a model that computes in 8-bit integers, and so does its reference."""

    HALF = "half"
    """For what is allowed to compute in float16, and its reference is not."""

    @property
    def least_sqnr_db(self) -> float:
        """The SQNR that is enough, dB."""
        return {Floor.FLOAT: LEAST_SQNR_DB, Floor.INTEGER: 30.0, Floor.HALF: 40.0}[self]

    @property
    def largest_relative_error(self) -> float:
        """The error that is small enough, as a share of the largest absolute value."""
        return {Floor.FLOAT: LARGEST_RELATIVE_ERROR, Floor.INTEGER: 2 / 127, Floor.HALF: 1e-2}[self]

    @property
    def why(self) -> str:
        """What it is owed to, to complete "held to 30 dB as it ..."; empty for the usual one."""
        reasons = {Floor.INTEGER: "computes in 8-bit integers", Floor.HALF: "may compute in float16"}
        return reasons.get(self, "")


class SampleSource(StrEnum):
    """Where the samples come from on which two models were compared."""

    GIVEN = "given"
    """The caller's; they may be real data."""
    SYNTHETIC = "synthetic"
    """Noise or constants: they exercise the model, but say little of real data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMatch:
    """How near one output is to its reference, over all samples.

    Attributes
    ----------
    max_abs_error
        Largest ``|r - v|`` where both are finite, in the output's own unit.
    max_rel_error
        ``max_abs_error`` divided by the largest ``|r|`` of all samples; ``inf`` where that is 0 and the error is not.
    sqnr_db
        See :func:`sqnr_db`; of all samples together.
    cosine
        See :func:`cosine`; of all samples together.
    top1_agreement
        See :func:`top1_agreement`; None unless the output has shape (N, C) with C >= 2 and floating type.
    matches
        Whether every sample reaches the floor (see :class:`Floor`).
    note
        Why it does not match, where that is no matter of degree; empty otherwise.
    """

    name: str
    max_abs_error: float
    max_rel_error: float
    sqnr_db: float
    cosine: float
    top1_agreement: float | None = None
    matches: bool
    note: str = ""

    @property
    def likeness(self) -> str:
        """How near it is, in words: ``"equal"``, ``"SQNR 41.2 dB"``, or why that cannot be said."""
        if self.note:
            return self.note
        return "equal" if self.max_abs_error == 0 else f"SQNR {self.sqnr_db:.1f} dB"

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data; numbers that are not finite become text."""
        return {field.name: _to_json(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> OutputMatch:
        """Rebuild from :meth:`to_record`."""
        numbers = {key: float(record[key]) for key in ("max_abs_error", "max_rel_error", "sqnr_db", "cosine")}
        return cls(**{**record, **numbers})


def _to_json(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Parity(Displayable):
    """Whether a model computes what its reference computes.

    Attributes
    ----------
    outputs
        One match an output.
    num_samples
        Samples that both ran on.
    sample_source
        Where they come from.
    reference
        What it was compared with, to complete "equal to ...": ``"its source"``, ``"float LiteRT"``.
    errors_over_time
        Where the samples are steps of one sequence: the largest error of each step, over all outputs, each divided by
        the largest value of that output in all steps.
    floor
        What the outputs were held to.
    """

    outputs: tuple[OutputMatch, ...]
    num_samples: int
    sample_source: SampleSource
    reference: str = "its source"
    errors_over_time: tuple[float, ...] = ()
    floor: Floor = Floor.FLOAT

    @property
    def passed(self) -> bool:
        """Whether every output matches."""
        return all(output.matches for output in self.outputs)

    @property
    def sqnr_db(self) -> float:
        """Return the SQNR of the worst output, dB."""
        return min((output.sqnr_db for output in self.outputs), default=math.inf)

    @property
    def sentence(self) -> str:
        """Return one line: the verdict, the worst output's figures, and on how many samples of which kind."""
        samples = f"{self.num_samples} {self.sample_source} sample{'' if self.num_samples == 1 else 's'}"
        if self.passed:
            exact = all(output.max_abs_error == 0 for output in self.outputs)
            degree = "exactly" if exact else f"SQNR {self.sqnr_db:.0f} dB"
            if self.floor.why:
                degree += f", held to {self.floor.least_sqnr_db:.0f} dB as it {self.floor.why}"
            return f"equal to {self.reference} ({degree}, {samples}{self._growth})"
        worst = min((output for output in self.outputs if not output.matches), key=lambda output: output.sqnr_db)
        why = worst.note or f"SQNR {worst.sqnr_db:.1f} dB, largest error {worst.max_abs_error:.3g}"
        return f"not equal to {self.reference} ({worst.name}: {why}, {samples}{self._growth})"

    @property
    def _growth(self) -> str:
        if not self.errors_over_time:
            return ""
        first, last = self.errors_over_time[0], self.errors_over_time[-1]
        return f" in time, largest error {first:.2g} at the first and {last:.2g} at the last"

    def _view(self) -> View:
        columns = ("output", "matches", "SQNR", "largest error", "of the largest value", "top-1", "note")
        table = Table(title="Outputs", columns=columns, rows=tuple(map(_cells, self.outputs)), numeric=columns[2:6])
        return View(headline=self.sentence, provenance=Provenance.MEASURED, tables=(table,))

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "outputs": [output.to_record() for output in self.outputs],
            "num_samples": self.num_samples,
            "sample_source": str(self.sample_source),
            "reference": self.reference,
            "errors_over_time": [_to_json(error) for error in self.errors_over_time],
            "floor": str(self.floor),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Parity:
        """Rebuild from :meth:`to_record`."""
        return cls(
            outputs=tuple(OutputMatch.from_record(output) for output in record["outputs"]),
            num_samples=int(record["num_samples"]),
            sample_source=SampleSource(record["sample_source"]),
            reference=str(record["reference"]),
            errors_over_time=tuple(float(error) for error in record.get("errors_over_time", ())),
            floor=Floor(record.get("floor", Floor.FLOAT)),  # records from before there were two have none
        )


def compare_outputs(
    reference: Sequence[Mapping[str, ArrayLike]],
    outputs: Sequence[Mapping[str, ArrayLike]],
    *,
    sample_source: SampleSource | str = SampleSource.GIVEN,
    against: str = "its source",
    is_sequence: bool = False,
    floor: Floor = Floor.FLOAT,
) -> Parity:
    """Compare a model's outputs with its reference's, sample by sample.

    Parameters
    ----------
    reference, outputs
        One mapping a sample, from output name to array.
    sample_source
        Where the samples come from.
    against
        What the reference is, to complete "equal to ...".
    is_sequence
        Whether the samples are steps in time, so that the error of each is of interest.
    floor
        What to hold the outputs to.

    Returns
    -------
    Parity
        An output that is missing, or has another shape, does not match; its note says so.

    Raises
    ------
    InputError
        If there is no sample, or there are not as many on both sides.

    Examples
    --------
    >>> parity = compare_outputs([{"y": [1.0, 2.0]}], [{"y": [1.0, 2.0001]}])
    >>> parity.passed, parity.sentence
    (True, 'equal to its source (SQNR 87 dB, 1 given sample)')
    """
    if not reference or len(reference) != len(outputs):
        raise InputError(
            f"{len(reference)} reference samples cannot be compared with {len(outputs)}",
            hint="run both on the same samples, at least one",
        )
    names = dict.fromkeys(name for sample in (*reference, *outputs) for name in sample)
    matches = tuple(
        _match(name, [sample.get(name) for sample in reference], [sample.get(name) for sample in outputs], floor)
        for name in names
    )
    return Parity(
        outputs=matches,
        num_samples=len(reference),
        sample_source=SampleSource(sample_source),
        reference=against,
        errors_over_time=_errors_over_time(reference, outputs) if is_sequence else (),
        floor=floor,
    )


def _cells(output: OutputMatch) -> tuple[str, ...]:
    """Return an output's row, as text."""
    agreement = "" if output.top1_agreement is None else format_ratio(output.top1_agreement)
    return (
        output.name,
        "yes" if output.matches else "no",
        "equal" if output.matches and output.max_abs_error == 0 else f"{output.sqnr_db:.1f} dB",
        f"{output.max_abs_error:.3g}",
        f"{output.max_rel_error:.3g}",
        agreement,
        output.note,
    )


def _errors_over_time(
    reference: Sequence[Mapping[str, ArrayLike]], outputs: Sequence[Mapping[str, ArrayLike]]
) -> tuple[float, ...]:
    """Return the largest error of each sample; infinite where an output is missing, or its shape or a NaN differs."""
    import numpy as np

    names = dict.fromkeys(name for sample in reference for name in sample)
    largest = {
        name: max(largest_absolute(finite(sample[name], sample[name])[0]) for sample in reference) for name in names
    }

    def error(name: str, r: ArrayLike, v: ArrayLike | None) -> float:
        if v is None or np.shape(r) != np.shape(v):
            return math.inf
        found = largest_absolute(np.subtract(*finite(r, v)))
        if found == 0:
            return 0.0
        return found / largest[name] if largest[name] and not math.isnan(found) else math.inf

    return tuple(
        max(error(name, value, mine.get(name)) for name, value in wanted.items())
        for wanted, mine in zip(reference, outputs, strict=True)
    )


def _match(
    name: str, reference: Sequence[ArrayLike | None], outputs: Sequence[ArrayLike | None], floor: Floor
) -> OutputMatch:
    import numpy as np

    pairs = [
        (np.asarray(r), np.asarray(v))
        for r, v in zip(reference, outputs, strict=True)
        if r is not None and v is not None
    ]
    note = _missing(reference, outputs) or next((text for r, v in pairs if (text := _incomparable(r, v))), "")
    if note:
        return OutputMatch(
            name=name,
            max_abs_error=math.inf,
            max_rel_error=math.inf,
            sqnr_db=-math.inf,
            cosine=0.0,
            matches=False,
            note=note,
        )
    all_r = np.concatenate([as_real(r).reshape(-1) for r, _ in pairs])
    all_v = np.concatenate([as_real(v).reshape(-1) for _, v in pairs])
    note = _displaced(all_r, all_v)
    both = np.isfinite(all_r) & np.isfinite(all_v)
    error, largest = largest_absolute(all_r[both] - all_v[both]), largest_absolute(all_r[both])
    return OutputMatch(
        name=name,
        max_abs_error=error,
        max_rel_error=error / largest if largest else (math.inf if error else 0.0),
        sqnr_db=sqnr_db(all_r[both], all_v[both]),
        cosine=cosine(all_r[both], all_v[both]),
        top1_agreement=_agreement(pairs),
        matches=not note and all(_reaches(floor, r, v, largest) for r, v in pairs),
        note=note,
    )


def _missing(reference: Sequence[ArrayLike | None], outputs: Sequence[ArrayLike | None]) -> str:
    if any(value is None for value in outputs):
        return "the model has no such output"
    return "the reference has no such output" if any(value is None for value in reference) else ""


def _incomparable(r: np.ndarray[Any, Any], v: np.ndarray[Any, Any]) -> str:
    if r.shape != v.shape:
        return f"shape {v.shape} instead of {r.shape}"
    odd = next((array.dtype for array in (r, v) if array.dtype.kind not in "biufc"), None)
    return f"values of type {odd} cannot be compared" if odd is not None else ""


def _displaced(r: np.ndarray[Any, Any], v: np.ndarray[Any, Any]) -> str:
    """Say where values that are not finite stand in other places."""
    import numpy as np

    if not np.array_equal(np.isnan(r), np.isnan(v)):
        return f"{int(np.isnan(v).sum())} NaNs where the reference has {int(np.isnan(r).sum())}, or in other places"
    infinite = np.isinf(r) | np.isinf(v)
    return "infinities in other places" if not np.array_equal(r[infinite], v[infinite]) else ""


def _reaches(floor: Floor, r: np.ndarray[Any, Any], v: np.ndarray[Any, Any], largest: float) -> bool:
    """Judge one sample; ``largest`` is the largest absolute value that the reference has in any sample."""
    import numpy as np

    if r.dtype.kind in "biu":
        return bool(np.array_equal(r, v))
    real_r, real_v = finite(r, v)
    if largest_absolute(real_r - real_v) <= floor.largest_relative_error * largest:
        return True
    return sqnr_db(real_r, real_v) >= floor.least_sqnr_db


def _agreement(pairs: Sequence[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]) -> float | None:
    import numpy as np

    if not all(r.ndim == 2 and r.shape[1] >= 2 and r.shape[0] and r.dtype.kind == "f" for r, _ in pairs):
        return None
    if len({r.shape[1] for r, _ in pairs}) > 1:
        return None
    return top1_agreement(np.concatenate([r for r, _ in pairs]), np.concatenate([v for _, v in pairs]))
