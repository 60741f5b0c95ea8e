"""Every command's words: what reaches the pipeline, and what a mistake says."""

from __future__ import annotations

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest

from embedl_nb import commands, pipeline
from embedl_nb.commands.running import is_usage_error
from embedl_nb.errors import InputError, UnknownNameError

VERBS = {
    "compile": pipeline.compile,
    "quantize": pipeline.quantize,
    "benchmark": pipeline.benchmark,
    "compare": pipeline.compare,
    "quickstart": pipeline.quickstart,
}


def run(line: str, **variables: Any) -> Any:
    name, *words = commands.split_line(line)
    names = commands.NotebookNames(variables)
    return commands.run(commands.COMMANDS[name], words, program=f"%embedl_{name}", names=names)


def test_compile_hands_over_the_objects_behind_the_names(fake_pipeline: Any) -> None:
    net, x = object(), np.ones(3)
    assert (
        run("compile net --inputs x --name small --layout nhwc --state h=g --no-verify", net=net, x=x)
        == "result of compile"
    )
    options = {
        "name": "small",
        "input_shapes": None,
        "dynamic_shapes": None,
        "layout": "nhwc",
        "state": {"h": "g"},
        "verify": False,
        "device": None,
        "aot": False,
    }
    assert fake_pipeline.calls == [("compile", (net, x), options)]


def test_compile_needs_no_inputs(fake_pipeline: Any) -> None:
    run("compile net", net="the module")
    options = {
        "name": None,
        "input_shapes": None,
        "dynamic_shapes": None,
        "layout": "keep",
        "state": None,
        "verify": True,
        "device": None,
        "aot": False,
    }
    assert fake_pipeline.calls == [("compile", ("the module", None), options)]


def test_compile_takes_the_range_of_each_dimension(fake_pipeline: Any) -> None:
    run("compile net --dynamic-shape x:2=4,20 --dynamic-shape x:3=8,16 --dynamic-shape a:b:0=1,2", net="the module")
    _, _, options = fake_pipeline.calls[0]
    assert options["dynamic_shapes"] == {"x": {2: (4, 20), 3: (8, 16)}, "a:b": {0: (1, 2)}}


@pytest.mark.parametrize("words", ["x:2=4", "x=4,5", "x:a=1,2", ":1=1,2", "x:1=1,2,3"])
def test_a_range_that_is_none_shows_what_one_looks_like(words: str, fake_pipeline: Any) -> None:
    with pytest.raises(InputError, match="x:2=64,512"):
        run(f"compile net --dynamic-shape {words}", net="the module")


def test_compile_takes_the_shape_of_each_input(fake_pipeline: Any) -> None:
    run("compile net --input-shape x=1,3,224,224 --input-shape a=b=2 --input-shape s=", net="the module")
    _, _, options = fake_pipeline.calls[0]
    assert options["input_shapes"] == {"x": (1, 3, 224, 224), "a=b": (2,), "s": ()}


@pytest.mark.parametrize("shape", ["1,3", "x=1,a", "=1,2"])
def test_a_shape_that_is_none_shows_what_one_looks_like(shape: str, fake_pipeline: Any) -> None:
    with pytest.raises(InputError, match="x=1,3,224,224"):
        run(f"compile net --input-shape {shape}", net="the module")


def test_output_saves_the_model_that_was_compiled(fake_pipeline: Any, tmp_path: Path) -> None:
    class Model:
        saved: Path | None = None
        aot: Any = None

        def save(self, path: Path) -> None:
            self.saved = path

    fake_pipeline.results["compile"] = model = Model()
    assert run(f"compile net --output {tmp_path / 'small.tflite'}", net=1) is model
    assert model.saved == tmp_path / "small.tflite"
    model.aot = Model()
    run(f"compile net --device SM8650 --aot --output {tmp_path / 'small.tflite'}", net=1)
    assert model.aot.saved == tmp_path / "small_npu.tflite"


