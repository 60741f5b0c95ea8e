"""Modules of many kinds become verified LiteRT models, and stay as they were."""

from __future__ import annotations

import copy
import dataclasses
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from torch import nn  # noqa: E402

from embedl_nb import cache, config, progress  # noqa: E402
from embedl_nb.compiler import build, compile_model  # noqa: E402
from embedl_nb.errors import EmbedlWarning  # noqa: E402
from embedl_nb.model import LiteRTModel  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert, pytest.mark.filterwarnings("ignore:.*train mode")]

X = torch.linspace(-1, 1, 8).reshape(2, 4)


class Net(nn.Module):
    """Convolution, BatchNorm, ReLU in place, dropout: what differs between training and inference."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.drop = nn.Dropout(0.5)
        self.body[1].running_mean.normal_()
        self.body[1].running_var.uniform_(0.5, 2)

    def forward(self, x: Any) -> Any:
        return self.drop(self.body(x))


IMAGE = torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8)


def _stages(source: Any, inputs: Any, **options: Any) -> tuple[LiteRTModel, list[str]]:
    stages: list[str] = []
    with progress.listening(lambda event: stages.append(event.stage)):
        model = compile_model(source, inputs, **options)
    return model, stages


def _names(model: LiteRTModel) -> tuple[list[str], list[str]]:
    signature = model.signatures[0]
    return [spec.name for spec in signature.inputs], [spec.name for spec in signature.outputs]


def _passes(model: LiteRTModel, num_samples: int = 1) -> bool:
    return model.parity is not None and model.parity.passed and model.parity.num_samples == num_samples


# -- inputs and outputs ------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass
class Result:
    mean: Any
    parts: Any = None
    missing: Any = None
    count: int = 3


class Returning(nn.Module):
    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Any) -> Any:
        y = x * 2
        if self.kind == "dict":
            return {"zeta": y, "alpha": {"sum": y.sum(1), "pair": (y + 1, y - 1)}, "none": None}
        if self.kind == "tuple":
            return y, [y + 1, (y - 1,)]
        if self.kind == "named tuple":
            return Pair(y, y + 1)
        if self.kind == "dataclass":
            return Result(y.mean(1), parts=[y, y + 1])
        return y


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("tensor", ["output_0"]),
        ("tuple", ["output_0", "output_1", "output_2"]),
        ("dict", ["zeta", "alpha_sum", "alpha_pair_0", "alpha_pair_1"]),
        ("named tuple", ["first", "second"]),
        ("dataclass", ["mean", "parts_0", "parts_1"]),
    ],
)
def test_outputs_keep_their_names_and_order(kind: str, names: list[str]) -> None:
    model = compile_model(Returning(kind), X)
    assert _names(model) == (["args_0"], names)
    assert _passes(model)


def test_numbers_among_the_outputs_are_left_out_and_that_is_said() -> None:
    model = compile_model(Returning("dataclass"), X)
    assert any("count are no tensors" in note for note in model.notes)


class Keywords(nn.Module):
    def forward(self, ids: Any, mask: Any = None, *, scale: float = 1.0) -> Any:
        y = ids.float() * scale
        return y if mask is None else y * mask


def test_keyword_inputs_keep_their_names_and_order() -> None:
    sample = {"mask": torch.ones(2, 3), "ids": torch.arange(6).reshape(2, 3), "scale": 2.5}
    model = compile_model(Keywords(), sample)
    assert _names(model)[0] == ["mask", "ids"]
    assert _passes(model)
    assert any("scale=2.5" in note for note in model.notes)
    assert any("'ids' is int64 in the source and int32" in note for note in model.notes)
    given = {"ids": np.array([[1, 2, 3], [4, 5, 6]], np.int32), "mask": np.full((2, 3), 2, np.float32)}
    np.testing.assert_allclose(model(**given)["output_0"], given["ids"] * 5.0)


class Many(nn.Module):
    def forward(self, *inputs: Any) -> Any:
        return tuple(value * number for number, value in enumerate(inputs))


def test_more_than_ten_inputs_and_outputs_stay_in_order() -> None:
    model = compile_model(Many(), tuple(X + number for number in range(12)))
    assert _names(model)[0] == [f"args_{number}" for number in range(12)]
    outputs = model(*[(X + number).numpy() for number in range(12)])
    np.testing.assert_allclose(outputs["output_11"], (X + 11).numpy() * 11, rtol=1e-6)


def test_arrays_are_taken_as_tensors() -> None:
    assert _passes(compile_model(Returning("tensor"), X.numpy()))


def test_every_sample_is_verified() -> None:
    assert _passes(compile_model(Returning("tensor"), [X, X + 1, X * 3]), num_samples=3)


@pytest.mark.parametrize("make", [nn.Identity, nn.LSTM, nn.TransformerEncoderLayer])
def test_other_shapes_of_graphs_compile(make: Any) -> None:
    arguments = {nn.Identity: (), nn.LSTM: (4, 3), nn.TransformerEncoderLayer: (4, 2, 8)}[make]
    net = make(*arguments).eval()
    reference = net(X)
    assert _passes(compile_model(net, X))
    again = net(X)
    for before, after in zip(*(torch.utils._pytree.tree_leaves(value) for value in (reference, again)), strict=True):
        torch.testing.assert_close(before, after)


# -- what the module is and stays --------------------------------------------------------------------------------------


def test_train_mode_is_compiled_as_eval_and_left_as_it_is() -> None:
    net = Net()
    net.body[1].eval()
    net.register_forward_hook(lambda module, args, output: output + 1)
    flags = [part.training for part in net.modules()]
    state = copy.deepcopy(net.state_dict())
    with pytest.warns(EmbedlWarning, match="train mode"):
        model = compile_model(net, IMAGE)
    assert _passes(model)
    assert any("train mode" in note for note in model.notes)
    assert [part.training for part in net.modules()] == flags
    assert len(net._forward_hooks) == 1
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    net.eval()
    np.testing.assert_allclose(model(IMAGE.numpy())["output_0"], net(IMAGE).detach().numpy(), atol=1e-5)


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))
        self.last: Any = None
        self.calls = 0

    def forward(self, x: Any) -> Any:
        self.count += 1
        self.calls += 1
        self.last = x
        return x + self.count


def test_what_a_forward_leaves_in_the_module_is_put_back() -> None:
    net = Counting().eval()
    model = compile_model(net, [X, X + 1])
    assert _passes(model, num_samples=2)
    assert (net.count.item(), net.calls, net.last) == (0, 0, None)


def test_a_module_written_in_a_cell_compiles_and_leads_back_to_its_layers() -> None:
    cell = """
        import torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList([nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)])

            def forward(self, x):
                for layer in self.layers:
                    x = torch.relu(layer(x))
                return x

        net = nn.Sequential(Block(), nn.BatchNorm2d(3)).eval()
    """
    variables: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(textwrap.dedent(cell), "/tmp/ipykernel_7/1.py", "exec"), variables)
    model = compile_model(variables["net"], IMAGE)
    assert _passes(model)
    frame = model.operators
    sources = list(frame["source"][frame["operator"] == "CONV_2D"])
    assert sources == ["0.layers.0", "0.layers.1"]


def test_wrappers_are_seen_through() -> None:
    net = Net().eval()
    plain = compile_model(net, IMAGE)
    for wrapped in (torch.compile(net), nn.DataParallel(net), torch.compile(nn.DataParallel(net))):
        model, stages = _stages(wrapped, IMAGE)
        assert model.sha256 == plain.sha256
        assert "lower" not in stages  # the same module, so the same entry


def test_a_module_compiled_in_place_or_with_a_compiled_part_compiles() -> None:
    net = Net().eval()
    net.compile()
    assert _passes(compile_model(net, IMAGE))
    assert net._compiled_call_impl is not None
    part = nn.Sequential(torch.compile(Net().eval()), nn.ReLU()).eval()
    model = compile_model(part, IMAGE)
    assert _passes(model)
    assert "0.body.0" in set(model.operators["source"])


class LikeLightning(nn.Module):
    """A trainer that cannot be copied or exported hangs on it, as on a LightningModule that was fitted."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)
        self._trainer = (item for item in range(3))

    def forward(self, x: Any) -> Any:
        return self.linear(x)


