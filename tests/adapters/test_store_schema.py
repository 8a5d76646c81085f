"""Do migrations, tables and the constants that spare us Alembic agree?"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from selector.adapters import store_sql
from selector.adapters.store_sql import open_store
from selector.adapters.store_sql_schema import REVISIONS, metadata, version
from selector.domain.model_facts import ModelFacts
from selector.errors import StateUnavailableError

ROOT = Path(__file__).parents[2]


def scripts():
    config = Config()
    config.set_main_option("script_location", str(store_sql._MIGRATIONS))
    return ScriptDirectory.from_config(config)


def test_the_known_revisions_are_those_of_the_scripts_oldest_first():
    assert tuple(script.revision for script in scripts().walk_revisions())[::-1] == REVISIONS


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_the_migrations_make_exactly_the_tables_that_the_code_uses(request, tmp_path, kind):
    url = request.getfixturevalue("postgres_database") if kind == "postgres" else None
    with closing(open_store(tmp_path, url, writable=True)) as store, store._database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": version.name, "compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_every_table_has_our_prefix():
    assert all(name.startswith("selector_") for name in metadata.tables)


def run_python(code, *arguments):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_alembic_is_imported_for_a_new_state_only(tmp_path):
    code = (
        "import sys; from pathlib import Path; from selector.adapters.store_sql import open_store\n"
        "open_store(Path(sys.argv[1]), None, writable=sys.argv[2] == 'write').close(); print('alembic' in sys.modules)"
    )
    seen = [run_python(code, str(tmp_path), how).strip() for how in ("read", "write", "write", "read")]
    assert seen == ["False", "True", "False", "False"]


def test_two_first_starts_at_once_make_one_state(tmp_path):
    code = (
        "import sys; from pathlib import Path; from selector.adapters.store_sql import open_store\n"
        "store = open_store(Path(sys.argv[1]), None, writable=True); print(store.verify()); store.close()"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [process.communicate() for process in started] == [("0\n", "")] * 3


def test_a_dry_run_does_not_upgrade_an_older_state(tmp_path, monkeypatch):
    with closing(open_store(tmp_path, None, writable=True)):
        pass
    monkeypatch.setattr(store_sql, "REVISIONS", (*REVISIONS, "9999"))
    before = (tmp_path / "state.db").read_bytes()
    with pytest.raises(StateUnavailableError, match="older version") as caught:
        open_store(tmp_path, None, writable=False)
    assert "up to date" in caught.value.advice
    assert (tmp_path / "state.db").read_bytes() == before


def test_a_state_of_the_first_schema_is_brought_up_to_date_and_keeps_what_it_holds(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.remember_digest("models:/m-1", "kept")
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw, raw:
        for table in (
            "selector_facts",
            "selector_health",
            "selector_deliveries",
            "selector_alerts",
        ):  # what later revisions made
            raw.execute(f"DROP TABLE {table}")
        raw.execute("UPDATE mlflow_selector_version SET version_num = '0001'")
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.remember_facts("models:/m-1", ModelFacts(5))
        assert store.digests(["models:/m-1"]) == {"models:/m-1": "kept"}
        assert store.facts(["models:/m-1"]) == {"models:/m-1": ModelFacts(5)}


def test_a_migration_that_fails_leaves_no_half_state(tmp_path, monkeypatch):
    def fails(*_):
        raise RuntimeError("stopped")

    monkeypatch.setattr(store_sql, "upsert", fails)
    with pytest.raises(RuntimeError, match="stopped"):
        open_store(tmp_path, None, writable=True)
    monkeypatch.undo()
    with closing(open_store(tmp_path, None, writable=True)) as store:
        assert store.verify() == 0
