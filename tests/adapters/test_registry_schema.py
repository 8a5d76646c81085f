"""Do we leave databases alone that are not of our MLflow's schema, and those that are not there yet?"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from selector.adapters.mlflow_schema import database_state, installed_revisions, sqlite_file
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.errors import MlflowRefusedError, MlflowUnreachableError, SchemaMismatchError
from selector.ports import NewRun

OLDER = "bf29a5ff90ea"


def set_revision(uri, revision):
    with contextlib.closing(sqlite3.connect(sqlite_file(uri))) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def digest(uri):
    return hashlib.sha256(sqlite_file(uri).read_bytes()).hexdigest()


def reads(registry):
    return [
        lambda: registry.runs(["*"]),
        registry.experiments,
        lambda: registry.run("0" * 32),
        lambda: registry.registered_model("churn"),
        lambda: registry.registered_models(["a", "b", "c"]),
        lambda: registry.imported("churn"),
    ]


def test_the_newest_revision_is_the_one_that_mlflow_itself_names():
    from mlflow.store.db.utils import _get_latest_schema_revision  # noqa: PLC0415 - only this test needs it

    head, known = installed_revisions()
    assert head == _get_latest_schema_revision()
    assert OLDER in known


def test_asking_for_the_schema_does_not_import_mlflow(mlflow_sqlite):
    program = f"""
import sys
from selector.adapters.registry_mlflow import MlflowRegistry
print(MlflowRegistry({mlflow_sqlite!r}).check())
assert not any(name.partition(".")[0] in {{"mlflow", "sqlalchemy", "pandas"}} for name in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize("number", range(6))
def test_an_older_database_is_refused_and_not_touched(mlflow_sqlite, number):
    set_revision(mlflow_sqlite, OLDER)
    before = digest(mlflow_sqlite)
    registry = MlflowRegistry(mlflow_sqlite)
    for ask in (registry.check, reads(registry)[number]):
        with pytest.raises(SchemaMismatchError) as caught:
            ask()
        assert OLDER in caught.value.message
        assert installed_revisions()[0] in caught.value.message
        assert "--upgrade-database" in caught.value.advice
        assert "backup" in caught.value.advice
    with pytest.raises(SchemaMismatchError):
        registry.create_registered_model("churn")
    assert digest(mlflow_sqlite) == before


def test_a_newer_database_is_refused_even_when_an_upgrade_was_agreed_to(mlflow_sqlite):
    set_revision(mlflow_sqlite, "ffffffffffff")
    with pytest.raises(SchemaMismatchError, match="newer than the installed MLflow"):
        MlflowRegistry(mlflow_sqlite, upgrade_database=True).check()


def test_an_older_database_is_upgraded_when_that_was_agreed_to(mlflow_sqlite):
    # The newest migration is undone by MLflow's own scripts, so that there is something to upgrade.
    head = installed_revisions()[0]
    _downgrade(mlflow_sqlite)
    assert database_state(mlflow_sqlite, 5, upgrade=True) == "outdated"
    registry = MlflowRegistry(mlflow_sqlite, upgrade_database=True)
    registry.create_registered_model("churn")
    assert database_state(mlflow_sqlite, 5) == "current"
    assert head == installed_revisions()[0]
    assert registry.registered_model("churn") is not None


def _downgrade(uri):
    from alembic import command  # noqa: PLC0415 - only this test needs it
    from mlflow.store.db.utils import _get_alembic_config, create_sqlalchemy_engine  # noqa: PLC0415 - the same

    engine = create_sqlalchemy_engine(uri)
    config = _get_alembic_config(uri)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
    engine.dispose()


@pytest.mark.parametrize("number", range(6))
def test_reading_a_database_that_is_not_there_finds_nothing_and_makes_nothing(tmp_path, number):
    uri = f"sqlite:///{tmp_path}/new folder/mlflow.db"
    registry = MlflowRegistry(uri)
    assert registry.check().endswith(uri)
    assert not reads(registry)[number]()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_first_write_makes_the_database_with_its_artifacts_beside_it(tmp_path, monkeypatch):
    folder, elsewhere = tmp_path / "new folder", tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    registry = MlflowRegistry(f"sqlite:///{folder}/mlflow.db")
    registry.write(NewRun("churn / monthly", "a", None, None, model_folder=model))
    assert sorted(path.name for path in folder.iterdir()) == ["mlartifacts", "mlflow.db"]
    assert len(list(folder.glob("mlartifacts/churn-monthly-*/models/*/artifacts/MLmodel"))) == 1
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_of_two_processes_that_make_the_same_database_both_succeed(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    program = f"""
from selector.adapters.registry_mlflow import MlflowRegistry
import sys
MlflowRegistry({uri!r}).create_registered_model(sys.argv[1])
"""
    names = ["a", "b"]
    started = [subprocess.Popen([sys.executable, "-c", program, name]) for name in names]
    assert [process.wait(120) for process in started] == [0, 0]
    assert sorted(MlflowRegistry(uri).registered_models(names)) == names
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_a_registry_in_another_database_is_not_made_by_reading(mlflow_sqlite, tmp_path):
    elsewhere = tmp_path / "registry" / "registry.db"
    registry = MlflowRegistry(mlflow_sqlite, registry_uri=f"sqlite:///{elsewhere}")
    assert registry.registered_model("churn") is None
    assert registry.registered_models(["a", "b", "c"]) == {}
    assert registry.runs(["*"]) == ()
    assert not elsewhere.parent.exists()
    registry.create_registered_model("churn")
    assert registry.registered_model("churn").versions == ()
    assert MlflowRegistry(mlflow_sqlite).registered_model("churn") is None


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "mlflow.db").write_text("this is a letter, not a database, and a long one too\n" * 20)
    with pytest.raises(MlflowRefusedError, match="cannot be read as an MLflow database"):
        MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db").check()


def test_a_database_that_is_locked_is_worth_another_try(mlflow_sqlite):
    with contextlib.closing(sqlite3.connect(sqlite_file(mlflow_sqlite))) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MlflowUnreachableError, match="locked by another process"):
            MlflowRegistry(mlflow_sqlite, timeout=0.2).runs(["*"])
        connection.rollback()
    assert MlflowRegistry(mlflow_sqlite).experiments() == ("Default",)