def test_a_trainer_is_no_part_of_a_module() -> None:
    net = LikeLightning().eval()
    model = compile_model(net, X)
    assert _passes(model)
    assert not any("not cached" in note for note in model.notes)
    assert next(net._trainer) == 0


def test_a_module_that_refuses_to_be_copied_compiles() -> None:
    net = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)).eval()
    assert _passes(compile_model(net, X))


def test_hooks_see_the_arguments_they_expect() -> None:
    net = Keywords().eval()
    net.register_forward_pre_hook(lambda module, args, kwargs: (args, kwargs | {"scale": 3.0}), with_kwargs=True)
    assert _passes(compile_model(net, {"ids": X}))


# -- other sources -----------------------------------------------------------------------------------------------------


def test_an_exported_program_and_its_file_compile_with_their_own_inputs(tmp_path: Path) -> None:
    program = torch.export.export(Net().eval(), (IMAGE,))
    from_memory = compile_model(program, name="net")
    assert _passes(from_memory)
    assert from_memory.num_operators == compile_model(Net().eval(), IMAGE).num_operators  # BatchNorm is folded too
    torch.export.save(program, tmp_path / "net.pt2")
    from_file, stages = _stages(tmp_path / "net.pt2", None)
    assert _passes(from_file)
    assert from_file.name == "net"
    assert "lower" not in stages


def test_a_program_in_core_operators_with_keyword_inputs_compiles() -> None:
    sample = {"ids": torch.arange(6).reshape(2, 3), "mask": torch.ones(2, 3)}
    program = torch.export.export(Keywords(), (), sample).run_decompositions()
    model = compile_model(program, sample)
    assert _names(model)[0] == ["ids", "mask"]
    assert _passes(model)


def test_a_litert_file_is_read_run_and_passed_on(tmp_path: Path) -> None:
    path = compile_model(Returning("tensor"), X).save(tmp_path / "net.tflite")
    model = compile_model(path)
    assert model.path == path
    assert model.parity is None
    assert any("it runs (on random inputs)" in note for note in model.notes)
    assert compile_model(str(path), X).lineage == ("given as .tflite",)


