import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from selector.cli import tables
from selector.cli.table import table

HOSTILE = st.text(max_size=30)


@pytest.fixture(autouse=True)
def _in_a_pipe(monkeypatch):
    monkeypatch.setattr(tables, "width", lambda: None)


def test_columns_are_aligned_numbers_stand_right_and_nothing_is_a_dash():
    lines = table(("name", "value", "why"), [("a", 1.5, "x"), ("longer", 10.25, None)], limit=None)
    assert lines == ["name      value  why", "a        1.5000  x", "longer  10.2500  -"]


def test_wide_characters_take_two_columns():
    lines = table(("name", "x"), [("漢字", "a"), ("ab", "b")], limit=None)
    assert [cell_len(line) for line in lines] == [7, 7, 7]


@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE), max_size=5), st.integers(24, 120), st.integers(1, 20))
def test_no_line_is_wider_than_the_terminal(rows, limit, times):
    rows = [(a, b * 2, c * times) for a, b, c in rows]
    for line in table(("a", "b", ""), rows, limit=limit, indent="  "):
        assert cell_len(line) <= limit


def test_what_does_not_fit_side_by_side_stands_below_in_full():
    rows = [("one", 1, "short"), ("two", 2, "a reason that is much longer than what is left beside it")]
    assert table(("name", "n", ""), rows, limit=30) == [
        "name  n",
        "one   1  short",
        "two   2",
        "      a reason that is much",
        "      longer than what is left",
        "      beside it",
    ]
    heads = ("model", "champion", "state", "last")
    assert table(heads, [("churn", "v5 logistic", "active", None)], limit=20) == [
        "model  champion",
        "churn  v5 logistic",
        "      state: active",
    ]


@given(st.lists(st.tuples(HOSTILE, HOSTILE), min_size=1, max_size=4))
def test_nothing_in_a_cell_can_steer_the_terminal_or_start_a_new_line(rows):
    lines = table(("a", "b"), rows, limit=None)
    assert len(lines) == len(rows) + 1
    for line in lines:
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066\u2028" for c in line)


STANDING = {
    "version": 7, "run_id": "r", "name": "xgboost", "score": 0.79, "low": 0.77, "high": 0.81, "eligible": True,
    "reasons": [], "champion": False, "lead": 0.01, "needed_lead": 0.02, "copies": [],
    "gates": [{"gate": "lead", "verdict": "failed", "value": 0.01, "bound": 0.02, "margin": -0.01}],
}  # fmt: skip


def test_a_ranking_names_place_version_score_interval_and_reason():
    text = "\n".join(
        tables.ranking([STANDING, {**STANDING, "eligible": False, "reasons": ["f1 is NaN"], "version": None}])
    )
    assert "1  xgboost    v7       0.7900  0.7700 to 0.8100  0.0100  lead: failed" in text
    assert text.splitlines()[-1].endswith("f1 is NaN")
    assert text.splitlines()[-1].split()[0] == "xgboost"


def test_status_shows_who_holds_each_alias_and_what_is_odd():
    who = {"version": 5, "run_id": "r", "name": "best", "scores": {"f1": 0.6, "metric": "binary F1", "low": 0.5}}
    found = [
        {"model": "churn", "champion": who, "challenger": None, "previous": None, "health": "unknown", "paused": True,
         "pending": None, "last_decision": {"decision": "d", "verdict": "kept", "at": "2025-05-05T10:00:00+00:00"}},
        {"model": "new", "champion": None, "challenger": None, "previous": None, "health": "unknown", "paused": False,
         "pending": {"kind": "promotion", "decision": "d"}, "last_decision": None},
    ]  # fmt: skip
    lines = tables.status(found).splitlines()
    assert lines[1].split("  ")[0] == "churn"
    assert "v5 best" in lines[1]
    assert "binary F1 0.6000" in lines[1]
    assert "paused" in lines[1]
    assert lines[1].endswith("2025-05-05 10:00:00 kept")
    assert "promotion unfinished" in lines[2]


def test_history_says_who_was_champion_at_a_time():
    assert tables.history({"entries": []}) == "nothing is recorded yet"
    entry = {"at": "2025-05-05T10:00:00+00:00", "model": "churn", "kind": "rolled_back", "version": 2, "previous": 3,
             "actor": "ann", "decision": "d", "reason": "worse"}  # fmt: skip
    text = tables.history({"entries": [entry], "at": "2025-05-06T00:00:00+00:00", "champions": {"churn": 2, "x": None}})
    assert "rolled back" in text
    assert "champion of churn at 2025-05-06T00:00:00+00:00: v2" in text
    assert "champion of x at 2025-05-06T00:00:00+00:00: none" in text


def test_an_import_shows_the_metric_that_people_ask_for_first():
    model = {"status": "new", "name": "m", "format": "pickle", "model_type": "xgboost", "reason": None, "version": None,
             "created_at": "2025-08-20T10:46:03Z", "metrics": {"accuracy": 0.8, "f1_score": 0.79, "auc": None}}  # fmt: skip
    text = tables.imported({"found": 1, "imported": 0, "skipped": 0, "failed": 0, "models": [model], "notes": ["n"]})
    assert "f1_score 0.79, accuracy 0.8" in text
    assert "1 found, 0 imported, 0 skipped, 0 failed\nnote: n" in text
    assert tables.imported({"models": []}).startswith("no models found")
