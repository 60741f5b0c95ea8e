"""What Tab offers on a line with a magic."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedl_nb.runstore import recent
from embedl_nb.testing.results import fake_benchmark


@pytest.fixture
def torch_like(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a stand-in for torch's Module, as if torch were imported."""

    class Module:
        pass

    nn = types.ModuleType("torch.nn")
    nn.Module = Module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.nn", nn)
    return Module


def test_options_are_offered(shell: Any) -> None:
    assert shell.completions("%embedl_benchmark small --th") == ["--threads"]
    assert {"--device", "--no-fallback", "--help"} <= set(shell.completions("%embedl_benchmark small --"))


def test_an_option_is_offered_once(shell: Any) -> None:
    assert "--threads" not in shell.completions("%embedl_benchmark small --threads 2 --")
    assert "--runtime-option" in shell.completions("%embedl_benchmark small --runtime-option a=1 --r")


def test_a_line_that_assigns_is_completed_too(shell: Any) -> None:
    assert shell.completions("m = %embedl_compile net --no-v") == ["--no-verify"]


def test_modules_are_offered_to_compile(shell: Any, torch_like: Any) -> None:
    shell.user_ns.update(net=torch_like(), number=3, notes="text", Net=torch_like)
    assert shell.completions("%embedl_compile n") == ["net"]


def test_arrays_are_offered_as_inputs(shell: Any) -> None:
    x = np.ones(3)
    shell.user_ns.update(xa=x, xb=(x, x), xc={"image": x}, xd=[(x,), (x,)], xe=3, xf=[], xg={"a": 1}, xh=(x, 1))
    assert set(shell.completions("%embedl_compile net --inputs x")) == {"xa", "xb", "xc", "xd"}


def test_samples_recipes_and_metrics_are_offered_to_quantize(shell: Any) -> None:
    shell.user_ns.update(crops=np.ones(3), counted=3, drop=lambda model: 1.0)
    assert shell.completions("%embedl_quantize net --data c") == ["crops"]
    assert "static_wi8_ai8" in shell.completions("%embedl_quantize net --recipe static")
    assert shell.completions("%embedl_quantize net --evaluate dr") == ["drop"]
    assert shell.completions("%embedl_quantize net --effort ") == ["light", "normal", "high"]


