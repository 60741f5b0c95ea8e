"""What was read: how much of it, from where, over which range, and what a reader must know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.quantizer.data.notes import join_some

__all__ = ["DataKind", "DataReport", "InputStatistics"]


class DataKind(StrEnum):
    """Where samples come from."""

    GIVEN = "given"
    """The caller's data."""
    RANDOM = "random"
    """Made up by a random generator: what is measured on it says little of real data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputStatistics:
    """The values of one input over the calibration samples, in its own unit.

    Attributes
    ----------
    minimum, maximum, mean, std
        Over all elements of all samples.
    minimum_sample, maximum_sample
        The first samples that have these values.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    minimum: float
    maximum: float
    mean: float
    std: float
    minimum_sample: str
    maximum_sample: str

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> InputStatistics:
        """Rebuild from a record."""
        return cls(**{**record, "shape": tuple(record["shape"])})


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DataReport(Displayable):
    """What :func:`~embedl_nb.quantizer.data.read_data` read.

    Attributes
    ----------
    source
        What the data is: ``"an array of 500 samples"``.
    num_asked
        The ``num_samples`` that was asked for.
    num_samples, num_held_out
        Samples to calibrate with, and others to judge with.
    num_available
        Samples in the data; None where that is not known (a stream).
    is_held_out_separate
        False where so few samples came that the same ones calibrate and judge.
    num_duplicates
        Held-out samples that are equal, byte for byte, to a calibration sample.
    preprocessing
        What is done to each picture, in words; empty for other data.
    skipped
        What could not be read (names of pictures).
    warnings
        Sentences that a reader must not miss.
    notices
        Sentences that a reader may want to know.
    """

    source: str
    kind: DataKind
    num_asked: int
    seed: int
    num_samples: int
    num_held_out: int
    num_available: int | None
    is_held_out_separate: bool
    num_duplicates: int
    inputs: tuple[InputStatistics, ...]
    preprocessing: str = ""
    skipped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for a person: how many samples of what."""
        num_others = f"{self.num_held_out} other{'' if self.num_held_out == 1 else 's'}"
        others = f"{num_others} held out" if self.is_held_out_separate else "none held out"
        return f"{_samples(self.num_samples)} of {self.source} to calibrate, {others}"

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        record: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        inputs = [{field.name: getattr(item, field.name) for field in fields(item)} for item in self.inputs]
        texts = {key: list(record[key]) for key in ("skipped", "warnings", "notices")}
        return record | texts | {"kind": str(self.kind), "inputs": [i | {"shape": list(i["shape"])} for i in inputs]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> DataReport:
        """Rebuild from :meth:`to_record`."""
        texts = {key: tuple(record[key]) for key in ("skipped", "warnings", "notices")}
        inputs = tuple(InputStatistics.from_record(item) for item in record["inputs"])
        return cls(**{**record, **texts, "kind": DataKind(record["kind"]), "inputs": inputs})

    def _view(self) -> View:
        rows = tuple(
            (
                item.name,
                item.dtype,
                *(f"{value:.4g}" for value in (item.minimum, item.maximum, item.mean, item.std)),
                item.minimum_sample,
                item.maximum_sample,
            )
            for item in self.inputs
        )
        table = Table(
            title="Values of the calibration samples",
            columns=("input", "dtype", "min", "max", "mean", "std", "min in", "max in"),
            rows=rows,
            numeric=("min", "max", "mean", "std"),
        )
        facts = [Fact("preprocessing", self.preprocessing)] if self.preprocessing else []
        facts += [Fact("skipped", join_some(self.skipped))] if self.skipped else []
        facts += [Fact("note", notice) for notice in self.notices]
        return View(headline=self.sentence, facts=tuple(facts), warnings=self.warnings, tables=(table,))


def _samples(count: int) -> str:
    return f"{count} sample{'' if count == 1 else 's'}"
