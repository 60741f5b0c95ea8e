"""From a failed compile to a repro file: pieces of the exported program are written down and compiled (pieces.py).

In: the error, and what the source was exported to. Out: the smallest piece that was seen to fail the same way, as a
script (repro.py) that calls litert-torch alone where that fails so too, and ``enb.compile`` where the failure is of
embedl_nb's own steps. Whatever lowering does ends its child, and the next piece gets a new one. Nothing is written for
a piece that does not fail the same way.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import config, progress
from embedl_nb.compiler.converter import CHILD_NAME
from embedl_nb.compiler.explaining.failures import Failure, FailureKind, failure_of, failure_of_child, unkilled
from embedl_nb.compiler.explaining.repro import Ending, Listing, NotCuttableError, Unit, write_script
from embedl_nb.compiler.explaining.search import Budget, BudgetSpentError, Search
from embedl_nb.compiler.pieces import failure_of_piece
from embedl_nb.display import Displayable, Fact, View
from embedl_nb.errors import CompileError, EmbedlError, UnsupportedOperatorError
from embedl_nb.runtime.pool import warm

if TYPE_CHECKING:
    from embedl_nb.compiler.converter import Converter

__all__ = ["Repro", "offer_repro", "search_repro"]

_CALL = "enb.bisect(model, example_inputs) looks for the smallest piece that fails the same way"
# One operator is tried in about a second: what an error that names it may cost.
_QUICK_TRIALS, _QUICK_LIMIT_S = 6, 60.0
_TRIAL_LIMIT_S = 300.0
_KEPT = 50


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Repro(Displayable):
    """A script that fails as the compile did, with nothing of the user's in it but shapes, dtypes and operators.

    Attributes
    ----------
    path
        The script; ``python <path>`` fails.
    code
        Its text.
    failure
        What goes wrong, e.g. ``unsupported operator: aten.lgamma``.
    operators
        Of the piece, in order.
    places
        Modules and lines of the source that they come from.
    num_operators
        Of the whole program.
    tool
        What fails: ``litert-torch``, which the script then calls alone, or ``embedl_nb``.
    num_trials
        Pieces that were compiled on the way.
    is_smallest
        Whether nothing can be left out; False where the budget was spent before that was known.
    """

    path: Path
    code: str
    failure: str
    operators: tuple[str, ...]
    places: tuple[str, ...]
    num_operators: int
    tool: str
    num_trials: int
    seconds: float
    is_smallest: bool

    def _view(self) -> View:
        size = f"{len(self.operators)} of {self.num_operators} operators"
        return View(
            headline=f"{self.failure} | {size} | {self.path}",
            facts=(
                Fact("operators", ", ".join(self.operators)),
                Fact("from", "; ".join(self.places) or "the model"),
                Fact("fails in", self.tool),
                Fact("search", f"{self.num_trials} pieces tried in {self.seconds:.0f} s"),
            ),
            warnings=() if self.is_smallest else ("the budget ended before the search did: a smaller piece may fail",),
            unknown="what it is that fails in this piece",
            next_step=f"python {self.path}",
        )


def offer_repro(err: CompileError, exported: dict[str, Any], converter: Converter) -> None:
    """Add to ``err`` a repro file where its operator is known, else how to look for one.

    Parameters
    ----------
    exported
        What the source was exported to, as the child is asked: ``program_path``, or several of them in ``signatures``.
    """
    wanted = failure_of(err)
    if wanted is None or not _programs(exported):
        return
    found = None
    if isinstance(err, UnsupportedOperatorError):
        budget = Budget(max_trials=_QUICK_TRIALS, time_limit_s=_QUICK_LIMIT_S)
        try:
            for program in _programs(exported):
                with _Trials(wanted, program, converter, budget, trial_limit_s=_QUICK_LIMIT_S) as trials:
                    found = found or _first_suspect(trials, err)
        except (EmbedlError, OSError) as other:  # the compile's own error is what the user has to see
            progress.emit("bisect", f"no repro file: {other}")
    if found is not None:
        err.repro_path = str(found.path)
    said = f"{found.path} fails the same way on its own" if found is not None else _CALL
    err.hint = f"{err.hint}; {said}" if err.hint else said


def search_repro(
    err: CompileError, exported: dict[str, Any], converter: Converter, *, budget: Budget, timeout_s: float
) -> Repro | None:
    """Search what was exported for the smallest piece that fails as ``err`` says; None where no piece does.

    Parameters
    ----------
    timeout_s
        What the compile was given: the limit of each piece where a time-out is looked for.
    """
    wanted = failure_of(err)
    if wanted is None:
        return None
    limit_s = timeout_s if wanted.kind is FailureKind.TIMED_OUT else min(timeout_s, _TRIAL_LIMIT_S)
    for program in _programs(exported):
        with _Trials(wanted, program, converter, budget, trial_limit_s=limit_s) as trials:
            found = _first_suspect(trials, err) if isinstance(err, UnsupportedOperatorError) else None
            found = found or trials.searched()
        if found is not None:
            return found
    return None


def _programs(exported: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what the child needs to list each exported program."""
    return [
        {name: each[name] for name in ("program_path", "module_names") if name in each}
        for each in exported.get("signatures", [exported])
        if "program_path" in each
    ]


