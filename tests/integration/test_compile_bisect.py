"""A failed compile leaves a script that fails the same way; where no operator is named, a search finds the piece.

Most converters here are fakes that fail on purpose, when a script calls a certain operator: a crash, a hang and a wrong
result cannot be had from the real one at will. The real one is asked in the tests at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from torch import nn  # noqa: E402

from embedl_nb import config, progress  # noqa: E402
from embedl_nb.compiler import compile_model  # noqa: E402
from embedl_nb.compiler.bisect import bisect_model  # noqa: E402
from embedl_nb.compiler.converter import Converter  # noqa: E402
from embedl_nb.compiler.explaining.advice import ADVICE  # noqa: E402
from embedl_nb.compiler.explaining.listing import list_program  # noqa: E402
from embedl_nb.compiler.explaining.reproducing import Repro  # noqa: E402
from embedl_nb.compiler.sources import from_torch  # noqa: E402
from embedl_nb.errors import (  # noqa: E402
    CompileError,
    ConverterCrashedError,
    InputError,
    ParityError,
    UnsupportedOperatorError,
)

pytestmark = [pytest.mark.torch, pytest.mark.litert]

X = torch.linspace(-1, 1, 8).reshape(2, 4)
# What a fake does when it lowers aten.cos; any other program is refused for another reason.
FAILURES = {
    "segfault": "def fail():\n    import ctypes; ctypes.string_at(0)",
    "abort": "def fail():\n    import os; os.abort()",
    "hang": "def fail():\n    import time; time.sleep(3600)",
    "raise": "def fail():\n    raise CompileError('a bug', exception='AssertionError')",
}
# It has no torch, so that a new one is there at once; what it lists was listed by this process. In ``plain``, which
# stands for litert-torch alone, some operator fails too.
FAKE = """
import json
import zipfile
from pathlib import Path
from embedl_nb.errors import CompileError
from embedl_nb.runtime.serve import serve

{fail}

def lower(payload):
    with zipfile.ZipFile(payload["program_path"]) as archive:
        [text] = [archive.read(name) for name in archive.namelist() if name.endswith("/models/model.json")]
    if "{own}" in text.decode():
        fail()
    raise CompileError("a fake lowers nothing")

def list_(payload):
    return json.loads(Path(__file__).with_name("listing.json").read_text())

def try_(payload):
    if "{plain}" in Path(payload["path"]).read_text():
        try:
            fail()
        except CompileError as err:
            return {{"kind": "exception in the converter", "names": [], "exception": err.exception}}
    return {{"kind": "", "names": [], "exception": ""}}

serve({{"lower": lower, "list": list_, "try": try_}})
"""


class Chain(nn.Module):
    """Seven operators; the fifth is the one that the fakes fail on."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.first(x))
        y = torch.exp(torch.tanh(y))
        return torch.sigmoid(torch.neg(torch.cos(y)))


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that a search leaves no temporary folder, no cache entry and no half-written script."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    models = config.cache_dir() / "models"
    before = sorted(path.name for path in models.iterdir() if path.name != "locks") if models.exists() else []
    yield
    after = sorted(path.name for path in models.iterdir() if path.name != "locks") if models.exists() else []
    assert list(folder.iterdir()) == []
    assert after == before
    assert [path.name for path in config.repro_dir().iterdir() if path.suffix != ".py"] == []


def _use_fake(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    net: nn.Module | None = None,
    own: str = "aten.cos.",
    plain: str = "aten.cos",
) -> None:
    is_usual = (own, plain) == ("aten.cos.", "aten.cos")
    module = f"failing_{name}" if is_usual else f"failing_{name}_on_{own}{plain}".replace(".", "_")
    listing = list_program(torch.export.export(net or _net(), (X,), strict=False), {})
    (tmp_path / "listing.json").write_text(json.dumps(listing))
    (tmp_path / f"{module}.py").write_text(FAKE.format(fail=FAILURES[name], own=own, plain=plain))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(from_torch.TorchSource, "converter", Converter(module=module, tool="litert-torch"))


def _net() -> nn.Module:
    torch.manual_seed(0)
    return Chain().eval()


def _check_is_the_cosine(found: Repro, *, failure: str) -> None:
    assert found.operators == ("aten.cos",)
    assert found.failure == failure
    assert found.is_smallest
    assert found.num_operators == 7
    assert found.path.read_text() == found.code
    assert "torch.ops.aten.cos.default(exp)" in found.code
    assert "test_compile_bisect.py" not in found.code  # nothing of the user's sources
    assert found.tool in repr(found)
    assert any("torch.cos(y)" in place for place in found.places)
    assert f"{failure} | 1 of 7 operators" in repr(found)


