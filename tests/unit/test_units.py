"""Numbers as users read them."""

from __future__ import annotations

import pytest

from embedl_nb.units import format_bytes, format_count, format_ms


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (format_count(999_900), "1 M"),
        (format_count(2.5e12), "2500 G"),
        (format_ms(1_234_000), "1234 s"),
        (format_ms(999.96), "1000 ms"),
        (format_bytes(2**20 - 1), "1.0 MiB"),
        (format_bytes(1023), "1023 B"),
    ],
)
def test_a_number_at_a_boundary_is_written_in_full(shown: str, text: str) -> None:
    assert shown == text
