"""Does one command carry a store into the configured MLflow, and say what it did?"""

import json
from pathlib import Path

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry

RUN = "a" * 31


def file_store(root, runs=2):
    """A file store of an old MLflow on a foreign machine."""
    meta = "artifact_location: file:///C:/Users/x/my%20work/mlruns/1\nexperiment_id: '1'\nlifecycle_stage: active\nname: old\n"
    (root / "1").mkdir(parents=True)
    (root / "1" / "meta.yaml").write_text(meta)
    for index in range(runs):
        run = root / "1" / f"{RUN}{index}"
        for folder in ("metrics", "params", "tags", "artifacts/model"):
            (run / folder).mkdir(parents=True)
        uri = f"file:///C:/Users/x/my%20work/mlruns/1/{run.name}/artifacts"
        (run / "meta.yaml").write_text(
            f"artifact_uri: {uri}\nend_time: 1600000001000\nexperiment_id: '1'\nlifecycle_stage: active\n"
            f"run_id: {run.name}\nrun_name: run {index}\nstart_time: 1600000000000\nstatus: 3\nuser_id: x\n"
        )
        (run / "metrics" / "f1").write_text("1600000000500 0.75 0\n1600000000500 0.75 0\n")
        (run / "artifacts" / "model" / "MLmodel").write_text("flavors: {}\n")
    version = root / "models" / "churn" / "version-1"
    (version.parent / "aliases").mkdir(parents=True)
    version.mkdir()
    (version.parent / "meta.yaml").write_text("name: churn\naliases: {}\n")
    (version.parent / "aliases" / "champion").write_text("1\n")
    (version / "meta.yaml").write_text(
        f"name: churn\nversion: 1\nrun_id: {RUN}0\ncurrent_stage: Production\n"
        f"source: C:\\Users\\x\\my work\\mlruns\\1\\{RUN}0\\artifacts\\model\n"
    )
    return root


@pytest.fixture
def place(folder, mlflow_sqlite):
    (folder / "selector.yaml").write_text(
        f"mlflow: {{tracking_uri: {mlflow_sqlite}}}\nmodels:\n  churn: {{metric: f1}}\n"
    )
    file_store(folder / "old" / "mlruns")
    return MlflowRegistry(mlflow_sqlite)


def test_a_store_of_a_windows_machine_is_carried_by_one_command(run, place, folder, one_document):
    done = run("migrate", "store", "old/mlruns", "--json")
    assert done.exit_code == 0, done.stderr
    document = one_document(done.stdout)
    assert (document["found"], document["imported"], document["skipped"], document["failed"]) == (3, 3, 0, 0)
    assert [(e["name"], e["action"]) for e in document["experiments"]] == [("old", "create")]
    assert document["runs"]["imported"] == 2
    assert document["registered_models"] == {
        "found": 1,
        "versions": {"found": 1, "imported": 1, "skipped": 0, "failed": 0},
    }
    (version,) = document["models"]
    assert (version["name"], version["version"], version["stage"], version["aliases"]) == (
        "churn", 1, "Production", ["champion"],
    )  # fmt: skip
    assert document["left_out"] == []
    assert {r.metrics["f1"] for r in place.runs(["old"])} == {0.75}
    assert place.fetch("models:/churn@champion", folder / "fetched").joinpath("MLmodel").is_file()
    again = one_document(run("migrate", "store", "old/mlruns", "--json").stdout)
    assert (again["imported"], again["skipped"]) == (0, 3)


def test_the_ledger_knows_what_came_and_who_is_champion(run, place, one_document):
    run("migrate", "store", "old/mlruns")
    entries = one_document(run("history", "churn", "--json").stdout)["entries"]
    assert [(e["kind"], e["version"]) for e in entries] == [("imported", None), ("foreign_change", 1)]


def test_a_dry_run_says_what_would_come_and_writes_nothing(run, place):
    done = run("migrate", "store", "old/mlruns", "--dry-run")
    assert done.exit_code == 0, done.stderr
    assert "runs: 2 found, 0 imported" in done.stdout
    assert place.experiments() == ("Default",)


