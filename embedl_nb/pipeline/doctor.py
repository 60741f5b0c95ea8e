"""Checks this machine and names the fix for what is missing; the headline says what can be done here and now."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.errors import UnknownNameError
from embedl_nb.pipeline import checks, phone_checks, placement_checks
from embedl_nb.pipeline.checks import Check, Status
from embedl_nb.pipeline.platforms import NOTE, Platform, this_platform

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Doctor", "doctor"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Doctor(Displayable):
    """What was found on this machine.

    Attributes
    ----------
    platform
        What the wheels of the dependencies offer here.
    checks
        Findings, in the order they are shown.
    """

    platform: Platform
    checks: tuple[Check, ...]

    @property
    def can_measure(self) -> bool:
        """Whether a model can be run and timed here."""
        return self["runtime"].is_ok

    @property
    def can_compile(self) -> bool:
        """Whether a PyTorch model can be compiled here; a compile is only done once its result has run."""
        return self.can_measure and self["compiler"].is_ok

    @property
    def headline(self) -> str:
        """What can be done here, and what stands in the way of the rest."""
        if not self.can_measure:
            return f"Cannot measure or compile: {self['runtime'].found}"
        if not self.can_compile:
            return f"Can measure, cannot compile: {self['compiler'].found}"
        return "Ready to compile and measure on this machine"

    def __getitem__(self, name: str) -> Check:
        """Return the check called ``name``."""
        by_name = {check.name: check for check in self.checks}
        if name not in by_name:
            raise UnknownNameError.among("check", name, by_name)
        return by_name[name]

    def frame(self) -> pd.DataFrame:
        """Return the findings as a frame, one row a check."""
        import pandas as pd

        return pd.DataFrame([{**asdict(check), "status": str(check.status)} for check in self.checks])

    def _view(self) -> View:
        to_fix = [check for check in self.checks if check.status is not Status.OK]
        blocking = next((check.fix for check in to_fix if check.name in ("runtime", "compiler")), "")
        return View(
            headline=self.headline,
            facts=tuple(Fact(check.name, check.found) for check in self.checks if check.status is Status.OK),
            warnings=tuple(
                f"{check.name}: {check.found}" + (f". Fix: {check.fix}" if check.fix else "") for check in to_fix
            ),
            tables=(_platform_table(self.platform),),
            next_step="embedl-nb quickstart" if self.can_compile else blocking,
        )


def doctor() -> Doctor:
    """Check this machine: what it can do, what is missing, and how to get it.

    The runtime is tried in a process of its own, so that "ready" means that a model ran. Takes a second or two; nothing
    is installed or changed, and only a run store and an adb server that the user named elsewhere are connected to.

    Returns
    -------
    Doctor
        Shows itself; ``can_measure`` and ``can_compile`` say it to a program.

    Examples
    --------
    >>> enb.doctor().can_measure  # doctest: +SKIP
    True
    """
    row = this_platform()
    found = [
        checks.check_python(),
        checks.check_runtime(row),
        checks.check_compiler(row),
        checks.check_onnx(row),
        checks.check_keras(row),
        checks.check_quantizer(row),
        placement_checks.check_gpu_driver(),
        placement_checks.check_npu_compilers(),
        phone_checks.check_phones(),
        checks.check_notebook(),
        checks.check_browser(),
        checks.check_run_store(),
        *(checks.check_folder(name, path) for name, path in checks.folders()),
        checks.check_cpu(),
        checks.check_memory(),
    ]
    return Doctor(platform=row, checks=tuple(check for check in found if check is not None))


def _platform_table(row: Platform) -> Table:
    return Table(
        title=f"What {row.name} allows",
        columns=("what", "here", "by"),
        rows=tuple(
            (what, "yes" if each.is_available else "no", each.reason) for what, each in row.capabilities.items()
        ),
        note=NOTE,
    )
