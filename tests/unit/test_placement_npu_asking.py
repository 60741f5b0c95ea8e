"""Whom a chip's NPU is asked of, what is said where nobody can be asked, and how a killer is found without a name."""

from __future__ import annotations

import dataclasses
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.device.catalog import Chip
from embedl_nb.device.catalog.facts import chips
from embedl_nb.errors import MissingDependencyError, UnknownNameError
from embedl_nb.model import LiteRTModel
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.placement.answers import Reason
from embedl_nb.placement.npu import answering, ask_npu, compiling, sdk
from embedl_nb.placement.npu.sdk import Sdk
from embedl_nb.placement.npu.tool import ToolRun
from embedl_nb.placement.npu.vendors import VENDORS
from embedl_nb.testing import models

READY = "INFO: [compiler_plugin.cc:948] Applying plugin with SDK version: v2.51.0.1\n"


@pytest.fixture
def model(tmp_path: Path) -> LiteRTModel:
    return LiteRTModel.open(models.write(tmp_path, models.chain(9)))


def chip_of(npu_sdk: str) -> Chip:
    return next(chip for chip in chips().values() if chip.npu_sdk == npu_sdk)


@pytest.mark.parametrize(
    ("npu_sdk", "install"),
    [
        ("mediatek", "pip install ai-edge-litert-sdk-mediatek"),
        ("google_tensor", "pip install ai-edge-litert-sdk-google-tensor"),
        ("samsung", "pip install ai-edge-litert-sdk-samsung-nightly"),
    ],
)
def test_another_vendors_sdk_is_named_with_the_line_that_installs_it(
    npu_sdk: str, install: str, model: LiteRTModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdk, "check_plugin", lambda *_arguments: None)
    answer = ask_npu(model, chip_of(npu_sdk))
    assert answer.not_checked == f"{VENDORS[npu_sdk].name}'s compiler is not installed"
    assert answer.next_step == install
    assert answer.operators == ()


def test_a_chip_without_an_npu_for_litert_is_said_by_name(model: LiteRTModel) -> None:
    answer = ask_npu(model, chips()["SDM429"])
    assert answer.not_checked == "LiteRT supports no NPU of Snapdragon 429 (SDM429)"


def test_a_hexagon_that_is_no_htp_is_not_asked_about_though_the_plugin_would_compile_for_it(
    model: LiteRTModel, with_fake: Callable[[FakeCompiler], None]
) -> None:
    fake = FakeCompiler(lambda given: False)
    with_fake(fake)
    assert "has a Hexagon v66, which is no HTP" in ask_npu(model, chips()["SM8250"]).not_checked
    assert fake.chip_names == []


def test_a_chip_that_the_plugin_has_under_another_name_is_asked_for_under_it_and_said(
    model: LiteRTModel, with_fake: Callable[[FakeCompiler], None]
) -> None:
    fake = FakeCompiler(lambda given: False)
    with_fake(fake)
    assert ask_npu(model, chips()["QCM8550LA"]).asked.endswith("for QCM8550LA, which it calls QCS8550")
    assert fake.chip_names == ["QCS8550"]


def test_an_unknown_signature_is_the_callers_mistake(model: LiteRTModel) -> None:
    with pytest.raises(UnknownNameError):
        ask_npu(model, chips()["SM8650"], signature_key="decode")


def test_without_the_extra_the_answer_is_how_to_install_it(model: LiteRTModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "is_installed", lambda module: False)
    monkeypatch.setattr(sdk.sys, "platform", "linux")
    monkeypatch.setattr(sdk.platform, "machine", lambda: "x86_64")
    answer = ask_npu(model, chips()["SM8650"])
    assert answer.not_checked == "Qualcomm's compiler is not installed"
    assert answer.next_step == 'pip install "embedl-nb[qualcomm]"'


def test_on_another_platform_the_answer_is_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk.sys, "platform", "darwin")
    with pytest.raises(MissingDependencyError, match="Linux x86-64, not on darwin"):
        sdk.find_sdk(VENDORS["qualcomm"])


class FakeCompiler:
    """Stands in for the vendor's tool: dies where it is given a certain operator, and never says which."""

    def __init__(self, dies_on: Callable[[list[str]], bool], *, last_words: str = "") -> None:
        self.dies_on, self.last_words = dies_on, last_words
        self.chip_names: list[str] = []

    @property
    def num_runs(self) -> int:
        return len(self.chip_names)

    def __call__(self, _sdk: Sdk, model_path: Path, result_path: Path, *, chip_name: str, **_options: Any) -> ToolRun:
        self.chip_names.append(chip_name)
        given = [operator.code for operator in read_model(model_path).main.operators]
        died = self.dies_on(given)
        if not died:
            result_path.write_bytes(model_path.read_bytes())
        said = READY + self.last_words * died
        return ToolRun(returncode=-11 if died else 0, timed_out=False, litert=said, vendor="", seconds=0.0)


@pytest.fixture
def with_fake(monkeypatch: pytest.MonkeyPatch, empty_home: Path) -> Callable[[FakeCompiler], None]:
    fake_sdk = Sdk(
        vendor=VENDORS["qualcomm"],
        package="onnxruntime-qnn 0",
        library_folders=(),
        plugin_folder=Path(),
        tool=Path("tool"),
        digest="fake",
    )

    def use(fake: FakeCompiler) -> None:
        monkeypatch.setattr(answering, "find_sdk", lambda _vendor, _chip: fake_sdk)
        monkeypatch.setattr(compiling, "run_tool", fake)

    return use