def test_benchmark_hands_over_every_option(fake_pipeline: Any) -> None:
    golden, x = {"y": np.ones(2)}, np.ones(3)
    run(
        "benchmark small --device adb://1 --compute-unit GPU --no-fallback --golden want --inputs x --threads 2 "
        "--processes 1 --iterations 10 --warmup 3 --no-profile --runtime-option a=1 --runtime-option b=x=y "
        "--energy --sustain 10m",
        small="the model",
        want=golden,
        x=x,
    )
    assert fake_pipeline.calls == [
        (
            "benchmark",
            ("the model", "adb://1"),
            {
                "compute_unit": "gpu",
                "allow_fallback": False,
                "golden": golden,
                "inputs": x,
                "signature_key": None,
                "num_threads": 2,
                "processes": 1,
                "iterations": 10,
                "warmup": 3,
                "profile": False,
                "runtime_options": {"a": "1", "b": "x=y"},
                "energy": True,
                "sustain": "10m",
            },
        )
    ]


def test_benchmark_takes_several_devices_and_units(fake_pipeline: Any) -> None:
    run("benchmark small --device adb://1 --device adb://2 --compute-unit cpu --compute-unit gpu", small="the model")
    run("benchmark small", small="the model")
    (_, (_, several), options), (_, (_, one), alone) = fake_pipeline.calls
    assert (several, options["compute_unit"]) == (("adb://1", "adb://2"), ("cpu", "gpu"))
    assert (one, alone["compute_unit"]) == ("host://", "cpu")


def test_compare_hands_over_every_option(fake_pipeline: Any) -> None:
    run(
        "compare big small --device adb://1 --compute-unit GPU --no-fallback --inputs x --threads 2 --processes 4 "
        "--iterations 10 --warmup 3 --no-profile --runtime-option a=1 --margin 0.05",
        big="the one",
        small="the other",
        x="the sample",
    )
    assert fake_pipeline.calls == [
        (
            "compare",
            ("the one", "the other"),
            {
                "device": "adb://1",
                "compute_unit": "gpu",
                "allow_fallback": False,
                "inputs": "the sample",
                "num_threads": 2,
                "processes": 4,
                "iterations": 10,
                "warmup": 3,
                "profile": False,
                "runtime_options": {"a": "1"},
                "margin": 0.05,
            },
        )
    ]


def test_quantize_hands_over_every_option(fake_pipeline: Any) -> None:
    def accuracy(model: Any) -> float:
        return 1.0

    run(
        "quantize net --data x --recipe int8 --num-samples 20 --seed 3 --effort HIGH --override SOFTMAX=float "
        "--evaluate accuracy --lower-is-better --max-degradation 0.01 --min-sqnr-db 25 --device adb://1 --name small",
        net="the model",
        x="the samples",
        accuracy=accuracy,
    )
    assert fake_pipeline.calls == [
        (
            "quantize",
            ("the model", "the samples"),
            {
                "recipe": "int8",
                "num_samples": 20,
                "seed": 3,
                "effort": "high",
                "overrides": {"SOFTMAX": "float"},
                "evaluate": accuracy,
                "higher_is_better": False,
                "max_degradation": 0.01,
                "min_sqnr_db": 25.0,
                "device": "adb://1",
                "name": "small",
            },
        )
    ]


def test_a_folder_of_pictures_is_prepared_as_the_options_say(fake_pipeline: Any) -> None:
    pictures = [np.zeros((8, 8, 3), np.uint8)]
    run(
        "quantize net --data x --image-size 4 --image-crop 0.5 --image-mean 0.5,0.5,0.5 --image-std 0.25,0.25,0.25 "
        "--image-layout nhwc",
        net=1,
        x=pictures,
    )
    ((_, (_, data), _),) = fake_pipeline.calls
    assert data[0].shape == (1, 4, 4, 3)
    assert float(data[0].max()) == -2.0


def test_pictures_without_a_folder_are_refused() -> None:
    with pytest.raises(InputError, match="--image-size prepares pictures, and there are none"):
        run("quantize net --image-size 4", net=1)


def test_preprocessing_without_a_size_is_not_ignored() -> None:
    with pytest.raises(InputError, match="pictures are prepared for a size"):
        run("quantize net --data random --image-mean 0.5,0.5,0.5", net=1)


