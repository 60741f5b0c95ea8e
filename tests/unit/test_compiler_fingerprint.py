"""Keys of what is compiled, where not everything is installed."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from embedl_nb.compiler.keys.fingerprint import fingerprint_samples


def test_samples_of_a_keras_model_have_a_key_where_there_is_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    with_torch = fingerprint_samples({"": {"0/x": np.ones((2, 3), np.float32)}})
    monkeypatch.setitem(sys.modules, "torch", None)  # as if it were not installed
    assert fingerprint_samples({"": {"0/x": np.ones((2, 3), np.float32)}}) == with_torch
    assert fingerprint_samples({"": {"0/x": np.zeros((2, 3), np.float32)}}) != with_torch
