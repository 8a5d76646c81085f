"""Does docs/alerts.md show what is really told, asked and configured?"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from selector.config import Configuration, load
from selector.daemon_notices import QUICK_SECONDS
from selector.domain import notices
from selector.domain.alerts import AlertRules, alert_id
from selector.workflows.alarm import PATIENCE
from selector.workflows.announce import AWAITING, IMPORT_FAILED
from selector.workflows.deliver import CLAIM, GIVE_UP, LONGEST_ASKED, LONGEST_WAIT

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_every_kind_is_in_the_table():
    kinds = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    once = ["promoted", "rolled_back", AWAITING, "foreign_change", IMPORT_FAILED]
    assert kinds == [*once, *notices.KINDS]


def test_the_notice_that_is_shown_is_the_one_that_is_made():
    better = {
        "reason": "Gain 0.0164, 95 % interval 0.0041 to 0.0288.",
        "champion": {"scores": {"f1": 0.7971}},
        "previous": {"scores": {"f1": 0.7807}},
    }
    foot = notices.foot("churn", "D7", "/reports/churn/D7/report.html")
    made = notices.promoted("churn", 9, 7, actor="daemon", details=better, foot=foot)
    assert f"{made.title}\n{made.body}\n" == blocks("text")[0]


def test_the_configuration_loads_and_shows_the_defaults(tmp_path):
    (tmp_path / "selector.yaml").write_text(blocks("yaml")[0])
    rules = load(tmp_path / "selector.yaml").alerts.rules()
    assert rules == Configuration.defaults().alerts.rules() == AlertRules()


def test_the_numbers_are_those_of_the_program():
    assert (AlertRules().most, AlertRules().window) == (3, timedelta(hours=1))
    assert (timedelta(hours=24), timedelta(minutes=1), timedelta(minutes=10)) == (GIVE_UP, CLAIM, PATIENCE)
    assert (LONGEST_WAIT, LONGEST_ASKED, QUICK_SECONDS) == (900.0, 3600.0, 5.0)
    assert alert_id("churn", "degraded") in PAGE
    assert notices.ago(datetime(2026, 1, 1, 3, tzinfo=UTC) - datetime(2026, 1, 1, tzinfo=UTC)) in PAGE
