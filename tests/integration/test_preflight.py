"""``enb.preflight`` as a user calls it: one answer for a phone, kept, and the model compiled for its NPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import embedl_nb as enb
from embedl_nb.errors import CompileError, InputError, SignatureMismatchError, UnknownNameError
from embedl_nb.imports import is_installed
from embedl_nb.placement import cpu
from embedl_nb.testing import models

pytestmark = pytest.mark.litert


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write(tmp_path_factory.mktemp("model"), models.conv_relu())


def test_a_phone_with_two_chips_has_two_answers_and_each_is_recorded(model: Path) -> None:
    both = enb.preflight(model, "Samsung Galaxy S24", compute_units=("cpu", "npu"))
    assert [each.chip for each in both] == ["Snapdragon 8 Gen 3 (SM8650)", "Exynos 2400 (S5E9945)"]
    snapdragon, exynos = both
    assert snapdragon.answer("cpu").num_running == len(snapdragon.rows)
    assert "LiteRT supports no NPU" in exynos.answer("npu").not_checked
    again = enb.load(snapdragon.run_id)
    assert again.verdict == snapdragon.verdict
    assert again.frame().equals(snapdragon.frame())


def test_what_was_compiled_for_the_npu_says_for_which_chip_and_is_not_asked_about_again(model: Path) -> None:
    placement = enb.preflight(model, "SM8650", compute_units="npu")
    if placement.answer("npu").not_checked:
        pytest.skip(placement.answer("npu").not_checked)
    assert placement.splits["npu"].is_whole
    assert placement.aot is not None
    assert placement.aot.target == "Snapdragon 8 Gen 3 (SM8650)"
    with pytest.raises(InputError, match="ahead of time"):
        enb.preflight(placement.aot, "SM8650")


def test_a_rehearsal_comes_with_the_placement_and_with_its_record(model: Path) -> None:
    placement = enb.preflight(model, "SM8650", compute_units="npu", rehearse=True)
    if placement.answer("npu").not_checked:
        pytest.skip(placement.answer("npu").not_checked)
    assert placement.rehearsal is not None
    assert placement.rehearsal.matches
    assert str(placement.rehearsal.provenance) == "simulated"
    assert enb.load(placement.run_id).rehearsal == placement.rehearsal


def test_a_rehearsal_takes_samples_and_the_model_that_a_quantized_one_was_made_from(model: Path) -> None:
    image = np.linspace(-1, 1, 3 * 8 * 8 * 3, dtype=np.float32).reshape(3, 8, 8, 3)
    with pytest.raises(SignatureMismatchError):
        enb.preflight(model, "SM8650", compute_units="npu", rehearse=True, samples=image[..., :2])
    placement = enb.preflight(model, "SM8650", compute_units="npu", rehearse=True, samples=image, source=model)
    if placement.answer("npu").not_checked:
        pytest.skip(placement.answer("npu").not_checked)
    assert placement.rehearsal is not None
    assert placement.rehearsal.samples == "3 samples given"
    assert placement.rehearsal.cpu_against_source is not None
    assert placement.rehearsal.cpu_against_source.sentence == "equal"


def test_a_source_with_other_outputs_is_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    other = models.write(tmp_path, models.conv_relu(channels=5), name="other")
    with pytest.raises(InputError, match="other is not what tiny was made from: its outputs are"):
        enb.preflight(model, "SM8650", compute_units="npu", rehearse=True, source=other)


def test_samples_without_a_rehearsal_are_refused_and_not_ignored(model: Path) -> None:
    with pytest.raises(InputError, match="samples is for a rehearsal"):
        enb.preflight(model, "SM8650", samples=np.zeros((1, 8, 8, 3), np.float32))


def test_what_the_cpu_said_is_kept(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = enb.preflight(model, "SM8650", compute_units="cpu")
    monkeypatch.setattr(cpu, "warm", lambda *args, **named: pytest.fail("the runtime was asked again"))
    again = enb.preflight(model, "SM8650", compute_units="cpu")
    assert again.frame().equals(first.frame())


def test_a_compile_ahead_of_time_gives_the_portable_model_and_the_artifact_of_that_chip(model: Path) -> None:
    if not is_installed("onnxruntime_qnn"):
        pytest.skip('needs Qualcomm\'s compiler: pip install "embedl-nb[qualcomm]"')
    compiled = enb.compile(model, device="SM8650", aot=True)
    assert compiled.target is None
    assert compiled.aot is not None
    assert compiled.aot.target == "Snapdragon 8 Gen 3 (SM8650)"
    assert "for Snapdragon 8 Gen 3 (SM8650)" in repr(compiled.aot).splitlines()[0]
    assert 'enb.preflight(model, "SM8650")' in repr(compiled)
    recorded = enb.load(compiled.aot.run_id)
    assert recorded.target == compiled.aot.target
    assert recorded.path.read_bytes() == compiled.aot.content()
    assert enb.load(compiled.run_id).device == "SM8650"


def test_an_artifact_of_several_signatures_says_which_one_the_npu_runs(tmp_path: Path) -> None:
    if not is_installed("onnxruntime_qnn"):
        pytest.skip('needs Qualcomm\'s compiler: pip install "embedl-nb[qualcomm]"')
    model = models.write(tmp_path, models.two_signatures())
    compiled = enb.compile(model, device="SM8650", aot=True)
    assert compiled.aot is not None
    assert compiled.aot.notes == ("only the signature 'first' is compiled for the NPU; on the CPU: 'second'",)
    assert "only the signature 'first'" in repr(compiled)
    placement = enb.preflight(model, "SM8650", compute_units="npu", signature_key="second")
    assert repr(placement).startswith("tiny (second) on Snapdragon 8 Gen 3 (SM8650) | Its one operator would run on")
    assert enb.load(placement.run_id).signature_key == "second"


@pytest.mark.parametrize(
    ("device", "error", "words"),
    [
        ("Samsung Galaxy S24", InputError, "sold with 2 chips"),
        ("Samsung Galaxy S42", UnknownNameError, "no phone or chip is known"),
        (None, InputError, "needs to know the chip"),
        ("S5E9945", CompileError, "is compiled, but not for the NPU of Exynos 2400"),
    ],
)
def test_a_compile_ahead_of_time_names_what_stands_in_its_way(
    device: str | None, error: type[Exception], words: str, model: Path
) -> None:
    with pytest.raises(error, match=words):
        enb.compile(model, device=device, aot=True)