# -- cache and evidence ------------------------------------------------------------------------------------------------


def test_a_repeated_compile_comes_from_the_cache() -> None:
    net = nn.Linear(4, 3).eval()
    first, stages = _stages(net, X)
    assert "lower" in stages
    again, stages = _stages(net, X, name="other")
    assert set(stages) == {"cache"}
    assert again == dataclasses.replace(first, name="other")


def test_other_samples_are_verified_on_the_cached_model() -> None:
    net = nn.Linear(4, 3).eval()
    first = compile_model(net, X)
    again, stages = _stages(net, [X + 1, X + 2])
    assert again.path == first.path
    assert _passes(again, num_samples=2)
    assert "lower" not in stages
    assert "verify" in stages
    assert first.golden_path != again.golden_path


def test_an_unverified_model_says_so_and_is_verified_when_asked() -> None:
    net = nn.Linear(4, 3).eval()
    first = compile_model(net, X, verify=False)
    assert first.parity is None
    assert "not verified" in repr(first)
    again, stages = _stages(net, X)
    assert _passes(again)
    assert "lower" not in stages
    assert compile_model(net, X, verify=False).parity is None


def test_a_damaged_entry_is_compiled_anew() -> None:
    net = nn.Linear(4, 3).eval()
    first = compile_model(net, X)
    first.path.write_bytes(first.path.read_bytes()[:-1] + b"!")
    again, stages = _stages(net, X)
    assert "lower" in stages
    assert again.sha256 == first.sha256


def test_samples_and_golden_outputs_are_kept_in_the_dtypes_of_the_model() -> None:
    from embedl_nb.runtime.arrays import load_arrays

    model = compile_model(Keywords(), {"ids": torch.arange(6).reshape(2, 3)})
    assert model.samples_path is not None
    assert model.golden_path is not None
    samples, golden = load_arrays(model.samples_path), load_arrays(model.golden_path)
    assert {name: array.dtype.name for name, array in samples.items()} == {"0/ids": "int32"}
    np.testing.assert_array_equal(golden["0/output_0"], samples["0/ids"])


def test_a_module_that_cannot_be_reduced_is_compiled_and_not_cached() -> None:
    net = nn.Linear(4, 3).eval()
    net.source = (item for item in range(3))
    first, stages = _stages(net, X)
    assert any("not cached: source is a generator" in note for note in first.notes)
    assert first.path.is_file()
    _, again = _stages(net, X)
    assert "lower" in stages
    assert "lower" in again


def test_a_cache_without_room_for_new_samples_still_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Linear(4, 3).eval()
    first = compile_model(net, X)
    save = build.save_arrays

    def full(path: Path, arrays: Any) -> None:
        if path.is_relative_to(first.path.parent):
            raise OSError(28, "No space left on device")
        save(path, arrays)

    monkeypatch.setattr(build, "save_arrays", full)
    again = compile_model(net, X + 1)
    assert _passes(again)
    assert again.path == first.path
    assert again.samples_path is not None
    assert again.samples_path.is_file()


def test_a_cache_that_cannot_be_locked_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    def fail(*args: Any, **options: Any) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    assert _passes(compile_model(nn.Linear(4, 3).eval(), X))


def test_a_cache_without_room_still_gives_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.shutil, "copytree", full)
    with pytest.warns(EmbedlWarning, match="not kept in the cache"):
        model = compile_model(nn.Linear(4, 3).eval(), X)
    assert _passes(model)
    assert model(X.numpy())["output_0"].shape == (2, 3)


def test_what_goes_wrong_while_verifying_is_not_taken_for_a_damaged_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nn.Linear(4, 3).eval()
    first = compile_model(net, X)

    def fail(*_: Any, **__: Any) -> None:
        raise TypeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(build, "run_model", fail)
        with pytest.raises(TypeError, match="a bug"):
            compile_model(net, X + 1)
    assert first.path.is_file()


@pytest.mark.parametrize(
    ("file", "content"),
    [("meta.json", "[]"), ("*.parity.json", '{"x": 1}'), ("*.parity.json", '{"outputs": [], "num_samples": "many"}')],
)
def test_a_cache_entry_of_another_form_is_made_anew(file: str, content: str, empty_home: Path) -> None:
    net, sample = torch.nn.Linear(4, 3), torch.ones(1, 4)
    compile_model(net, sample)
    (damaged,) = (config.cache_dir() / "models").glob(f"*/{file}")
    damaged.write_text(content)
    model = compile_model(net, sample)
    assert model.parity is not None
    assert model.parity.passed


def test_two_threads_compile_one_after_the_other(empty_home: Path) -> None:
    nets = [nn.Sequential(nn.Linear(4, width), nn.ReLU()) for width in (3, 5)]
    with ThreadPoolExecutor(2) as pool:
        models = list(pool.map(lambda net: compile_model(net, torch.ones(1, 4)), nets))
    assert [model.signatures[0].outputs[0].shape for model in models] == [(1, 3), (1, 5)]
