"""Is a state that cannot be trusted noticed and refused with a way out?"""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from selector.adapters.lock_file import FileLease
from selector.adapters.store_records import chained
from selector.adapters.store_sql import SqlStore, open_store
from selector.adapters.store_sql_database import database_url
from selector.domain.model import Predictions
from selector.domain.promotion import MoveAlias, Plan
from selector.errors import ConfigurationError, DamagedStateError, StateUnavailableError
from selector.ports import Entry

START = datetime(2026, 3, 1, tzinfo=UTC)


def entries(count=5):
    return [
        Entry(START + timedelta(hours=n), "churn", "decision", version=n, decision=f"d{n}", details={"f1": n / 10})
        for n in range(count)
    ]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def tampered(request, tmp_path):
    """A ledger of five entries, and a way past the program to change its tables."""
    postgres = request.getfixturevalue("postgres_database") if request.param == "postgres" else None
    with closing(open_store(tmp_path, postgres, writable=True)) as store:
        store.append(entries())
        assert store.verify() == 5
        engine = create_engine(database_url(postgres or f"sqlite:///{tmp_path / 'state.db'}"))

        def tamper(*statements, **values):
            with engine.begin() as connection:
                for statement in statements:
                    connection.execute(text(statement), values)

        yield store, tamper
        engine.dispose()


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["UPDATE selector_ledger SET record = replace(record, '0.2', '0.3') WHERE seq = 3"], "entry 3 was changed"),
        (
            ["UPDATE selector_ledger SET record = replace(record, 'churn', 'chusn') WHERE seq = 5"],
            "entry 5 was changed",
        ),
        (["UPDATE selector_ledger SET record = 'not json' WHERE seq = 1"], "entry 1"),
        (["UPDATE selector_ledger SET model = 'other' WHERE seq = 2"], "entry 2 was found under other names"),
        (["UPDATE selector_ledger SET decision = NULL WHERE seq = 2"], "entry 2 was found under other names"),
        (["UPDATE selector_ledger SET at = '2020' WHERE seq = 2"], "entry 2 was found under other names"),
        (["DELETE FROM selector_ledger WHERE seq = 1"], "entry 1 is missing"),
        (["DELETE FROM selector_ledger WHERE seq = 3"], "entry 3 is missing"),
        (["DELETE FROM selector_ledger WHERE seq = 5"], "it ends at entry 4, but entry 5"),
        (["DELETE FROM selector_ledger"], "it ends at entry 0, but entry 5"),
        (["DELETE FROM selector_ledger_head"], "lost its head"),
        (["UPDATE selector_ledger_head SET hash = 'f'"], "it ends at entry 5"),
        (
            [
                "UPDATE selector_ledger SET seq = 99 WHERE seq = 2",
                "UPDATE selector_ledger SET seq = 2 WHERE seq = 4",
                "UPDATE selector_ledger SET seq = 4 WHERE seq = 99",
            ],
            "entry 2 is missing or does not follow",
        ),
        (
            ["DELETE FROM selector_ledger WHERE seq = 3", "UPDATE selector_ledger SET seq = seq - 1 WHERE seq > 3"],
            "entry 3 is missing or does not follow",
        ),
    ],
)
def test_a_changed_ledger_is_noticed(tampered, statements, said):
    store, tamper = tampered
    tamper(*statements)
    with pytest.raises(DamagedStateError, match=said) as caught:
        store.verify()
    assert caught.value.exit_code == 65
    assert "history" in caught.value.advice


def test_an_entry_rewritten_with_a_new_hash_no_longer_fits_the_next(tampered):
    store, tamper = tampered
    with store._database.reading() as connection:
        row = connection.execute(text("SELECT * FROM selector_ledger WHERE seq = 2")).one()
    record = row.record.replace("0.1", "0.9")
    tamper(
        "UPDATE selector_ledger SET record = :record, hash = :hash WHERE seq = 2",
        record=record,
        hash=chained(row.previous_hash, 2, record),
    )
    assert store.entries("churn")[1].details == {"f1": 0.9}
    with pytest.raises(DamagedStateError, match="entry 3 is missing or does not follow"):
        store.verify()


def test_a_changed_entry_is_not_shown_as_history(tampered):
    store, tamper = tampered
    tamper("UPDATE selector_ledger SET record = replace(record, '0.4', '0.5') WHERE seq = 5")
    with pytest.raises(DamagedStateError, match="entry 5 was changed"):
        store.last_decisions()
    assert len(store.entries(until=START + timedelta(hours=3))) == 4