def test_a_database_of_another_product_is_refused(tmp_path):
    file = tmp_path / "other.db"
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE ledger (line TEXT)")
    with pytest.raises(MlflowRefusedError, match="is not MLflow's"):
        MlflowRegistry(f"sqlite:///{file}").runs(["*"])


def test_a_read_only_database_is_refused_in_words(mlflow_sqlite, monkeypatch):
    # root may write anywhere, so the question is answered for it
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: allowed(path, mode) and not str(path).endswith(".db"))
    with pytest.raises(MlflowRefusedError, match="read-only"):
        MlflowRegistry(mlflow_sqlite).runs(["*"])


@pytest.mark.parametrize("uri", ["./mlruns", "/data/mlruns", "file:///data/mlruns", "mlruns", ""])
def test_a_file_store_is_refused_with_the_way_out(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    registry = MlflowRegistry(uri)
    for ask in (registry.check, lambda: registry.runs(["*"])):
        with pytest.raises(MlflowRefusedError) as caught:
            ask()
        assert "mlflow-selector migrate store" in caught.value.advice
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x.db?uri=true"])
def test_a_sqlite_uri_without_a_file_is_refused(uri):
    with pytest.raises(MlflowRefusedError, match="names no database file"):
        MlflowRegistry(uri).check()


def test_a_relative_sqlite_uri_is_below_the_working_directory(tmp_path, monkeypatch, mlflow_template):
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(mlflow_template, "mine.db")
    assert sqlite_file("sqlite:///mine.db") == Path("mine.db").absolute()
    assert MlflowRegistry("sqlite:///mine.db").experiments() == ("Default",)


@pytest.mark.postgres
def test_an_older_postgresql_database_is_refused_and_an_empty_one_is_left_empty(postgres_database):
    import psycopg  # noqa: PLC0415 - only this test needs it

    uri = postgres_database.replace("postgresql:", "postgresql+psycopg:")
    assert MlflowRegistry(uri).runs(["*"]) == ()
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE experiments (name TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES (%s)", (OLDER,))
    with pytest.raises(SchemaMismatchError, match=OLDER):
        MlflowRegistry(uri).runs(["*"])


@pytest.mark.postgres
@pytest.mark.slow
def test_a_bare_postgresql_is_filled_by_the_first_write_with_artifacts_where_we_say(postgres_database, tmp_path):
    uri = postgres_database.replace("postgresql:", "postgresql+psycopg:")
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    new = NewRun("e", "r", None, None, {"f1": 0.5}, model_folder=model)
    with pytest.raises(MlflowRefusedError, match="does not say where its artifacts belong"):
        MlflowRegistry(uri).write(new)
    registry = MlflowRegistry(uri, artifact_root=tmp_path / "artifacts")
    written = registry.write(new)
    registry.create_registered_model("m")
    assert registry.create_version("m", written.model_uri, written.run_id, {}) == 1
    assert registry.fetch("models:/m/1", tmp_path / "into") == tmp_path / "into"
    assert [run.metrics for run in registry.runs(["e"])] == [{"f1": 0.5}]
    assert len(list((tmp_path / "artifacts").glob("e-*/models/*/artifacts/MLmodel"))) == 1
