"""Pictures as samples: found, decoded, cropped, resized, normalized; unreadable ones left out and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from embedl_nb.errors import CalibrationError, InputError, MissingDependencyError
from embedl_nb.model import LiteRTModel
from embedl_nb.quantizer.data import ImageSet, images, read_data
from embedl_nb.testing import models

Array = np.ndarray[Any, Any]


@pytest.fixture
def model(tmp_path: Path) -> LiteRTModel:
    """Input ``image`` (1, 8, 8, 3)."""
    return LiteRTModel.open(models.write(tmp_path, models.conv_relu()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve PNG files in two sub-folders, and what is no picture."""
    path = tmp_path / "pictures"
    for index in range(12):
        file = path / ("cats" if index % 2 else "dogs") / f"{index:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(index)).save(file)
    (path / "labels.csv").write_text("cat,dog")
    (path / ".hidden.png").write_bytes(b"?")
    return path


def noise(seed: int, height: int = 10, width: int = 14) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_folder_is_read_with_its_sub_folders_in_order(folder: Path) -> None:
    found = images(folder, size=8)

    assert len(found) == 12
    assert [found.label(index) for index in (0, 6)] == ["cats/01.png", "dogs/00.png"]
    assert repr(found).startswith("12 pictures of ")
    assert "8x8 (bilinear, antialiased), central 1, RGB NCHW, times 1/255, mean 0, std 1" in repr(found)


def test_paths_come_as_a_list_or_a_pandas_column(folder: Path) -> None:
    paths = sorted(folder.rglob("*s/*.png"))
    column = pd.DataFrame({"path": [str(path) for path in paths]})["path"]

    for source in (paths, tuple(map(str, paths)), column):
        assert np.array_equal(images(source, size=8)[3], images(folder, size=8)[3])


def test_a_picture_of_the_right_size_keeps_its_pixels() -> None:
    pixels = noise(0, 8, 8)

    plain = images([pixels], size=8, scale=1, layout="nhwc")[0]
    reversed_channels = images([pixels], size=8, scale=1, layout="nhwc", order="BGR")[0]
    channels_first = images([pixels], size=8, scale=1)[0]

    assert np.array_equal(plain, pixels[None].astype(np.float32))
    assert np.array_equal(reversed_channels, plain[..., ::-1])
    assert np.array_equal(channels_first, plain.transpose(0, 3, 1, 2))
    assert channels_first.flags.c_contiguous
    assert channels_first.dtype == np.float32


def test_mean_and_std_are_of_each_channel_in_the_order_asked_for() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8) + np.array([255, 0, 0], np.uint8)

    rgb = images([pixels], size=4, mean=(0.5, 0.25, 0), std=(0.5, 0.25, 1))[0]
    bgr = images([pixels], size=4, mean=(0.5, 0.25, 0), std=(0.5, 0.25, 1), order="BGR")[0]

    assert rgb[0, :, 0, 0].tolist() == [1, -1, 0]
    assert bgr[0, :, 0, 0].tolist() == [-1, -1, 1]


def test_the_crop_keeps_the_centre_and_the_proportions() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[4:16, 24:36] = 255  # a square in the middle

    half = images([pixels], size=10, crop=0.5)[0][0, 0]
    whole = images([pixels], size=10)[0][0, 0]
    squeezed = images([pixels], size=10, crop="none")[0][0, 0]

    assert half.min() == 1  # nothing but the square
    assert (whole > 0.5).sum() == 36
    assert (whole > 0.5).sum(axis=0).max() == (whole > 0.5).sum(axis=1).max() == 6
    assert (squeezed > 0.5).sum(axis=1).max() < (squeezed > 0.5).sum(axis=0).max()


def test_shrinking_averages_rather_than_picks_pixels() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255

    small = images([stripes], size=8)[0][0, 0]

    assert np.abs(small[:, 1:-1] - 0.5).max() < 0.02


