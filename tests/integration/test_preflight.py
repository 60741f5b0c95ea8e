"""``enb.preflight`` as a user calls it: one answer for a phone, kept, and the model compiled for its NPU."""

from __future__ import annotations

from pathlib import Path

import pytest

import embedl_nb as enb
from embedl_nb.errors import InputError
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
