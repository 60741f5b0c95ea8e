"""Whatever goes wrong with a phone, at a random moment of a benchmark: what the user gets, and what is left behind.

Faults of a virtual phone go into ``enb.benchmark``; a :class:`Trial` comes out. In order is one clear error or a
finished run, and afterwards a phone that is clean and free, and a store that holds what was finished and nothing else.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest import mock

import numpy as np

import embedl_nb as enb
from embedl_nb.device import open_device
from embedl_nb.device.adb.phone import FOLDER
from embedl_nb.device.adb.tool.binary import CHECKER_VARIABLE, TOOL_NAME, VARIABLE
from embedl_nb.errors import EmbedlError, EmbedlWarning
from embedl_nb.measure import Benchmark
from embedl_nb.measure.benchmark import OutputState
from embedl_nb.model import LiteRTModel
from embedl_nb.runstore.location import current_store
from embedl_nb.runtime.running import run_samples
from embedl_nb.testing import models
from embedl_nb.testing.virtual_phone import (
    ARM64_PROGRAM,
    AdbServer,
    Crash,
    Faults,
    Miscomputed,
    VirtualPhone,
    adb_server,
)
from embedl_nb.testing.virtual_phone.benchmark_tool import LEGACY_MARK

__all__ = ["KINDS", "FaultyPhone", "Trial", "faulty_phone", "store_is_whole", "trials"]

FINISHED = "finished"
_TOOL_BYTES = 50_000
_PRINTED_BYTES = 9_000
_RUN_S = 1.5
_LIMIT_S, _PATIENCE_S, _POLL_S = 6.0, 30.0, 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of fault.

    Attributes
    ----------
    make
        One of it; None for a cable that is pulled.
    is_counted
        Whether it waits for its byte by itself, from the beginning on; others come at a moment.
    cuts
        Whether the phone can be out of reach afterwards.
    before
        What is wrong with the phone already.
    """

    make: Callable[[Random], Faults | None]
    is_counted: bool = False
    cuts: bool = False
    before: Faults = field(default_factory=Faults)


KINDS: dict[str, Kind] = {
    "cable at a byte of a push": Kind(
        make=lambda rng: Faults(unplug_after_pushed_bytes=rng.randrange(2 * _TOOL_BYTES)), is_counted=True, cuts=True
    ),
    "cable at a byte of a run": Kind(
        make=lambda rng: Faults(unplug_after_output_bytes=rng.randrange(_PRINTED_BYTES)), is_counted=True, cuts=True
    ),
    "cable at a moment": Kind(make=lambda _rng: None, cuts=True),
    "cable while it hangs": Kind(make=lambda _rng: None, cuts=True, before=Faults(hang=True)),
    "offline": Kind(make=lambda _rng: Faults(silent=True), cuts=True),
    "unauthorized": Kind(make=lambda _rng: Faults(unauthorized=True), cuts=True),
    "slow link": Kind(make=lambda rng: Faults(bytes_per_s=10 ** rng.uniform(4, 6))),
    "full storage": Kind(make=lambda rng: Faults(storage_bytes=int(10 ** rng.uniform(3, 7)))),
    "no exec permission": Kind(make=lambda _rng: Faults(no_exec=True)),
    "missing library": Kind(make=lambda _rng: Faults(missing_library="libOpenCL.so")),
    "crash": Kind(make=lambda rng: Faults(crash=rng.choice(list(Crash)))),
    "hang": Kind(make=lambda _rng: Faults(hang=True)),
    "heat": Kind(make=lambda _rng: Faults(celsius_per_busy_s=1e6)),
    "miscomputation": Kind(make=lambda rng: Faults(outputs=rng.choice(list(Miscomputed)))),
}
"""What can be wrong with a phone, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One benchmark with one fault.

    Attributes
    ----------
    outcome
        ``"finished"``, or the error's type.
    wrongs
        What was not in order; empty when all was.
    run_id
        Of a benchmark that finished.
    """

    kind: str
    outcome: str
    wrongs: tuple[str, ...]
    run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultyPhone:
    """A virtual phone at a server of its own, and what is run on it."""

    server: AdbServer
    phone: VirtualPhone
    model: Path
    sample: np.ndarray
    output: str
    expected: np.ndarray

    @property
    def address(self) -> str:
        """What a benchmark is told."""
        return f"adb://{self.phone.address}?server={self.server.host}:{self.server.port}"

    def files(self) -> list[str]:
        """Return what is on the phone but for the tools, which stay."""
        found = (self.phone.root / FOLDER.lstrip("/")).rglob("*")
        return sorted(path.name for path in found if path.is_file() and path.name != TOOL_NAME)

    def mend(self) -> None:
        """Put everything right, and wait until the server sees the phone again.

        Raises
        ------
        DeviceError
            If it does not.
        """
        self.phone.faults = Faults()
        self.phone.plug_in()
        self.server.connect_again(self.phone)

    def settle(self) -> None:
        """Wait for what a kill brings about."""
        until = time.monotonic() + _PATIENCE_S
        while self.phone.num_running and time.monotonic() < until:
            time.sleep(_POLL_S)