def test_a_changed_plan_is_not_carried_out(tampered):
    store, tamper = tampered
    store.begin(Plan("d9", "churn", "promotion", (MoveAlias("champion", 2, 1),)), {})
    tamper("""UPDATE selector_journal SET plan = replace(plan, 'champion', 'chimpion')""")
    with pytest.raises(DamagedStateError, match="plan d9"):
        store.unfinished()


def test_a_plan_with_steps_of_a_newer_version_asks_for_that_version(tampered, monkeypatch):
    store, _ = tampered
    store.begin(Plan("d9", "churn", "promotion", (MoveAlias("champion", 2, 1),)), {})
    monkeypatch.delitem(__import__("selector.domain.promotion", fromlist=["x"]).STEP_KINDS, "MoveAlias")
    with pytest.raises(DamagedStateError, match="d9 has a step that this version does not know") as caught:
        store.unfinished()
    assert "install that version" in caught.value.advice


def test_one_flipped_byte_of_a_record_anywhere_is_noticed(tmp_path):
    path = tmp_path / "state.db"
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.append(entries(40))
    whole = path.read_bytes()
    places = [i for i in range(len(whole) - 8) if whole.startswith(b'"f1":', i)]
    chance = random.Random(1)
    for place in chance.sample(places, 15):
        spot = place + chance.randrange(-40, 6)
        path.write_bytes(whole[:spot] + bytes([whole[spot] ^ (1 << chance.randrange(7))]) + whole[spot + 1 :])
        with pytest.raises(DamagedStateError), closing(open_store(tmp_path, None, writable=True)) as store:
            store.verify()
    path.write_bytes(whole)
    with closing(open_store(tmp_path, None, writable=True)) as store:
        assert store.verify() == 40


def damaged_files():
    chance = random.Random(2)
    return {
        "not a database": lambda whole: b"hello, world\n" * 500,
        "cut in the middle": lambda whole: whole[: len(whole) // 2],
        "cut within a page": lambda whole: whole[: len(whole) // 2 + 100],
        "only its header": lambda whole: whole[:100],
        "noise from the second page on": lambda whole: whole[:4096] + chance.randbytes(len(whole) - 4096),
        "zeros at the end": lambda whole: whole[: len(whole) // 3] + bytes(len(whole) - len(whole) // 3),
    }


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize("damage", damaged_files())
def test_a_damaged_file_is_refused_with_advice_and_left_as_it_is(tmp_path, damage, writable):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.append(entries(200))
    path = tmp_path / "state.db"
    broken = damaged_files()[damage](path.read_bytes())
    path.write_bytes(broken)
    with pytest.raises(DamagedStateError) as caught:
        open_store(tmp_path, None, writable=writable)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert "Move state.db" in caught.value.advice
    assert path.read_bytes() == broken


def test_a_lost_table_is_damage(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)):
        pass
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw:
        raw.execute("DROP TABLE selector_ledger")
    with (
        closing(open_store(tmp_path, None, writable=True)) as store,
        pytest.raises(DamagedStateError, match="no such table"),
    ):
        store.entries()


def test_after_moving_the_damaged_file_away_a_new_state_begins(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.append(entries())
    (tmp_path / "state.db").rename(tmp_path / "state.db.damaged")
    with closing(open_store(tmp_path, None, writable=True)) as store:
        assert store.verify() == 0


@pytest.mark.parametrize("writable", [True, False])
def test_a_newer_schema_is_refused_with_the_version_that_is_needed(tmp_path, writable):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.append(entries())
    with closing(sqlite3.connect(tmp_path / "state.db")) as raw:
        raw.execute("UPDATE mlflow_selector_version SET version_num = '0042'")
        raw.execute("UPDATE selector_about SET value = '7.1.0'")
        raw.commit()
    before = (tmp_path / "state.db").read_bytes()
    with pytest.raises(DamagedStateError, match="schema 0042") as caught:
        open_store(tmp_path, None, writable=writable)
    assert "Install mlflow-selector 7.1.0 or later" in caught.value.advice
    assert caught.value.exit_code == 65
    assert (tmp_path / "state.db").read_bytes() == before


@pytest.mark.postgres
def test_a_newer_schema_on_postgresql_is_refused(tmp_path, postgres_database):
    with closing(open_store(tmp_path, postgres_database, writable=True)) as store, store._database.writing() as raw:
        raw.exec_driver_sql("UPDATE mlflow_selector_version SET version_num = '0042'")
    with pytest.raises(DamagedStateError, match="schema 0042"):
        open_store(tmp_path, postgres_database, writable=True)


def test_something_else_in_the_files_place_is_not_reachable_rather_than_damaged(tmp_path):
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StateUnavailableError, match="cannot be opened") as caught:
        open_store(tmp_path, None, writable=True)
    assert caught.value.retryable
    assert caught.value.advice


def test_a_state_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnavailableError, match="cannot be made: Not a directory"):
        open_store(tmp_path / "file" / "state", None, writable=True)


@pytest.mark.parametrize("writable", [True, False])
def test_a_folder_without_permission_is_one_sentence(tmp_path, writable):
    folder = tmp_path / "state"
    with closing(open_store(folder, None, writable=True)):
        pass
    folder.chmod(0)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        with pytest.raises(StateUnavailableError, match=r"[Pp]ermission denied|unable to open") as caught:
            open_store(folder, None, writable=writable)
        with pytest.raises(StateUnavailableError, match="Permission denied"), FileLease(folder).hold():
            pytest.fail("held")
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)
    assert "\n" not in caught.value.message
    assert caught.value.advice


