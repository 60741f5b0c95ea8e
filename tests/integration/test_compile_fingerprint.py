"""The key changes with whatever changes the result, and with nothing else."""

from __future__ import annotations

import copy
import textwrap
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from embedl_nb.compiler.keys.fingerprint import Fingerprint, fingerprint_samples, fingerprint_torch  # noqa: E402
from embedl_nb.compiler.sources.samples import read_samples  # noqa: E402

pytestmark = pytest.mark.torch

CELL = """
    import math
    import torch
    from torch import nn
    from dataclasses import dataclass

    SCALE = 2.0
    UNUSED = 1

    @dataclass
    class Config:
        width: int = 4
        power: float = 0.5

    def helper(x):
        return x * SCALE

    class Net(nn.Module):
        def __init__(self, config):
            super().__init__()
            self.config = config
            self.names = ["a", {"b": 1}]
            self.linear = nn.Linear(config.width, 3)
            self.x = 7

        def forward(self, x):
            return helper(self.linear(x)) ** self.config.power + math.pi

    torch.manual_seed(0)
    net = Net(Config())
"""
INPUT = torch.zeros(2, 4)


def _run(source: str, filename: str = "<cell>") -> dict[str, Any]:
    """Run a cell as a notebook does and return its variables."""
    variables: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(source), filename, "exec"), variables)
    return variables


def _key(module: Any, inputs: Any = INPUT) -> str:
    found = fingerprint_torch(module, read_samples(inputs))
    assert found.key, found.reason
    return found.key


def _key_of(source: str) -> str:
    return _key(_run(source)["net"])


def test_the_same_cell_run_again_has_the_same_key() -> None:
    assert _key_of(CELL) == _key_of(CELL)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SCALE = 2.0", "SCALE = 2.5"),
        ("return x * SCALE", "return x / SCALE"),
        ("+ math.pi", "- math.pi"),
        ("power: float = 0.5", "power: float = 0.75"),
        ('{"b": 1}', '{"b": 2}'),
        ("self.x = 7", "self.x = 8"),
        ("manual_seed(0)", "manual_seed(1)"),
        ("nn.Linear(config.width, 3)", "nn.Linear(config.width, 3, bias=False)"),
        ("class Net(nn.Module)", "class Net(nn.Sequential)"),
    ],
)
def test_a_change_that_matters_changes_the_key(before: str, after: str) -> None:
    assert before in CELL
    assert _key_of(CELL.replace(before, after)) != _key_of(CELL)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("UNUSED = 1", "UNUSED = 2"),
        ("UNUSED = 1", "x = torch.randn(3)\n    linear = object()"),  # the names of attributes, as globals
        ("return helper(", "# a comment\n            return helper("),
        ("SCALE = 2.0", "\n\n    SCALE = 2.0"),
        ("net = Net(Config())", "net = Net(Config()).train()"),
        ("net = Net(Config())", "net = Net(Config()).eval()"),
        ("net = Net(Config())", "net = Net(Config()).requires_grad_(False)"),
    ],
)
def test_a_change_that_does_not_matter_keeps_the_key(before: str, after: str) -> None:
    assert before in CELL
    assert _key_of(CELL.replace(before, after)) == _key_of(CELL)


def test_where_a_cell_stands_does_not_matter() -> None:
    assert _key(_run(CELL, "/tmp/ipykernel_1/1.py")["net"]) == _key(_run(CELL, "/tmp/ipykernel_2/2.py")["net"])


def test_a_single_weight_changes_the_key() -> None:
    net = torch.nn.Linear(4, 3)
    before = _key(net)
    with torch.no_grad():
        net.weight[2, 3] = torch.nextafter(net.weight[2, 3], torch.tensor(9.0))
    assert _key(net) != before


def test_a_copy_has_the_same_key() -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    assert _key(copy.deepcopy(net)) == _key(net)


def test_tied_weights_are_not_equal_weights() -> None:
    equal, tied = (torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)) for _ in range(2))
    tied[1].weight = tied[0].weight
    equal.load_state_dict(tied.state_dict())
    assert _key(tied) != _key(equal)


def test_a_forward_hook_changes_the_key() -> None:
    net = torch.nn.Linear(4, 3)
    before = _key(net)
    handle = net.register_forward_hook(lambda module, args, output: output + 1)
    with_hook = _key(net)
    handle.remove()
    assert with_hook != before
    assert _key(net) == before


def test_the_number_of_hooks_ever_made_does_not_matter() -> None:
    def hook(module: Any, args: Any, output: Any) -> Any:
        return output + 1

    nets = [torch.nn.Linear(4, 3) for _ in range(2)]
    nets[1].load_state_dict(nets[0].state_dict())
    for net in nets:
        net.register_forward_hook(hook)
    assert _key(nets[0]) == _key(nets[1])


def test_a_parametrization_changes_the_key() -> None:
    net = torch.nn.Linear(4, 3)
    before = _key(net)
    torch.nn.utils.parametrizations.weight_norm(net)
    assert _key(net) != before
    assert _key(net) == _key(net)


def test_a_patched_method_of_an_installed_class_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    net = torch.nn.Linear(4, 3)
    before = _key(net)
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: x @ self.weight.T)
    assert _key(net) != before


def test_a_forward_given_to_one_object_changes_the_key() -> None:
    net = torch.nn.Linear(4, 3)
    before = _key(net)
    net.forward = lambda x: x * 2
    assert _key(net) != before


