"""Do half-written, renamed, moved and otherwise odd file stores lose nothing that can be read?"""

from __future__ import annotations

import math
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from migrations.stores.carry import Carrier
from migrations.stores.file_store import FileStore
from migrations.stores.open import open_store
from migrations.stores.summary import exit_code
from migrations.stores.verify import StoreVerifier
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.errors import UsageError
from selector.ports_store import SOURCE_RUN_TAG

RUN = "0123456789abcdef0123456789abcde"


def experiment(root, number="7", name="tuning", **more):
    """Write an experiment's folder as MLflow does."""
    folder = root / number
    folder.mkdir(parents=True)
    meta = {"artifact_location": f"file:///gone/{number}", "experiment_id": f"'{number}'", "name": name} | more
    (folder / "meta.yaml").write_text("".join(f"{key}: {value}\n" for key, value in meta.items()))
    return folder


def run(folder, last="0", **more):
    """Write a run's folder as MLflow 2 does."""
    place = folder / (RUN + last)
    for name in ("params", "metrics", "tags", "artifacts"):
        (place / name).mkdir(parents=True)
    meta = {
        "artifact_uri": f"file:///gone/{folder.name}/{RUN}{last}/artifacts", "end_time": 1_600_000_001_000,
        "experiment_id": f"'{folder.name}'", "lifecycle_stage": "active", "run_id": RUN + last, "run_uuid": RUN + last,
        "run_name": f"run {last}", "start_time": 1_600_000_000_000, "status": 3, "user_id": "ada",
    } | more  # fmt: skip
    (place / "meta.yaml").write_text("".join(f"{key}: {value}\n" for key, value in meta.items() if value != ""))
    return place


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "there" / "mlruns"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def registry(mlflow_sqlite):
    return MlflowRegistry(mlflow_sqlite)


@pytest.fixture
def carried(root, registry, tmp_path):
    """Carry the store, verify it, and return what was said, with the runs in MLflow by their ids in the store."""

    def go(source=root, **options):
        with open_store(str(source), tmp_path / "spool", **options) as store:
            outcome = Carrier(store, registry.store_writer(), registry, "batch").carry()
            parts = (registry.store_writer(), registry.store_reader(), registry)
            verified = StoreVerifier(store, *parts, tmp_path / "spool").verify()
        client = registry._connection.ask("open", lambda client: client)
        numbers = [e.experiment_id for e in client.search_experiments(view_type=3)]
        runs = client.search_runs(numbers, run_view_type=3)
        found = {r.data.tags[SOURCE_RUN_TAG]: r for r in runs if SOURCE_RUN_TAG in r.data.tags}
        return outcome, found, [one for one in verified.differences if one.about != "a readable run"]

    return go


def reasons(outcome):
    return {(one.what, one.name): (one.reason, one.failed) for one in outcome.left_out}


def test_metric_files_of_every_age_and_damage_keep_every_line_that_says_something(root, carried):
    metrics = run(experiment(root)) / "metrics"
    (metrics / "two").write_text("1600000000500 0.5\n")
    (metrics / "three").write_text("1600000000500 0.25 3\n1600000000500 0.25 3\n1600000000600 nan 4\n")
    (metrics / "four").write_text("1600000000500 0.125 7 0123456789abcdef\n")
    (metrics / "five").write_text("1600000000500 1e-300 9 rows abc123\n1600000000500 2 9 my rows abc123\n")
    (metrics / "infinite").write_text("1600000000500 inf 1\n1600000000501 -inf 2\n")
    (metrics / "windows").write_bytes(b"1600000000500 0.75 1\r\n\r\n1600000000501 0.5 2")
    (metrics / "cut").write_text("1600000000500 0.5 1\n16000")
    (metrics / "words").write_text("yesterday good\n")
    (metrics / "empty").write_text("")
    (metrics / "huge step").write_text("1600000000500 0.5 99999999999999999999\n1600000000500 0.25 1.0\n")
    (metrics / "group").mkdir()
    (metrics / "group" / "f1%(x)").write_text("-5 0.5 0\n")
    outcome, runs, differences = carried()
    assert differences == []
    values = runs[RUN + "0"].data.metrics
    assert values.pop("infinite") == -1.7976931348623157e308
    assert math.isnan(values.pop("three"))
    assert values == {
        "two": 0.5, "four": 0.125, "five": 2.0, "windows": 0.5, "cut": 0.5, "huge step": 0.25, "group/f1__x_": 0.5,
    }  # fmt: skip
    left = reasons(outcome)
    assert left["metric", f"{RUN}0 cut"] == ("1 lines are malformed", False)
    assert left["metric", f"{RUN}0 empty"] == ("its file is empty", False)
    assert left["metric", f"{RUN}0 words"] == ("1 lines are malformed", False)
    assert left["run", RUN + "0"] == ("metric 'group/f1%(x)' is called 'group/f1__x_'", False)


