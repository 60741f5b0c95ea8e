"""Which samples calibrate and which judge."""

from __future__ import annotations

import pytest

from embedl_nb.quantizer.data.split import MOST_HELD_OUT, most_needed, split_pool, split_stream


@pytest.mark.parametrize("num_samples", [1, 2, 3, 4, 7, 100, 1000])
@pytest.mark.parametrize("available", [1, 2, 3, 4, 5, 99, 100, 101, 130, 5000])
def test_calibration_and_judgement_never_overlap_where_four_samples_are_there(available: int, num_samples: int) -> None:
    num_read = min(available, most_needed(num_samples, is_stream=False))

    split = split_pool(num_read, num_samples)

    assert len(split.calibration) <= num_samples
    assert len(split.held_out) <= MOST_HELD_OUT
    if split.is_separate:
        assert sorted(split.calibration + split.held_out) == list(range(num_read))
        assert len(split.calibration) >= 1
    else:
        assert split.calibration == split.held_out == tuple(range(num_read))
        assert num_read < 4


@pytest.mark.parametrize(
    ("available", "expected"), [(3, (3, 3)), (4, (3, 1)), (100, (75, 25)), (101, (76, 25)), (200, (100, 100))]
)
def test_the_rest_judges_and_a_quarter_at_least(available: int, expected: tuple[int, int]) -> None:
    split = split_pool(available, 100)

    assert (len(split.calibration), len(split.held_out)) == expected


@pytest.mark.parametrize("num_samples", [1, 3, 4, 30, 300, 1000])
def test_a_long_stream_gives_as_many_calibration_samples_as_were_asked_for(num_samples: int) -> None:
    split = split_stream(most_needed(num_samples, is_stream=True))

    assert len(split.calibration) == num_samples or not split.is_separate
    assert len(split.held_out) <= MOST_HELD_OUT or not split.is_separate
