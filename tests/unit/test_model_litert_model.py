"""LiteRTModel: opened, shown, saved, recorded. Calling one is an integration test."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from embedl_nb.errors import EmbedlError, InputError, SchemaTooNewError
from embedl_nb.model import LiteRTModel, as_model, compare_outputs
from embedl_nb.testing import models


@pytest.fixture
def model(tmp_path: Path) -> LiteRTModel:
    return LiteRTModel.open(models.write(tmp_path, models.conv_relu(), name="tiny_net"))


def test_the_first_line_answers_what_it_is(model: LiteRTModel) -> None:
    y = np.ones((1, 4))
    parity = compare_outputs([{"y": y}] * 2, [{"y": y + 1e-6}] * 2, sample_source="given")
    size = f"{model.size_bytes / 1024:.1f} KiB"

    assert repr(model).splitlines()[0] == f"tiny_net | f32 | {size} | 1 operator, 6.91 k MACs | not verified"
    verified = dataclasses.replace(model, parity=parity)
    assert repr(verified).splitlines()[0].endswith(" | equal to its source (SQNR 120 dB, 2 given samples)")


def test_a_chip_operators_of_unknown_work_and_notes_are_shown(tmp_path: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.custom_operator()))
    model = dataclasses.replace(model, target="SM8650", notes=("The module was in train mode.",))
    lines = repr(model).splitlines()

    assert "1 operator, 0 MACs and 1 operator of unknown work | for SM8650" in lines[0]
    assert "The module was in train mode." in repr(model)


def test_what_an_artifact_leaves_to_the_cpu_is_shown_with_the_portable_model(model: LiteRTModel) -> None:
    artifact = dataclasses.replace(model, target="SM8650", notes=("5 of 8 operators would run on the NPU",))
    assert "! 5 of 8 operators would run on the NPU" in repr(dataclasses.replace(model, aot=artifact))


def test_showing_it_reads_no_file(model: LiteRTModel) -> None:
    model.path.unlink()
    assert repr(model).startswith("tiny_net")
    assert "tiny_net" in model._repr_html_()


def test_it_reads_signatures_operators_and_memory(model: LiteRTModel) -> None:
    assert [spec.name for spec in model.signatures[0].inputs] == ["image"]
    assert model.operators["operator"].tolist() == ["CONV_2D"]
    assert model.memory.peak_live_bytes == 4 * (8 * 8 * 3 + 8 * 8 * 4)
    assert (model.precision, model.num_parameters) == ("f32", 4 * 27 + 4)


def test_its_name_is_the_files_unless_given(model: LiteRTModel) -> None:
    assert LiteRTModel.open(model.path, name="mine").name == "mine"


def test_saving_copies_it(model: LiteRTModel, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    assert model.save(folder) == folder / "tiny_net.tflite"
    saved = LiteRTModel.open(model.save(tmp_path / "copy.tflite"))
    assert saved.sha256 == model.sha256


def test_saving_a_file_that_changed_is_refused(model: LiteRTModel, tmp_path: Path) -> None:
    model.path.write_bytes(models.add())
    with pytest.raises(InputError, match="has changed since it was opened"):
        model.save(tmp_path / "copy.tflite")


def test_saving_where_nothing_can_be_written_is_an_error(model: LiteRTModel, tmp_path: Path) -> None:
    with pytest.raises(EmbedlError, match="could not be written"):
        model.save(tmp_path / "nowhere" / "copy.tflite")


def test_it_round_trips_through_json(model: LiteRTModel) -> None:
    y = np.ones((1, 4))
    full = dataclasses.replace(
        model,
        parity=compare_outputs([{"y": y}], [{"y": y}]),
        samples_path=Path("samples.npz"),
        lineage=("torch Net", "litert-torch 0.10.0"),
        notes=("a note",),
        run_id="20261122-170401-3f9a",
    )
    for value in (model, full):
        text = json.dumps(value.to_record(), allow_nan=False)
        assert LiteRTModel.from_record(json.loads(text)) == value


def test_a_record_of_a_newer_version_and_no_record_are_told_apart(model: LiteRTModel) -> None:
    with pytest.raises(SchemaTooNewError):
        LiteRTModel.from_record(model.to_record() | {"schema_version": 99})
    with pytest.raises(InputError, match="no record of a model"):
        LiteRTModel.from_record({"schema_version": 1})


def test_every_step_takes_a_path(model: LiteRTModel) -> None:
    assert as_model(model) is model
    assert as_model(str(model.path)) == model
    with pytest.raises(InputError, match="type dict is not a LiteRT model"):
        as_model({})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "file_name"),
    [
        ("../../x", "_.._x.tflite"),
        ("<script>", "_script_.tflite"),
        ("new\nline", "new_line.tflite"),
        ("...", "model.tflite"),
        ("x" * 400, "x" * 200 + ".tflite"),
        ("mobilenet_v2 (int8)", "mobilenet_v2 (int8).tflite"),
    ],
)
def test_saving_to_a_folder_stays_in_it_whatever_the_name(tmp_path: Path, name: str, file_name: str) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    model = LiteRTModel.open(models.write(tmp_path, models.add()), name=name)

    saved = model.save(folder)

    assert saved == folder / file_name
    assert saved.is_file()