def test_a_size_may_be_height_and_width() -> None:
    assert images([noise(0)], size=(6, 9))[0].shape == (1, 3, 6, 9)
    assert images([noise(0)], size=(6, 9), layout="nhwc")[0].shape == (1, 6, 9, 3)


def test_pictures_are_turned_as_their_camera_says(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)

    turned = images(tmp_path, size=8)[0][0, 0]

    assert turned[:4].max() == 0
    assert turned[4:].min() == 1


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 51, (0.2, 0.2, 0.2)),
        ("LA", (51, 0), (0.2, 0.2, 0.2)),
        ("RGBA", (255, 51, 0, 0), (1.0, 0.2, 0.0)),
        ("1", 1, (1.0, 1.0, 1.0)),
        ("P", 0, (0.0, 0.0, 0.0)),
        ("I;16", 51 * 256, (0.2, 0.2, 0.2)),
    ],
)
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str, value: Any, expected: tuple[float, ...]) -> None:
    Image.new(mode, (4, 4), value).save(tmp_path / "x.png")

    assert images(tmp_path, size=4)[0][0, :, 0, 0].tolist() == pytest.approx(expected)


def test_grey_and_alpha_arrays_become_rgb() -> None:
    grey = images([np.full((4, 4), 51, np.uint8)], size=4)[0]
    alpha = images([np.full((4, 4, 4), 51, np.uint8)], size=4)[0]

    assert np.array_equal(grey, alpha)
    assert grey.shape == (1, 3, 4, 4)


def test_pictures_calibrate(model: LiteRTModel, folder: Path) -> None:
    pictures = images(folder, size=8, layout="nhwc", mean=0.5, std=0.5)

    with read_data(pictures, model) as data:
        samples = [*data.calibration(), *data.held_out()]
        report = data.report

    assert len(samples) == 12
    assert sorted(sample["image"].sum() for sample in samples) == sorted(array.sum() for array in pictures)
    assert report.preprocessing == pictures.preprocessing
    assert report.inputs[0].minimum_sample.endswith(".png")
    assert report.num_available == 12


def test_pictures_are_decoded_once_and_kept(model: LiteRTModel, folder: Path) -> None:
    with read_data(images(folder, size=8, layout="nhwc"), model) as data:
        for path in folder.rglob("*.png"):
            path.unlink()
        assert len([*data.calibration(), *data.calibration(), *data.held_out()]) == 21


def test_pictures_for_one_of_several_inputs_come_in_a_dict(tmp_path: Path) -> None:
    builder = models.ModelBuilder()
    image, gain = builder.input("image", (1, 8, 8, 3)), builder.input("gain", (1,))
    y = builder.operator("MUL", [image, gain], builder.tensor("y", (1, 8, 8, 3)))
    model = LiteRTModel.open(models.write(tmp_path, builder.build({"y": y})))
    pictures = images([noise(seed) for seed in range(6)], size=8, layout="nhwc")

    with read_data({"image": pictures, "gain": np.arange(6.0)}, model) as data:
        for sample in data.calibration():
            assert np.array_equal(sample["image"], pictures[int(sample["gain"][0])])