# -- searches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("segfault", "crash: SIGSEGV"),
        ("abort", "crash: SIGABRT"),
        ("raise", "exception in the converter: AssertionError"),
    ],
)
def test_the_operator_that_fails_is_found(
    name: str, failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_fake(name, tmp_path, monkeypatch)
    _check_is_the_cosine(bisect_model(_net(), X), failure=failure)


def test_what_litert_torch_alone_fails_on_is_not_blamed_for_a_failure_of_our_own_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_fake("raise", tmp_path, monkeypatch, plain="aten.exp")
    found = bisect_model(_net(), X)
    _check_is_the_cosine(found, failure="exception in the converter: AssertionError")
    assert found.tool == "embedl_nb"
    assert "enb.compile(piece, inputs)" in found.code
    assert "litert_torch" not in found.code


def test_a_search_leaves_the_random_numbers_of_the_user_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _use_fake("raise", tmp_path, monkeypatch)
    net = _net()
    before = torch.random.get_rng_state()
    assert bisect_model(net, X).tool == "litert-torch"
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.slow
def test_a_piece_that_hangs_is_stopped_and_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_fake("hang", tmp_path, monkeypatch)
    # Long enough that a child which only starts, on a busy machine, does not count as one that hangs.
    found = bisect_model(_net(), X, timeout_s=20, max_trials=3)
    assert found.failure == "time-out"
    assert "aten.cos" in found.operators


def test_a_crash_says_how_to_look_for_its_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_fake("abort", tmp_path, monkeypatch)
    with pytest.raises(ConverterCrashedError) as caught:
        compile_model(_net(), X)
    assert "enb.bisect(model, example_inputs)" in caught.value.hint
    assert caught.value.repro_path == ""


def test_what_does_not_fail_in_pieces_stays_the_error_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Linear(4, 3).eval()
    _use_fake("abort", tmp_path, monkeypatch, net, own="torch.nn.modules.linear.Linear")  # which is in no piece
    with pytest.raises(ConverterCrashedError, match="no piece of it fails the same way") as caught:
        bisect_model(net, X)
    assert caught.value.repro_path == ""


def test_a_budget_that_ends_leaves_the_smallest_piece_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_fake("raise", tmp_path, monkeypatch)
    found = bisect_model(_net(), X, max_trials=2)
    assert not found.is_smallest
    assert found.num_trials == 2
    assert "aten.cos" in found.operators
    assert "a smaller piece may fail" in repr(found)


@pytest.mark.parametrize(
    "options", [{"max_trials": 0}, {"max_trials": True}, {"time_limit_s": 0}, {"time_limit_s": "1"}, {"timeout_s": -1}]
)
def test_options_that_are_none_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        bisect_model(_net(), X, **options)


def test_an_interrupt_ends_the_search_and_the_next_one_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use_fake("raise", tmp_path, monkeypatch)

    def interrupt(event: progress.Event) -> None:
        if event.stage == "bisect" and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), progress.listening(interrupt):
        bisect_model(_net(), X)
    _check_is_the_cosine(bisect_model(_net(), X), failure="exception in the converter: AssertionError")


