"""Further metrics are shown everywhere, written beside the main one, and decide nothing."""

import json
from dataclasses import replace

import numpy as np
import pytest

from selector.adapters.report_html import further_lines, render_html
from selector.adapters.report_json import render_json
from selector.adapters.report_markdown import render_markdown
from selector.cli import tables
from selector.domain.further import further_metric
from selector.domain.metric import metric
from selector.domain.policy import Policy
from selector.workflows import by_hand, case, look

THREE = tuple(further_metric(name) for name in ("precision", "recall", "roc_auc"))


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def newest(world):
    return list(world.reports.reports.values())[-1]


def lines(document):
    return {line["name"]: line["metrics"] for line in document["ranking"]}


def test_every_scored_candidate_has_them_and_nobody_is_scored_twice(world):
    world.metrics = THREE
    world.train("old", 300)
    world.train("worse", 400, seed=3)
    world.train("broken", None)
    found = world.look()
    given, truth = np.array(world.answers(300)), world.truth.labels
    right = int((given & truth).sum())
    assert found.document["metrics"] == {
        "precision": "binary precision",
        "recall": "binary recall",
        "roc_auc": "ROC AUC",
    }
    assert lines(found.document)["old"] == pytest.approx(
        {"precision": right / given.sum(), "recall": right / truth.sum(), "roc_auc": None}
    )
    assert lines(found.document)["broken"] == {"precision": None, "recall": None, "roc_auc": None}
    assert len(world.scorer.scored) == 2
    assert next(n for n in found.document["notes"] if "ROC AUC" in n).startswith("No candidate has a value of ROC AUC")


def test_the_threshold_of_a_run_counts_for_them_too(world, monkeypatch):
    told = []
    real = case.further
    monkeypatch.setattr(case, "further", lambda *a, **k: told.append(k["thresholds"]) or real(*a, **k))
    world.metrics = THREE
    world.train("old", 300, tags={"best_threshold": "0.3"})
    world.look()
    assert told[0] == {"models:/m-0000": 0.3}


def test_a_metric_without_a_value_disqualifies_nobody(world):
    world.metrics = (further_metric("roc_auc"), further_metric("rmse"))
    world.train("old", 300)
    found = world.look()
    assert found.decision.verdict == "promoted"
    assert found.document["ranking"][0]["eligible"]


def test_they_decide_nothing_and_asking_for_them_is_no_reason_for_a_new_decision(world):
    world.train("old", 300)
    world.train("new", 200)
    world.look()
    entries = len(world.store.entries())
    world.metrics = THREE
    found = world.look()
    assert not found.news
    assert len(world.store.entries()) == entries
    assert lines(found.document)["new"]["precision"] is not None


def test_the_champion_carries_them_in_its_tag_beside_the_metric_that_decides(world):
    world.metrics = THREE
    world.train("old", 300)
    found = world.look()
    tag = json.loads(world.model.version(1).tags["selector.scores"])
    assert tag["f1"] == found.document["champion"]["scores"]["f1"]
    assert (tag["precision"], tag["recall"]) == (
        lines(found.document)["old"]["precision"],
        lines(found.document)["old"]["recall"],
    )
    assert "roc_auc" not in tag
    assert tag["ranked_by"] == "f1"
    assert next(iter(found.document["champion"]["scores"])) == "f1"


@pytest.mark.parametrize("name", ["rmse", "f1"])
def test_status_shows_the_score_that_decides_whatever_stands_beside_it(world, name):
    world.metrics = THREE if name == "f1" else (further_metric("mae"),)
    if name == "rmse":
        world.policy = Policy(metric("rmse"))
        world.truth = replace(world.truth, classes=(), positive=None, labels=world.truth.labels.astype(float))
    world.train("old", answers=[float(a) for a in world.answers(300)])
    score = world.look().document["champion"]["scores"][name]
    (one,) = look.status(world.house, ["churn"])
    assert f"{score:.4f}" in tables.status([one])


def test_the_tables_of_select_and_candidates_have_a_column_for_each(world):
    world.metrics = THREE
    world.train("old", 300)
    world.look()
    text = tables.candidates(look.candidates(world.house, "churn"))
    head = next(line for line in text.splitlines() if "candidate" in line)
    assert head.index("score") < head.index("binary precision") < head.index("binary recall") < head.index("ROC AUC")
    row = next(line for line in text.splitlines() if " old " in line)
    assert f"{look.candidates(world.house, 'churn')['ranking'][0]['metrics']['recall']:.4f}" in row


def test_without_further_metrics_nothing_is_shown(world):
    world.train("old", 300)
    found = world.look()
    assert found.document["metrics"] == {}
    assert found.document["ranking"][0]["metrics"] == {}
    assert "Further metrics" not in render_html(newest(world))
    assert "Further metrics" not in render_markdown(newest(world))


def test_without_a_holdout_the_logged_values_are_shown(world):
    world.shared_rows, world.metrics = False, THREE
    world.policy = replace(world.policy, trust_logged=True)
    world.train("old", 300, metrics={"f1": 0.6, "precision": 0.7})
    found = world.look()
    assert lines(found.document)["old"] == {"precision": 0.7, "recall": None, "roc_auc": None}
    assert json.loads(world.model.version(1).tags["selector.scores"])["precision"] == 0.7


def test_a_promotion_by_hand_writes_them_too(world):
    world.metrics = THREE
    world.train("old", 300)
    world.train("new", 295)
    world.look()
    other = world.registry.create_version("churn", "models:/m-0001", "run0001", {})
    by_hand.promote(world.house, "churn", other, force="because", dry_run=False, actor="ada")
    assert "precision" in json.loads(world.model.version(other).tags["selector.scores"])


def test_the_report_shows_those_of_the_best_twenty_and_keeps_all(world):
    world.metrics = THREE
    for number in range(23):
        world.train(f"candidate <{number}>", 300 + number, seed=number)
    world.look()
    report = newest(world)
    page, text, document = render_html(report), render_markdown(report), json.loads(render_json(report))
    part = page[page.index("<h2>Further metrics</h2>") : page.index("How luck was accounted for")]
    assert part.count("<tr class") == 20
    assert "3 more are in report.json." in part
    assert "binary precision" in part
    assert "candidate &lt;0&gt;" in part
    section = text[text.index("## Further metrics") : text.index("## How luck")]
    assert len([line for line in section.splitlines() if line.startswith("|")]) == 22
    assert document["metrics"]["recall"] == "binary recall"
    assert len([c for c in document["ranking"] if c["metrics"]["precision"] is not None]) == 23


def test_the_champion_is_among_those_that_are_shown_wherever_it_stands(world):
    world.metrics = THREE
    world.train("the champion", 400)
    world.look()
    for number in range(24):
        world.train(f"candidate {number}", 360 + number, seed=number)
    found = world.look()
    shown, more = further_lines(newest(world))
    assert len(shown) == 20
    assert len(shown) + more == len([line for line in found.document["ranking"] if line["metrics"]["recall"]])
    assert [c.place for c in shown] == sorted(c.place for c in shown)
    assert any(c.champion for c in shown)


def test_many_metrics_stand_in_tables_below_one_another(world):
    names = ("precision", "recall", "accuracy", "macro_f1", "weighted_f1", "micro_f1")
    world.metrics = tuple(further_metric(name) for name in names)
    world.train("old", 300)
    world.look()
    page = render_html(newest(world))
    part = page[page.index("<h2>Further metrics</h2>") : page.index("How luck was accounted for")]
    assert part.count("<table>") == 2