def test_a_module_of_the_user_counts_by_what_is_used_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))

    def key(source: str, number: int) -> str:
        (tmp_path / f"helpers_{number}.py").write_text(source)
        cell = f"import helpers_{number} as helpers\n" + textwrap.dedent(CELL).replace("helper(self", "helpers.f(self")
        return _key_of(cell)

    same = key("def f(x):\n    return x + 1\n\n\ndef g(x):\n    return x\n", 1)
    assert key("def f(x):\n    return x + 1\n\n\ndef g(x):\n    return x + 5\n", 2) == same
    assert key("def f(x):\n    return x + 2\n", 3) != same


@pytest.mark.parametrize(
    "other",
    [torch.zeros(3, 4), torch.zeros(2, 4, dtype=torch.float64), {"input": INPUT}, (INPUT, 3), (INPUT, "mean")],
    ids=["shape", "dtype", "keyword", "constant", "other constant"],
)
def test_other_inputs_have_another_key(other: Any) -> None:
    net = torch.nn.Linear(4, 3)
    assert _key(net, other) != _key(net)


def test_the_values_of_the_samples_are_hashed_apart() -> None:
    net = torch.nn.Linear(4, 3)
    assert _key(net, INPUT + 1) == _key(net)
    first, same, other = (fingerprint_samples(read_samples(x).arrays()) for x in (INPUT, INPUT.clone(), INPUT + 1))
    assert first == same != other


def test_another_default_dtype_is_another_model() -> None:
    net = torch.nn.Linear(4, 3)
    before = _key(net)
    torch.set_default_dtype(torch.float64)
    try:
        assert _key(net) != before
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_traced_graph_counts_by_its_code() -> None:
    class Plus(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x + 1

    class Minus(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x - 1

    first, same, other = (_key(torch.fx.symbolic_trace(net())) for net in (Plus, Plus, Minus))
    assert first == same != other


def test_a_recurrent_layer_has_a_key() -> None:
    net = torch.nn.LSTM(4, 3)
    assert _key(net) == _key(copy.deepcopy(net))


def test_a_weak_reference_counts_by_what_it_refers_to() -> None:
    net, friend = torch.nn.Linear(4, 3), torch.nn.Linear(4, 3)
    net.friend = weakref.ref(friend)
    before = _key(net)
    assert _key(net) == before
    with torch.no_grad():
        friend.weight += 1
    assert _key(net) != before


def _refused(attribute: Any) -> Fingerprint:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3))
    net[0].handle = attribute
    return fingerprint_torch(net, read_samples(INPUT))


@pytest.mark.parametrize(
    "make",
    [threading.Lock, lambda: memoryview(b""), lambda: (x for x in range(3))],
    ids=["lock", "view", "generator"],
)
def test_an_attribute_without_content_is_named(make: Callable[[], Any]) -> None:
    attribute = make()
    found = _refused({"deep": [attribute]})
    assert found.key == ""
    assert "0.handle.deep[0]" in found.reason
    assert type(attribute).__name__ in found.reason


@pytest.mark.parametrize(
    ("forward", "named"),
    [
        ("import usermod; return x * usermod.SCALE", "usermod"),
        ("return x * globals()['SCALE']", "globals"),
        ("return x * len(open('f').read())", "open"),
        ("return x * random.random()", "random"),
        ("return x * chance.random()", "random"),
        ("return x * draw()", "random"),
        ("return x * now()", "time"),
        ("return x * len(os.environ['HOME'])", "environ"),
        ("return x * eval('SCALE')", "eval"),
    ],
)
def test_code_that_computes_with_the_outside_has_no_key(forward: str, named: str) -> None:
    cell = f"""
        import os, random
        import random as chance
        from random import random as draw
        from time import time as now
        import torch
        SCALE = 2.0

        class Net(torch.nn.Module):
            def forward(self, x):
                {forward}

        net = Net()
    """
    fingerprint = fingerprint_torch(_run(cell)["net"], read_samples(INPUT))
    assert fingerprint.key == ""
    assert named in fingerprint.reason


def test_a_patch_typed_at_a_prompt_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3))
    before = _key(net)
    patch = "def forward(self, x):\n    return torch.nn.functional.linear(x, self.weight)"
    for filename in ("<ipython-input-3-abc>", "<stdin>"):
        variables = {"__name__": "__main__", "torch": torch}
        exec(compile(patch, filename, "exec"), variables)
        monkeypatch.setattr(torch.nn.Linear, "forward", variables["forward"])
        assert _key(net) != before


def test_a_forward_taken_from_another_class_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    before = _key(net)
    monkeypatch.setattr(torch.nn.ReLU, "forward", torch.nn.Tanh.forward)
    assert _key(net) != before


@pytest.mark.parametrize("owner", [torch, torch.nn.functional, torch.Tensor])
def test_a_replaced_function_of_torch_changes_the_key(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    before = _key(net)
    monkeypatch.setattr(owner, "relu", lambda x, inplace=False: x * 2)
    assert _key(net) != before


def test_attributes_that_nest_too_deeply_are_said_to() -> None:
    net = torch.nn.Linear(4, 3)
    for _ in range(5000):
        net.chain = {"next": getattr(net, "chain", None)}
    assert "deep" in fingerprint_torch(net, read_samples(INPUT)).reason
