"""The README's lines of notebook do what they say, as they stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [
    *(pytest.mark.notebook, pytest.mark.torch, pytest.mark.litert),
    # The README's network is too small to gain anything, and says so.
    pytest.mark.filterwarnings("ignore::embedl_nb.EmbedlWarning"),
]

_NUM_PHOTOS = 60


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the folder of pictures that the README takes for granted, and go where it is."""
    from PIL import Image

    random, folder = np.random.default_rng(0), tmp_path / "photos"
    folder.mkdir()
    for number in range(_NUM_PHOTOS):
        rough = random.integers(0, 256, size=(6, 8, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((80, 64), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return folder


def test_the_readmes_lines_compile_verify_measure_quantize_place_and_pick_a_model(project_root: Path, photos: Path):
    readme = (project_root / "README.md").read_text(encoding="utf-8")
    first, then, placed, decided = re.findall(r"^```python\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(first, "README.md", "exec"), names)
    assert names["model"].parity.passed
    assert names["result"].outputs.state == "match"
    assert len(names["result"].layers) > 0

    exec(compile(then, "README.md", "exec"), names)
    assert names["small"].precision == "w8a8"
    assert names["small"].fidelity.num_samples == _NUM_PHOTOS // 4
    assert names["better"].fidelity.sqnr_db >= 25

    exec(compile(placed, "README.md", "exec"), names)
    assert names["place"].chip == "Snapdragon 8 Gen 3 (SM8650)"
    assert names["place"].answer("cpu").num_running == len(names["place"].rows)

    exec(compile(decided, "README.md", "exec"), names)
    choice = names["choice"]
    assert sum(each is not None for each in (choice.winner, choice.runner_up, *choice.rejected)) == 2
    assert (photos.parent / "report.html").stat().st_size > 2**20