def _first_suspect(trials: _Trials, err: UnsupportedOperatorError) -> Repro | None:
    """Try, one by one, the operators that the error names or that stand where it says."""
    wanted, named = set(err.suspects), set(err.operators)
    suspects = [
        unit
        for unit in trials.units
        if any(line.operator in named or {line.origin, line.origin.partition("\n")[0]} & wanted for line in unit)
    ]
    suspects.sort(key=lambda unit: not any(line.operator in named for line in unit))
    try:
        failing = next((unit for unit in suspects[:_QUICK_TRIALS] if trials.fails([unit])), None)
    except BudgetSpentError:
        return None
    return trials.repro([failing], is_smallest=True) if failing is not None else None


class _Trials:
    """Pieces of one program, each compiled by itself."""

    def __init__(
        self, wanted: Failure, program: dict[str, Any], converter: Converter, budget: Budget, *, trial_limit_s: float
    ) -> None:
        self._wanted = wanted
        is_lowering_known = wanted.kind is FailureKind.UNSUPPORTED and all("." in name for name in wanted.names)
        self._is_run = wanted.kind is not FailureKind.RAISED and not is_lowering_known
        self._program = program
        self._converter = converter
        self._budget = budget
        self._limit_s = trial_limit_s
        self._started = time.monotonic()
        self._folder = tempfile.TemporaryDirectory(prefix="embedl_nb-bisect-")
        self.units: list[Unit] = []

    def __enter__(self) -> _Trials:
        try:
            progress.emit("bisect", "listing the program's operators")
            listed = self._ask("list", self._program, timeout_s=self._budget.time_limit_s)
            self._listing = Listing.from_json(listed)
            self.units = self._listing.units()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def fails(self, units: Sequence[Unit]) -> bool:
        """Say whether the piece that ``units`` make fails as the compile did.

        Raises
        ------
        BudgetSpentError
            If it may not be tried any more, or the time ended while it was.
        """
        try:
            script = self._script(units, Ending.COMPILE)
        except NotCuttableError:
            return False
        left_s = self._budget.take()
        size = f"{len(units)} of {len(self.units)} operators"
        done, total = self._budget.num_trials, self._budget.max_trials
        progress.emit("bisect", f"trying {size}", done=done, total=total)
        limit_s = min(left_s, self._limit_s)
        found = failure_of_piece(script, self._converter, verify=self._is_run, timeout_s=limit_s)
        if found is not None and found.kind is FailureKind.TIMED_OUT and left_s < self._limit_s:
            raise BudgetSpentError
        return found is not None and found.is_like(self._wanted)

    def searched(self) -> Repro | None:
        """Search all operators."""
        search = Search(self.units, self.fails)
        search.run()
        return self.repro(search.smallest, is_smallest=search.is_complete) if search.smallest else None

    def repro(self, units: Sequence[Unit], *, is_smallest: bool) -> Repro:
        """Write the script of a piece that has failed to where it is kept."""
        plain = self._script(units, Ending.CONVERT_AND_RUN if self._is_run else Ending.CONVERT)
        is_plain = self._fails_alone(plain)
        script = plain if is_plain else self._script(units, Ending.COMPILE)
        lines = [line for unit in units for line in unit]
        return Repro(
            path=_kept(script, self._wanted),
            code=script,
            failure=str(self._wanted),
            operators=tuple(line.operator for line in lines),
            places=tuple(dict.fromkeys(line.place for line in lines if line.place)),
            num_operators=len(self._listing.lines),
            tool=str(Ending.CONVERT if is_plain else Ending.COMPILE),
            num_trials=self._budget.num_trials,
            seconds=time.monotonic() - self._started,
            is_smallest=is_smallest,
        )

    def _script(self, units: Sequence[Unit], ending: Ending) -> str:
        return write_script(self._listing, units, title=f"{self._wanted}", ending=ending)

    def _fails_alone(self, script: str) -> bool:
        """Say whether litert-torch alone fails as the compile did."""
        progress.emit("bisect", "trying the piece with litert-torch alone")
        path = Path(self._folder.name) / "piece.py"
        path.write_text(script, encoding="utf-8")
        try:
            found = _failure(self._ask("try", {"path": str(path)}, timeout_s=self._limit_s))
        except EmbedlError as err:
            found = failure_of_child(err)
        return found is not None and found.is_like(self._wanted)

    def _ask(self, command: str, payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        def asked() -> dict[str, Any]:
            with warm(self._converter.module, what=CHILD_NAME) as child:
                return child.request(command, payload, timeout_s=timeout_s)

        return unkilled(asked)


def _failure(answer: dict[str, Any]) -> Failure | None:
    if not answer["kind"]:
        return None
    return Failure(kind=FailureKind(answer["kind"]), names=tuple(answer["names"]), exception=answer["exception"])


def _kept(script: str, wanted: Failure) -> Path:
    """Write ``script`` into the folder of repro files, under a name that says what it is, as a whole or not at all."""
    folder = config.repro_dir()
    stem = re.sub(r"\W+", "_", "_".join(wanted.names[:1]) or str(wanted.kind)).strip("_").lower()
    path = folder / f"{stem}_{hashlib.sha256(script.encode()).hexdigest()[:8]}.py"
    part = folder / f".{path.name}-{uuid.uuid4().hex}"
    try:
        part.write_text(script, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _prune(folder, path)
    return path


def _prune(folder: Path, newest: Path) -> None:
    """Keep the newest scripts."""

    def written_at(path: Path) -> float:
        try:
            return path.stat().st_mtime
        except FileNotFoundError:  # another process pruned it first
            return 0.0

    for old in sorted(folder.glob("*.py"), key=written_at, reverse=True)[_KEPT:]:
        if old != newest:
            old.unlink(missing_ok=True)