def test_random_is_a_word_and_a_file_is_a_path(fake_pipeline: Any, tmp_path: Path) -> None:
    run("quantize net --data random", net=1)
    run(f"quantize net --data {tmp_path}", net=1)
    assert [call[1][1] for call in fake_pipeline.calls] == ["random", str(tmp_path)]


def test_a_metric_that_is_no_variable_is_named() -> None:
    with pytest.raises(UnknownNameError, match="accurac"):
        run("quantize net --evaluate accurac", net=1, accuracy=len)


def test_a_shell_has_no_functions() -> None:
    with pytest.raises(InputError, match="a shell has no function 'accuracy'"):
        commands.ShellNames().function("accuracy")


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_defaults_are_those_of_the_pipeline(verb: str, fake_pipeline: Any) -> None:
    signature = inspect.signature(VERBS[verb])
    run(f"{verb} thing" if verb != "quickstart" else verb, thing=1)
    ((_, args, kwargs),) = fake_pipeline.calls
    given = signature.bind(*args, **kwargs).arguments
    expected = {
        name: parameter.default
        for name, parameter in signature.parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }
    assert {name: given[name] for name in expected} == expected


def test_runs_takes_a_query_of_several_words(fake_pipeline: Any) -> None:
    run("runs")
    run("runs kind == benchmark and device ~ '\"S24\"' --limit 5")
    assert fake_pipeline.calls == [
        ("runs", (None,), {"limit": 200}),
        ("runs", ('kind == benchmark and device ~ "S24"',), {"limit": 5}),
    ]


def test_pick_takes_results_a_budget_and_an_objective(fake_pipeline: Any) -> None:
    run("pick a both --where 'p95_ms <= 10 and degradation <= 1 %' --minimize size_mib", a=1, both=[2, 3])
    options = {"where": "p95_ms <= 10 and degradation <= 1 %", "minimize": "size_mib", "maximize": None}
    assert fake_pipeline.calls == [("pick", ([1, 2, 3],), options)]


def test_report_lays_lists_of_results_flat(fake_pipeline: Any) -> None:
    run("report a both --output out.html", a=1, both=[2, 3])
    assert fake_pipeline.calls == [("report", ([1, 2, 3], Path("out.html")), {})]


def test_rerun_takes_a_run_and_what_has_to_be_handed_over(fake_pipeline: Any) -> None:
    net, result = object(), SimpleNamespace(run_id="20261122-170401-3f9a")
    run("rerun 20261122-170401-3f9a --source net", net=net)
    run("rerun result --data random --evaluate drop", result=result, drop=len)
    run("rerun result --inputs x --golden y", result=result, x=1, y=2)
    assert fake_pipeline.calls == [
        ("rerun", ("20261122-170401-3f9a",), {"source": net}),
        ("rerun", ("20261122-170401-3f9a",), {"data": "random", "evaluate": len}),
        ("rerun", ("20261122-170401-3f9a",), {"inputs": 1, "golden": 2}),
    ]


def test_runs_go_out_and_come_in_by_one_file(fake_pipeline: Any) -> None:
    run("export-runs runs.zip")
    run("export-runs runs.zip a b --no-models", a=SimpleNamespace(run_id="20261122-170401-3f9a"))
    run("import-runs runs.zip")
    assert fake_pipeline.calls == [
        ("export_runs", (Path("runs.zip"), None), {"models": True}),
        ("export_runs", (Path("runs.zip"), ["20261122-170401-3f9a", "b"]), {"models": False}),
        ("import_runs", (Path("runs.zip"),), {}),
    ]


def test_a_command_without_arguments_calls_its_verb(fake_pipeline: Any) -> None:
    assert run("doctor") == "result of doctor"
    assert fake_pipeline.calls == [("doctor", (), {})]


def test_devices_takes_words_or_a_query(fake_pipeline: Any) -> None:
    run("devices")
    run("devices s24 ready")
    assert fake_pipeline.calls == [("devices", (None,), {}), ("devices", ("s24 ready",), {})]


