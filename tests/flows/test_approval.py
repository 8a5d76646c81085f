"""What becomes of a promotion that a person has to agree to: asked, approved, rejected, lapsed."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from selector.adapters.report_html import render_html
from selector.adapters.report_markdown import render_markdown
from selector.domain.decision import decide
from selector.domain.model import STATUS_TAG
from selector.domain.policy import Approval
from selector.errors import SelectorError, UsageError
from selector.workflows import approval, by_hand
from selector.workflows import look as looking
from selector.workflows.observe import observe
from selector.workflows.replay import NotReplayable, replay

DAY = 86_400


@pytest.fixture
def asking(world):
    """A champion, and a better one that waits for a person."""
    world.train("old", 300)
    world.look()
    world.policy = replace(world.policy, approval=Approval(required=True))
    world.train("new", 200)
    return world


def answer(world, decision, *, yes=True, candidate=None, reason="", dry_run=False, actor="ada"):
    world.clock.advance(60)
    say = approval.approve if yes else approval.reject
    named = {"candidate": candidate, "reason": reason, "dry_run": dry_run, "actor": actor}
    return say(world.house, "churn", decision, **named)


def kinds(world):
    return [entry.kind for entry in world.store.entries()]


def tag_run(world, run, **tags):
    found = world.registry._runs[run.run_id]
    world.registry._runs[run.run_id] = replace(found, tags={**found.tags, **tags})


def test_what_would_be_promoted_waits_and_nothing_moves(asking):
    writes, champion = list(asking.registry.writes), asking.champion()

    found = asking.look()

    assert (found.document["verdict"], found.document["code"]) == ("awaiting_approval", "approval")
    assert found.document["reason"].startswith("A person has to agree: new replaces old (v1): ")
    assert (asking.registry.writes, asking.champion()) == (writes, champion)
    assert found.report is not None
    assert found.document["answer"] == [
        f"mlflow-selector approve churn {found.decision.id}",
        f"mlflow-selector reject churn {found.decision.id}",
    ]
    again = asking.look()
    assert (again.news, again.document["verdict"], again.decision.id) == (
        False,
        "awaiting_approval",
        found.decision.id,
    )
    assert kinds(asking) == ["decision", "promoted", "decision"]


def test_the_page_shows_what_the_command_says(world):
    page = (Path(__file__).parents[2] / "docs" / "approval.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n\$ mlflow-selector select churn\n(.*?)```", page, re.DOTALL)[1]
    world.train("night-1", 300)
    world.look()
    world.policy = replace(world.policy, approval=Approval(required=True))
    world.train("night-2", 200)
    found = world.look()
    lines = [found.text, *(f"  to answer: {command}" for command in found.document["answer"])]
    for line, wanted in zip(lines, re.sub(r"\d{8}T\d{6}-\w{8}", found.decision.id, shown).splitlines(), strict=True):
        assert line.startswith(wanted.removesuffix("..."))


def test_the_report_says_who_waits_and_how_to_answer(asking):
    found = asking.look()
    report = asking.reports.reports["churn", found.decision.id]
    assert report.headline == "Awaiting approval: new would be the champion of churn in place of version 1 (old)."
    assert list(report.answer) == found.document["answer"]
    assert next(r.why.code for r in report.ranking if r.name == "new") == "awaits-approval"
    for page in (render_html(report), render_markdown(report)):
        assert f"mlflow-selector approve churn {found.decision.id}" in page


def test_status_shows_what_waits_and_since_when(asking):
    found = asking.look()
    asking.look()
    [shown] = looking.status(asking.house, ["churn"])
    assert shown["pending"] == {
        "kind": "approval",
        "decision": found.decision.id,
        "version": None,
        "name": "new",
        "since": shown["last_decision"]["at"],
    }
    answer(asking, found.decision.id, yes=False)
    assert looking.status(asking.house, ["churn"])[0]["pending"] is None


def test_an_approved_one_is_promoted_at_once_and_the_ledger_says_who_approved(asking):
    question = asking.look().decision.id
    planned = answer(asking, question, dry_run=True)
    assert planned.document["verdict"] == "promoted"
    assert planned.document["dry_run"] is True
    assert kinds(asking)[-1] == "decision"

    done = answer(asking, question, reason="checked the slices")

    assert done.document["verdict"] == "promoted"
    assert asking.model.aliases == {"champion": 2, "previous": 1}
    assert asking.model.version(1).tags[STATUS_TAG] == "archived"
    approved, _, promoted = asking.store.entries()[-3:]
    assert (approved.kind, approved.actor, approved.decision, approved.reason) == (
        "approved",
        "ada",
        question,
        "checked the slices",
    )
    assert promoted.reason.endswith("Approved by ada: checked the slices.")
    assert asking.look().news is False


def test_the_decision_that_an_approval_made_can_be_made_again_from_its_record(asking):
    answer(asking, asking.look().decision.id)
    recorded = asking.store.entries(kinds=("decision",))
    again = [replay(asking.house, entry) for entry in recorded]
    assert [a.verdict for a in again if not isinstance(a, NotReplayable)] == [
        "promoted",
        "awaiting_approval",
        "promoted",
    ]
    assert [a.reason for a in again] == [e.reason for e in recorded]


def another_candidate(world):
    world.train("newer", 150)


def another_champion(world):
    world.registry.files["models:/m-0009"] = world.registry.files["models:/m-0000"]
    other = world.registry.create_version("churn", "models:/m-0009", None, {})
    world.registry.set_alias("churn", "champion", other)


def another_policy(world):
    world.policy = replace(world.policy, minimum_gain=0.006)


def another_holdout(world):
    world.truth = replace(world.truth, digest="other rows")


@pytest.mark.parametrize("change", [another_candidate, another_champion, another_policy, another_holdout])
def test_an_approval_lapses_when_what_was_approved_has_changed(change, asking):
    question = asking.look().decision.id
    before = asking.champion()
    change(asking)
    with pytest.raises(SelectorError) as raised:
        answer(asking, question)
    assert raised.value.exit_code == 1
    assert f"decision {question!r} has lapsed" in raised.value.message
    assert "approved" not in kinds(asking)
    fresh = asking.store.entries(kinds=("decision",))[-1]
    assert fresh.decision != question
    assert fresh.decision in raised.value.message
    if change is not another_champion:
        assert asking.champion() == before
        answer(asking, fresh.decision)
        assert asking.champion() != before


def test_a_question_lapses_by_its_age_and_is_asked_again(asking):
    asking.policy = replace(asking.policy, approval=Approval(required=True, expires=7 * DAY))
    question = asking.look().decision.id
    asking.clock.advance(6 * DAY)
    assert asking.look().news is False
    asking.clock.advance(2 * DAY)
    with pytest.raises(SelectorError, match=r"older than approval\.expires; the open question is"):
        answer(asking, question)
    fresh = asking.look().decision.id
    assert fresh != question
    assert answer(asking, fresh).document["verdict"] == "promoted"


def test_an_approval_that_could_not_be_acted_on_lapses_by_its_age(asking):
    asking.policy = replace(asking.policy, approval=Approval(required=True, expires=7 * DAY))
    question = asking.look().decision.id
    asking.store.pause("churn", "freeze")
    assert "paused" in answer(asking, question).text
    assert asking.champion() == "run0000"
    asking.clock.advance(8 * DAY)
    asking.store.resume("churn")
    assert asking.look().document["verdict"] == "awaiting_approval"


def test_an_approval_given_while_paused_counts_when_the_pause_ends(asking):
    question = asking.look().decision.id
    asking.store.pause("churn", "freeze")
    answer(asking, question)
    asking.store.resume("churn")
    assert asking.look().document["verdict"] == "promoted"
    assert kinds(asking).count("approved") == 1


def test_an_approval_serves_once(asking):
    answer(asking, asking.look().decision.id)
    asking.roll_back()
    by_hand.mark(asking.house, "churn", 2, "clear", dry_run=False, actor="ada")
    assert asking.look().document["verdict"] == "awaiting_approval"


def test_a_rejected_candidate_does_not_compete_until_it_is_cleared(asking):
    question = asking.look().decision.id
    done = answer(asking, question, yes=False, reason="trained on last year")

    assert f"mlflow-selector clear churn {question}" in done.text
    found = asking.look()
    assert (found.document["verdict"], found.news) == ("kept", True)
    line = next(r for r in found.document["ranking"] if r["name"] == "new")
    assert line["codes"] == ["rejected"]
    assert "rejected by ada" in line["reasons"][0]
    assert "trained on last year" in line["reasons"][0]
    asking.train("the same again", 200)
    assert asking.look().document["verdict"] == "kept"
    assert asking.look().news is False

    asking.clock.advance(60)
    approval.clear_rejection(asking.house, "churn", question, dry_run=False, actor="bob", reason="")
    assert asking.look().document["verdict"] == "awaiting_approval"


def test_a_rejected_version_carries_the_mark(asking):
    asking.registry.create_version("churn", "models:/m-0001", "run0001", {})
    question = asking.look().decision.id
    answer(asking, question, yes=False, reason="no", dry_run=True)
    assert STATUS_TAG not in asking.model.version(2).tags
    answer(asking, question, yes=False, reason="no")
    assert asking.model.version(2).tags[STATUS_TAG] == "rejected"
    [entry] = asking.store.entries(kinds=("rejected",))
    assert (entry.decision, entry.version, entry.actor, entry.reason) == (question, 2, "ada", "no")
    assert asking.look().document["verdict"] == "kept"
    by_hand.mark(asking.house, "churn", 2, "clear", dry_run=False, actor="bob")
    assert asking.look().document["verdict"] == "awaiting_approval"


def test_a_held_candidate_alone_waits_for_a_person(world):
    leaky = world.train("leaky", 0)
    found = world.look()
    assert (found.document["verdict"], found.document["code"]) == ("awaiting_approval", "too-good")
    answer(world, found.decision.id, reason="no leak, the rows are easy")
    assert world.champion() == leaky.run_id
    assert world.look().news is False


def test_a_held_candidate_beside_a_champion_is_approved_by_its_name(world):
    world.train("old", 300)
    leaky = world.train("leaky", 10, seed=9)
    first = world.look()
    assert first.document["champion"]["name"] == "old"
    with pytest.raises(UsageError, match="does not await an answer, it is promoted") as raised:
        answer(world, first.decision.id)
    assert raised.value.advice == "it holds a candidate back, answer for that one: --candidate leaky"
    assert first.document["answer"][0].endswith("--candidate leaky")

    done = answer(world, first.decision.id, candidate="leaky")

    assert done.document["verdict"] == "promoted"
    assert world.champion() == leaky.run_id


def test_a_held_candidate_that_is_rejected_is_held_no_longer(world):
    world.train("old", 300)
    world.train("leaky", 10, seed=9)
    first = world.look().decision.id
    answer(world, first, yes=False, candidate="leaky")
    found = world.look()
    assert found.document["offers"] == []
    assert "rejected" in next(r for r in found.document["ranking"] if r["name"] == "leaky")["codes"]
    assert world.look().news is False


def test_an_unknown_decision_names_the_nearest(asking):
    question = asking.look().decision.id
    with pytest.raises(UsageError) as raised:
        answer(asking, question[:-1] + "x")
    assert raised.value.advice == f"did you mean {question}?"


def test_each_wrong_decision_gets_one_sentence(asking):
    question = asking.look().decision.id
    first = asking.store.entries(kinds=("decision",))[0].decision
    with pytest.raises(UsageError, match="does not await an answer, it is promoted"):
        answer(asking, first)
    asking.store.append((replace(asking.store.entries()[0], model="fraud", decision="20250101T000000-fraudful"),))
    with pytest.raises(UsageError, match="is one of model 'fraud', not of 'churn'"):
        answer(asking, "20250101T000000-fraudful")
    with pytest.raises(UsageError, match="does not offer 'nobody'") as raised:
        answer(asking, question, candidate="nobody")
    assert raised.value.advice == "it offers new"
    answer(asking, question)
    for yes in (True, False):
        with pytest.raises(UsageError, match="was approved already, by ada at "):
            answer(asking, question, yes=yes)


def test_a_rejected_question_cannot_be_approved(asking):
    question = asking.look().decision.id
    answer(asking, question, yes=False)
    with pytest.raises(UsageError, match="was rejected already, by ada"):
        answer(asking, question)


@pytest.mark.parametrize("says", ["id", "evidence"])
def test_a_tag_on_the_run_approves(says, asking):
    new = asking.registry._runs["run0001"]
    found = asking.look()
    tag_run(asking, new, **{"selector.approve": found.decision.id if says == "id" else found.decision.evidence})
    assert asking.look(dry_run=True).document["verdict"] == "promoted"
    assert "approved" not in kinds(asking)

    after = asking.look()

    assert after.document["verdict"] == "promoted"
    assert after.document["reason"].endswith("Approved by MLflow tag.")
    [entry] = asking.store.entries(kinds=("approved",))
    assert (entry.actor, entry.decision) == ("MLflow tag", found.decision.id)
    quiet = asking.look()
    assert (quiet.news, [n for n in quiet.document["notes"] if "Tag" in n or "tag" in n]) == (False, [])


def test_a_tag_on_the_version_approves(asking):
    asking.registry.create_version("churn", "models:/m-0001", "run0001", {})
    question = asking.look().decision.id
    asking.registry.set_version_tag("churn", 2, "selector.approve", question)
    asking.look()
    assert asking.model.aliases["champion"] == 2


@pytest.mark.parametrize("value", ["20250101T000000-00000000", "yes"])
def test_a_tag_with_a_wrong_id_does_nothing_but_a_note(value, asking):
    asking.look()
    tag_run(asking, asking.registry._runs["run0001"], **{"selector.approve": value})
    found = asking.look()
    assert (found.document["verdict"], found.news) == ("awaiting_approval", False)
    assert (
        f"Tag selector.approve of new names '{value}', which is no open question about it." in found.document["notes"]
    )


def test_a_tag_on_another_run_approves_nothing(asking):
    question = asking.look().decision.id
    tag_run(asking, asking.registry._runs["run0000"], **{"selector.approve": question})
    assert asking.look().document["verdict"] == "awaiting_approval"


def test_a_stale_tag_does_nothing_but_a_note(asking):
    question = asking.look().decision.id
    tag_run(asking, asking.registry._runs["run0001"], **{"selector.approve": question})
    asking.train("newer", 150)
    found = asking.look()
    assert found.document["verdict"] == "awaiting_approval"
    assert any(question in note and "has lapsed" in note for note in found.document["notes"])


@pytest.mark.parametrize("tag", ["selector.approve", "selector.reject"])
def test_a_tag_rejects(tag, asking):
    question = asking.look().decision.id
    tag_run(asking, asking.registry._runs["run0001"], **{tag: "reject" if tag == "selector.approve" else question})
    assert asking.look(dry_run=True).document["verdict"] == "kept"
    assert "rejected" not in kinds(asking)
    found = asking.look()
    assert found.document["verdict"] == "kept"
    [entry] = asking.store.entries(kinds=("rejected",))
    assert (entry.actor, entry.decision) == ("MLflow tag", question)
    assert asking.look().news is False
    assert kinds(asking).count("rejected") == 1


def test_a_promotion_by_hand_asks_nobody_and_closes_the_question(asking):
    asking.registry.create_version("churn", "models:/m-0001", "run0001", {})
    question = asking.look().decision.id
    asking.clock.advance(60)
    done = by_hand.promote(asking.house, "churn", 2, force=None, dry_run=False, actor="ada")
    assert (done.document["answer"], done.document["offers"]) == ([], [])
    assert asking.reports.reports["churn", done.document["decision"]].answer == ()
    assert looking.status(asking.house, ["churn"])[0]["pending"] is None
    with pytest.raises(
        SelectorError, match=r"has lapsed: the champion has changed since; nothing awaits an answer now"
    ):
        answer(asking, question)


def test_a_tag_releases_a_held_candidate_too(world):
    world.train("old", 300)
    leaky = world.train("leaky", 10, seed=9)
    first = world.look()
    tag_run(world, leaky, **{"selector.approve": first.decision.id})
    assert world.look().document["verdict"] == "promoted"
    assert world.champion() == leaky.run_id
    assert world.look().news is False


def test_whom_the_question_is_about_belongs_to_the_evidence(world):
    world.train("old", 300)
    world.look()
    world.policy = replace(world.policy, approval=Approval(required=True))
    world.train("new", 280)
    setup = world.house.setup("churn")
    seen = observe(world.house, setup).snapshot
    refused = frozenset(f"{n} refused before" for n in range(100_000))
    asked, kept = (decide(s, setup.policy, "") for s in (seen, replace(seen, refused=refused)))
    assert (asked.verdict, kept.verdict) == ("awaiting_approval", "kept")
    assert asked.evidence != kept.evidence
