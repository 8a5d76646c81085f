"""Does a report say what was decided, completely and in plain words?"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from selector.domain.gates import GateResult
from selector.domain.metric import metric
from selector.domain.model import Truth
from selector.domain.ranking import Reason
from selector.domain.report import build
from selector.domain.report_words import chance, figure, quiet, short, signed, span, undo_words


@pytest.fixture(scope="module")
def promoted(stories):
    return stories.story((1.8, 2.3, 1.9, 1.7), broken=("cut-off",), copies=1)


@pytest.fixture(scope="module")
def kept(stories):
    return stories.story((1.9, 1.96, 1.93, 1.7, 1.5))


def test_a_promotion_is_told_in_its_first_words(promoted):
    report = promoted.report()
    assert report.headline == (
        "Promoted: version 12 (candidate-1) is the champion of churn in place of version 1 (candidate-0)."
    )
    assert (report.before.version, report.after.version) == (1, 12)
    assert report.after.score == promoted.decision.winner.score
    assert report.undo == "mlflow-selector rollback churn"


def test_a_dry_run_says_that_nothing_was_changed_and_offers_nothing_to_undo(promoted):
    report = promoted.report(dry_run=True)
    assert report.headline.startswith("Would be promoted: candidate-1 would be the champion")
    assert report.done == ()
    assert report.undo == ""


def test_a_champion_that_stays_is_told_with_the_lead_that_was_needed(kept):
    report = kept.report()
    assert report.headline == "Kept: version 1 (candidate-0) stays champion of churn."
    best = next(c for c in report.ranking if c.name == "candidate-1")
    assert best.why.code == "not-proven"
    assert f"Leads the champion by {best.lead:.4f}; a lead of {best.needed:.4f} was needed." == best.why.text
    assert report.undo == ""
    assert report.subject.name == "candidate-1"
    assert {g.verdict for g in report.subject.gates} == {"passed", "failed"}


def test_every_candidate_but_the_champion_has_a_code_and_a_sentence_for_not_being_it(promoted, kept):
    for report in (promoted.report(), kept.report()):
        for line in report.ranking:
            is_champion = line.winner or (line.champion and report.verdict != "promoted")
            assert (line.why is None) == is_champion
            if line.why:
                assert line.why.code
                assert line.why.text.endswith(".")


def test_a_candidate_that_could_not_be_scored_is_listed_with_the_reason(promoted):
    line = promoted.report().ranking[-1]
    assert (line.name, line.why.code, line.why.text) == (
        "cut-off",
        "not-scored",
        "Its model file is cut off after 4,096 bytes.",
    )
    assert line.score is None


def test_copies_are_told_to_compete_as_one(promoted):
    ranking = promoted.report().ranking
    assert [c.copies for c in ranking if c.copies] == [("candidate-3-copy-0",)]
    assert next(c for c in ranking if c.name == "candidate-3-copy-0").why.code == "copy"


def test_luck_is_told_in_tries_and_in_the_lead_they_demand(kept):
    report = kept.report()
    assert report.luck.judged == 4
    assert f"4 challengers that count as {report.luck.effective:.1f}; 4 refused before;" in report.luck.text
    assert f"today a challenger must lead by {report.luck.bar:.4f}" in report.luck.text
    assert report.rows_needed > 2000


def test_the_expected_score_is_the_lower_bound_rounded_to_the_side_that_promises_less(promoted):
    decision = replace(promoted.decision, floor=0.77699)
    report = replace(promoted, decision=decision).report()
    assert report.expectation == f"Expect at least 0.776, not the {decision.winner.score:.3f} it scored."


def test_what_is_better_when_small_is_expected_to_be_at_most_so_large(promoted):
    decision = replace(promoted.decision, floor=0.31201, metric=metric("log_loss"))
    assert "Expect at most 0.313" in replace(promoted, decision=decision).report().expectation


def test_without_shared_rows_the_first_thing_said_is_that_nothing_is_proven(stories):
    report = stories.story((1.8, 2.1), logged_only=True).report()
    assert report.proof == "unproven"
    assert report.warning == "Unproven: ranked by logged metrics; nobody has compared these models on the same rows."
    assert report.luck.text == "No rows are shared, so luck could not be accounted for."
    assert report.data is None
    assert report.errors is None


def test_without_a_champion_before_there_is_none_to_lead(stories):
    report = stories.story((1.8, 1.7), champion=False).report()
    assert report.before is None
    assert report.after.name == "candidate-0"
    assert report.ranking[1].why.code == "behind-winner"
    assert "no champion to beat" in report.luck.text


def test_where_nobody_may_compete_the_report_says_so_and_names_each_reason(stories):
    report = stories.story((), champion=False, broken=("a", "b")).report()
    assert report.verdict == "no_candidate"
    assert report.headline == "No candidate: churn has no champion."
    assert [c.why.code for c in report.ranking] == ["not-scored", "not-scored"]


def test_a_refusal_without_champion_gives_the_best_the_reason_and_the_others_the_distance(stories):
    report = stories.story((1.8, 2.1), champion=False, logged_only=True, without_proof="keep").report()
    assert report.ranking[0].why.code == "unproven"
    assert report.ranking[1].why.code == "behind-best"


def test_errors_of_champion_and_winner_stand_side_by_side(promoted):
    errors = promoted.report().errors
    assert [m.role for m in errors.models] == ["champion", "winner"]
    labels = promoted.decision.truth.labels
    for model, standing in zip(errors.models, (promoted.decision.champion, promoted.decision.winner), strict=True):
        given = promoted.predictions[standing.candidate.uri].labels == "Yes"
        assert model.confusion == (
            (np.sum(~given & (labels == 0)), np.sum(given & (labels == 0))),
            (np.sum(~given & (labels == 1)), np.sum(given & (labels == 1))),
        )
        assert 0.9 < model.average_precision < 1
        assert len(model.roc) <= 200
    old, new = (sum(m.confusion[i][i] for i in range(2)) for m in errors.models)
    assert errors.fixed - errors.broken == new - old


def test_without_predictions_at_hand_there_are_counts_but_no_curves(promoted):
    errors = promoted.report(predictions={}).errors
    assert errors.models[0].confusion
    assert errors.models[0].roc == ()
    assert errors.fixed is None


def test_the_data_are_told_with_their_class_counts(promoted):
    data = promoted.report().data
    labels = promoted.decision.truth.labels
    assert [(c.name, c.rows) for c in data.classes] == [("No", np.sum(labels == 0)), ("Yes", np.sum(labels == 1))]
    assert (data.rows, data.target, data.positive) == (2000, "Churn", "Yes")
    assert data.holdout == promoted.decision.truth.digest


def test_a_regression_is_told_with_the_range_of_its_target(promoted):
    truth = Truth(digest="d", labels=np.array([1.0, 2.0, 6.0]))
    data = replace(promoted, decision=replace(promoted.decision, truth=truth)).report().data
    assert (data.smallest, data.mean, data.largest) == (1.0, 3.0, 6.0)
    assert data.classes == ()


def test_times_are_told_in_utc_whatever_the_zone_they_came_in(promoted):
    at = datetime(2026, 11, 20, 23, 40, tzinfo=timezone(timedelta(hours=2)))
    assert promoted.report(at=at).at == "2026-11-20T21:40:00+00:00"


def test_passwords_in_addresses_reach_no_report(promoted):
    hostile = "cannot reach https://alice:hunter2@mlflow.example/api?token=s3cret&page=2"
    decision = replace(promoted.decision, reason=hostile, notes=(hostile,), held=(Reason("too-good", hostile),))
    report = replace(promoted, decision=decision).report(
        actor=hostile, done=(hostile,), confinement=hostile, environment={"MLflow": hostile}
    )
    assert "hunter2" not in repr(report)
    assert "s3cret" not in repr(report)
    assert "page=2" in report.reason


def test_numbers_that_json_cannot_say_are_left_out(promoted):
    nan, infinity = float("nan"), float("inf")
    standing = replace(promoted.decision.ranking[0], score=nan, low=-infinity, high=infinity, adjusted_p=nan)
    decision = replace(promoted.decision, ranking=(standing,), winner=standing, floor=infinity)
    line = build(decision, promoted.policy, at=datetime.now(UTC)).ranking[0]
    assert (line.score, line.low, line.high, line.adjusted_p) == (None, None, None, None)


def test_a_report_holds_plain_values_only(promoted):
    def check(value):
        if is_dataclass(value):
            for f in fields(value):
                check(getattr(value, f.name))
        elif isinstance(value, tuple):
            for v in value:
                check(v)
        elif isinstance(value, dict):
            check(tuple(value.values()))
        else:
            assert type(value) in {str, int, float, bool, type(None)}, value

    check(promoted.report())


def test_a_gate_that_only_observes_explains_nothing(kept):
    best = kept.decision.ranking[0]
    watched = replace(best, gates=(GateResult("size at most 5", "failed", 9.0, 5.0, -4.0, observe=True),))
    decision = replace(kept.decision, ranking=(watched, *kept.decision.ranking[1:]))
    assert "size" not in replace(kept, decision=decision).report().ranking[0].why.text


def test_a_failed_gate_beyond_the_lead_is_named_with_what_was_found(kept):
    best = kept.decision.ranking[0]
    heavy = replace(best, bar=0.001, gates=(GateResult("size in MB", "failed", 900.0, 500.0, -400.0),))
    decision = replace(kept.decision, ranking=(heavy, *kept.decision.ranking[1:]))
    why = replace(kept, decision=decision).report().ranking[0].why
    assert why.code == "gate-failed"
    assert 'but the gate "size in MB" failed: 900 against 500.' in why.text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.79741, "0.7974"),
        (0.0, "0.0000"),
        (12.3456, "12.35"),
        (123456.7, "123,457"),
        (3.2e-14, "3.2e-14"),
        (None, "\N{EN DASH}"),
    ],
)
def test_figures_are_short_enough_to_read(value, text):
    assert figure(value) == text


def test_leads_carry_their_sign_and_p_values_stop_at_one_in_ten_thousand():
    assert (signed(0.0164), signed(-0.0041), signed(0.0)) == ("+0.0164", "-0.0041", "0.0000")
    assert span(-0.1, 0.2, sign=True) == "-0.1000 to +0.2000"
    assert span(None, 1.0) == ""
    assert (chance(3e-14), chance(0.0467)) == ("< 0.0001", "0.0467")


def test_long_names_are_cut_in_sentences_and_whole_in_the_table(stories):
    report = stories.story((1.8, 2.3), names=("x" * 200, "y" * 200)).report()
    assert len(report.headline) < 220
    assert report.ranking[0].name == "y" * 200
    assert short("y" * 200).endswith("y…")


def test_the_command_that_undoes_is_safe_to_paste():
    assert undo_words("a'; rm -rf /") == """mlflow-selector rollback 'a'"'"'; rm -rf /'"""


def test_words_without_a_secret_stay_as_they_are():
    text = "see https://mlflow.example/#/models/churn?page=2 (a@b.example)"
    assert quiet(text) == text