def test_devices_are_picked_in_a_notebook_only(fake_pipeline: Any) -> None:
    with pytest.raises(InputError, match="in a notebook only"):
        run("devices --pick")


def test_runs_are_browsed_in_a_notebook_only(fake_pipeline: Any) -> None:
    with pytest.raises(InputError, match="in a notebook only"):
        run("runs --browse")


def test_clearing_the_cache_says_what_it_freed(fake_pipeline: Any) -> None:
    fake_pipeline.results["cache_clear"] = 3 * 2**20
    assert run("cache clear") == "freed 3.0 MiB"


def test_an_unknown_option_names_the_close_ones(fake_pipeline: Any) -> None:
    with pytest.raises(UnknownNameError, match="unknown option '--thread'") as caught:
        run("benchmark small --thread 2", small=1)
    assert caught.value.candidates[0] == "--threads"
    assert "--threads" in caught.value.hint
    assert is_usage_error(caught.value)
    assert fake_pipeline.calls == []


def test_an_unknown_compute_unit_names_the_close_one() -> None:
    with pytest.raises(UnknownNameError, match="unknown compute unit 'gpx'") as caught:
        run("benchmark small --compute-unit gpx", small=1)
    assert caught.value.candidates == ("gpu",)


def test_an_unknown_command_names_the_close_one() -> None:
    with pytest.raises(UnknownNameError, match="unknown command 'bench'") as caught:
        commands.run(commands.SHELL, ["bench"], program="embedl-nb", names=commands.ShellNames())
    assert caught.value.candidates == ("benchmark",)
    assert is_usage_error(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("benchmark", "missing argument 'MODEL'"),
        ("benchmark small --threads two", "'two' is not a valid integer"),
        ("benchmark small --threads", "requires an argument"),
        ("benchmark small other", "unexpected extra argument"),
        ("compile small --state h", "'h' is not of the form OUTPUT=INPUT"),
        ("benchmark small --runtime-option fast", "'fast' is not of the form KEY=VALUE"),
    ],
)
def test_a_wrong_line_says_what_is_wrong_and_where_help_is(line: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        run(line, small=1)
    assert caught.value.hint == f"%embedl_{line.split()[0]} --help"
    assert is_usage_error(caught.value)


def test_an_error_of_the_work_is_no_usage_error(fake_pipeline: Any) -> None:
    fake_pipeline.errors["benchmark"] = InputError("0 iterations", hint="at least 1")
    with pytest.raises(InputError, match="0 iterations") as caught:
        run("benchmark small --iterations 0", small=1)
    assert not is_usage_error(caught.value)


def test_help_is_shown_and_nothing_runs(fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("benchmark --help") is None
    assert capsys.readouterr().out.startswith("Usage: %embedl_benchmark [OPTIONS] MODEL")
    assert fake_pipeline.calls == []


def test_the_program_alone_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.run(commands.SHELL, [], program="embedl-nb", names=commands.ShellNames()) is None
    out = capsys.readouterr().out
    assert all(name in out for name in commands.COMMANDS)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("net --name 'two words'", ["net", "--name", "two words"]),
        ("net;", ["net"]),
        ("net --name a#b  # a comment", ["net", "--name", "a#b"]),
        ("", []),
    ],
)
def test_a_line_is_split_as_a_shell_does(line: str, words: list[str]) -> None:
    assert commands.split_line(line) == words


def test_a_quotation_left_open_is_named() -> None:
    with pytest.raises(InputError, match="No closing quotation"):
        commands.split_line("net --name 'two")


def test_a_backslash_at_the_end_is_not_called_an_open_quotation() -> None:
    with pytest.raises(InputError, match="No escaped character") as caught:
        commands.split_line("net --processes 1 \\")
    assert caught.value.hint == "leave the backslash at its end out"


def _leaves(group: click.Command) -> list[click.Command]:
    if isinstance(group, click.Group):
        return [leaf for command in group.commands.values() for leaf in _leaves(command)]
    return [group]


@pytest.mark.parametrize("command", _leaves(commands.SHELL), ids=lambda command: command.name)
def test_every_option_says_what_it_does(command: click.Command) -> None:
    assert command.help
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
