"""Arguments go to the right workflow, its answer to stdout, its verdict into the exit code."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from selector.errors import HoldoutError, LeaseHeldError
from selector.workflows.by_hand import Done
from selector.workflows.select_champion import Look


@dataclass
class FakeDecision:
    verdict: str


@dataclass
class Calls:
    """Records what a workflow was called with and gives a canned answer."""

    answer: object
    seen: list = field(default_factory=list)

    def __call__(self, house, *rest, **more):
        self.seen.append((*rest, more))
        return self.answer


def look(model="churn", verdict="promoted", **more):
    document = {"model": model, "verdict": verdict, "ranking": [], "notes": [], "dry_run": False}
    text = f"{model}: {verdict}. because"
    return Look(model, FakeDecision(verdict), document, text, **more)


@pytest.fixture
def selecting(monkeypatch, folder, fake_house):
    def answer(*looks):
        calls = Calls(looks)
        monkeypatch.setattr("selector.workflows.select_champion.select", calls)
        return calls

    return answer


CODES = {"promoted": 0, "kept": 10, "inconclusive": 11, "refused": 12, "awaiting_approval": 13, "no_candidate": 14}


@pytest.mark.parametrize(("verdict", "code"), CODES.items())
@pytest.mark.parametrize("command", ["select", "plan"])
def test_the_exit_code_says_the_verdict_where_it_is_asked_for(run, selecting, command, verdict, code):
    selecting(look(verdict=verdict))
    assert run(command, "churn", "--exit-code").exit_code == code
    assert run(command, "churn").exit_code == 0


def test_of_several_models_the_highest_verdict_counts(run, selecting):
    selecting(look(verdict="promoted"), look("fraud", "inconclusive"), look("x", "kept"))
    assert run("select", "--exit-code").exit_code == 11


def test_select_writes_and_plan_does_not(run, selecting, fake_house):
    calls = selecting(look())
    run("select", "churn", "fraud")
    run("select", "--dry-run", "--allow-unconfined", "--upgrade-database")
    run("plan", "churn")
    assert [seen[0] for seen in calls.seen] == [("churn", "fraud"), (), ("churn",)]
    assert [seen[-1]["dry_run"] for seen in calls.seen] == [False, True, True]
    assert [house.options["writable"] for house in fake_house] == [True, False, False]
    assert (fake_house[1].options["allow_unconfined"], fake_house[1].options["upgrade_database"]) == (True, True)
    assert (fake_house[0].options["allow_unconfined"], fake_house[0].options["upgrade_database"]) == (False, False)


def test_one_model_that_fails_costs_only_itself(run, selecting, one_document):
    error = HoldoutError("the holdout h.csv is missing", advice="check holdout.data")
    failed = Look("fraud", None, {"model": "fraud", "verdict": None, "error": error.message}, "x", error=error)
    selecting(look(), failed)
    result = run("select", "--json", "--exit-code")
    assert result.exit_code == 1
    assert [m["model"] for m in one_document(result.stdout)["models"]] == ["churn", "fraud"]
    assert result.stderr == "error: fraud: the holdout h.csv is missing\n  try: check holdout.data\n"
    text = run("select")
    assert text.stdout == "churn: promoted. because\n"


def test_the_exit_code_of_the_only_failure_is_kept(run, selecting):
    error = LeaseHeldError("another instance is writing")
    selecting(Look("fraud", None, {"model": "fraud"}, "", error=error))
    assert run("select").exit_code == 75


def test_a_plan_shows_what_would_be_done_and_how_to_do_it(run, selecting):
    planned = look(steps=("alias champion: v1 -> v2", "tag v2: selector.status = champion", "remove tag x of v1"))
    planned.document["dry_run"] = True
    selecting(planned)
    text = run("plan", "churn").stdout
    assert "would be done:\n    alias champion: v1 -> v2\n    tags: 2 (-v lists them)" in text
    assert text.endswith("to do it: mlflow-selector select churn\n")
    assert "tag v2: selector.status = champion" in run("-v", "plan", "churn").stdout
    assert "tag v2: selector.status = champion" in run("plan", "churn", "-v").stdout


def test_the_report_of_a_selection_is_named(run, selecting):
    selecting(look(report=Path("/r/report.html")))
    assert "report: /r/report.html" in run("select").stdout


@pytest.mark.parametrize(
    ("words", "workflow", "rest", "more"),
    [
        (["promote", "churn", "7"], "promote", ("churn", 7), {"force": None, "dry_run": False}),
        (["promote", "churn", "7", "--force", "agreed"], "promote", ("churn", 7), {"force": "agreed"}),
        (["rollback", "churn"], "rollback", ("churn",), {"to": None, "dry_run": False, "reason": ""}),
        (["rollback", "churn", "--to", "3", "--reason", "worse"], "rollback", ("churn",), {"to": 3, "reason": "worse"}),
        (["archive", "churn", "4"], "mark", ("churn", 4, "archive"), {"dry_run": False}),
        (["restore", "churn", "4"], "mark", ("churn", 4, "restore"), {"dry_run": False}),
        (["quarantine", "churn", "4", "--reason", "bad"], "mark", ("churn", 4, "quarantine"), {"reason": "bad"}),
        (["clear", "churn", "4", "--dry-run"], "mark", ("churn", 4, "clear"), {"dry_run": True}),
        (["pause"], "pause", ((),), {"reason": "", "dry_run": False}),
        (["pause", "churn", "--reason", "freeze"], "pause", (("churn",),), {"reason": "freeze"}),
        (["resume", "churn", "--dry-run"], "resume", (("churn",),), {"dry_run": True}),
    ],
)
def test_what_a_person_does_goes_to_its_workflow(run, folder, fake_house, monkeypatch, words, workflow, rest, more):  # noqa: PLR0917 - fixtures
    calls = Calls(Done({"schema_version": 1, "model": "churn", "steps": ["alias champion: v1 -> v2"]}, "done"))
    monkeypatch.setattr(f"selector.workflows.by_hand.{workflow}", calls)
    result = run(*words)
    assert (result.exit_code, result.stdout) == (0, "done\n  alias champion: v1 -> v2\n")
    *seen, named = calls.seen[0]
    assert tuple(seen) == rest
    assert more.items() <= named.items()
    assert named["actor"]
    assert fake_house[0].options["writable"] is not named["dry_run"]
    assert json.loads(run(*words, "--json").stdout)["model"] == "churn"


TRACK = {"promotions": 0, "not_held": 0, "within_luck": 0, "regret": 0.0, "mean_regret": None, "champion": None}
BACKTEST = {
    "model": "churn",
    "metric": "F1",
    "policy": {"source": "x", "rule": "proven", "confidence": 0.95, "minimum_gain": 0.005},
    "moments": [],
    "summary": {track: dict(TRACK) for track in ("policy", "recorded", "highest")},
}


@pytest.mark.parametrize(
    ("words", "workflow", "rest", "answer"),
    [
        (["status", "churn"], "look.status", (("churn",),), []),
        (["candidates", "churn"], "look.candidates", ("churn",), {"model": "churn", "ranking": []}),
        (["backtest", "churn"], "backtest.backtest", ("churn", None, ""), BACKTEST),
        (["compare", "churn"], "compare.compare", ("churn", ()), {"model": "churn", "versions": []}),
        (["compare", "churn", "4", "8"], "compare.compare", ("churn", (4, 8)), {"model": "churn", "versions": []}),
        (["explain", "churn"], "explain.explain", ("churn", None), {"model": "churn"}),
        (["explain", "churn", "--decision", "d1"], "explain.explain", ("churn", "d1"), {"model": "churn"}),
        (["history"], "look.history", (None, None), {"entries": []}),
        (["history", "churn", "--at", "2025-05-05T10:01:26Z"], "look.history",
         ("churn", datetime(2025, 5, 5, 10, 1, 26, tzinfo=UTC)), {"entries": []}),
        (["history", "--at", "2025-05-05"], "look.history", (None, datetime(2025, 5, 5, tzinfo=UTC)), {"entries": []}),
    ],
)  # fmt: skip
def test_what_changes_nothing_opens_nothing_for_writing(  # noqa: PLR0917 - fixtures
    run, folder, fake_house, monkeypatch, words, workflow, rest, answer
):
    calls = Calls(answer)
    monkeypatch.setattr(f"selector.workflows.{workflow}", calls)
    assert run(*words).exit_code == 0
    assert calls.seen[0][:-1] == rest
    assert fake_house[0].options["writable"] is False
    assert json.loads(run(*words, "--json").stdout)["schema_version"] == 1


def test_a_backtest_tries_the_policy_of_the_file(run, folder, fake_house, monkeypatch):
    calls = Calls(BACKTEST)
    monkeypatch.setattr("selector.workflows.backtest.backtest", calls)
    (folder / "strict.yaml").write_text("minimum_gain: 0.1\n")
    assert run("backtest", "churn", "--policy", "strict.yaml").exit_code == 0
    assert calls.seen[0][1].minimum_gain == 0.1
    assert calls.seen[0][2] == "strict.yaml"
    (folder / "strict.yaml").write_text("minimum_gian: 0.1\n")
    result = run("backtest", "churn", "--policy", "strict.yaml")
    assert (result.exit_code, "did you mean 'minimum_gain'" in result.stderr) == (78, True)


def test_json_says_null_for_what_json_cannot_say_and_times_in_utc(run, folder, fake_house, monkeypatch):
    answer = [{"model": "churn", "score": float("nan"), "at": datetime(2025, 5, 5, tzinfo=UTC), "path": Path("/x")}]
    monkeypatch.setattr("selector.workflows.look.status", Calls(answer))
    found = json.loads(run("status", "--json").stdout)["models"][0]
    assert found == {"model": "churn", "score": None, "at": "2025-05-05T00:00:00+00:00", "path": "/x"}


def test_no_secret_reaches_stdout(run, folder, fake_house, monkeypatch):
    monkeypatch.setenv("TOKEN", "t0k3n-value")
    (folder / "selector.yaml").write_text("models:\n  churn: {metric: f1}\nnotify: ['x://${env:TOKEN}']\n")
    answer = [{"model": "churn t0k3n-value", "why": "http://alice:hunter2@host"}]
    monkeypatch.setattr("selector.workflows.look.status", Calls(answer))
    for result in (run("status"), run("status", "--json")):
        assert "t0k3n-value" not in result.output
        assert "hunter2" not in result.output


def test_mlflows_own_password_does_not_reach_stdout_either(run, folder, fake_house, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2-hunter2")
    monkeypatch.setattr("selector.workflows.look.status", Calls([{"model": "said hunter2-hunter2"}]))
    for result in (run("status"), run("status", "--json")):
        assert "hunter2" not in result.output


def test_init_writes_a_file_that_is_valid_and_refuses_to_overwrite_it(run, tmp_path):
    target = tmp_path / "new" / "place"
    result = run("init", target)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].endswith(f"mlflow-selector --config {target}/selector.yaml doctor")
    assert (target / "models" / "staging").is_dir()
    assert run("--config", target / "selector.yaml", "config", "validate").exit_code == 0
    text = (target / "selector.yaml").read_text()
    keys = [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(keys) <= 15
    again = run("init", target)
    assert again.exit_code == 2
    assert "is there already and stays as it is" in again.stderr
    assert (target / "selector.yaml").read_text() == text


def test_init_with_dry_run_writes_nothing(run, tmp_path, one_document):
    result = run("init", tmp_path / "new", "--dry-run", "--json")
    assert one_document(result.stdout)["written"][0] == str(tmp_path / "new" / "selector.yaml")
    assert list(tmp_path.iterdir()) == []


def test_init_below_a_file_is_told(run, tmp_path):
    (tmp_path / "file").write_text("")
    result = run("init", tmp_path / "file" / "x")
    assert result.exit_code == 1
    assert "cannot write" in result.stderr


def test_config_show_masks_what_came_from_a_reference(run, folder, monkeypatch):
    monkeypatch.setenv("TOKEN", "t0k3n-value")
    (folder / "selector.yaml").write_text("models:\n  churn: {metric: f1}\nnotify: ['x://${env:TOKEN}']\n")
    text = run("config", "show").stdout
    assert "t0k3n" not in text
    assert "**** (from x://${env:TOKEN})" in text
    assert "minimum_gain: 0.005" in text
    shown = json.loads(run("config", "show", "--json").stdout)
    assert shown["configuration"]["mlflow"]["tracking_uri"] == f"sqlite:///{folder}/mlflow.db"
    assert shown["tracking_uri_from"] == "default"


def test_config_show_without_a_file_shows_the_defaults(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("selector.config.SYSTEM_FILE", tmp_path / "none.yaml")
    result = run("config", "show")
    assert result.exit_code == 0
    assert "these are the defaults" in result.stdout


def test_validate_names_the_models_and_warns_of_passwords(run, folder, one_document):
    assert run("config", "validate").stdout.endswith("is valid: 2 models (churn, fraud)\n")
    (folder / "selector.yaml").write_text("models:\n  c: {metric: f1}\nmlflow: {tracking_uri: 'http://a:hunter2@h'}\n")
    result = run("config", "validate", "--json")
    document = one_document(result.stdout)
    assert (result.exit_code, document["valid"], len(document["warnings"])) == (0, True, 1)
    assert "hunter2" not in result.output


def test_doctor_exits_1_as_soon_as_one_check_fails(run, folder, monkeypatch, one_document):
    from selector.workflows.check import Check  # noqa: PLC0415 - beside its only use

    found = [Check("MLflow", ok=True, detail="3.17"), Check("spare", ok=None, detail="later", advice="wait")]
    monkeypatch.setattr("selector.bootstrap.doctor", lambda *rest, **more: iter(found))
    assert run("doctor").exit_code == 0
    found.append(Check("folder", ok=False, detail="missing", advice="mkdir it"))
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "ok       MLflow: 3.17",
        "note     spare: later",
        "         try: wait",
        "FAILED   folder: missing",
        "         try: mkdir it",
    ]
    assert one_document(run("doctor", "--json").stdout)["ok"] is False