def test_unreadable_pictures_among_good_ones_are_left_out_named_and_replaced(model: LiteRTModel, folder: Path) -> None:
    good = (folder / "cats" / "01.png").read_bytes()
    (folder / "cats" / "03.png").write_bytes(good[: len(good) // 2])
    (folder / "dogs" / "04.png").write_bytes(b"no picture")
    (folder / "dogs" / "06.png").write_bytes(b"")

    with read_data(images(folder, size=8, layout="nhwc"), model, num_samples=100) as data:
        report = data.report
    assert report.skipped == ("cats/03.png", "dogs/04.png", "dogs/06.png")
    assert report.num_samples + report.num_held_out == 9
    assert any("3 pictures cannot be read" in warning and "cats/03.png" in warning for warning in report.warnings)

    with read_data(images(folder, size=8, layout="nhwc"), model, num_samples=6) as data:
        assert data.report.num_samples == 6


def test_a_path_that_is_gone_is_left_out_and_named(model: LiteRTModel, folder: Path) -> None:
    paths = [*sorted(folder.rglob("*s/*.png")), folder / "gone.png"]

    with read_data(images(paths, size=8, layout="nhwc"), model) as data:
        assert data.report.skipped == (str(folder / "gone.png"),)


def test_nothing_but_unreadable_pictures_is_refused(model: LiteRTModel, tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"?")

    with pytest.raises(CalibrationError, match=r"none of the 1 pictures .* can be read: x\.png"):
        read_data(images(tmp_path, size=8, layout="nhwc"), model)


def test_an_unreadable_picture_is_an_error_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"?")

    with pytest.raises(CalibrationError, match=r"picture x\.png cannot be read"):
        images(tmp_path, size=8)[0]


def test_the_wrong_layout_is_refused_with_the_option_that_mends_it(model: LiteRTModel, folder: Path) -> None:
    with pytest.raises(CalibrationError, match=r"shape \(1, 3, 8, 8\)") as caught:
        read_data(images(folder, size=8), model)
    assert caught.value.hint == 'enb.images(..., size=8, layout="nhwc") makes pictures that fit'


def test_the_wrong_size_is_refused_with_the_option_that_mends_it(model: LiteRTModel, folder: Path) -> None:
    with pytest.raises(CalibrationError, match=r"shape \(1, 16, 16, 3\)") as caught:
        read_data(images(folder, size=16, layout="nhwc"), model)
    assert caught.value.hint == 'enb.images(..., size=8, layout="nhwc") makes pictures that fit'


def test_a_model_of_one_channel_takes_no_rgb_pictures(tmp_path: Path, folder: Path) -> None:
    model = LiteRTModel.open(models.write(tmp_path, models.chain(1, shape=(1, 1, 8, 8))))

    with pytest.raises(CalibrationError, match=r"takes \(1, 1, 8, 8\)") as caught:
        read_data(images(folder, size=8), model)
    assert "three channels" in caught.value.hint


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="holds no pictures: it is empty"):
        images(tmp_path, size=8)
    (tmp_path / "x.npy").write_bytes(b"?")
    with pytest.raises(CalibrationError, match=r"holds no pictures: x\.npy"):
        images(tmp_path, size=8)
    with pytest.raises(CalibrationError, match="there is no folder"):
        images(tmp_path / "nowhere", size=8)
    with pytest.raises(CalibrationError, match="list of pictures is empty"):
        images([], size=8)


@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": (8,)},
        {"size": 8.5},
        {"size": True},
        {"size": 8, "crop": 0},
        {"size": 8, "crop": 1.5},
        {"size": 8, "crop": "middle"},
        {"size": 8, "mean": (1, 2)},
        {"size": 8, "mean": "grey"},
        {"size": 8, "std": 0},
        {"size": 8, "std": (1, 1, -1)},
        {"size": 8, "scale": float("nan")},
        {"size": 8, "layout": "chw"},
        {"size": 8, "order": "RBG"},
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        images([noise(0)], **options)
    assert caught.value.hint


@pytest.mark.parametrize("item", [np.zeros((8, 8, 3), np.float32), np.zeros((3, 8, 8), np.uint8), 3, None])
def test_what_is_no_picture_is_refused(item: Any) -> None:
    with pytest.raises(InputError, match="picture 1 is"):
        images([noise(0), item], size=8)


def test_without_pillow_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("embedl_nb.model.pictures.is_installed", lambda module: False)

    with pytest.raises(MissingDependencyError, match="Pillow") as caught:
        images([noise(0)], size=8)
    assert caught.value.install == "pip install 'embedl-nb[quantize]'"


def test_a_set_is_a_plain_sequence() -> None:
    found = images([noise(seed) for seed in range(3)], size=8)

    assert isinstance(found, ImageSet)
    assert np.array_equal(found[-1], found[2])
    assert len(list(found)) == 3
    with pytest.raises(IndexError):
        found[3]
