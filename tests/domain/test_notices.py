"""Do titles carry everything in sixty characters, and bodies everything else in six lines?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain import notices
from selector.domain.alerts import AlertRules, Board, Trouble, alert_id, fire, resolve, tell
from selector.domain.notices import EVERYTHING, Words, words

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FOOT = notices.foot("churn", "D7", "/reports/churn/D7/report.html")
BETTER = {
    "reason": "Gain 0.0164, 95 % interval 0.0041 to 0.0288.",
    "champion": {"version": 9, "scores": {"f1": 0.7971}},
    "previous": {"version": 7, "scores": {"f1": 0.7807}},
}


@given(st.text(max_size=300), st.text(max_size=300), st.lists(st.text(max_size=2000), max_size=20))
def test_whatever_a_notice_is_about_it_fits(model, headline, lines):
    said = words(model, headline, lines)
    assert len(said.title) <= 60
    assert "\n" not in said.title
    assert len(said.body.split("\n")) <= 6
    assert max(map(len, said.body.split("\n"))) <= 600


def test_a_long_name_gives_way_before_the_headline_does():
    said = words("a-very-long-model-name-that-nobody-can-remember-at-all", "v9 is champion (f1 0.797, +0.016)", [])
    assert said.title == "a-very-long-model-name-t…: v9 is champion (f1 0.797, +0.016)"


def test_a_promotion_says_who_replaced_whom_how_sure_and_how_to_undo_it():
    said = notices.promoted("churn", 9, 7, actor="daemon", details=BETTER, foot=FOOT)
    assert said == Words(
        "churn: v9 is champion (f1 0.797, +0.016)",
        "v9 replaced v7, decided by daemon.\n"
        "Gain 0.0164, 95 % interval 0.0041 to 0.0288.\n"
        "Undo: mlflow-selector rollback churn\n"
        "Decision: D7\n"
        "Report: /reports/churn/D7/report.html",
    )


@pytest.mark.parametrize("details", [{}, {"champion": None}, {"champion": {"scores": {}}}, {"champion": {"scores": 5}}])
def test_a_promotion_of_which_little_is_known_is_told_all_the_same(details):
    said = notices.promoted("churn", 1, None, actor="ann", details=details, foot=notices.foot("churn", "D1", None))
    assert said.title == "churn: v1 is champion"
    assert said.body.splitlines() == [
        "v1 is the first champion, decided by ann.",
        "Decision: D1",
        "Report: mlflow-selector report churn --decision D1",
    ]


def test_a_rollback_says_what_is_quarantined_and_how_to_clear_it():
    said = notices.rolled_back("churn", 7, 9, actor="daemon", reason="f1 fell", foot=FOOT)
    assert said.title == "churn: rolled back from v9 to v7"
    assert "v9 is quarantined" in said.body
    assert "mlflow-selector clear churn 9" in said.body


def test_a_question_names_the_candidate_and_both_answers():
    answers = ["mlflow-selector approve churn D7", "mlflow-selector reject churn D7"]
    offers = [{"name": "lgbm", "proposed": False}, {"name": "xgb", "proposed": True}]
    said = notices.awaiting("churn", {"reason": "Better.", "offers": offers, "answer": answers}, FOOT)
    assert said.title == "churn: xgb awaits your approval"
    assert said.body.splitlines()[1:3] == [
        "Approve: mlflow-selector approve churn D7",
        "Reject: mlflow-selector reject churn D7",
    ]
    assert notices.awaiting("churn", {}, FOOT).title == "churn: a candidate awaits your approval"


@pytest.mark.parametrize(("version", "previous", "arrow"), [(4, 9, "v9 -> v4"), (None, 9, "v9 -> nothing")])
def test_a_foreign_change_says_from_what_to_what(version, previous, arrow):
    said = notices.foreign("churn", version, previous, NOON)
    assert said.title == f"churn: someone else moved champion ({arrow})"
    assert "mlflow-selector promote churn 9" in said.body


@pytest.mark.parametrize(
    ("count", "title"),
    [(1, "churn: staged m0 was not imported"), (7, "churn: 7 staged models were not imported")],
)
def test_refused_imports_are_told_together(count, title):
    said = notices.not_imported("churn", [(f"m{number}", "cut off") for number in range(count)])
    assert said.title == title
    assert said.body.splitlines()[0] == "m0: cut off"
    assert ("and 4 more" in said.body) == (count == 7)


def alert(model="churn", kind="degraded", *, decision="", later=timedelta(0), over=False):
    trouble = Trouble("k", "champion v9 degraded (f1 0.71)", "Sure: 99.9 %.", NOON, NOON - timedelta(days=2), decision)
    board, told = tell(fire(Board(model), kind, trouble), NOON, AlertRules())
    if over:
        board = resolve(board, kind, "k", "Above its floor again.", NOON + timedelta(hours=2))
    if later:
        _, told = tell(board, NOON + later, AlertRules())
    return notices.of_alert(told[0], NOON + later)


def test_an_alert_says_what_how_sure_since_when_and_what_to_do():
    said = alert()
    assert said.title == "churn: champion v9 degraded (f1 0.71)"
    assert said.body.splitlines() == [
        "Sure: 99.9 %.",
        "Since about 2026-02-27 12:00 UTC, for 2 d 0 h.",
        "Look: mlflow-selector status churn; go back: mlflow-selector rollback churn",
        f"Be told no more of it: mlflow-selector alerts ack {alert_id('churn', 'degraded')}",
    ]


def test_an_alert_that_was_acted_on_names_the_decision_and_offers_no_second_way_back():
    said = alert(decision="D9")
    assert "Decision: D9" in said.body
    assert "rollback" not in said.body


def test_a_repeat_and_an_end_are_known_by_their_titles():
    assert alert(later=timedelta(hours=5)).title == "churn: still: champion v9 degraded (f1 0.71)"
    ended = alert(later=timedelta(hours=5), over=True)
    assert ended.title == "churn: resolved: degraded in production"
    assert "from 2026-03-01 12:00 UTC to 2026-03-01 14:00 UTC, for 2 h 0 min" in ended.body


def test_an_alert_about_the_service_itself_bears_its_name():
    said = alert(EVERYTHING, "unreachable")
    assert said.title.startswith("mlflow-selector: ")
    assert "mlflow-selector doctor" in said.body
