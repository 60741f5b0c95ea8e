"""Rehearsal: what a phone's NPU artifact computed in the vendor's simulator, how near that is, and what it promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.placement.rehearsal.agreement import Agreement
from embedl_nb.units import Provenance, counted, format_ratio

__all__ = ["Rehearsal"]

SCHEMA_VERSION = 1
_NEGLIGIBLE_DB = 1.0
_UNLIKE_DB = 10.0
"""Below, a third of the signal differs, which no rounding to 8 bits explains."""
_AGREEMENTS = ("against_cpu", "against_source", "cpu_against_source")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Rehearsal(Displayable):
    """What the artifact for a phone's NPU computes, in its vendor's simulator on this machine.

    It holds no time: that of a simulator says nothing of a phone.

    Attributes
    ----------
    model_name, model_sha256, precision
        Of the portable model.
    chip
        ``"Snapdragon 8 Gen 3 (SM8650)"``.
    htp_arch
        Version of its Hexagon NPU: ``"75"``; ``""`` where it is not known.
    qairt
        The QAIRT build that made the artifact, as its bytecode names it; ``""`` where it names none.
    simulator
        What the simulator is part of.
    num_partitions, num_npu_operators, num_cpu_operators
        How many pieces of bytecode were run, for how many operators of the model, and how many operators the LiteRT
        runtime ran between them.
    samples
        How many there were, and where they come from.
    against_cpu
        Its outputs against the portable model's on the CPU.
    against_source, cpu_against_source
        Its outputs, and for a measure the CPU's, against those of the source; None where they are not known.
    log_path
        What the simulator wrote.
    """

    model_name: str
    model_sha256: str
    precision: str
    chip: str
    htp_arch: str
    qairt: str
    simulator: str
    num_partitions: int
    num_npu_operators: int
    num_cpu_operators: int
    samples: str
    against_cpu: Agreement
    against_source: Agreement | None = None
    cpu_against_source: Agreement | None = None
    log_path: Path | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def provenance(self) -> Provenance:
        """Where its numbers come from."""
        return Provenance.SIMULATED

    @property
    def matches(self) -> bool:
        """Whether the NPU computes what the CPU computes, as near as its arithmetic allows."""
        return self.against_cpu.matches

    @property
    def is_as_near_to_source(self) -> bool:
        """Whether the NPU is as near to the source as the CPU is, to 1 dB; False where the source is not known.

        Two roundings to 8 bits can lie far apart, and equally near to what both stand for.
        """
        if self.against_source is None or self.cpu_against_source is None:
            return False
        return self.against_source.sqnr_db >= self.cpu_against_source.sqnr_db - _NEGLIGIBLE_DB

    @property
    def sentence(self) -> str:
        """One line: the verdict, the figures, the simulator and the samples."""
        figures = self.against_cpu.sentence
        if self.against_cpu.is_exact:
            verdict = "computes exactly what the CPU computes"
        elif self.matches:
            verdict = f"computes what the CPU computes: {figures}"
        elif self.is_as_near_to_source:
            verdict = f"differs from the CPU, but is as near to its source as the CPU is: {figures}"
        elif self.against_source is not None:
            verdict = f"is farther from its source than the CPU is: {figures}"
        elif all(output.sqnr_db >= _UNLIKE_DB and not output.note for output in self.against_cpu.outputs):
            verdict = f"differs from the CPU: {figures}"
        else:
            verdict = f"does not compute what the CPU computes: {figures}"
        return f"its NPU artifact {verdict} ({self._where}, {self.samples})"

    @property
    def promise(self) -> str:
        """What this does and does not say about a phone."""
        runtime = f"QAIRT {_release(self.qairt)} or newer" if self.qairt else "a runtime as new as the compiler"
        return (
            "this is the very bytecode that a phone would load, and these are the values of Qualcomm's simulator; "
            f"no phone has run it. A phone needs {runtime} to load it. Nothing is said about time, power or memory"
        )

    @property
    def _where(self) -> str:
        npu = f"Hexagon v{self.htp_arch}" if self.htp_arch else "its Hexagon"
        return f"{npu} simulated, QAIRT {_release(self.qairt)}" if self.qairt else f"{npu} simulated"

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        record: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        agreements = {name: None if record[name] is None else record[name].to_record() for name in _AGREEMENTS}
        log_path = None if self.log_path is None else str(self.log_path)
        return record | agreements | {"log_path": log_path, "provenance": str(self.provenance)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Rehearsal:
        """Rebuild from :meth:`to_record`.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        InputError
            If it is no record of a rehearsal.
        """
        SchemaTooNewError.check("this rehearsal", record.get("schema_version"), SCHEMA_VERSION)
        try:
            own = {key: value for key, value in record.items() if key != "provenance"}
            agreements = {n: None if own[n] is None else Agreement.from_record(own[n]) for n in _AGREEMENTS}
            log_path = None if own["log_path"] is None else Path(own["log_path"])
            return cls(**{**own, **agreements, "log_path": log_path})
        except (KeyError, TypeError, ValueError) as err:
            raise InputError(
                f"this is no record of a rehearsal: {type(err).__name__}: {err}",
                hint="pass what Rehearsal.to_record() returned",
            ) from err

    def _view(self) -> View:
        facts = [Fact("ran", self._parts), Fact("simulator", self.simulator)]
        facts += [Fact("bytecode by", f"QAIRT {self.qairt}")] if self.qairt else []
        if self.against_source and self.cpu_against_source:
            facts.append(Fact("against its source", f"{self.against_source.sentence}; the CPU {self._cpu_to_source}"))
        if self.against_cpu.num_samples > 1 and not self.against_cpu.is_exact:
            facts.append(Fact("worst sample", f"number {self.against_cpu.worst_sample}, counted from 0"))
        facts.append(Fact("of a phone", self.promise))
        facts += [Fact("log", str(self.log_path))] if self.log_path else []
        return View(
            headline=f"{self.model_name} | {self.precision} | {self.chip} npu | {self.sentence}",
            provenance=self.provenance,
            facts=tuple(facts),
            warnings=self._warnings,
            tables=(self._table(),),
            unknown="how fast it is there",
        )

    @property
    def _warnings(self) -> tuple[str, ...]:
        if self.matches or self.against_source is not None:
            return ()
        return ("whether that matters shows against the float model: give source=float_model and samples=...",)

    @property
    def _cpu_to_source(self) -> str:
        return self.cpu_against_source.sentence if self.cpu_against_source else ""

    @property
    def _parts(self) -> str:
        npu = f"{counted(self.num_npu_operators, 'operator')} in {counted(self.num_partitions, 'part')} on the NPU"
        return f"{npu}, {counted(self.num_cpu_operators, 'operator')} on the CPU" if self.num_cpu_operators else npu

    def _table(self) -> Table:
        columns = ("output", "near enough", "SQNR", "largest error", "top-1 the same", "note")
        rows = tuple(
            (
                output.name,
                "yes" if output.matches else "no",
                "equal" if output.max_abs_error == 0 else f"{output.sqnr_db:.1f} dB",
                f"{output.max_abs_error:.3g}",
                "" if output.top1_agreement is None else format_ratio(output.top1_agreement),
                output.note,
            )
            for output in self.against_cpu.outputs
        )
        return Table(title="NPU (simulated) against the CPU", columns=columns, rows=rows, numeric=columns[2:5])


def _release(build: str) -> str:
    return ".".join(build.split(".")[:3])
