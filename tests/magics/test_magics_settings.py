"""``%config EmbedlMagics``: what it lists, what it changes, and what it refuses."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from traitlets.config import Config

import embedl_nb
from embedl_nb.errors import EmbedlError, EmbedlWarning


def test_the_settings_are_listed_with_what_they_do(shell: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shell.value("%config EmbedlMagics")
    shown = capsys.readouterr().out
    for name in ("device", "target", "traceback"):
        assert f"EmbedlMagics.{name}=" in shown
    assert "Where %embedl_benchmark and %embedl_compare measure" in shown


def test_the_device_of_the_settings_is_measured_on_where_a_line_names_none(shell: Any, fake_pipeline: Any) -> None:
    shell.value("small = 1\n%config EmbedlMagics.device = 'ADB://R58M12ABCDE'")
    shell.value("%embedl_benchmark small\n%embedl_compare small small\n%embedl_benchmark small --device host://")
    measured, compared, said = fake_pipeline.calls
    assert measured[1][1] == compared[2]["device"] == "adb://R58M12ABCDE"
    assert said[1][1] == "host://"


def test_the_target_of_the_settings_is_compiled_for_and_asked_about(shell: Any, fake_pipeline: Any) -> None:
    shell.value(
        "net = 1\n%config EmbedlMagics.target = 'Samsung Galaxy S24'\n%embedl_compile net\n%embedl_preflight net"
    )
    compiled, asked = fake_pipeline.calls
    assert compiled[2]["device"] == asked[1][1] == "Samsung Galaxy S24"


def test_a_setting_can_show_tracebacks(shell: Any, fake_pipeline: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fake_pipeline.errors["runs"] = EmbedlError("broken")
    with pytest.raises(EmbedlError):
        shell.value("%config EmbedlMagics.traceback = True\n%embedl_runs")
    assert "Traceback" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "kept", "told"),
    [
        ("device = 'pixel'", "", ["device='pixel' is a name, not an address", "Try: enb.devices() lists"]),
        ("target = 'Galaxi S24'", "", ["no phone or chip is known as 'Galaxi S24'", "Try: did you mean"]),
        ("traceback = 3", False, ["The 'traceback' trait", "Try: %config EmbedlMagics"]),
        ("device = 3", "", ["The 'device' trait", "Try: %config EmbedlMagics"]),
    ],
)
def test_a_wrong_value_is_told_in_two_lines_and_changes_nothing(
    shell: Any, caplog: pytest.LogCaptureFixture, line: str, kept: object, told: list[str]
) -> None:
    with caplog.at_level(logging.ERROR):
        shell.value(f"%config EmbedlMagics.{line}")
    (record,) = caplog.records
    lines = record.getMessage().splitlines()
    assert [shown[: len(begin)] for shown, begin in zip(lines, told, strict=True)] == told
    assert shell.value(f"%config EmbedlMagics.{line.split()[0]}") == kept


def test_a_wrong_value_in_ipythons_own_configuration_leaves_the_magics_usable(
    bare_shell: Any, fake_pipeline: Any
) -> None:
    bare_shell.update_config(Config({"EmbedlMagics": {"traceback": "perhaps", "device": "adb://R58M12ABCDE"}}))
    with pytest.warns(EmbedlWarning, match="settings of EmbedlMagics are not taken: The 'traceback' trait"):
        embedl_nb.load_ipython_extension(bare_shell)
    assert bare_shell.value("%embedl_runs") == "result of runs"
    embedl_nb.unload_ipython_extension(bare_shell)
    bare_shell.config["EmbedlMagics"]["traceback"] = True
    embedl_nb.load_ipython_extension(bare_shell)
    assert bare_shell.value("%config EmbedlMagics.device") == "adb://R58M12ABCDE"


def test_a_setting_outlives_a_reload(shell: Any) -> None:
    shell.value("%config EmbedlMagics.target = 'SM8650'\n%reload_ext embedl_nb")
    assert shell.value("%config EmbedlMagics.target") == "SM8650"
