"""Do real events become notices: once, together with what they tell of, and alerts only as often as people can bear?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from selector.adapters.report_files import linked
from selector.domain.alerts import AlertRules
from selector.domain.health import Act, Health, Point, Reference
from selector.domain.health_alert import AlertRaised, AlertResolved
from selector.domain.notices import EVERYTHING
from selector.errors import StateUnavailableError
from selector.workflows.alarm import board_of, mlflow_away, raise_alerts, tick
from selector.workflows.monitor import Monitored

SURE = "f1 of churn fell below 0.750; at most one false alarm in 1,000 batches."


def titles(world):
    return [notice.title for notice in world.store.notices()]


def newest(world):
    return world.store.notices()[-1]


def raised(world, about="degraded", name="f1", version=9):
    key = f"churn/{about}/{version}/{name}"
    at = world.clock.now()
    return AlertRaised(key, "churn", about, f"churn: {name} is below its floor", SURE, at, at - timedelta(days=2))


def ended(world, about="degraded", name="f1", version=9):
    return AlertResolved(f"churn/{about}/{version}/{name}", "churn", about, "f1 is above its floor.", world.clock.now())


def monitored(world, *alerts, dry_run=False, acts=(), report=None, **known):
    health = Health(version=9, untold=alerts, **known)
    if not dry_run:
        world.store.keep_health("churn", health.to_json())
    document = {"dry_run": dry_run, "report": report}
    return Monitored("churn", health, "", document, alerts=alerts, acts=acts)


def test_a_promotion_is_told_with_its_score_its_reason_and_the_way_back(world):
    world.train("first", 300)
    world.look()
    world.train("better", 100)
    look = world.look()
    assert [title.partition(" (")[0] for title in titles(world)] == ["churn: v1 is champion", "churn: v2 is champion"]
    told = newest(world)
    assert told.kind == "promoted"
    assert told.key == f"promoted-{look.decision.id}"
    assert told.title.endswith(")")
    assert "v2 replaced v1" in told.body
    assert "Undo: mlflow-selector rollback churn" in told.body
    assert f"Decision: {look.decision.id}" in told.body
    assert f"Report: {look.report}" in told.body


def test_old_news_is_not_told_again(world):
    world.train("first", 300)
    for _ in range(3):
        world.look()
    assert len(titles(world)) == 1


def test_what_is_kept_as_it_is_and_a_dry_run_tell_nobody(world):
    world.train("first", 300)
    world.look()
    world.train("worse", 400)
    world.look()
    world.train("better", 100)
    world.look(dry_run=True)
    assert len(titles(world)) == 1


def test_a_rollback_is_told(world):
    for name, wrong in (("first", 300), ("better", 100)):
        world.train(name, wrong)
        world.look()
    world.roll_back()
    assert newest(world).title == "churn: rolled back from v2 to v1"
    assert newest(world).kind == "rolled_back"


def test_a_champion_that_somebody_else_moved_is_told_once(world):
    for name, wrong in (("first", 300), ("better", 100)):
        world.train(name, wrong)
        world.look()
    world.registry.set_alias("churn", "champion", 1)
    for _ in range(3):
        world.look()
    assert titles(world)[2:] == ["churn: someone else moved champion (v2 -> v1)"]


def test_a_champion_that_was_there_before_us_was_not_moved(world):
    run = world.train("first", 300)
    world.registry.create_registered_model("churn")
    world.registry.create_version("churn", run.models[0].uri, run.run_id, {})
    world.registry.set_alias("churn", "champion", 1)
    world.look()
    assert [e.kind for e in world.store.entries("churn", kinds=("foreign_change",))] == ["foreign_change"]
    assert not [title for title in titles(world) if "moved" in title]


def test_a_degraded_champion_is_told_once_with_value_floor_and_what_to_do(world):
    point = Point(world.clock.now(), "b7", 9, 0.613, 400, "degraded", 0.75)
    found = monitored(world, raised(world), reference=Reference(name="f1"), points=(point,))
    assert len(raise_alerts(world.house, found)) == 1
    assert raise_alerts(world.house, found) == ()
    assert newest(world).title == "churn: champion v9 degraded (f1 0.613, floor 0.750)"
    assert newest(world).kind == "degraded"
    assert newest(world).body.splitlines()[0] == SURE
    assert Health.from_json(world.store.health("churn")).untold == ()


def test_what_was_done_about_it_is_told_with_decision_and_report(world):
    act = Act(world.clock.now(), "rollback", 9, "D42", done=True, text="Rolled back to version 7.")
    raise_alerts(world.house, monitored(world, raised(world), acts=(act,), report="/reports/D42.html"))
    assert "Decision: D42; report: /reports/D42.html" in newest(world).body


def test_messages_link_to_where_reports_are_served(world):
    link = linked(Path("/state/reports"), "https://reports.example.org/selector/")
    house = replace(world.house, report_link=link)
    act = Act(world.clock.now(), "rollback", 9, "D42", done=True, text="Rolled back to version 7.")
    page = "/state/reports/churn/D42/report.html"
    raise_alerts(house, monitored(world, raised(world), acts=(act,), report=page))
    assert "report: https://reports.example.org/selector/churn/D42/report.html" in newest(world).body
    assert link(Path("/state/reports/a b/D/report.html")).endswith("/selector/a%20b/D/report.html")
    assert link(Path("/elsewhere/report.html")) == "/elsewhere/report.html"


def test_a_recovery_is_told_once_it_lasts_and_repeats_come_every_four_hours(world):
    raise_alerts(world.house, monitored(world, raised(world)))
    for _ in range(8 * 60):
        world.clock.advance(60.0)
        tick(world.house)
    raise_alerts(world.house, monitored(world, ended(world)))
    assert len(titles(world)) == 3
    for _ in range(60):
        world.clock.advance(60.0)
        tick(world.house)
    assert [notice.kind for notice in world.store.notices()] == ["degraded"] * 4
    assert titles(world)[1].startswith("churn: still: ")
    assert titles(world)[-1] == "churn: resolved: degraded in production"


@pytest.mark.parametrize(("about", "kind"), [("warning", "warning"), ("silent", "missing_data"), ("drift", "drift")])
def test_each_kind_is_an_alert_of_its_own(world, about, kind):
    raise_alerts(world.house, monitored(world, raised(world), raised(world, about)))
    assert [notice.kind for notice in world.store.notices()] == ["degraded", kind]


def test_several_metrics_of_one_model_are_one_notice(world):
    raise_alerts(world.house, monitored(world, raised(world, name="f1"), raised(world, name="recall")))
    assert len(titles(world)) == 1
    assert "Also: f1 is below its floor" in newest(world).body


def test_a_dry_run_raises_nothing(world):
    assert raise_alerts(world.house, monitored(world, raised(world), dry_run=True)) == ()
    assert world.store.boards() == {}


def test_a_crash_before_the_findings_are_forgotten_tells_nothing_twice(world):
    findings = raised(world), ended(world), raised(world)
    found = monitored(world, *findings)
    raise_alerts(world.house, found)
    world.store.keep_health("churn", found.health.to_json())  # as if it had not been forgotten
    raise_alerts(world.house, found)
    assert len(titles(world)) == 1


def test_another_process_that_changes_the_same_alerts_is_not_overwritten(world, monkeypatch):
    real, house = world.store.keep_board, world.house

    def beaten(model, document, before, *rest):
        monkeypatch.setattr(world.store, "keep_board", real)
        raise_alerts(house, monitored(world, raised(world, "drift")))
        return real(model, document, before, *rest)

    monkeypatch.setattr(world.store, "keep_board", beaten)
    raise_alerts(house, monitored(world, raised(world)))
    assert {one.kind for one in board_of(house, "churn").alerts} == {"degraded", "drift"}
    assert sorted(notice.kind for notice in world.store.notices()) == ["degraded", "drift"]


def test_alerts_that_never_stop_changing_are_an_error_and_no_endless_loop(world, monkeypatch):
    monkeypatch.setattr(world.store, "keep_board", lambda *_: False)
    with pytest.raises(StateUnavailableError):
        raise_alerts(world.house, monitored(world, raised(world)))


@pytest.mark.parametrize("kept", [{"is": "Something"}, {"alerts": 5}, {}])
def test_kept_alerts_that_cannot_be_read_start_anew(world, kept):
    world.store.keep_board("churn", kept, None)
    assert len(raise_alerts(world.house, monitored(world, raised(world)))) == 1


def test_mlflow_that_is_away_for_ten_minutes_is_told_once_and_so_is_its_return(world):
    house, minute = world.house, timedelta(minutes=1)
    for minutes in range(60):
        mlflow_away(house, minute * minutes, "MLflow does not answer.")
        world.clock.advance(60.0)
        assert len(titles(world)) == (minutes >= 10)
    for _ in range(20):
        mlflow_away(house, None, "")
        world.clock.advance(60.0)
        tick(house)
    assert titles(world) == [
        "mlflow-selector: MLflow unreachable for 10 min",
        "mlflow-selector: resolved: MLflow unreachable",
    ]
    assert newest(world).model == EVERYTHING


def test_a_short_absence_of_mlflow_is_nobodys_business(world):
    for _ in range(100):
        mlflow_away(world.house, timedelta(minutes=9), "away")
        mlflow_away(world.house, None, "")
        world.clock.advance(60.0)
        tick(world.house)
    assert titles(world) == []


def test_rules_of_the_house_say_how_often(world):
    rules = AlertRules(repeat_every=timedelta(hours=1))
    raise_alerts(world.house, monitored(world, raised(world)))
    world.clock.advance(3600.0)
    assert len(tick(world.house, rules)) == 1
