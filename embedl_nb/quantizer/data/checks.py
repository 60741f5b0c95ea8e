"""Each sample judged as it goes by: dtype, NaN and infinity, constants, range; and what they add up to.

In: samples of the right shapes in any dtype. Out: samples as the model takes them, and a few numbers of each, so that
nothing must be read twice. What only shows over all samples is said at the end.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import CalibrationError
from embedl_nb.model.spec import Signature, TensorSpec
from embedl_nb.quantizer.data.items import Sample, array_dtype
from embedl_nb.quantizer.data.notes import Notes, join_some
from embedl_nb.quantizer.data.report import InputStatistics

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["Checker", "Moments", "SampleFacts", "convert", "summarize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """One input of one sample in numbers; ``squares`` is the sum of squared distances from its own mean."""

    minimum: float
    maximum: float
    mean: float
    squares: float
    size: int

    @property
    def is_constant(self) -> bool:
        """Whether several elements all have one value."""
        return self.size > 1 and self.minimum == self.maximum


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFacts:
    """What is kept of a sample.

    Attributes
    ----------
    digest
        Of its bytes, to find equal ones.
    moments
        By input, in the signature's order.
    """

    label: str
    digest: bytes
    moments: tuple[Moments, ...]


class Checker:
    """Judges samples of one signature, one after the other.

    Parameters
    ----------
    limits
        By input name, the number of rows of the table that its integers pick from.
    """

    def __init__(self, signature: Signature, notes: Notes, *, limits: Mapping[str, int]) -> None:
        self._signature = signature
        self._notes = notes
        self._limits = limits
        self._not_finite: list[str] = []
        self.given_dtypes: dict[str, str] = {}

    def check(self, sample: Sample, label: str) -> tuple[Sample, SampleFacts]:
        """Return the sample as the model takes it, and what is to be remembered of it.

        Raises
        ------
        CalibrationError
            If a dtype does not fit, or an index is outside of its table.
        """
        converted: Sample = {}
        moments: list[Moments] = []
        digest = hashlib.sha256()  # quickest of the strong ones where the processor helps
        for spec in self._signature.inputs:
            given = sample[spec.name]
            array = _converted(given, spec, where=label)
            if given.dtype != array.dtype:
                self.given_dtypes.setdefault(spec.name, str(given.dtype))
            found = _moments(array)
            if not (math.isfinite(found.minimum) and math.isfinite(found.maximum)):
                self._note_not_finite(given, array, spec, label)
            elif spec.name in self._limits:
                _must_be_rows(found, spec, self._limits[spec.name], label)
            digest.update(array.tobytes())
            converted[spec.name] = array
            moments.append(found)
        return converted, SampleFacts(label=label, digest=digest.digest(), moments=tuple(moments))

    def _note_not_finite(self, given: Array, array: Array, spec: TensorSpec, label: str) -> None:
        import numpy as np

        if np.isfinite(given).all():
            raise CalibrationError(
                f"{label}: input {spec.name!r} holds values that {array.dtype} cannot hold", hint="scale the data"
            )
        kind = "NaN" if np.isnan(array).any() else "infinity"
        self._not_finite.append(f"{label} ({spec.name}: {kind})")

    def must_be_finite(self) -> None:
        """Refuse the data if any sample held NaN or infinity; all of them are named.

        Raises
        ------
        CalibrationError
            Naming them.
        """
        if self._not_finite:
            count = len(self._not_finite)
            named = sorted(self._not_finite, key=lambda text: (len(text), text))  # sample 9 before sample 10
            raise CalibrationError(
                f"{count} input{' holds' if count == 1 else 's hold'} NaN or infinity: {join_some(named)}",
                hint="repair these samples or leave them out",
                details="\n".join(named),
            )

    def conclude(self, facts: Sequence[SampleFacts]) -> None:
        """Say what shows over all samples: constants and casts."""
        for number, spec in enumerate(self._signature.inputs):
            if array_dtype(spec).kind == "f":
                self._say_constants(spec, number, facts)
            if spec.name in self.given_dtypes:
                self._say_cast(spec, [fact.moments[number] for fact in facts])

    def _say_constants(self, spec: TensorSpec, number: int, facts: Sequence[SampleFacts]) -> None:
        constant = [fact.label for fact in facts if fact.moments[number].is_constant]
        if len(constant) == len(facts) > 0:
            self._notes.warn(f"input {spec.name!r} is constant in every sample: nothing can be learnt from it")
        elif constant:
            self._notes.notice(
                f"input {spec.name!r} is constant in {len(constant)} of {len(facts)} samples: {join_some(constant)}"
            )

    def _say_cast(self, spec: TensorSpec, moments: Sequence[Moments]) -> None:
        given, wanted = self.given_dtypes[spec.name], array_dtype(spec)
        sentence = f"input {spec.name!r} was given as {given} and cast to {wanted}"
        if wanted.kind == "f" and given.startswith(("int", "uint", "bool")):
            lowest, highest = min(m.minimum for m in moments), max(m.maximum for m in moments)
            self._notes.warn(f"{sentence} without scaling: its values span {lowest:g}..{highest:g}")
        else:
            self._notes.notice(sentence)


def convert(sample: Sample, signature: Signature) -> Sample:
    """Return a sample that was checked before in the dtypes that the model takes."""
    return {spec.name: sample[spec.name].astype(array_dtype(spec), copy=False) for spec in signature.inputs}


def summarize(signature: Signature, facts: Sequence[SampleFacts]) -> tuple[InputStatistics, ...]:
    """Return what the samples' inputs span together.

    Mean and variance are put together from those of each sample (float64).

    References
    ----------
    Chan, T. F., Golub, G. H., LeVeque, R. J. (1983), Algorithms for computing the sample variance, The American
    Statistician 37(3).
    """
    return tuple(
        _summary(spec, [(fact.label, fact.moments[number]) for fact in facts])
        for number, spec in enumerate(signature.inputs)
    )


def _summary(spec: TensorSpec, parts: Sequence[tuple[str, Moments]]) -> InputStatistics:
    lowest, highest = min(parts, key=lambda part: part[1].minimum), max(parts, key=lambda part: part[1].maximum)
    size = sum(part.size for _, part in parts)
    mean = sum(part.mean * part.size for _, part in parts) / max(size, 1)
    squares = sum(part.squares + part.size * (part.mean - mean) ** 2 for _, part in parts)
    return InputStatistics(
        name=spec.name,
        dtype=str(array_dtype(spec)),
        shape=spec.shape,
        minimum=lowest[1].minimum,
        maximum=highest[1].maximum,
        mean=mean,
        std=math.sqrt(squares / max(size, 1)),
        minimum_sample=lowest[0],
        maximum_sample=highest[0],
    )


def _moments(array: Array) -> Moments:
    import numpy as np

    if not array.size:
        return Moments(minimum=0.0, maximum=0.0, mean=0.0, squares=0.0, size=0)
    lowest, highest = float(array.min()), float(array.max())
    if not (math.isfinite(lowest) and math.isfinite(highest)):
        return Moments(minimum=lowest, maximum=highest, mean=math.nan, squares=math.nan, size=array.size)
    mean = float(array.mean(dtype=np.float64))
    squares = float(array.var(dtype=np.float64)) * array.size
    return Moments(minimum=lowest, maximum=highest, mean=mean, squares=squares, size=array.size)


def _converted(array: Array, spec: TensorSpec, *, where: str) -> Array:
    """Return an array in the input's dtype.

    Raises
    ------
    CalibrationError
        Where values would be lost: fractions as integers, integers out of range, numbers as truth values.
    """
    import numpy as np

    wanted = array_dtype(spec)
    if array.dtype == wanted:
        return array
    given = array.dtype.kind
    if wanted.kind == "f":
        with np.errstate(over="ignore"):
            return array.astype(wanted)
    if wanted.kind in "iu" and given in "iu":
        limits = np.iinfo(wanted)
        if not array.size or (limits.min <= int(array.min()) and int(array.max()) <= limits.max):
            return array.astype(wanted)
        raise CalibrationError(
            f"{where}: input {spec.name!r} holds {array.min()}..{array.max()}, which {wanted} cannot hold",
            hint=f"give values that {wanted} can hold",
        )
    raise CalibrationError(
        f"{where}: input {spec.name!r} is {array.dtype}, expected {wanted}",
        hint=f"convert it, array.astype('{wanted}'), if that is what its values mean",
    )


def _must_be_rows(found: Moments, spec: TensorSpec, num_rows: int, label: str) -> None:
    if found.size and not (found.minimum >= 0 and found.maximum < num_rows):
        raise CalibrationError(
            f"{label}: input {spec.name!r} holds {found.minimum:g}..{found.maximum:g}, and the model's table has "
            f"{num_rows} rows",
            hint=f"give indices between 0 and {num_rows - 1}",
        )
