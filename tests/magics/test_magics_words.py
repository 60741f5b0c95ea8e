"""What a word of a magic's line may be: an expression, a path with blanks, the devices of a picker."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.errors import EmbedlWarning, InputError, UnknownNameError
from embedl_nb.magics.expansion import expanded
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.testing.results import fake_benchmark


class Model:
    """Shows itself in words that are no name of anything."""

    def __repr__(self) -> str:
        return "a 'model' of\nmany words"


def model_of(fake_pipeline: Any) -> Any:
    """Return what the latest line measured."""
    return fake_pipeline.calls[-1][1][0]


@pytest.mark.parametrize(
    "word", ["model", "$model", "{model}", "{models[0]}", "{named['the model']}", "{pick(models)}"]
)
def test_an_object_is_handed_over_however_it_is_named(shell: Any, fake_pipeline: Any, word: str) -> None:
    model = Model()
    shell.user_ns.update(model=model, models=[model], named={"the model": model}, pick=lambda models: models[-1])
    shell.value(f"r = %embedl_benchmark {word} --threads {{1 + 1}}")
    assert model_of(fake_pipeline) is model
    assert fake_pipeline.calls[-1][2]["num_threads"] == 2
    assert shell.user_ns["r"] == "result of benchmark"


def test_a_word_that_is_too_long_for_a_file_is_an_unknown_name(shell: Any, fake_pipeline: Any) -> None:
    for magic in ("benchmark", "compile", "quantize"):
        with pytest.raises(UnknownNameError):
            shell.value(f"%embedl_{magic} {'x' * 5000}")
    assert not fake_pipeline.calls


def test_a_line_of_a_megabyte_does_not_hang_the_kernel() -> None:
    line = "x" * 1_000_000
    assert expanded(line, {}) == (line, {})


def test_a_variable_of_a_function_or_a_loop_can_be_named_in_braces(shell: Any, fake_pipeline: Any) -> None:
    model = Model()
    shell.user_ns["models"] = [model]
    shell.value("def measure(inner):\n    r = %embedl_benchmark {inner[0]}\n    return r\nmeasure(models)")
    assert model_of(fake_pipeline) is model
    shell.value("for each in models:\n    %embedl_benchmark {each}")
    assert model_of(fake_pipeline) is model


def test_an_expression_that_cannot_be_worked_out_is_an_unknown_name(shell: Any) -> None:
    shell.user_ns["model"] = Model()
    with pytest.raises(UnknownNameError, match="modle"):
        shell.value("%embedl_benchmark {modle}")


def test_an_object_in_the_place_of_a_number_is_told_by_its_name(shell: Any) -> None:
    shell.user_ns["model"] = Model()
    with pytest.raises(InputError, match=r"'\{model\}' is not a valid int"):
        shell.value("%embedl_benchmark model --threads {model}")


def test_a_path_with_blanks_is_one_word_in_quotes_or_as_an_object(shell: Any, fake_pipeline: Any) -> None:
    path = Path("my nets/net one.tflite")
    path.parent.mkdir()
    path.write_bytes(b"")
    shell.user_ns.update(path=path, folder=path.parent, text=str(path))
    for word in (f'"{path}"', f"'{path}'", "{path}", "$path", '"{path}"', '{folder}/"net one.tflite"', '"{text}"'):
        shell.value(f"%embedl_benchmark {word}")
        assert model_of(fake_pipeline) == path, word


def test_a_line_goes_on_behind_a_backslash_and_ends_at_a_comment(shell: Any, fake_pipeline: Any) -> None:
    shell.user_ns["small"] = 1
    shell.value("%embedl_benchmark small \\\n    --threads 2  # not 4")
    assert fake_pipeline.calls[0][2]["num_threads"] == 2


@pytest.mark.parametrize("word", ["rack", "{rack}", "picker", "{picker.value}"])
def test_devices_in_a_variable_are_all_meant(shell: Any, fake_pipeline: Any, word: str) -> None:
    class Picker:
        value = ("adb://1", "adb://2")

    shell.user_ns.update(small=1, rack=["adb://1", "adb://2"], picker=Picker())
    shell.value(f"%embedl_benchmark small --device {word}")
    assert fake_pipeline.calls[0][1][1] == ("adb://1", "adb://2")
    shell.user_ns["rack"] = Picker.value = ("adb://1",)
    shell.value(f"%embedl_benchmark small --device {word}")
    assert fake_pipeline.calls[1][1][1] == "adb://1"
    shell.user_ns["rack"] = Picker.value = ()
    with pytest.raises(InputError, match="no device is picked in"):
        shell.value(f"%embedl_benchmark small --device {word}")


def test_a_place_for_one_device_refuses_two(shell: Any, fake_pipeline: Any) -> None:
    shell.user_ns.update(small=1, rack=["adb://1", "adb://2"])
    with pytest.raises(InputError, match="rack is 2 devices, and one is asked for"):
        shell.value("%embedl_compare small small --device rack")


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return what is displayed, as it comes."""
    pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    return shown


def test_layers_are_explored_below_the_result(shell: Any, fake_pipeline: Any, displayed: list[Any]) -> None:
    result = fake_pipeline.results["benchmark"] = fake_benchmark(3)
    shell.user_ns.update(small=1, seen=displayed)
    assert shell.value("found = %embedl_benchmark small --explore\nbefore = len(seen)\nfound") is result
    assert shell.user_ns["before"] == 0, "the result comes first"
    assert [type(each).__name__ for each in displayed] == ["LayerExplorer"]
    shell.value("1")
    assert len(displayed) == 1, "it is shown once"


def test_layers_of_several_results_are_explored_each_by_itself(
    shell: Any, fake_pipeline: Any, displayed: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    results = {"adb://1": fake_benchmark(3), "adb://2": fake_benchmark(0), "adb://3": fake_benchmark(4)}
    fake_pipeline.results["benchmark"] = Benchmarks(results=results, errors={})
    shell.value("small = 1\n%embedl_benchmark small --device adb://* --explore")
    assert [len(each.frame()) for each in displayed] == [3, 4]
    assert "has no layers to explore" in capsys.readouterr().err, "what was measured is not lost"


def test_layers_of_both_results_of_a_comparison_are_explored_together(shell: Any, displayed: list[Any]) -> None:
    shell.user_ns.update(before=fake_benchmark(3), after=fake_benchmark(3, seed=2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmbedlWarning)
        shell.value("%embedl_compare before after --explore")
    (explorer,) = displayed
    assert len(explorer._layers["names"]) == 2


def test_exploring_without_a_profile_is_refused_before_anything_is_measured(shell: Any, fake_pipeline: Any) -> None:
    with pytest.raises(InputError, match="no layers to explore"):
        shell.value("small = 1\n%embedl_benchmark small --explore --no-profile")
    assert fake_pipeline.calls == []