def test_a_full_disk_is_one_sentence_and_the_store_works_again_with_more_room(tmp_path):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.append(entries())
        with store._database.reading() as raw:
            pages = raw.exec_driver_sql("PRAGMA page_count").scalar()
            raw.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        big = Entry(START, "churn", "decision", details={"blob": "x" * 100_000})
        with pytest.raises(StateUnavailableError, match="is full") as caught:
            store.append([big])
        assert "SELECT" not in caught.value.message
        assert "INSERT" not in caught.value.message
        assert store.verify() == 5
        store.remember_digest("u" * 300, "x" * 100_000)
        with store._database.reading() as raw:
            raw.exec_driver_sql(f"PRAGMA max_page_count = {pages * 100}")
        store.append([big])
        assert store.verify() == 6


def test_a_state_that_another_process_keeps_locked_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("selector.adapters.store_sql_database.BUSY_SECONDS", 0.05)
    with (
        closing(open_store(tmp_path, None, writable=True)) as store,
        closing(sqlite3.connect(tmp_path / "state.db")) as raw,
    ):
        raw.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateUnavailableError, match="Another process keeps the state"):
            store.append(entries())
        assert store.verify() == 0


@pytest.mark.postgres
def test_a_database_that_does_not_answer_is_one_sentence_without_the_password(tmp_path):
    with pytest.raises(StateUnavailableError, match="does not answer") as caught:
        open_store(tmp_path, "postgresql://ann:hunter2@127.0.0.1:9/state", writable=True)
    assert caught.value.retryable
    assert "hunter2" not in caught.value.message + caught.value.advice


@pytest.mark.parametrize("url", ["mysql://h/d", "sqlite://", "sqlite:///:memory:", "postgresql//x", "://"])
def test_a_database_of_another_kind_is_a_configuration_error(tmp_path, url):
    with pytest.raises(ConfigurationError) as caught:
        database_url(url)
    assert "postgresql://" in caught.value.advice


def test_sqlite_and_postgresql_urls_are_understood(tmp_path):
    assert database_url("postgres://h/d").drivername == "postgresql+psycopg"
    assert database_url("postgresql+psycopg2://h/d").drivername == "postgresql+psycopg"
    with closing(SqlStore.open(f"sqlite:///{tmp_path / 'deep' / 'own.db'}")) as store:
        store.append(entries())
    assert (tmp_path / "deep" / "own.db").is_file()


@pytest.mark.parametrize("damage", ["missing", "cut", "flipped", "replaced by a pickle", "a folder"])
def test_a_damaged_predictions_file_is_a_miss_and_dropped(tmp_path, damage, caplog):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.remember_predictions("m", "h", Predictions(np.arange(100)))
        (file,) = tmp_path.rglob("*.npz")
        whole = file.read_bytes()
        file.unlink()
        if damage == "cut":
            file.write_bytes(whole[:-20])
        elif damage == "flipped":
            file.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
        elif damage == "replaced by a pickle":
            with file.open("wb") as target:
                np.savez(target, labels=np.array([{}], dtype=object))
        elif damage == "a folder":
            file.mkdir()
        assert store.predictions("m", "h") is None
        assert "damaged" in caplog.text
        with suppress(IsADirectoryError), store._database.reading() as raw:
            assert raw.exec_driver_sql("SELECT count(*) FROM selector_predictions").scalar() == 0


def test_arrays_of_python_objects_are_not_kept(tmp_path, caplog):
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.remember_predictions("m", "h", Predictions(np.array([{}, 1], dtype=object)))
        assert store.predictions("m", "h") is None
    assert "not kept" in caplog.text
    assert not list(tmp_path.rglob("*.tmp"))


def test_predictions_are_not_kept_where_their_folder_cannot_be_made(tmp_path, caplog):
    (tmp_path / "predictions").write_text("in the way")
    with closing(open_store(tmp_path, None, writable=True)) as store:
        store.remember_predictions("m", "h", Predictions(np.array([1])))
        assert store.predictions("m", "h") is None
    assert "not kept" in caplog.text