def test_params_and_tags_with_lines_odd_characters_and_great_length_arrive_as_they_were(root, carried):
    place = run(experiment(root))
    odd = {"lines": "a\nb\n", "empty": "", "bom": "\ufeffx", "ünï/çode": "→ 'quoted' \"twice\" %", "long": "x" * 6000}
    for name, text in odd.items():
        (place / "params" / name).parent.mkdir(exist_ok=True)
        (place / "params" / name).write_bytes(text.encode())
    (place / "params" / "longer").write_text("y" * 6001)
    (place / "params" / "latin").write_bytes("Größe".encode("latin-1"))
    (place / "tags" / "mlflow.note.content").write_text("# Title\n\ntext\n")
    (place / "tags" / "json").write_text('{"a": [1, 2]}')
    outcome, runs, differences = carried()
    assert differences == []
    params = runs[RUN + "0"].data.params
    assert {name: params[name] for name in ("lines", "empty", "ünï/çode", "long")} == {
        name: odd[name] for name in ("lines", "empty", "ünï/çode", "long")
    }
    assert (len(params["longer"]), params["latin"]) == (6000, "Gr\ufffd\ufffde")
    assert runs[RUN + "0"].data.tags["mlflow.note.content"] == "# Title\n\ntext\n"
    assert "param longer (6001 characters) was cut at 6000 characters" in {one.reason for one in outcome.left_out}


def test_a_half_written_store_gives_what_can_be_read_and_names_the_rest(root, carried):
    whole = experiment(root)
    run(whole)
    (run(whole, "1") / "meta.yaml").write_text("artifact_uri: file:///gone\nend_time: 16000\nstatus: [")
    (run(whole, "2") / "meta.yaml").write_text("")
    (run(whole, "3") / "meta.yaml").unlink()
    run(whole, "4", end_time="", status=1)
    run(whole, "5", status="KILLED", end_time="null", start_time="", run_name="''")
    headless = experiment(root, "8", "lost")
    (headless / "meta.yaml").write_text("artifact_location: ")
    run(headless, "6", lifecycle_stage="deleted")
    (run(whole, "7") / "meta.yaml").write_text("artifact_uri: file:///gone\n")
    run(whole, "8", status="")
    bare = experiment(root, "10")
    run(bare, "9")
    (bare / "meta.yaml").unlink()
    empty = experiment(root, "9")
    (empty / "meta.yaml").write_text("")
    (root / "notes").mkdir()
    (root / ".DS_Store").write_bytes(b"\0")
    outcome, runs, differences = carried()
    missing = {(one.what, one.name, one.about) for one in differences}
    assert missing == set(), "what cannot be read is no part of the plan"
    states = {number[-1]: (r.info.status, r.info.lifecycle_stage, r.info.end_time) for number, r in runs.items()}
    assert states == {
        "0": ("FINISHED", "active", 1_600_000_001_000),
        "4": ("RUNNING", "active", None),
        "5": ("KILLED", "active", 1),
        "6": ("FINISHED", "deleted", 1_600_000_001_000),
        "8": ("FAILED", "active", 1_600_000_001_000),
        "9": ("FINISHED", "active", 1_600_000_001_000),
    }
    left = reasons(outcome)
    assert left["run", RUN + "1"][0].startswith("its meta.yaml is broken: ")
    assert left["run", RUN + "1"][1]
    assert left["run", RUN + "2"] == ("its meta.yaml is empty or no mapping", True)
    assert left["run", RUN + "3"] == ("it has no meta.yaml", False)
    assert left["experiment", "9"] == ("its meta.yaml is empty or no mapping", True)
    assert left["experiment", "8"] == ("its meta.yaml is cut off; it came as 'experiment 8'", False)
    assert left["experiment", "10"][0] == "it has no meta.yaml; its runs come in an experiment of that name"
    assert left["run", RUN + "7"] == ("its meta.yaml is cut off, or not that of a run", True)
    assert left["run", RUN + "8"] == ("its meta.yaml holds no status; it came as FAILED", False)
    assert left["experiment", "notes"] == ("it has no meta.yaml", False)
    assert exit_code(outcome) == 1


