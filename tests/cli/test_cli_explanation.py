"""An explanation shows each condition, what is missing and what would change the verdict."""

import click
import pytest

from selector.cli import explanation as page
from selector.cli.explanation import explanation

GATES = [
    {"gate": "lead over the champion", "verdict": "failed", "value": 0.01, "bound": 0.02, "margin": -0.01},
    {"gate": "chance of such a lead by luck, all tries counted", "verdict": "passed", "value": 1e-9, "bound": 0.05,
     "margin": 0.05},
    {"gate": "files", "verdict": "passed", "value": None, "bound": None, "margin": None, "observe": True},
]  # fmt: skip
CHAMPION = {"name": "old", "version": 1, "score": 0.6, "eligible": True, "champion": True, "reasons": []}
RIVAL = {
    "name": "xgboost", "version": None, "score": 0.61, "low": 0.5, "high": 0.7, "eligible": True, "champion": False,
    "reasons": [], "lead": 0.01, "needed_lead": 0.02, "gates": GATES,
}  # fmt: skip
BROKEN = {"name": "nan", "version": 3, "eligible": False, "champion": False, "reasons": ["f1_score is NaN"]}


@pytest.fixture(autouse=True)
def _in_a_pipe(monkeypatch):
    monkeypatch.setattr(page, "width", lambda: None)
    with click.Context(click.Command("explain")):
        yield


def document(**more):
    return {
        "model": "churn", "verdict": "kept", "reason": "old stays.", "decision": "d1", "actor": "root", "rows": 1500,
        "at": "2025-05-05T10:00:00+00:00", "metric": "F1", "ranking": [CHAMPION, RIVAL, BROKEN],
        "notes": ["look here", "nan: f1_score is NaN"], "report": "/r/report.html", "basis": "record",
        "because": "it was made by a person", "changes": None, **more,
    }  # fmt: skip


def change(**more):
    return {"kind": "minimum_gain", "text": "minimum_gain: 0.0099", "before": 0.02, "champion": "xgboost", **more}


def test_each_condition_stands_with_what_was_found_asked_and_left():
    text = explanation(document())
    assert text.startswith("churn: kept. old stays.\n  decision d1 of 2025-05-05 10:00:00 UTC by root, told from its")
    assert "record: it was made by a person" in text
    assert "champion: old (v1), F1 0.6000 on 1,500 labelled rows" in text
    flat = " ".join(text.split())
    assert "xgboost lead over the champion failed 0.0100 at least 0.02 -0.0100" in flat
    assert "chance that it is luck passed <0.0001 at most 0.05 0.0500" in flat
    assert "passed, only observed" in text
    assert "nan (v3)         f1_score is NaN" in text
    assert text.count("f1_score is NaN") == 1
    assert text.endswith("note: look here\n  report: /r/report.html")


def test_what_is_missing_is_told_also_from_an_old_record():
    line = next(li for li in explanation(document()).splitlines() if li.startswith("  xgboost") and "0.6100" in li)
    assert line.split()[-4:] == ["0.0100", "0.0200", "0.0100", "-"]
    needs = {"lead": 0.02, "more_lead": 0.01, "rows": 18154, "more_rows": 16654}
    assert "0.0100  about 17,000" in explanation(document(ranking=[CHAMPION, {**RIVAL, "needs": needs}]))


def test_what_would_change_the_verdict_is_told_with_the_present_value():
    one = explanation(document(changes=[change()]))
    assert "this alone would change it, tried on this very data:" in one
    assert "    minimum_gain: 0.0099 (now 0.02): xgboost would be champion" in one
    two = explanation(document(changes=[change(), change(kind="rows", text="7 times the rows", champion="old")]))
    assert "    7 times the rows: old would have stayed" in two
    assert "nobody would be champion" in explanation(document(changes=[change(champion=None)]))
    assert "no single change that was tried" in explanation(document(changes=[]))


def test_the_present_situation_says_which_decision_it_corresponds_to():
    recorded = {"decision": "d1", "at": "2025-05-05T10:00:00+00:00", "verdict": "no_candidate", "same": True}
    text = explanation(document(basis="present", because="", recorded=recorded))
    assert "present situation; nothing has changed since the last recorded decision (no candidate, 2025-05-05" in text
    assert "that one: mlflow-selector explain churn --decision d1" in text
    other = explanation(document(basis="present", recorded=recorded | {"same": False}))
    assert "something has changed since" in other
    assert "nothing is recorded yet" in explanation(document(basis="present", recorded=None))
    assert "made again from its record\n" in explanation(document(basis="replayed", because=""))


def test_only_the_best_challengers_are_shown_and_the_others_counted():
    many = [CHAMPION, *({**RIVAL, "name": f"m{i}"} for i in range(8))]
    text = explanation(document(ranking=many))
    assert "m4" in text
    assert "m5" not in text
    assert "and 3 more challengers with lower scores (-v lists them)" in text
    assert "nobody else may compete" in explanation(document(ranking=[CHAMPION]))
    assert "there is no champion\n" in explanation(document(ranking=[BROKEN]))
