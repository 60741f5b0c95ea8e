"""Pictures as inputs that cannot be meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embedl_nb.compiler.sources.pictures import image_input
from embedl_nb.errors import InputError


@pytest.mark.parametrize("size", [10**6, (1, 10**30)])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_is_made_up(size: Any) -> None:
    with pytest.raises(InputError, match="more than any picture"):
        image_input(size)


def test_a_number_too_large_for_a_float_is_refused() -> None:
    with pytest.raises(InputError, match=r"^scale is 1000"):
        image_input(4, scale=10**400)


def test_a_picture_without_pixels_does_not_become_a_black_one() -> None:
    pytest.importorskip("PIL")
    with pytest.raises(InputError, match=r"picture 0 is uint8 \(0, 2, 3\)"):
        image_input(4, pictures=[np.zeros((0, 2, 3), np.uint8)])
