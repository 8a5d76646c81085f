"""What a person answers on the command line goes to its workflow."""

import json
from dataclasses import dataclass, field

import pytest

from selector.workflows.by_hand import Done
from selector.workflows.select_champion import Look


@dataclass
class Calls:
    """Records what a workflow was called with and gives a canned answer."""

    seen: list = field(default_factory=list)

    def __call__(self, house, *rest, **more):
        self.seen.append((rest, more))
        steps = ["alias champion: v1 -> v2"]
        return Done({"schema_version": 1, "model": "churn", "steps": steps, "report": "/r/report.html"}, "done")


@pytest.mark.parametrize("what", ["approve", "reject"])
@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], {"candidate": None, "reason": "", "dry_run": False}),
        (["--candidate", "night-3", "--reason", "no leak"], {"candidate": "night-3", "reason": "no leak"}),
        (["--dry-run"], {"dry_run": True}),
    ],
)
def test_an_answer_goes_to_its_workflow_with_who_gave_it(run, folder, fake_house, monkeypatch, what, words, named):  # noqa: PLR0917 - fixtures
    calls = Calls()
    monkeypatch.setattr(f"selector.workflows.approval.{what}", calls)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    result = run(what, "churn", "20261120T214000-7f3a91c2", *words)
    assert (result.exit_code, result.stdout) == (0, "done\n  alias champion: v1 -> v2\n  report: /r/report.html\n")
    _, seen = calls.seen[0]
    expected = {"model": "churn", "decision": "20261120T214000-7f3a91c2", "actor": "ada", **named}
    assert expected.items() <= seen.items()
    assert fake_house[0].options["writable"] is not seen["dry_run"]
    found = json.loads(run(what, "churn", "20261120T214000-7f3a91c2", *words, "--json").stdout)
    assert (found["model"], found["schema_version"]) == ("churn", 1)


def test_clear_takes_the_decision_of_a_rejection_too(run, folder, fake_house, monkeypatch):
    calls = Calls()
    monkeypatch.setattr("selector.workflows.approval.clear_rejection", calls)
    assert run("clear", "churn", "20261120T214000-7f3a91c2", "--reason", "fine after all").exit_code == 0
    [(rest, named)] = calls.seen
    assert rest == ("churn", "20261120T214000-7f3a91c2")
    assert named["reason"] == "fine after all"


def test_status_names_the_question_that_is_open(run, folder, fake_house, monkeypatch):
    pending = {"kind": "approval", "decision": "d-1", "version": None, "name": "new", "since": "2025-05-05T00:00:00"}
    monkeypatch.setattr("selector.workflows.look.status", lambda *_: [{"model": "churn", "pending": pending}])
    monkeypatch.setenv("COLUMNS", "200")
    assert "new awaits approval of d-1" in run("status").stdout


def test_select_says_how_to_answer_as_long_as_somebody_is_asked(run, folder, fake_house, monkeypatch):
    document = {"model": "churn", "verdict": "awaiting_approval", "answer": ["mlflow-selector approve churn d-1"]}
    found = Look("churn", None, document, "churn: awaiting approval. because")
    monkeypatch.setattr("selector.workflows.select_champion.select", lambda *_, **__: (found,))
    assert run("select").stdout == (
        "churn: awaiting approval. because\n  to answer: mlflow-selector approve churn d-1\n"
    )