@contextmanager
def faulty_phone(name: str = "Samsung Galaxy S24") -> Iterator[FaultyPhone]:
    """Run a phone that faults can be given to, with short time limits, until the block ends."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="embedl_nb-faults-")))
        padding = bytes(_TOOL_BYTES)  # so that there are bytes to be cut at
        for variable, content in ((VARIABLE, padding), (CHECKER_VARIABLE, LEGACY_MARK + padding)):
            (folder / variable).write_bytes(ARM64_PROGRAM + content)
            stack.enter_context(mock.patch.dict(os.environ, {variable: str(folder / variable)}))
        # A hang is found out after minutes, and a lease that is not let go of as well: here both are to be seen soon.
        stack.enter_context(mock.patch("embedl_nb.device.adb.running._time_limit_s", return_value=_LIMIT_S))
        stack.enter_context(mock.patch("embedl_nb.device.adb.phone._LEASE_WAIT_S", 0.0))
        model = models.write(folder, models.conv_relu(), name="net")
        signature = LiteRTModel.open(model).signatures[0]
        spec, output = signature.inputs[0], signature.outputs[0].name
        sample = np.random.default_rng(0).normal(size=spec.shape).astype(spec.dtype)
        expected = next(iter(run_samples(model, {f"0/{spec.name}": sample}).values()))
        server, phone = stack.enter_context(adb_server()), stack.enter_context(VirtualPhone(name))
        server.connect(phone)
        yield FaultyPhone(server=server, phone=phone, model=model, sample=sample, output=output, expected=expected)


def trials(rack: FaultyPhone, kinds: Sequence[str], rng: Random) -> Iterator[Trial]:
    """Give the phone each fault once, at a moment that ``rng`` chooses, and yield what came of it."""
    for kind in kinds:
        yield _trial(rack, kind, rng)


def _trial(rack: FaultyPhone, name: str, rng: Random) -> Trial:
    kind, wrongs = KINDS[name], list[str]()
    faults, delay_s = kind.make(rng), 0.0 if kind.is_counted else rng.uniform(0, _RUN_S)
    if rng.random() < 0.5:
        _forget_tools(rack)  # so that they are pushed, too
    rack.phone.faults = kind.before
    with _catching_in_threads(wrongs), _happening(rack.phone, faults, delay_s, is_now=kind.is_counted):
        outcome = _run(rack, is_profiled=rng.random() < 0.5)
    wrongs += _not_clear(outcome, rack)
    if not kind.cuts:
        rack.settle()
        wrongs += _left_behind(rack)
    try:
        rack.mend()
        with open_device(rack.address).lease():  # which cleans up what a cut run could not
            rack.settle()
            wrongs += _left_behind(rack)
    except EmbedlError as err:
        wrongs.append(f"not free afterwards: {err}")
    said = FINISHED if isinstance(outcome, Benchmark) else type(outcome).__name__
    run_id = outcome.run_id if isinstance(outcome, Benchmark) else None
    return Trial(kind=name, outcome=said, wrongs=tuple(wrongs), run_id=run_id)


def _run(rack: FaultyPhone, *, is_profiled: bool) -> Benchmark | Exception:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EmbedlWarning)  # a phone that gets hot is warned of
            result = enb.benchmark(
                rack.model,
                rack.address,
                inputs=rack.sample,
                golden={rack.output: rack.expected},
                num_threads=1,
                processes=1,
                iterations=5,
                warmup=1,
                profile=is_profiled,
            )
            assert isinstance(result, Benchmark)  # noqa: S101 - for the type checker: one address gives one
            return result
    except Exception as err:  # which one is what is asked
        return err


def _not_clear(outcome: Benchmark | Exception, rack: FaultyPhone) -> Iterator[str]:
    """Say what is wrong with what the user got."""
    if isinstance(outcome, Benchmark):
        if outcome.outputs.state is not OutputState.MATCH:
            yield f"finished with outputs that {outcome.outputs.state}"
        if outcome.run_id is None or enb.load(outcome.run_id) != outcome:
            yield "recorded as something else"
        return
    if not isinstance(outcome, EmbedlError):
        yield f"{type(outcome).__name__}: {outcome}"
        return
    if not outcome.hint:
        yield f"no hint: {outcome}"
    if rack.phone.address not in f"{outcome} {getattr(outcome, 'address', '')} {outcome.details}":
        yield f"does not name the phone: {type(outcome).__name__}: {outcome}"


def _left_behind(rack: FaultyPhone) -> Iterator[str]:
    if rack.files():
        yield f"left on the phone: {', '.join(rack.files())}"
    if rack.phone.num_running:
        yield "left running on the phone"


def store_is_whole(done: Sequence[Trial]) -> Iterator[str]:
    """Say what is wrong with a store to which nothing but ``done`` was recorded."""
    finished = {trial.run_id for trial in done if trial.run_id is not None}
    recorded = set(enb.runs()["run_id"]) if finished else set()
    if finished != recorded:
        yield f"{len(finished - recorded)} runs are lost, {len(recorded - finished)} are there of what failed"
    path = current_store().sqlite_path
    if path is not None and path.exists():
        with closing(sqlite3.connect(path)) as database:
            said = database.execute("PRAGMA integrity_check").fetchall()
        if said != [("ok",)]:
            yield f"the database says {said}"


def _forget_tools(rack: FaultyPhone) -> None:
    device = open_device(rack.address)
    for path in list((rack.phone.root / FOLDER.lstrip("/")).rglob(TOOL_NAME)):
        device.remove(f"{FOLDER}/{path.parent.name}/{TOOL_NAME}")  # type: ignore[attr-defined]


@contextmanager
def _happening(phone: VirtualPhone, faults: Faults | None, delay_s: float, *, is_now: bool) -> Iterator[None]:
    """Have the fault come while the block runs."""

    def happen() -> None:
        if faults is None:
            phone.unplug()
        else:
            phone.faults = faults

    if is_now:
        happen()
        yield
        return
    timer = threading.Timer(delay_s, happen)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def _catching_in_threads(wrongs: list[str]) -> Iterator[None]:
    def note(raised: threading.ExceptHookArgs) -> None:
        wrongs.append(f"in a thread: {raised.exc_type.__name__}: {raised.exc_value}")

    with mock.patch.object(threading, "excepthook", note):
        yield
