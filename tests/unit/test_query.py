"""The little language: what it means, the same in Python and in SQLite, and what a mistake says."""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime

import pytest

from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.query import Comparison, Query, parse

NAMES = {
    "p50_ms": "number",
    "p95_ms": "number",
    "peak_memory_mib": "number",
    "size_bytes": "number",
    "energy_mj": "number",
    "degradation": "number",
    "device": "text",
    "kind": "text",
    "started": "time",
}


def query(text: str) -> Query:
    return parse(text, NAMES)


def value(text: str) -> object:
    condition = query(text).condition
    assert isinstance(condition, Comparison)
    return condition.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p50_ms < 10", True),
        ("p50_ms <= 3", True),
        ("p50_ms < 3", False),
        ("p50_ms > 1 and p95_ms > 9", False),
        ("p50_ms > 1 or p95_ms > 9", True),
        ("p50_ms > 1 or p95_ms > 9 and p95_ms > 99", True),  # and binds tighter
        ("(p50_ms > 1 or p95_ms > 9) and p95_ms > 99", False),
        ("not p50_ms > 5", True),
        ("not (p50_ms > 1 and p95_ms > 4)", False),
        ("NOT p50_ms > 5 AND p95_ms == 5", True),
        ("device ~ 's24'", True),
        ("not device ~ 'pixel'", True),
        ("kind == benchmark", True),
        ("kind != 'bench\"mark'", True),
        ("started >= '2026-11-01'", True),
        ("started > '2026-11-28'", False),  # the day has not ended
        ("started == '2026-11-28'", True),
        ("started != '2026-11-28'", False),
        ("started <= '2026-11-28 17:05'", True),
        ("started < '2026-11-28T17:05:00'", False),
        ("energy_mj < 3", None),
        ("energy_mj < 3 or p50_ms < 10", True),
        ("energy_mj < 3 and p50_ms > 10", False),
        ("not energy_mj < 3", None),
    ],
)
def test_a_query_judges_a_row(text: str, expected: bool | None) -> None:
    row = {"p50_ms": 3.0, "p95_ms": 5.0, "device": "Galaxy S24", "kind": "benchmark", "energy_mj": float("nan")}
    row["started"] = datetime(2026, 11, 28, 17, 5, 30, tzinfo=UTC)
    assert query(text).matches(row) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p50_ms < 10", 10),
        ("p50_ms < -.5e1", -5),
        ("p50_ms < 1.5 s", 1500),
        ("p50_ms < 250us", 0.25),
        ("peak_memory_mib <= 1.5 GiB", 1536),
        ("peak_memory_mib <= 512 KiB", 0.5),
        ("size_bytes <= 2 mib", 2 * 2**20),
        ("energy_mj < 1 J", 1000),
        ("degradation <= 1 %", 0.01),
    ],
)
def test_a_number_is_turned_into_the_unit_of_its_name(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the query is empty", "p50_ms"),
        ("p50_ms <", "p50_ms is compared with a number", ""),
        ("p50_ms < ten", "p50_ms is compared with a number", ""),
        ("p50_ms < 1e999", "p50_ms is compared with a number", ""),
        ("p50_ms = 10", "'=' means nothing here", "== compares"),
        ("p50_ms < 10 && p95_ms < 9", "'&' means nothing here", "write: and"),
        ("p50_ms 10", "a comparison was expected after p50_ms", "<="),
        ("p50_ms ~ 10", "p50_ms is a number, ~ is for text", "<"),
        ("p50_ms < 10 MiB", "MiB is no unit for p50_ms", "ms"),
        ("peak_memory_mib < 10 MB", "MB is no unit for peak_memory_mib", "MiB"),
        ("p50_ms < 10 and", "a name was expected", "p50_ms < 10"),
        ("10 < p50_ms", "a name was expected", "p50_ms < 10"),
        ("(p50_ms < 10", "this parenthesis is not closed\n    (p50_ms < 10\n    ^", ""),
        ("p50_ms < 10)", "and, or, or the end was expected", ""),
        (
            "p50_ms < 10; DROP TABLE runs",
            "';' means nothing here\n    p50_ms < 10; DROP TABLE runs\n" + " " * 15 + "^",
            "",
        ),
        ("device == 'S24", "this quote is not closed", ""),
        ("device == 10", "device is compared with text", "quotes"),
        ("device == __import__('os')", "and, or, or the end was expected", ""),
        ("started > yesterday", "started is compared with a time", "2026-11-01"),
        ("started > '2026-02-31'", "started is compared with a time", "2026-11-01"),
        ("started > '9999-12-31'", "started is compared with a time", "2026-11-01"),
        ("p50_ms < 1 or " * 80_000 + "p50_ms < 1", "longer than the 2,000", "shorten"),
        ("(" * 500 + "p50_ms < 1" + ")" * 500, "nested deeper than 50", ""),
        ("not " * 400 + "p50_ms < 1", "nested deeper than 50", ""),
    ],
)
def test_a_mistake_is_shown_where_it_is(text: str, message: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        query(text)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert len(str(caught.value)) < 500


def test_a_mistyped_name_has_candidates() -> None:
    with pytest.raises(UnknownNameError) as caught:
        query("p5_ms < 10")
    assert "p50_ms" in caught.value.candidates
    with pytest.raises(UnknownNameError):
        query("__class__ == 'x'")


def test_what_it_fails_for_are_the_comparisons_that_decide() -> None:
    row = {"p50_ms": 3.0, "p95_ms": 12.1, "device": "Pixel"}
    asked = query("p50_ms < 5 and p95_ms <= 10 and (device ~ S24 or not device ~ pix)")
    failed = asked.failures(lambda leaf: leaf.holds(row.get(leaf.name)))
    assert [(leaf.name, leaf.operator) for leaf in failed] == [("p95_ms", "<="), ("device", "~"), ("device", "!~")]
    assert asked.columns == ("p50_ms", "p95_ms", "device")


def test_hostile_text_is_a_parameter_of_the_sql() -> None:
    where, parameters = query('device == "\'; DROP TABLE runs; --"').to_sql({"device": "device"})
    assert (where, parameters) == ("device == ?", ["'; DROP TABLE runs; --"])


def test_sqlite_finds_the_rows_that_python_finds() -> None:
    rng = random.Random(0)
    rows = [
        {
            "p50_ms": rng.choice([None, 1.0, 2.0, 3.0]),
            "p95_ms": rng.choice([None, 2.0, 4.0]),
            "device": rng.choice([None, "", "Galaxy S24", "PIXEL Ä"]),
            "started": rng.choice([None, 1764288000000, 1764288000000 + 90_000_000]),
        }
        for _ in range(60)
    ]
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE runs (p50_ms REAL, p95_ms REAL, device TEXT, started INTEGER)")
        connection.executemany("INSERT INTO runs VALUES (:p50_ms, :p95_ms, :device, :started)", rows)
        for _ in range(300):
            asked = query(_some_query(rng, depth=3))
            where, parameters = asked.to_sql({name: name for name in asked.columns})
            found = connection.execute(f"SELECT rowid FROM runs WHERE {where}", parameters).fetchall()
            expected = [number for number, row in enumerate(rows, 1) if asked.matches(row)]
            assert [number for (number,) in found] == expected, asked.text
    connection.close()


def _some_query(rng: random.Random, *, depth: int) -> str:
    if depth and rng.random() < 0.7:
        joined = f"{_some_query(rng, depth=depth - 1)} {rng.choice(['and', 'or'])} {_some_query(rng, depth=depth - 1)}"
        return rng.choice(["", "not "]) + f"({joined})"
    sign = rng.choice(["<", "<=", ">", ">=", "==", "!="])
    return rng.choice(
        [
            f"p50_ms {sign} {rng.choice([1, 2, 2.5])}",
            f"p95_ms {sign} 4",
            f"device {rng.choice([sign, '~'])} {rng.choice(['pixel', 'ä', 'Galaxy'])!r}",
            f"started {sign} '2025-11-28'",
        ]
    )


def test_half_a_character_is_refused_before_a_store_chokes_on_it() -> None:
    with pytest.raises(InputError, match="half a character"):
        query("device == '\ud800'")