def test_what_cannot_be_read_is_named_and_stops_nothing(run, place, folder, one_document):
    root = folder / "old" / "mlruns"
    (root / "1" / f"{RUN}1" / "meta.yaml").write_text("artifact_uri: [\n")
    run_folder = root / "1" / f"{RUN}0"
    (run_folder / "metrics" / "bad").write_text("yesterday much 0\n1600000000500 nan 1\n")
    (run_folder / "params" / "secret").symlink_to("/etc/hostname")
    (run_folder / "artifacts" / "model" / "link").symlink_to("/etc/hostname")
    (run_folder / "tags" / "big").write_bytes(b"x" * (2 << 20))
    (root / "7").mkdir()
    (root / "models" / "churn" / "aliases" / "lost").write_text("9\n")
    done = run("migrate", "store", "old/mlruns", "--json")
    assert done.exit_code == 1, "a run and a tag could not be read"
    document = one_document(done.stdout)
    assert {(one["what"], one["name"]) for one in document["left_out"] if one["failed"]} == {
        ("run", f"{RUN}1"), ("file", f"1/{RUN}0/tags/big"),
    }  # fmt: skip
    told = {(one["what"], one["name"]): one["reason"] for one in document["left_out"]}
    assert told["run", f"{RUN}1"].startswith("its meta.yaml is broken: ")
    assert told["metric", f"{RUN}0 bad"] == "1 lines are malformed"
    assert told["file", f"1/{RUN}0/params/secret"] == "a link, which is not followed"
    assert told["artifacts", f"{RUN}0"] == "model/link is a link, which is not followed"
    assert told["file", f"1/{RUN}0/tags/big"] == "big is larger than 1,048,576 bytes"
    assert told["experiment", "7"] == "it has no meta.yaml"
    assert told["alias", "churn@lost"] == "it points at version 9, which is not there"
    assert document["runs"]["imported"] == 1
    (only,) = place.runs(["old"])
    assert "secret" not in only.params
    fetched = place.fetch("models:/churn/1", folder / "fetched")
    assert sorted(p.name for p in fetched.iterdir()) == ["MLmodel"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere", "there is no store at"),
        ("selector.yaml", "is no SQLite database"),
        ("postgresql://user@host/db", "is neither a folder nor a SQLite file"),
        ("mlflow.db", "is the configured MLflow itself"),
    ],
)
def test_a_wrong_source_is_wrong_usage(run, place, folder, source, said):
    done = run("migrate", "store", source)
    assert done.exit_code == 2, done.stdout
    assert said in done.stderr


def test_what_was_carried_is_compared_with_the_store_and_a_change_since_ends_in_failure(run, place, one_document):
    done = run("migrate", "store", "old", "--verify", "--jobs", "3")
    assert done.exit_code == 0, done.stderr
    assert "MLflow holds what the store holds" in done.stdout
    (made,) = place.runs(["old"], "attributes.run_name = 'run 0'")
    place._connection.ask("change", lambda client: client.set_tag(made.run_id, "mlflow.user", "<b>eve"))
    done = run("migrate", "store", "old", "--verify", "--dry-run", "--json")
    assert done.exit_code == 1
    document = one_document(done.stdout)
    (difference,) = document["verified"]["differences"]
    assert difference == {
        "what": "run", "name": f"{RUN}0", "about": "tag mlflow.user", "wanted": "x", "found": "<b>eve",
    }  # fmt: skip
    done = run("migrate", "store", "old", "--verify", "--json")
    page = Path(one_document(done.stdout)["report"])
    assert "&lt;b&gt;eve" in page.read_text()
    assert json.loads(page.with_name("report.json").read_text())["verified"] == document["verified"]
    assert "tag mlflow.user" in page.with_name("report.txt").read_text()


def test_the_store_is_never_written_to(run, place, folder):
    root = folder / "old"

    def look():
        return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in root.rglob("*")}

    before = look()
    run("migrate", "store", "old/mlruns")
    assert look() == before
    assert json.dumps(sorted(p.name for p in Path(root / "mlruns").iterdir())) == '["1", "models"]'