@pytest.mark.parametrize("seed", [0, 1])
def test_children_that_others_kill_do_not_mislead_the_search(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psutil

    _use_fake("abort", tmp_path, monkeypatch)
    rng, killers, is_over = random.Random(seed), [], threading.Event()

    def kill_after(seconds: float) -> None:
        is_over.wait(seconds)
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            for child in psutil.Process().children():
                if "failing_abort" in child.cmdline():
                    os.kill(child.pid, signal.SIGKILL)

    def kill_sometimes(event: progress.Event) -> None:
        # Two kills at most: a piece whose children are killed three times counts as one that cannot be tried.
        if event.stage == "bisect" and len(killers) < 2 and rng.random() < 0.7:
            killers.append(threading.Thread(target=kill_after, args=(rng.random(),)))
            killers[-1].start()

    try:
        with progress.listening(kill_sometimes):
            found = bisect_model(_net(), X)
    finally:
        is_over.set()
        for killer in killers:
            killer.join()
    assert killers
    _check_is_the_cosine(found, failure="crash: SIGABRT")


# -- the real converter ------------------------------------------------------------------------------------------------


class Gamma(nn.Module):
    def forward(self, x: Any) -> Any:
        return torch.lgamma(x * x + 1) + 1


class Total(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.sum(1)


def test_an_operator_that_is_named_gets_its_script_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnsupportedOperatorError) as caught:
        compile_model(nn.Sequential(nn.Linear(4, 4), Gamma()).eval(), X)
    err = caught.value
    assert err.operators == ("aten.lgamma",)
    assert "aten.lgamma of float32 (2, 4) (in module '1', test_compile_bisect.py:" in err.message
    assert "polynomial" in err.hint
    assert err.repro_path in err.hint
    assert "torch.ops.aten.lgamma.default" in Path(err.repro_path).read_text()
    assert capfd.readouterr() == ("", "")  # what the converter says is in its log


def test_what_fails_in_the_runtime_alone_is_said_to_compile() -> None:
    with pytest.raises(CompileError, match="compiled, but the result does not run") as caught:
        compile_model(Total(), torch.rand(2, 0, 4))  # LiteRT makes no buffer without elements
    assert "enb.bisect" in caught.value.hint


def test_a_custom_operator_is_named_before_anything_is_lowered() -> None:
    @torch.library.custom_op("embedl_nb_test::twice", mutates_args=())
    def twice(x: torch.Tensor) -> torch.Tensor:
        return x * 2

    twice.register_fake(torch.empty_like)

    class Custom(nn.Module):
        def forward(self, x: Any) -> Any:
            return twice(x)

    with pytest.raises(UnsupportedOperatorError, match=r"custom operator embedl_nb_test.twice .*return twice\(x\)"):
        compile_model(Custom(), X)


def test_a_source_that_draws_random_numbers_is_told_from_a_wrong_result() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + torch.randn(2, 4)

    with pytest.raises(ParityError) as caught:
        compile_model(Noisy(), X)
    assert "returns something else each time it runs" in caught.value.hint


def test_a_source_that_fails_when_it_runs_again_does_not_hide_the_wrong_result() -> None:
    runs: list[int] = []

    class Tired(nn.Module):
        def forward(self, x: Any) -> Any:
            runs.append(0)
            if len(runs) > 2:  # the reference, and the export
                raise RuntimeError("tired")
            return x + len(runs)

    with pytest.raises(ParityError) as caught:
        compile_model(Tired().eval(), X)
    assert "returns something else each time it runs" in caught.value.hint


def test_a_size_that_depends_on_values_is_said_with_its_line() -> None:
    class Pairs(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.combinations(x[0])

    with pytest.raises(CompileError, match=r"whose size depends on the values .*return torch\.combinations\(x\[0\]\)"):
        compile_model(Pairs(), X)


def test_a_model_that_compiles_has_nothing_to_look_for(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="Linear compiles"):
        bisect_model(nn.Linear(4, 3).eval(), X)
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_operators_of_the_table_still_have_no_lowering() -> None:
    """A newer converter that has one makes its row wrong."""
    script = """
from litert_torch.backend import lowerings
from embedl_nb.compiler.explaining.advice import ADVICE
import torch
for row in ADVICE:
    if not row.sample.startswith("Lowering not found"):
        continue
    packet, overload = (row.seen.removeprefix("aten.").split(".") + ["default"])[:2]
    found = lowerings.lookup(getattr(getattr(torch.ops.aten, packet), overload))
    print(row.seen, found is None)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=300)
    answers = dict(line.split() for line in said.stdout.splitlines())
    assert set(answers) == {row.seen for row in ADVICE if row.sample.startswith("Lowering not found")}
    assert [name for name, is_missing in answers.items() if is_missing != "True"] == []


# -- the scripts themselves --------------------------------------------------------------------------------------------


def _run(path: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.slow
def test_scripts_fail_the_same_way_when_anybody_runs_them() -> None:
    class Inverse(nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.linalg.inv(x @ x.T + torch.eye(4))

    class Argmax(nn.Module):
        def forward(self, x: Any) -> Any:
            return nn.functional.max_pool3d(torch.relu(x) * 2, 2, return_indices=True)[1] + 1

    with pytest.raises(UnsupportedOperatorError) as lgamma:
        compile_model(Gamma(), X)
    assert "Lowering not found: aten.lgamma" in _run(lgamma.value.repro_path).stderr
    inverse = bisect_model(Inverse(), torch.rand(4, 4))
    assert "AssertionError" in _run(inverse.path).stderr
    argmax = bisect_model(Argmax(), torch.rand(1, 2, 4, 4, 4))  # LiteRT's pool gives other indices than torch's
    assert argmax.failure == "wrong result"
    assert "max_pool3d" in argmax.operators[0]
    assert "Mismatched elements" in _run(argmax.path).stderr