def test_fields_of_mlflow_1_become_the_tags_that_mlflow_uses_today(root, carried):
    fields = {
        "name": "old", "run_id": "", "run_name": "", "source_name": "train.py", "source_type": 4,
        "source_version": "0123abc", "entry_point_name": "main", "status": "3",
    }  # fmt: skip
    place = run(experiment(root), **fields)
    (place / "tags" / "mlflow.source.name").write_text("other.py")
    _, runs, differences = carried()
    assert differences == []
    tags = runs[RUN + "0"].data.tags
    assert runs[RUN + "0"].info.run_name == "old"
    assert {key: tags[key] for key in tags if key.startswith("mlflow.") and key != "mlflow.runName"} == {
        "mlflow.user": "ada", "mlflow.source.name": "other.py", "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": "0123abc", "mlflow.project.entryPoint": "main",
    }  # fmt: skip


def test_links_are_not_followed_but_a_linked_store_is_opened(root, carried, tmp_path):
    folder = experiment(root)
    place = run(folder)
    secret = tmp_path / "secret"
    secret.write_text("token")
    (place / "params" / "stolen").symlink_to(secret)
    (place / "artifacts" / "stolen").symlink_to(secret)
    (place / "artifacts" / "kept.txt").write_text("x")
    (root / "8").symlink_to(experiment(tmp_path, "8"))
    os.mkfifo(place / "tags" / "pipe")
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    outcome, runs, differences = carried(linked)
    assert differences == []
    assert runs[RUN + "0"].data.params == {}
    left = reasons(outcome)
    assert left["folder", "8"][0] == left["file", f"7/{RUN}0/params/stolen"][0] == "a link, which is not followed"
    assert left["artifacts", RUN + "0"][0] == "stolen is a link, which is not followed"
    assert ("file", f"7/{RUN}0/tags/pipe") in left


def test_a_store_below_a_store_is_named_and_the_only_one_in_a_folder_is_opened(root, carried, tmp_path):
    run(experiment(root))
    run(experiment(root / "mlruns", "9"), "1")
    outcome, runs, _ = carried(root.parent)
    assert set(runs) == {RUN + "0"}
    assert reasons(outcome)["store", "mlruns"][0].startswith("another store lies in this folder; carry it too: ")
    (root.parent / "mlflow.db").write_bytes(b"SQLite format 3\0")
    with pytest.raises(UsageError, match=r"holds mlruns and mlflow\.db"), open_store(str(root.parent), tmp_path):
        pass


