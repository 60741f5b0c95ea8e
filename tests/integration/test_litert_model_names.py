"""What litert-torch really writes into tensor names, read back as source modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from embedl_nb.model import LiteRTModel
from embedl_nb.testing import models

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LiteRTModel:
    torch = pytest.importorskip("torch")
    litert_torch = pytest.importorskip("litert_torch")
    nn = torch.nn

    class My_Block(nn.Module):  # noqa: N801 - a name with an underscore is the point
        def __init__(self) -> None:
            super().__init__()
            self.conv_dw = nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x):  # type: ignore[no-untyped-def]
            return torch.relu(self.norm(self.conv_dw(x)))

    class Net(nn.Module):
        class Head(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.fc_out = nn.Linear(8, 4)

            def forward(self, x):  # type: ignore[no-untyped-def]
                return torch.tanh(self.fc_out(x))

        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(nn.Conv2d(3, 8, 3), My_Block(), nn.Sequential(My_Block()))
            self.head = Net.Head()

        def forward(self, x):  # type: ignore[no-untyped-def]
            return self.head(self.features(x).mean((2, 3)))

    path = tmp_path_factory.mktemp("names") / "net.tflite"
    litert_torch.convert(Net().eval(), (torch.randn(1, 3, 8, 8),)).export(str(path))
    return LiteRTModel.open(path)


def test_each_operator_is_traced_to_its_module(model: LiteRTModel) -> None:
    frame = model.operators
    by_operator = frame.groupby("operator")["source"].apply(list).to_dict()

    assert by_operator["CONV_2D"] == ["features.0"]
    assert by_operator["DEPTHWISE_CONV_2D"] == ["features.1.conv_dw", "features.2.0.conv_dw"]
    assert by_operator["FULLY_CONNECTED"] == ["head.fc_out"]


def test_work_and_parameters_are_those_of_the_network(model: LiteRTModel) -> None:
    # 8 x 3 x 3 x 3 weights at 6 x 6 places, two depthwise 3 x 3 of 8 channels, 8 x 4 at the end; norms are folded.
    assert model.macs == 36 * 8 * 27 + 2 * 36 * 8 * 9 + 32
    assert model.num_parameters >= 8 * 27 + 8 + 2 * (8 * 9 + 8) + 32 + 4


def test_it_survives_being_unpacked_and_packed(model: LiteRTModel, tmp_path: Path) -> None:
    from embedl_nb.model.writer import pack, unpack

    again = LiteRTModel.open(models.write(tmp_path, pack(unpack(model.path))))
    assert again.graph == model.graph