def mixed(tmp_path: Path) -> LiteRTModel:
    builder = models.ModelBuilder()
    value = builder.input("x", (1, 4))
    for place, code in enumerate(["ABS", "TANH", "ABS", "FLOOR", "ABS", "TANH", "ABS"]):
        value = builder.operator(code, [value], builder.tensor(f"t{place}", (1, 4)))
    return LiteRTModel.open(models.write(tmp_path, builder.build({"y": value})))


def test_an_operator_that_crashes_the_compiler_without_a_word_is_found(
    tmp_path: Path, with_fake: Callable[[FakeCompiler], None]
) -> None:
    fake = FakeCompiler(lambda given: "FLOOR" in given)
    with_fake(fake)
    answer = ask_npu(mixed(tmp_path), chips()["SM8650"])
    failures = [each for each in answer.operators if each.reason is Reason.COMPILER_FAILURE]
    assert [each.index for each in failures] == [3]
    assert "SIGSEGV" in failures[0].evidence
    assert fake.num_runs <= 6


def test_a_kind_of_operator_that_the_compiler_names_by_its_number_is_left_out_at_once(
    tmp_path: Path, with_fake: Callable[[FakeCompiler], None]
) -> None:
    fake = FakeCompiler(lambda given: "FLOOR" in given, last_words="ERROR: [create_model.cc:371] Unsupported op: 8\n")
    with_fake(fake)
    refused = ask_npu(mixed(tmp_path), chips()["SM8650"]).operators[3]
    assert (refused.reason, refused.evidence) == (Reason.UNSUPPORTED_OPERATOR, "Unsupported op: 8")
    assert fake.num_runs == 2


def test_operators_that_fail_alike_are_left_out_together(
    tmp_path: Path, with_fake: Callable[[FakeCompiler], None]
) -> None:
    with_fake(FakeCompiler(lambda given: "TANH" in given))
    answer = ask_npu(mixed(tmp_path), chips()["SM8650"])
    assert [each.index for each in answer.operators if each.reason is Reason.COMPILER_FAILURE] == [1, 5]


def test_an_operator_that_was_accused_wrongly_is_given_back(
    tmp_path: Path, with_fake: Callable[[FakeCompiler], None]
) -> None:
    # It dies of FLOOR alone; the first one to be accused is a TANH.
    with_fake(FakeCompiler(lambda given: "FLOOR" in given))
    model = mixed(tmp_path)
    first = compiling.Compiler._sought_culprit
    accused = iter([1])

    def wrong_at_first(self: compiling.Compiler, *arguments: Any) -> Any:
        for index in accused:
            return self._alike([index], "accused")
        return first(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling.Compiler, "_sought_culprit", wrong_at_first)
        answer = ask_npu(model, chips()["SM8650"])
    assert [each.index for each in answer.operators if each.reason is Reason.COMPILER_FAILURE] == [3]


def test_a_compiler_that_always_dies_is_one_error_and_blames_no_operator(
    model: LiteRTModel, with_fake: Callable[[FakeCompiler], None]
) -> None:
    fake = FakeCompiler(lambda given: True)
    with_fake(fake)
    answer = ask_npu(model, chips()["SM8650"])
    assert "SIGSEGV" in answer.not_checked
    assert "whichever operators it is given" in answer.not_checked
    assert answer.operators == ()
    assert fake.num_runs == 2


def test_open_dimensions_are_kept_from_the_compiler_which_would_fix_them_silently(
    tmp_path: Path, with_fake: Callable[[FakeCompiler], None]
) -> None:
    builder = models.ModelBuilder()
    x = builder.input("x", (-1, 4))
    y = builder.operator("ABS", [x], builder.tensor("y", (-1, 4)))
    fake = FakeCompiler(lambda given: False)
    with_fake(fake)
    answer = ask_npu(LiteRTModel.open(models.write(tmp_path, builder.build({"y": y}))), chips()["SM8650"])
    assert answer.operators[0].reason is Reason.DYNAMIC_SHAPE
    assert "(-1, 4)" in answer.operators[0].evidence
    assert "fixed shapes" in answer.cause
    assert fake.num_runs == 0


def test_what_one_ask_found_out_answers_the_next(model: LiteRTModel, with_fake: Callable[[FakeCompiler], None]) -> None:
    fake = FakeCompiler(lambda given: False)
    with_fake(fake)
    first, second = (ask_npu(model, chips()["SM8650"]) for _ in range(2))
    assert fake.num_runs == 1
    assert dataclasses.replace(first, seconds=0) == dataclasses.replace(second, seconds=0)
    ask_npu(model, chips()["SM8550"])
    assert fake.num_runs == 2


def test_a_log_is_kept_where_the_compiler_fails_as_a_whole(
    model: LiteRTModel, with_fake: Callable[[FakeCompiler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_fake(FakeCompiler(lambda given: True))

    def unknown(*_arguments: Any, **_options: Any) -> ToolRun:
        return ToolRun(
            returncode=1,
            timed_out=False,
            litert=f"{READY}ERROR: [qnn_compiler_plugin.cc:101] Unexpected SoC model: SM8650\n",
            vendor="",
            seconds=0.0,
        )

    monkeypatch.setattr(compiling, "run_tool", unknown)
    answer = ask_npu(model, chips()["SM8650"])
    assert "does not know the chip SM8650" in answer.not_checked
    assert answer.log_path is not None
    assert "Unexpected SoC model" in answer.log_path.read_text()


def test_a_full_disk_is_one_answer(
    model: LiteRTModel, with_fake: Callable[[FakeCompiler], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_fake(FakeCompiler(lambda given: False))

    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(answering, "_kept", full)
    answer = ask_npu(model, chips()["SM8650"])
    assert "No space left on device" in answer.not_checked
    assert "free some space" in answer.next_step
