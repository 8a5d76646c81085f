"""What `migrate apply` imports to where, without a real MLflow."""

from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from migrations.model import ImportOutcome

CONFIG = """\
models:
  churn: {metric: f1}
  fraud: {metric: f1}
staging:
  - {folder: a, model: churn, experiment: ea}
  - {folder: b, model: fraud, experiment: eb}
"""


@pytest.fixture
def importing(folder, monkeypatch):
    """A configuration with two staging folders; returns what the importer was asked for and what was recorded."""
    (folder / "selector.yaml").write_text(CONFIG)
    for name in ("a", "b", "c"):
        (folder / name).mkdir()
    seen = SimpleNamespace(asked=[], recorded=[], held=0, outcomes=())

    class Importer:
        def __init__(self, writer, registry, clock, *, layout, timezone):
            self.options = {"layout": layout, "timezone": str(timezone)}

        def import_paths(self, paths, model, experiment, *, batch, dry_run, progress):
            seen.asked.append(([p.name for p in paths], model, experiment, dry_run))
            seen.options = self.options
            return seen.outcomes

    @contextmanager
    def hold():
        seen.held += 1
        yield

    @contextmanager
    def open_house(config, **options):
        seen.writable = options["writable"]
        yield SimpleNamespace(
            registry=None,
            clock=SimpleNamespace(now=lambda: None),
            lease=SimpleNamespace(hold=hold),
            store=SimpleNamespace(append=seen.recorded.extend),
            progress=None,
        )

    monkeypatch.setattr("selector.bootstrap.open_house", open_house)
    monkeypatch.setattr("migrations.importer.LegacyImporter", Importer)
    monkeypatch.setattr("migrations.importer.new_batch", lambda now: "batch-1")
    monkeypatch.setattr("selector.ports.Entry", SimpleNamespace)
    return seen


def test_the_command_line_alone_says_what_goes_where(run, importing):
    assert run("migrate", "apply", "a", "c", "--model", "m", "--experiment", "e").exit_code == 0
    assert importing.asked == [(["a", "c"], "m", "e", False)]
    assert (importing.held, importing.writable) == (1, True)


def test_without_a_path_the_staging_folders_of_the_configuration_are_imported(run, importing):
    assert run("migrate", "apply").exit_code == 0
    assert importing.asked == [(["a"], "churn", "ea", False), (["b"], "fraud", "eb", False)]


def test_the_configuration_completes_what_the_command_line_leaves_out(run, importing):
    assert run("migrate", "apply", "./a/../b").exit_code == 0
    assert run("migrate", "apply", "a", "--model", "other").exit_code == 0
    assert importing.asked == [(["b"], "fraud", "eb", False), (["a"], "other", "ea", False)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["c"], "Missing option '--model'"),
        (["c", "--model", "m"], "Missing option '--experiment'"),
        (["c", "--model", "m/n", "--experiment", "e"], "MLflow does not allow '/'"),
    ],
)
def test_what_nobody_says_is_wrong_usage_and_nothing_is_imported(run, importing, words, said):
    result = run("migrate", "apply", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert importing.asked == []


def test_nothing_to_import_is_wrong_usage(run, importing, folder):
    (folder / "selector.yaml").write_text("models:\n  churn: {metric: f1}\n")
    result = run("migrate", "apply")
    assert result.exit_code == 2
    assert "there is nothing to import" in result.stderr


def test_a_dry_run_takes_no_lease_and_records_nothing(run, importing):
    importing.outcomes = (ImportOutcome("m", Path("/x"), "new"),)
    result = run("migrate", "apply", "--dry-run")
    assert (result.exit_code, importing.held, importing.recorded, importing.writable) == (0, 0, [], False)


def test_an_import_is_recorded_and_says_how_to_take_it_back(run, importing):
    importing.outcomes = (ImportOutcome("m", Path("/x"), "imported", run_id="r", version=1),)
    result = run("migrate", "apply", "a")
    assert [(e.kind, e.model, e.details["imported"]) for e in importing.recorded] == [("imported", "churn", 1)]
    assert result.stdout.endswith("batch batch-1; to take it back: mlflow-selector migrate undo batch-1\n")


def test_what_could_not_be_imported_exits_1_and_is_in_the_document(run, importing, one_document):
    importing.outcomes = (ImportOutcome("m", Path("/x"), "failed", "model.pkl is cut off"),)
    result = run("migrate", "apply", "a", "--json", "--timezone", "Europe/Berlin", "--layout", "bare-files")
    document = one_document(result.stdout)
    assert (result.exit_code, document["failed"], document["batch"]) == (1, 1, "batch-1")
    assert document["models"][0]["reason"] == "model.pkl is cut off"
    assert importing.options == {"layout": "bare-files", "timezone": "Europe/Berlin"}


def test_scan_needs_no_configuration(run, tmp_path, monkeypatch, one_document):
    monkeypatch.chdir(tmp_path)
    result = run("migrate", "scan", tmp_path, "--json")
    assert (result.exit_code, one_document(result.stdout)["found"]) == (0, 0)