def test_a_database_in_the_only_folder_of_runs_is_the_store(root, tmp_path):
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute("CREATE TABLE unknown (a INTEGER)")
    (root.parent / "models").mkdir()
    with pytest.raises(UsageError, match=r"mlflow\.db"), open_store(str(root.parent), tmp_path / "spool"):
        pass


def test_files_are_found_under_foreign_addresses_and_named_where_they_are_not(root, carried, tmp_path):
    folder = experiment(root)
    elsewhere = tmp_path / "there" / "mlartifacts" / "7" / (RUN + "0") / "artifacts"
    elsewhere.mkdir(parents=True)
    (elsewhere / "model.bin").write_bytes(b"0")
    run(folder, artifact_uri=f"mlflow-artifacts:/7/{RUN}0/artifacts")
    copied = tmp_path / "copy" / "mlruns" / "7" / (RUN + "1") / "artifacts" / "deep" / "er"
    copied.mkdir(parents=True)
    (copied / "größe #1 %20.bin").write_bytes(b"1")
    run(folder, "1", artifact_uri=f'"C:\\\\Users\\\\ada\\\\mlruns\\\\7\\\\{RUN}1\\\\artifacts"')
    for last in "01":
        (folder / (RUN + last) / "artifacts").rmdir()
    (run(folder, "2", artifact_uri=f"s3://bucket/7/{RUN}2/artifacts") / "artifacts").rmdir()
    outcome, runs, differences = carried(artifacts=(tmp_path / "copy",))
    assert differences == []
    kept = {last: [p.name for p in below(runs[RUN + last])] for last in "012"}
    assert kept == {"0": ["model.bin"], "1": ["größe #1 %20.bin"], "2": []}
    assert runs[RUN + "2"].data.tags["selector.source_artifacts"] == f"s3://bucket/7/{RUN}2/artifacts"
    assert reasons(outcome)["artifacts", "s3://bucket/7/"] == (
        "the files of 1 runs are there and were not read; --artifacts DIR names a copy of them",
        False,
    )


def below(found):
    """The files of a run in a local MLflow."""
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - only here

    return [p for p in Path(unquote(urlsplit(found.info.artifact_uri).path)).rglob("*") if p.is_file()]


def test_a_missing_default_experiment_and_a_trash_of_equal_names_are_nothing_odd(root, carried):
    run(experiment(root, "7"))
    run(experiment(root / ".trash", "5", lifecycle_stage="deleted"), "1")
    run(experiment(root / ".trash", "6", name="tuning"), "2")
    outcome, runs, differences = carried()
    assert differences == []
    assert {number[-1]: r.info.lifecycle_stage for number, r in runs.items()} == {
        "0": "active", "1": "deleted", "2": "deleted",
    }  # fmt: skip
    assert exit_code(outcome) == 0


def test_a_registry_beside_a_database_finds_the_runs_that_were_carried_from_there(root, carried, registry):
    place = run(experiment(root))
    (place / "artifacts" / "MLmodel").write_text("flavors: {}\n")
    carried()
    other = root.parent / "other"
    version = other / "models" / "churn" / "version-3"
    version.mkdir(parents=True)
    (version.parent / "meta.yaml").write_text("name: churn\ncreation_timestamp: 1600000000000\n")
    (version / "meta.yaml").write_text(f"version: 3\nsource: /app/mlruns/7/{RUN}0/artifacts\nrun_id: {RUN}0\n")
    outcome, _, differences = carried(other)
    assert (differences, [v.status for v in outcome.versions]) == ([], ["imported"])
    made = registry.registered_model("churn").version(3)
    assert registry.run(made.run_id).tags[SOURCE_RUN_TAG] == RUN + "0"
    assert not [one for one in outcome.left_out if one.what == "version"]


def test_reading_a_store_leaves_every_file_and_time_as_it_was(root, carried):
    run(experiment(root))
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.parent.rglob("*")}
    carried()
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in root.parent.rglob("*")} == before
    assert FileStore(root).experiments()[0].name == "tuning"