def test_results_and_their_runs_are_offered_to_a_report(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    result = dataclasses.replace(fake_benchmark(2), run_id="20261122-170401-3f9a")
    monkeypatch.setattr(recent, "recent_ids", lambda: ["20261121-080000-0001"])
    shell.user_ns.update(result=result, other=3)
    offered = shell.completions("%embedl_report ")
    assert offered[:3] == ["result", "20261122-170401-3f9a", "20261121-080000-0001"]
    assert "other" not in offered
    assert shell.completions("%embedl_report result 20261121") == ["20261121-080000-0001"]


def test_results_models_and_runs_are_offered_to_a_comparison(shell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "recent_ids", lambda: ["20261121-080000-0001"])
    shell.user_ns.update(result=fake_benchmark(2), other=3)
    assert shell.completions("%embedl_compare re") == ["result"]
    assert "other" not in shell.completions("%embedl_compare result ")
    assert shell.completions("%embedl_compare result 2026") == ["20261121-080000-0001"]
    assert "--margin" in shell.completions("%embedl_compare result --")


def test_devices_are_offered(shell: Any) -> None:
    assert shell.completions("%embedl_benchmark small --device ho") == ["host://"]
    assert shell.completions("%embedl_benchmark small --device host:/") == ["host://"]


def test_phones_and_chips_are_offered_to_preflight_in_quotes_where_they_have_blanks(shell: Any) -> None:
    assert shell.completions('%embedl_preflight small --device "Samsung Galaxy S24 U') == ['"Samsung Galaxy S24 Ultra"']
    assert shell.completions("%embedl_preflight small --device 'galaxy s24 u") == ["'Samsung Galaxy S24 Ultra'"]
    assert '"Google Pixel 7"' in shell.completions("%embedl_preflight small --device pixel")
    assert shell.completions("%embedl_compile net --device SM8650") == ["SM8650"]
    quoted = '%embedl_preflight small --device "Google Pixel 7" --compute-unit '
    assert shell.completions(quoted) == ["cpu", "gpu", "npu"]


def test_compute_units_are_offered(shell: Any) -> None:
    assert shell.completions("%embedl_benchmark small --compute-unit ") == ["cpu", "gpu", "npu", "all"]


def test_model_files_and_folders_are_offered(shell: Any) -> None:
    for name in ("small.tflite", "small.txt", "net.pt2", "net.onnx"):
        Path(name).write_bytes(b"")
    Path("smallest").mkdir()
    assert shell.completions("%embedl_benchmark sm") == ["small.tflite", "smallest/"]
    assert shell.completions("%embedl_compile ./") == ["./net.onnx", "./net.pt2", "./small.tflite", "./smallest/"]


def test_a_path_with_a_blank_is_completed_in_quotes(shell: Any) -> None:
    Path("my nets").mkdir()
    for name in ("my nets/net one.tflite", "net two.tflite"):
        Path(name).write_bytes(b"")
    assert shell.completions("%embedl_benchmark net") == ['"net two.tflite"']
    assert shell.completions("%embedl_benchmark 'net t") == ["'net two.tflite'"]
    assert shell.completions("%embedl_benchmark my") == ['"my nets/'], "the quotation goes on in the folder"
    assert shell.completions('%embedl_benchmark "my nets/') == ['"my nets/net one.tflite"']


def test_an_option_and_its_value_in_one_word_are_completed_too(shell: Any) -> None:
    assert shell.completions("%embedl_benchmark net --device=ho") == ["host://"]
    assert shell.completions("%embedl_benchmark net --compute-unit=g") == ["gpu"]
    assert shell.completions("%embedl_quantize net --override SOFTMAX=static_wi8_ai1") == ["static_wi8_ai16"]


def test_a_variable_is_offered_in_braces_and_behind_a_dollar(shell: Any) -> None:
    shell.user_ns.update(result=fake_benchmark(2), resolution=3)
    assert shell.completions("%embedl_compare {res") == ["{result}"]
    assert shell.completions("%embedl_compare $res") == ["$result"]


def test_addresses_in_variables_are_offered_as_devices(shell: Any) -> None:
    shell.user_ns.update(phone="adb://R58M12ABCDE", phonetic="text")
    assert shell.completions("%embedl_benchmark net --device phon") == ["phone"]


def test_names_of_the_catalog_are_offered_to_search_it(shell: Any) -> None:
    assert shell.completions("%embedl_catalog --tier ") == ["entry", "mid", "flagship"]
    assert "Samsung" in shell.completions("%embedl_catalog --brand s")
    assert shell.completions("%embedl_catalog --chip sm8650") == ["SM8650"]
    assert "qualcomm" in shell.completions("%embedl_catalog --npu qual")
    assert '"Google Pixel 7"' in shell.completions('%embedl_catalog "google pix')


def test_columns_are_offered_in_a_query(shell: Any) -> None:
    assert shell.completions("%embedl_runs ki") == ["kind"]
    assert shell.completions('%embedl_runs "kind == benchmark and p95') == ["p95_ms"]
    assert shell.completions("%embedl_pick result --minimize energy") == ["energy_mj"]
    assert shell.completions('%embedl_pick result --where "p95_ms <= 10 and degr') == ["degradation"]
    assert shell.completions("%embedl_devices memory") == ["memory_mib"]
    assert "npu_sdk" in shell.completions('%embedl_catalog "brand == Samsung and npu_')


def test_a_magic_without_its_sign_is_completed_at_the_beginning_of_a_line_only(shell: Any) -> None:
    assert shell.completions("embedl_benchmark net --th") == ["--threads"]
    assert "--threads" not in shell.completions("x = embedl_benchmark net --th")


def test_the_magics_themselves_are_offered(shell: Any) -> None:
    assert shell.completions("%embedl_ben") == ["%embedl_benchmark"]


def test_other_lines_are_left_to_others(shell: Any) -> None:
    shell.user_ns["a_variable_of_mine"] = 1
    assert "a_variable_of_mine" in shell.completions("print(a_variable_of")


def test_a_variable_that_misbehaves_does_not_spoil_tab(
    shell: Any, torch_like: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError(f"do not touch {name}")

        def __len__(self) -> int:
            raise RuntimeError("do not measure me")

    class HostileList(list):  # type: ignore[type-arg]
        def __len__(self) -> int:
            raise RuntimeError("do not measure me")

    shell.user_ns.update(net=torch_like(), hostile=Hostile())
    assert shell.completions("%embedl_compile n") == ["net"]
    shell.user_ns["worse"] = HostileList()
    shell.completions("%embedl_compile net --inputs ")
    assert capsys.readouterr() == ("", "")


def test_nothing_is_offered_once_unloaded(shell: Any) -> None:
    shell.run_line_magic("unload_ext", "embedl_nb")
    assert "--threads" not in shell.completions("%embedl_benchmark small --th")
