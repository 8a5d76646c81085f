"""Is there never more than one holder of a lease, and always one again after a crash?"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from selector.adapters.clock_memory import MemoryClock
from selector.adapters.lock_file import LEASE_FILE, FileLease
from selector.adapters.lock_memory import MemoryLease
from selector.adapters.lock_postgres import PostgresLease
from selector.errors import ConfigurationError, LeaseHeldError, StateUnavailableError

ROOT = Path(__file__).parents[2]
kinds = ["memory", "file", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=kinds)
def make(request, tmp_path):
    """Makes one more lease on the same registry."""
    if request.param == "memory":
        return lambda: MemoryLease(str(tmp_path))
    if request.param == "file":
        return lambda: FileLease(tmp_path / "state")
    url = request.getfixturevalue("postgres_database")
    return lambda: PostgresLease(url)


def test_a_free_lease_can_be_held_again_and_again(make):
    lease = make()
    for _ in range(3):
        assert not lease.still_held()
        with lease.hold():
            assert lease.still_held()
    assert not lease.still_held()


def test_a_second_holder_is_refused_and_the_first_keeps_the_lease(make):
    first, second = make(), make()
    with first.hold():
        for _ in range(3):
            with pytest.raises(LeaseHeldError) as caught, second.hold():
                pytest.fail("two holders")
            assert caught.value.exit_code == 75
            assert caught.value.advice
        assert first.still_held()
        assert not second.still_held()
    with second.hold():
        assert second.still_held()


def test_a_lease_does_not_nest(make):
    lease = make()
    with lease.hold():
        with pytest.raises(LeaseHeldError), lease.hold():
            pytest.fail("two holders")
        with pytest.raises(LeaseHeldError), make().hold():
            pytest.fail("two holders")


def test_an_error_inside_frees_the_lease(make):
    with pytest.raises(RuntimeError, match="inside"), make().hold():
        raise RuntimeError("inside")
    with make().hold():
        pass


HOLDER = """
import sys, time
from pathlib import Path
from selector.adapters.lock_file import FileLease
from selector.adapters.lock_postgres import PostgresLease
lease = PostgresLease(sys.argv[1]) if "://" in sys.argv[1] else FileLease(Path(sys.argv[1]))
with lease.hold():
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("kind", kinds[1:])
def test_kill_9_frees_the_lease_and_until_then_the_holder_is_named(request, tmp_path, kind):
    where = request.getfixturevalue("postgres_database") if kind == "postgres" else str(tmp_path)
    lease = PostgresLease(where) if kind == "postgres" else FileLease(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", HOLDER, where], env=environment, stdout=subprocess.PIPE, text=True
        )
        with child.stdout:
            assert child.stdout.readline() == "held\n"
            with pytest.raises(LeaseHeldError, match=f"pid {child.pid} on {os.uname().nodename}"), lease.hold():
                pytest.fail("two holders")
            child.send_signal(signal.SIGKILL)
            child.wait()
        with ExitStack() as held:
            # PostgreSQL notices a closed connection a moment later.
            for attempt in range(500):
                try:
                    held.enter_context(lease.hold())
                    break
                except LeaseHeldError:
                    assert kind == "postgres"
                    assert attempt < 499
                    time.sleep(0.02)
            assert lease.still_held()


def test_the_lease_file_names_the_holder_while_it_is_held(tmp_path):
    with FileLease(tmp_path, MemoryClock()).hold():
        note = json.loads((tmp_path / LEASE_FILE).read_text())
    assert note == {"pid": os.getpid(), "host": os.uname().nodename, "since": "2026-01-01T00:00:00+00:00"}
    assert (tmp_path / LEASE_FILE).read_text() == ""


@pytest.mark.parametrize(
    "note", ["", "not json", "[]", '{"pid": 1}', '{"pid": "\\u001b[31m", "host": "\\n", "since": 1}']
)
def test_what_the_lease_file_says_decides_nothing(tmp_path, note):
    path = tmp_path / LEASE_FILE
    path.write_text(note)
    with FileLease(tmp_path).hold():
        pass
    path.write_text(note)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LeaseHeldError) as caught, FileLease(tmp_path).hold():
            pytest.fail("two holders")
    assert caught.value.message.isprintable()


def test_a_lease_file_removed_by_hand_is_noticed_by_its_holder(tmp_path):
    lease = FileLease(tmp_path)
    with lease.hold():
        (tmp_path / LEASE_FILE).unlink()
        assert not lease.still_held()


def test_a_lock_on_a_file_that_was_replaced_meanwhile_is_not_taken_for_the_lease(tmp_path, monkeypatch):
    path = tmp_path / LEASE_FILE
    real, replaced = fcntl.flock, []

    def flock(handle, how):
        real(handle, how)
        if not replaced:
            replaced.append(path.unlink())

    monkeypatch.setattr(fcntl, "flock", flock)
    lease = FileLease(tmp_path)
    with lease.hold():
        assert lease.still_held()
        assert path.exists()


def test_a_symbolic_link_in_the_lease_files_place_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("content")
    (tmp_path / LEASE_FILE).symlink_to(tmp_path / "precious")
    with pytest.raises(StateUnavailableError, match="cannot be taken"), FileLease(tmp_path).hold():
        pytest.fail("held")
    assert (tmp_path / "precious").read_text() == "content"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnavailableError, match="Not a directory"), FileLease(tmp_path / "file" / "s").hold():
        pytest.fail("held")


@pytest.mark.postgres
def test_a_lost_connection_is_noticed_and_the_lease_is_free_again(postgres_database):
    lease = PostgresLease(postgres_database)
    with lease.hold():
        with psycopg.connect(postgres_database, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        assert not lease.still_held()
    with PostgresLease(postgres_database).hold():
        pass


@pytest.mark.postgres
def test_leases_of_two_registries_in_one_database_are_two(postgres_database):
    with PostgresLease(postgres_database, "one").hold(), PostgresLease(postgres_database, "two").hold():
        pass


def test_a_lease_needs_postgresql_to_answer_and_never_prints_the_password():
    lease = PostgresLease("postgresql://ann:hunter2@127.0.0.1:9/state")
    with pytest.raises(StateUnavailableError, match="does not answer") as caught, lease.hold():
        pytest.fail("held")
    assert "hunter2" not in caught.value.message


def test_a_lease_on_another_kind_of_database_is_a_configuration_error():
    with pytest.raises(ConfigurationError):
        PostgresLease("mysql://host/database")
