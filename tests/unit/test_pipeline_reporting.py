"""What a report can be asked for: results, run ids, rows of the table of runs, or all of this notebook's."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest

import embedl_nb as enb
from embedl_nb import runstore
from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.testing.results import fake_benchmark


@pytest.fixture
def run_ids(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record two benchmarks in an empty home, where they wait for their store."""
    monkeypatch.setattr("embedl_nb.runstore.store.recorder", lambda: _Resting())
    monkeypatch.setattr("embedl_nb.runstore.reading.recorder", lambda: _Resting())
    first = runstore.record("benchmark", _just_measured("first").to_record())
    # Within a second, only that one builds on the other puts them in order.
    return [first, runstore.record("benchmark", _just_measured("second").to_record(), parent_run_id=first)]


def _just_measured(name: str) -> Benchmark:
    result = fake_benchmark(0, model_name=name)
    environment = dataclasses.replace(result.environment, started_at=datetime.now(UTC).isoformat())
    return dataclasses.replace(result, environment=environment)


class _Resting:
    """A recorder that leaves everything waiting: no MLflow in these tests."""

    def wake(self, store: object, after_s: float = 0) -> None:
        pass

    def problems(self) -> list[Exception]:
        return []

    def ask(self, what: str, question: object) -> dict[str, list[object]]:
        return {"rows": []}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_a_run_is_reported_by_its_id(run_ids, tmp_path):
    assert "first | f32" in _text(enb.report(run_ids[0], tmp_path / "r.html"))


def test_results_and_ids_are_reported_in_their_order(run_ids, tmp_path):
    text = _text(enb.report([fake_benchmark(0, model_name="third"), run_ids[1]], tmp_path / "r.html"))
    assert text.index('href="#result-1">third') < text.index('href="#result-2">second')


def test_without_results_everything_of_this_session_is_reported_oldest_first(run_ids, tmp_path):
    text = _text(enb.report(path=tmp_path / "r.html"))
    assert "2 recorded runs of 2 models | 2 benchmark" in text
    assert text.index('href="#result-2">first') < text.index('href="#result-3">second')


def test_rows_of_the_table_of_runs_are_reported(run_ids, tmp_path):
    text = _text(enb.report(enb.runs().head(1), tmp_path / "r.html"))
    assert "1 recorded run of second" in text
    assert "first | f32" not in text


def test_a_run_that_cannot_be_loaded_costs_the_others_nothing(run_ids, tmp_path):
    rows = enb.runs()
    rows.loc[0, "run_id"] = "20200101-000000-0000"
    text = _text(enb.report(rows, tmp_path / "r.html"))
    assert "run 20200101-000000-0000 is not shown" in text
    assert "first | f32" in text


def test_a_set_of_results_is_followed_by_its_members(tmp_path):
    both = Benchmarks(results={"a": fake_benchmark(0), "b": fake_benchmark(0, p50_ms=2.0)}, errors={})
    text = _text(enb.report(both, tmp_path / "r.html"))
    assert 'id="result-3"' in text
    assert 'id="result-4"' not in text


def test_nothing_recorded_is_said(empty_home, tmp_path):
    with pytest.raises(InputError, match="nothing was recorded here"):
        enb.report(path=tmp_path / "r.html")


def test_a_path_in_place_of_results_is_named():
    with pytest.raises(InputError, match="where to write") as caught:
        enb.report("report.html")
    assert "path='report.html'" in caught.value.hint


def test_an_unknown_run_is_named(run_ids, tmp_path):
    with pytest.raises(UnknownNameError):
        enb.report("20200101-000000-0000", tmp_path / "r.html")


def test_a_table_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="no column run_id"):
        enb.report(fake_benchmark(0).layers, tmp_path / "r.html")


def test_too_many_runs_are_refused(run_ids, tmp_path):
    import pandas as pd

    with pytest.raises(InputError, match="1 to 100 runs, not 202"):
        enb.report(pd.concat([enb.runs()] * 101), tmp_path / "r.html")


def test_a_comparison_is_reported_with_its_figures_and_answers_in_the_first_line(tmp_path):
    small = fake_benchmark(6, p50_ms=4.0, model_name="small", seed=1)
    comparison = enb.compare(fake_benchmark(6), small)
    text = _text(enb.report(comparison, tmp_path / "r.html"))
    assert f"<h1>{comparison.sentence}</h1>" in text
    assert 'data-target="result-1-comparison"' in text
    assert 'data-target="result-1-layer_diff"' in text
