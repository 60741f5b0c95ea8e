"""Bad input, unsupported operators and broken converters: each one clear error, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from torch import nn  # noqa: E402

from embedl_nb import config, progress  # noqa: E402
from embedl_nb.compiler import build, compile_model  # noqa: E402
from embedl_nb.compiler.converter import Converter  # noqa: E402
from embedl_nb.compiler.sources.from_torch import TorchSource  # noqa: E402
from embedl_nb.errors import (  # noqa: E402
    CompileError,
    ConverterCrashedError,
    InputError,
    OutOfMemoryError,
    ParityError,
    SignatureMismatchError,
    UnsupportedOperatorError,
)

pytestmark = [pytest.mark.torch, pytest.mark.litert, pytest.mark.filterwarnings("ignore:.*train mode")]

X = torch.linspace(-1, 1, 8).reshape(2, 4)


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that a refused compile leaves no temporary folder and no cache entry."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = _entries()
    yield
    assert list(folder.iterdir()) == []
    assert _entries() == before


def _entries() -> list[str]:
    root = config.cache_dir() / "models"
    return sorted(path.name for path in root.iterdir() if path.name != "locks") if root.exists() else []


class Add(nn.Module):
    def forward(self, a: Any, b: Any) -> Any:
        return a + b


def _linear() -> nn.Module:
    return nn.Linear(4, 3).eval()


# -- inputs ------------------------------------------------------------------------------------------------------------


def test_an_input_without_elements_is_named() -> None:
    class Sum(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.sum(1)

    with pytest.raises(
        CompileError, match=r"input 'args_0' has the shape \(2, 0\), and LiteRT makes no buffer without"
    ):
        compile_model(Sum(), torch.zeros(2, 0))


def test_no_example_inputs_says_what_to_give() -> None:
    with pytest.raises(InputError, match="none were given") as caught:
        compile_model(_linear())
    assert "torch.randn(1, 3, 224, 224)" in caught.value.hint


@pytest.mark.parametrize("inputs", [[], "text", 3, {}, (None,), {1: X}, object(), [X, "text"], np.array(["a"])])
def test_inputs_that_are_none_are_refused(inputs: Any) -> None:
    with pytest.raises(InputError):
        compile_model(_linear(), inputs)


def test_a_class_instead_of_a_module_is_named() -> None:
    with pytest.raises(InputError, match="Add is a class, not a module"):
        compile_model(Add, (X, X))


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ((X,), "missing a required argument: 'b'"),
        ((X, X, X), "too many positional arguments"),
        ({"a": X, "c": X}, "missing a required argument: 'b'"),
    ],
)
def test_a_wrong_count_or_name_is_named(inputs: Any, says: str) -> None:
    with pytest.raises(SignatureMismatchError, match=says):
        compile_model(Add(), inputs)


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (torch.zeros(2, 5), r"args_0 float32 \(2, 5\)"),
        (torch.zeros(2, 4, dtype=torch.float64), r"args_0 float64 \(2, 4\)"),
        (np.zeros((2, 4)), r"args_0 float64 \(2, 4\)"),
    ],
)
def test_a_wrong_shape_or_dtype_is_named_with_the_modules_own_message(inputs: Any, says: str) -> None:
    with pytest.raises(SignatureMismatchError, match=f"Linear fails on its example inputs .{says}"):
        compile_model(_linear(), inputs)


def test_a_failing_forward_names_the_users_line() -> None:
    class Failing(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.reshape(7, 7)

    with pytest.raises(SignatureMismatchError, match=r"test_compile_refusals\.py:\d+: `return x\.reshape\(7, 7\)`"):
        compile_model(Failing(), X)


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (torch.zeros(3, 4), r"sample 1, input 'args_0' is float32 \(3, 4\); sample 0 has float32 \(2, 4\)"),
        (torch.zeros(2, 4).int(), "sample 1, input 'args_0' is int32"),
        ({"input": X}, "sample 1 has the inputs input; sample 0 has args_0"),
    ],
)
def test_a_sample_that_differs_is_named(second: Any, says: str) -> None:
    with pytest.raises(SignatureMismatchError, match=says):
        compile_model(_linear(), [X, second])


# -- modules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "says"), [(float("nan"), "1 NaN"), (float("inf"), "infinite values")])
def test_a_weight_that_is_no_number_is_named(value: float, says: str) -> None:
    net = nn.Sequential(nn.ReLU(), _linear())
    with torch.no_grad():
        net[1].weight[0, 0] = value
    with pytest.raises(InputError, match=rf"parameter '1\.weight' holds {says}"):
        compile_model(net, X)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.Linear(4, 3, device="meta"), "has no values"),
        (lambda: torch.jit.script(nn.Linear(4, 3)), "the module is a TorchScript module"),
        (lambda: nn.Sequential(nn.ReLU(), torch.jit.script(nn.Linear(4, 3))), "part '1' is a TorchScript module"),
        (lambda: nn.Linear(4, 3).bfloat16(), "fails on its example inputs"),
    ],
)
def test_modules_that_cannot_be_exported_say_why(make: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        compile_model(make(), X)


def test_bfloat16_says_what_to_do() -> None:
    with pytest.raises(InputError, match="dtype bfloat16") as caught:
        compile_model(_linear().bfloat16(), X.bfloat16())
    assert "float()" in caught.value.hint


def test_an_output_that_is_no_tensor_is_named() -> None:
    class Odd(nn.Module):
        def forward(self, x: Any) -> Any:
            return {"y": x, "odd": object()}

    with pytest.raises(InputError, match="a object in 'odd'"):
        compile_model(Odd(), X)


def test_a_decision_by_values_names_the_line_in_the_cell(capfd: pytest.CaptureFixture[str]) -> None:
    import linecache

    cell = textwrap.dedent("""
        from torch import nn
        class Deciding(nn.Module):
            def forward(self, x):
                if x.sum() > 0:
                    return x
                return -x
    """)
    filename = "/tmp/ipykernel_1/2.py"
    linecache.cache[filename] = (len(cell), None, cell.splitlines(keepends=True), filename)
    variables: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(cell, filename, "exec"), variables)
    with pytest.raises(CompileError, match=r"the notebook cell, line 5: `if x\.sum\(\) > 0:`") as caught:
        compile_model(variables["Deciding"](), X)
    assert "torch.where" in caught.value.hint
    assert capfd.readouterr() == ("", "")  # torch prints the half-exported graph, which helps nobody here


# -- operators ---------------------------------------------------------------------------------------------------------


class Unsupported(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.ReLU(), Gammas())

    def forward(self, x: Any) -> Any:
        return self.body(x)


class Gammas(nn.Module):
    def forward(self, x: Any) -> Any:
        y = torch.lgamma(x + 2)
        return torch.digamma(y)


def test_operators_without_lowering_are_named_with_their_module_and_line() -> None:
    with pytest.raises(UnsupportedOperatorError) as caught:
        compile_model(Unsupported(), X)
    assert caught.value.operators == ("aten.lgamma", "aten.digamma")
    assert "module 'body.1'" in caught.value.message
    assert "test_compile_refusals.py" in caught.value.message
    assert "y = torch.lgamma(x + 2)" in caught.value.message


def test_a_result_that_does_not_run_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise UnsupportedOperatorError("no kernel", operators=("LOGISTIC",))

    monkeypatch.setattr(build, "run_model", refuse)
    with pytest.raises(UnsupportedOperatorError, match=r"has no implementation of LOGISTIC.*module '1'") as caught:
        compile_model(nn.Sequential(nn.ReLU(), nn.Sigmoid(), nn.Tanh()), X)
    assert caught.value.operators == ("LOGISTIC",)


def test_float64_says_what_to_do() -> None:
    with pytest.raises(UnsupportedOperatorError, match="module 'tanh'") as caught:
        compile_model(nn.Sequential(OrderedDict(tanh=nn.Tanh())).double(), X.double())
    assert "module.float()" in caught.value.hint


def test_a_result_that_computes_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = build.run_model

    def off(*args: Any, **options: Any) -> dict[str, Any]:
        return {name: array + 0.01 for name, array in run(*args, **options).items()}

    monkeypatch.setattr(build, "run_model", off)
    with pytest.raises(ParityError, match="not equal to its source") as caught:
        compile_model(_linear(), X)
    assert "output_0: largest error 0.01" in caught.value.details


# -- converters that break ---------------------------------------------------------------------------------------------

BREAKING = {
    "segfault": "import ctypes; ctypes.string_at(0)",
    "abort": "import os; os.abort()",
    "no memory": "raise MemoryError()",
    "hang": "import time; time.sleep(600)",
    "bug": "raise RuntimeError('a bug')",
    "truncated": "open(payload['output_path'], 'wb').write(b'TFL3'); return {'steps': []}",
}


@pytest.fixture
def breaking_converter(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a converter that breaks in the place of the real one."""
    name = f"breaking_{request.param.replace(' ', '_')}"
    handler = f"def lower(payload):\n    {BREAKING[request.param]}\n"
    (tmp_path / f"{name}.py").write_text(
        f"from embedl_nb.runtime.serve import serve\n{handler}serve({{'lower': lower}})\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(TorchSource, "converter", Converter(module=name, tool="litert-torch"))
    return str(request.param)


@pytest.mark.parametrize("breaking_converter", ["segfault", "abort"], indirect=True)
def test_a_converter_that_crashes_leaves_its_log(breaking_converter: str) -> None:
    with pytest.raises(ConverterCrashedError, match="while lowering Linear") as caught:
        compile_model(_linear(), X)
    assert Path(caught.value.log_path).is_file()


@pytest.mark.parametrize("breaking_converter", ["no memory"], indirect=True)
def test_a_converter_without_memory_says_so(breaking_converter: str) -> None:
    with pytest.raises(OutOfMemoryError, match="memory"):
        compile_model(_linear(), X)


@pytest.mark.parametrize("breaking_converter", ["hang"], indirect=True)
def test_a_converter_that_hangs_is_stopped(breaking_converter: str) -> None:
    with pytest.raises(ConverterCrashedError, match=r"did not finish Linear within 0\.5 s") as caught:
        compile_model(_linear(), X, timeout_s=0.5)
    assert "timeout_s" in caught.value.hint


@pytest.mark.parametrize("breaking_converter", ["bug"], indirect=True)
def test_a_bug_in_the_converter_is_a_compile_error(breaking_converter: str) -> None:
    with pytest.raises(CompileError, match="a bug") as caught:
        compile_model(_linear(), X)
    assert "Traceback" in caught.value.details


@pytest.mark.parametrize("breaking_converter", ["truncated"], indirect=True)
def test_a_truncated_result_is_refused(breaking_converter: str) -> None:
    with pytest.raises(InputError, match=r"model\.tflite"):
        compile_model(_linear(), X)


@pytest.mark.parametrize("breaking_converter", ["truncated"], indirect=True)
def test_a_full_disk_is_said(breaking_converter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = build.shutil.disk_usage("/")
    monkeypatch.setattr(build.shutil, "disk_usage", lambda path: type(usage)(usage.total, usage.total, 0))
    with pytest.raises(CompileError, match="is full"):
        compile_model(_linear(), X)


# -- interruptions -----------------------------------------------------------------------------------------------------


def test_an_interrupt_stays_one_and_the_next_compile_works(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(event: progress.Event) -> None:
        if event.stage == "lower":
            raise KeyboardInterrupt

    net = _linear()
    with pytest.raises(KeyboardInterrupt), progress.listening(interrupt):
        compile_model(net, X)
    # A wrong result is the end of a compile that went all the way, and leaves nothing, unlike a success.
    monkeypatch.setattr(build, "run_model", lambda *args, **options: {"0/output_0": np.zeros((2, 3), np.float32)})
    with pytest.raises(ParityError):
        compile_model(net, X)


def test_a_converter_killed_while_it_lowers_is_said() -> None:
    import psutil

    def kill(event: progress.Event) -> None:
        if event.stage == "lower":
            for child in psutil.Process().children():
                if "embedl_nb.compiler.lowering.torch_child" in child.cmdline():
                    os.kill(child.pid, signal.SIGKILL)

    with pytest.raises((ConverterCrashedError, OutOfMemoryError), match="killed") as caught, progress.listening(kill):
        compile_model(_linear(), X)
    assert Path(getattr(caught.value, "log_path", __file__)).is_file()


def test_a_disk_that_fills_up_while_the_program_is_saved_does_not_end_the_kernel() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    script = """
        import gc, pathlib, torch
        from embedl_nb.compiler.sources.from_torch import save_program

        program = torch.export.export(torch.nn.Linear(4, 4).eval(), (torch.ones(1, 4),))
        try:
            save_program(program, pathlib.Path("/dev/full"))
        except OSError as err:
            print(err.strerror)
        gc.collect()
        save_program(program, pathlib.Path("program.pt2"))
        torch.export.load("program.pt2")
        print("alive")
    """
    with tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert ended.stdout.split("\n")[:2] == ["No space left on device", "alive"], ended.stderr
