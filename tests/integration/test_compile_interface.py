"""What an app passes and gets: channels last, and pictures as bytes; proven from there to the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")

from torch import nn  # noqa: E402

import embedl_nb as enb  # noqa: E402
from embedl_nb.compiler import compile_model, image_input  # noqa: E402
from embedl_nb.compiler.sources.from_torch import TorchSource  # noqa: E402
from embedl_nb.compiler.sources.interface import adapted  # noqa: E402
from embedl_nb.compiler.sources.samples import read_samples  # noqa: E402
from embedl_nb.errors import InputError  # noqa: E402
from embedl_nb.units import Layout  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Net(nn.Module):
    """A picture and a vector in, a picture and a vector out."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))
        self.body[1].running_mean.normal_()

    def forward(self, image: Any, gain: Any) -> dict[str, Any]:
        y = self.body(image) * gain
        return {"map": y, "mean": y.mean((2, 3))}


@pytest.fixture(scope="module")
def net() -> nn.Module:
    torch.manual_seed(0)
    return Net().eval()


GAIN = torch.tensor([[[[0.5]]]])


def _ramp(height: int, width: int) -> np.ndarray[Any, Any]:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 9, columns * 7, rows + columns], axis=-1).astype(np.uint8)


def test_channels_last_leaves_no_transpose_and_equals_the_transposed_source(net: nn.Module) -> None:
    x = torch.linspace(-1, 1, 3 * 8 * 9).reshape(1, 3, 8, 9)
    model = compile_model(net.body, x, layout="nhwc")
    given, returned = model.signatures[0].inputs[0], model.signatures[0].outputs[0]
    assert (given.shape, returned.shape) == ((1, 8, 9, 3), (1, 6, 7, 4))
    assert list(model.operators["operator"]) == ["CONV_2D", "CONV_2D"]
    assert model.parity is not None
    assert model.parity.passed
    mine = model(x.permute(0, 2, 3, 1).contiguous())["output_0"]
    with torch.no_grad():
        np.testing.assert_allclose(mine.transpose(0, 3, 1, 2), net.body(x), rtol=1e-4, atol=1e-5)
    assert "channels last: inputs args_0 and outputs output_0" in repr(model)


def test_only_what_has_four_axes_is_turned(net: nn.Module) -> None:
    model = compile_model(
        net, {"image": torch.randn(1, 3, 6, 5), "gain": torch.ones(4, 1, 1)}, layout="nhwc", name="turned"
    )
    shapes = {spec.name: spec.shape for spec in (*model.signatures[0].inputs, *model.signatures[0].outputs)}
    assert shapes == {"image": (1, 6, 5, 3), "gain": (4, 1, 1), "map": (1, 4, 3, 4), "mean": (1, 4)}


def test_another_interface_is_another_model_in_the_cache(net: nn.Module) -> None:
    def key(x: Any, layout: Layout) -> str:
        return adapted(TorchSource(net.body, read_samples(x)), layout).fingerprint().key

    x = torch.ones(1, 3, 4, 4)
    plain, turned = key(x, Layout.KEEP), key(x, Layout.NHWC)
    images = [key(image_input(4, **options), Layout.KEEP) for options in ({}, {"mean": 0.5}, {"order": "BGR"})]
    assert len({plain, turned, *images}) == 5
    assert key(x, Layout.NHWC) == turned


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_bytes_give_what_the_source_gives_for_the_preprocessed_picture(net: nn.Module, order: str) -> None:
    pictures = [_ramp(12, 10), _ramp(12, 10)[::-1].copy()]
    image = image_input((12, 10), MEAN, STD, order=order, pictures=pictures)  # type: ignore[arg-type]
    model = compile_model(net, {"image": image, "gain": GAIN})
    spec = model.signatures[0].inputs[0]
    assert (spec.name, spec.dtype, spec.shape) == ("image", "uint8", (1, 12, 10, 3))
    assert model.parity is not None
    assert model.parity.sentence.endswith("2 given samples)")
    for picture in pictures:
        values = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
        values = values.flip(1) if order == "BGR" else values
        x = (values - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        with torch.no_grad():
            expected = net(x, GAIN)
        got = model(image=picture[None], gain=GAIN)
        np.testing.assert_allclose(got["mean"], expected["mean"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(got["map"], expected["map"], rtol=1e-4, atol=1e-5)


def test_a_picture_goes_together_with_channels_last(net: nn.Module) -> None:
    image = enb.image_input(8, mean=0.5, std=0.5, dtype="float32")
    model = compile_model(net.body, image, layout="nhwc")
    assert "TRANSPOSE" not in set(model.operators["operator"])
    given, returned = model.signatures[0].inputs[0], model.signatures[0].outputs[0]
    assert (given.dtype, given.shape, returned.shape) == ("float32", (1, 8, 8, 3), (1, 6, 6, 4))
    assert model.parity is not None
    assert "1 synthetic sample" in model.parity.sentence


def test_an_exported_program_can_have_another_interface(net: nn.Module) -> None:
    x = torch.linspace(-1, 1, 3 * 36).reshape(1, 3, 6, 6)
    program = torch.export.export(net.body, (x,), strict=False)
    model = compile_model(program, layout="nhwc")
    assert model.signatures[0].inputs[0].shape == (1, 6, 6, 3)
    assert model.parity is not None
    assert model.parity.passed


def test_a_layout_without_pictures_is_refused() -> None:
    with pytest.raises(InputError, match="no 4-D input or output"):
        compile_model(nn.Linear(2, 3).eval(), torch.ones(1, 2), layout="nhwc")


def test_a_list_with_a_picture_says_where_pictures_belong(net: nn.Module) -> None:
    with pytest.raises(InputError) as caught:
        compile_model(net.body, [image_input(8), image_input(8)])
    assert "pictures=[...]" in caught.value.hint


def test_an_unreadable_picture_is_named(tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    (tmp_path / "x.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"x\.png cannot be read"):
        image_input(8, pictures=tmp_path)
