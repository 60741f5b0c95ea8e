"""A few faults at random moments of a benchmark; ``benchmarks/phone_faults.py`` tries them all, 200 times."""

from __future__ import annotations

from random import Random

import pytest

from embedl_nb.testing.phone_faults import KINDS, faulty_phone, store_is_whole, trials

pytest.importorskip("adbutils", reason="adbutils brings the adb server of these tests")
pytestmark = pytest.mark.litert

SAMPLE = ("cable at a byte of a push", "cable while it hangs", "unauthorized", "crash")


def test_a_fault_at_any_moment_is_one_clear_error_and_leaves_nothing_behind(empty_home: object) -> None:
    with faulty_phone() as rack:
        done = list(trials(rack, SAMPLE, Random(1)))
    assert [(trial.kind, trial.wrongs) for trial in done] == [(kind, ()) for kind in SAMPLE]
    assert list(store_is_whole(done)) == []
    assert set(SAMPLE) < set(KINDS)
