"""Staged models on a real disk: every way of handing them over, each exactly once, and never half of one."""

from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from migrations.importer import LegacyImporter
from migrations.scan import scan
from selector.adapters.clock_memory import MemoryClock
from selector.adapters.lock_memory import MemoryLease
from selector.adapters.registry_memory import KilledError, MemoryRegistry
from selector.adapters.store_memory import MemoryStore
from selector.daemon import INTERRUPTIBLE
from selector.domain.events import WakeUp
from selector.domain.model import COPY_OF_TAG, FINGERPRINT_TAG, SOURCE_TAG
from selector.errors import MlflowUnreachableError, SelectorError, StateUnavailableError
from selector.workflows import staged_files
from selector.workflows.cycle import Cycle
from selector.workflows.house import House, Staging
from selector.workflows.import_staged import Imported, StagedFolders

QUIET = 10.0


class FakeModel:
    """Pickled under the name of a real estimator, so that no test has to train one."""

    def __init__(self, number=0, padding=0):
        self.number, self.coef_ = number, bytes(padding)

    def __reduce__(self):
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow, and only its name is needed

        return (LogisticRegression, (), {"number": self.number, "coef_": self.coef_})


def model(number=0, padding=0):
    return pickle.dumps(FakeModel(number, padding))


def metadata(f1=0.5):
    return json.dumps({"performance_metrics": {"f1_score": f1}, "registered_at": "2025-08-20T10:46:03"})


class Site:
    """A staging folder, MLflow in memory, and a clock that this test moves."""

    def __init__(self, tmp, **staging):
        self.folder = tmp / "models" / "staging"
        self.folder.mkdir(parents=True)
        self.registry, self.store, self.clock = MemoryRegistry(), MemoryStore(), MemoryClock()
        self.house = House(
            registry=self.registry,
            store=self.store,
            clock=self.clock,
            lease=MemoryLease(f"lease-{id(self)}"),
            reports=None,
            scorer=None,
            holdouts=None,
            setups={},
            spool=tmp / "spool",
            staging=(Staging(self.folder, "churn", "exp", **staging),),
            importer=LegacyImporter(self.registry, self.registry, self.clock),
        )
        self.staged, self.now, self.troubles = StagedFolders(), 1000.0, []

    def turn(self, after=0.0):
        """Let time pass and take a turn; return what came of staged models."""
        self.now += after
        self.staged.look_again()
        results = [result for _, result in self.staged.take(self.house, self.now)]
        self.troubles += [r for r in results if isinstance(r, SelectorError)]
        return [r for r in results if isinstance(r, Imported)]

    def settle(self):
        """Take turns until what lies there now has settled."""
        return [*self.turn(1.0), *self.turn(QUIET + 1.0)]

    def restart(self):
        self.staged = StagedFolders()

    def put(self, name, content=None, **more):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if content is not None else model(**more))
        return path

    def put_folder(self, name, content=None, f1=0.5, **more):
        self.put(f"{name}/metadata.json", metadata(f1).encode())
        return self.put(f"{name}/model.pkl", content, **more).parent

    def runs(self):
        return {run.name: run for run in self.registry.runs(["exp"])}

    def recorded(self, kind):
        return [entry for entry in self.store.entries("churn") if entry.kind == kind]


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def names(results, status="imported"):
    return sorted(r.name for r in results if r.status == status)


def test_a_staged_folder_becomes_one_finished_run_after_the_quiet_time_and_no_second_one(site):
    site.put_folder("forest_20250820_104603", f1=0.7)
    assert site.turn() == []
    assert site.turn(QUIET - 1.0) == []
    assert names(site.turn(2.0)) == ["forest_20250820_104603"]
    run = site.runs()["forest_20250820_104603"]
    assert (run.status, dict(run.metrics)) == ("FINISHED", {"f1_score": 0.7})
    assert run.tags[SOURCE_TAG] == str(site.folder / "forest_20250820_104603")
    assert run.ended_at.isoformat() == "2025-08-20T10:46:03+00:00"
    (entry,) = site.recorded("imported")
    assert (entry.actor, entry.details["imported"], entry.details["batch"]) == ("daemon", 1, run.tags["selector.batch"])
    assert site.settle() == []
    assert len(site.registry.runs(["exp"])) == 1


def test_an_unchanged_folder_costs_no_call_no_lease_and_no_opened_file(site, monkeypatch):
    for number in range(30):
        site.put_folder(f"forest_20250820_1046{number:02d}", number=number)
    site.put("broken.pkl", model()[:-5])
    site.settle()
    site.settle()
    reads = site.registry.reads

    def never(*_args, **_more):
        raise AssertionError("nothing changed")

    monkeypatch.setattr(staged_files, "copy", never)
    monkeypatch.setattr("selector.workflows.staged_batch.copy", never)
    monkeypatch.setattr(MemoryLease, "hold", never)
    assert [site.turn(100.0) for _ in range(5)] == [[]] * 5
    assert site.registry.reads == reads
    assert site.troubles == []


@pytest.mark.parametrize("format_", ["pickle", "json"])
def test_of_a_hundred_slow_writes_no_prefix_is_ever_imported(tmp_path, format_):
    content = model(1, 400) if format_ == "pickle" else model(1)
    document = metadata(0.5).encode()
    whole = content if format_ == "pickle" else document
    steps = [len(whole) * step // 12 for step in range(1, 13)]
    made = []
    for number in range(100):
        if number % 10 == 0:
            site = Site(tmp_path / f"{number}")
            made.append(site)
        folder = site.folder / f"forest_20250820_{number:06d}"
        folder.mkdir()
        (folder / ("metadata.json" if format_ == "pickle" else "model.pkl")).write_bytes(
            document if format_ == "pickle" else content
        )
        growing = folder / ("model.pkl" if format_ == "pickle" else "metadata.json")
        with growing.open("wb") as out:
            for begin, end in zip([0, *steps], steps, strict=False):
                out.write(whole[begin:end])
                out.flush()
                # A writer that pauses for longer than the quiet time now and then: only the end check helps there.
                imported = names(site.turn(25.0 if number % 5 == 0 and end % 3 == 0 else 1.0))
                if end < len(whole):
                    assert folder.name not in imported
    for site in made:
        site.settle()
        assert len(site.runs()) == 10
        assert {dict(run.metrics)["f1_score"] for run in site.runs().values()} == {0.5}


def test_a_stall_in_the_middle_of_a_closed_file_is_refused_once_and_the_whole_file_imported(site):
    path = site.put_folder("forest_20250820_104603", model(1, 900)[:400]) / "model.pkl"
    assert names(site.settle(), "failed") == ["forest_20250820_104603"]
    assert [site.settle() for _ in range(3)] == [[]] * 3
    (entry,) = site.recorded("failed")
    assert "model.pkl is cut off" in entry.reason
    path.write_bytes(model(1, 900))
    assert names(site.settle()) == ["forest_20250820_104603"]


def test_a_preallocated_file_is_not_imported_before_it_is_filled(site):
    content = model(1, 5000)
    path = site.put_folder("forest_20250820_104603", bytes(len(content))) / "model.pkl"
    assert names(site.settle(), "failed") == ["forest_20250820_104603"]
    with path.open("r+b") as out:
        out.write(content[:3000])
        out.flush()
        assert names(site.settle()) == []
        out.write(content[3000:])
    assert names([*site.settle(), *site.settle()]) == ["forest_20250820_104603"]


def test_a_file_that_somebody_still_has_open_for_writing_waits_and_a_forgotten_one_does_not_wait_for_ever(site):
    folder = site.put_folder("forest_20250820_104603")
    with (folder / "model.pkl").open("ab"):
        assert site.settle() == []
        assert site.settle() == []
        assert names(site.turn(40 * QUIET)) == ["forest_20250820_104603"]


def test_a_file_that_changes_while_it_is_copied_is_taken_up_again_later(site, monkeypatch):
    folder = site.put_folder("forest_20250820_104603", number=1)
    real, done = staged_files._pour, []

    def pour(handle, name, size, target, tell):
        digest = real(handle, name, size, target, tell)
        if name.endswith("model.pkl") and not done:
            done.append((folder / "model.pkl").write_bytes(model(2)))
        return digest

    monkeypatch.setattr(staged_files, "_pour", pour)
    assert site.settle() == []
    assert site.runs() == {}
    assert names(site.settle()) == ["forest_20250820_104603"]
    (run,) = site.runs().values()
    assert b"number" in site.registry.files[run.models[0].uri]["model.pkl"]
    assert site.registry.files[run.models[0].uri]["model.pkl"] == model(2)


def test_a_long_copy_tells_that_it_goes_on_and_may_be_broken_off_without_leaving_anything(site):
    class EndedError(BaseException):
        pass

    told = []

    def progress(what, done, total):
        told.append((what, done, total))
        if what in INTERRUPTIBLE and 0 < done < total and len(told) > 3:
            raise EndedError

    site.put_folder("forest_20250820_104603", padding=5 << 20)
    site.house = replace(site.house, progress=progress)
    with pytest.raises(EndedError):
        site.settle()
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert list(site.house.spool.iterdir()) == []
    assert site.registry.writes == []
    told.clear()
    site.house = replace(site.house, progress=lambda *step: told.append(step))
    site.restart()
    assert names(site.settle()) == ["forest_20250820_104603"]
    copying = [step for step in told if step[0] in INTERRUPTIBLE]
    assert copying[-1][1] == copying[-1][2], "from here on it must not be broken off"
    assert told.index(copying[-1]) < len(told) - 1


def test_a_file_that_is_renamed_into_place_counts_from_then_on(site):
    site.put("a_metrics.json", b'{"f1": 0.5}')
    site.put(".a_model.pkl.tmp", model(1))
    site.settle()
    assert site.runs() == {}
    (site.folder / ".a_model.pkl.tmp").rename(site.folder / "a_model.pkl")
    assert names(site.settle()) == ["a"]
    assert dict(site.runs()["a"].metrics) == {"f1": 0.5}


def test_a_whole_folder_can_be_moved_copied_or_hard_linked_into_place(site, tmp_path):
    made = Site(tmp_path / "elsewhere").put_folder("forest_20250820_104603", number=1)
    shutil.copytree(made, site.folder / "copied_20250820_104604")
    (site.folder / "linked_20250820_104605").mkdir()
    for file in made.iterdir():
        os.link(file, site.folder / "linked_20250820_104605" / file.name)
    made.rename(site.folder / made.name)
    assert names(site.settle()) == ["copied_20250820_104604", "forest_20250820_104603", "linked_20250820_104605"]
    copies = [COPY_OF_TAG in run.tags for run in site.runs().values()]
    assert sorted(copies) == [False, True, True]


def test_a_model_that_is_overwritten_in_place_is_a_new_run_and_the_old_one_stays(site):
    site.put("model.pkl", number=1)
    site.put("metrics.json", b'{"f1": 0.5}')
    assert len(site.settle()) == 1
    site.put("model.pkl", number=2)
    site.put("metrics.json", b'{"f1": 0.6}')
    assert len(site.settle()) == 1
    assert sorted(dict(r.metrics)["f1"] for r in site.registry.runs(["exp"])) == [0.5, 0.6]
    site.put("model.pkl", number=1)
    assert site.settle() == [], "these bytes were imported from here before"


def test_the_same_bytes_under_another_name_are_a_copy_and_a_touched_file_is_nothing_new(site):
    first = site.put("a.pkl", number=1)
    assert names(site.settle()) == ["a"]
    site.put("b.pkl", number=1)
    os.utime(first)
    assert names(site.settle()) == ["b"]
    assert site.runs()["b"].tags[COPY_OF_TAG] == site.runs()["a"].run_id


def test_loose_files_are_models_of_their_own_with_their_own_numbers(site):
    for name, f1 in (("churn_a", 0.4), ("churn_b", 0.6)):
        site.put(f"{name}_model.pkl", number=int(10 * f1))
        site.put(f"{name}_metrics.json", json.dumps({"f1": f1}).encode())
    assert names(site.settle()) == ["churn_a", "churn_b"]
    site.put("churn_c_model.pkl", number=7)
    site.put("churn_c_metrics.json", b'{"f1": 0.7}')
    assert names(site.settle()) == ["churn_c"]
    assert {name: dict(run.metrics)["f1"] for name, run in site.runs().items()} == {
        "churn_a": 0.4,
        "churn_b": 0.6,
        "churn_c": 0.7,
    }


def test_a_single_loose_file_does_not_become_the_staging_folder_itself(site):
    site.put("churn_1.pkl", number=1)
    assert names(site.settle()) == ["churn_1"]
    assert site.runs()["churn_1"].tags[SOURCE_TAG] == str(site.folder / "churn_1.pkl")


def test_folders_within_folders_are_named_as_a_migration_by_hand_names_them(site):
    site.put_folder("churn/v1", number=1)
    site.put_folder("churn/v2", number=2)
    assert names(site.settle()) == ["churn/v1", "churn/v2"]
    again = site.house.importer.import_folder(site.folder, "churn", "exp")
    assert {outcome.status for outcome in again} == {"already"}


def test_what_a_migration_by_hand_imported_is_not_imported_again(site):
    site.put_folder("forest_20250820_104603")
    site.put("a.pkl", number=2)
    site.put("b.pkl", number=3)
    site.house.importer.import_folder(site.folder, "churn", "exp")
    assert site.settle() == []
    assert len(site.registry.runs(["exp"])) == 3


def test_after_a_restart_nothing_is_imported_read_or_recorded_again(site, monkeypatch):
    site.put_folder("forest_20250820_104603")
    site.put("bad.pkl", model()[:-9])
    assert len(site.settle()) == 2
    entries = site.store.entries()
    site.restart()
    monkeypatch.setattr("selector.workflows.staged_batch.copy", pytest.fail)
    assert site.settle() == []
    assert site.store.entries() == entries


def test_after_a_restart_on_a_new_mlflow_everything_is_imported_again(site):
    site.put_folder("forest_20250820_104603")
    site.settle()
    site.restart()
    site.registry = MemoryRegistry()
    site.house = replace(
        site.house, registry=site.registry, importer=LegacyImporter(site.registry, site.registry, site.clock)
    )
    assert names(site.settle()) == ["forest_20250820_104603"]


def test_killed_after_any_single_write_the_next_start_imports_each_model_exactly_once(tmp_path):
    def arrive(place):
        site = Site(tmp_path / place)
        site.put_folder("forest_20250820_104603", number=1)
        site.put_folder("forest_20250820_104604", number=1)
        site.put("loose.pkl", number=2)
        return site

    whole = arrive("whole")
    whole.settle()
    for number in range(len(whole.registry.writes) + 1):
        site = arrive(str(number))
        site.registry.fail_after(number)
        with pytest.raises(KilledError):
            site.settle()
        site.restart()
        site.settle()
        finished = [run.name for run in site.registry.runs(["exp"]) if run.status == "FINISHED"]
        assert sorted(finished) == ["forest_20250820_104603", "forest_20250820_104604", "loose"]
        assert len(site.registry.registered_model("churn").versions) == 3
        shutil.rmtree(site.folder)


def test_what_was_undone_stays_out_until_it_changes_also_after_a_restart(site):
    path = site.put("a.pkl", number=1)
    (made,) = site.settle()
    site.registry.delete_run(made.run_id)
    assert site.settle() == []
    site.restart()
    assert site.settle() == []
    path.write_bytes(model(2))
    assert names(site.settle()) == ["a"]


def test_the_same_reason_is_recorded_once_however_often_a_broken_entry_is_touched(site):
    path = site.put("a.pkl", model()[:-5])
    for _ in range(3):
        os.utime(path)
        assert names(site.settle(), "failed") == ["a"]
    site.restart()
    os.utime(path)
    site.settle()
    assert len(site.recorded("failed")) == 1


def test_what_arrives_while_nobody_watches_is_seen_at_the_start(site):
    site.put_folder("forest_20250820_104603")
    site.settle()
    site.put_folder("forest_20250820_104604", number=2)
    site.restart()
    assert names(site.settle()) == ["forest_20250820_104604"]


def test_a_folder_that_is_missing_removed_and_made_again_is_followed(site):
    shutil.rmtree(site.folder)
    assert site.settle() == []
    site.put_folder("forest_20250820_104603")
    assert len(site.settle()) == 1
    shutil.rmtree(site.folder)
    assert site.settle() == []
    site.put_folder("forest_20250820_104603")
    site.put_folder("forest_20250820_104604", number=2)
    assert names(site.settle()) == ["forest_20250820_104604"]
    assert site.troubles == []


def test_links_pipes_sockets_and_devices_are_never_opened_and_recorded_once(site, tmp_path):
    secret = tmp_path / "secret.pkl"
    secret.write_bytes(model(99))
    folder = site.put_folder("forest_20250820_104603")
    (folder / "model.pkl").unlink()
    (folder / "model.pkl").symlink_to(secret)
    (site.folder / "link.pkl").symlink_to(secret)
    (site.folder / "inside.pkl").symlink_to(folder / "metadata.json")
    (site.folder / "folder_20250820_104603").symlink_to(tmp_path)
    os.mkfifo(site.folder / "pipe.pkl")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(site.folder / "socket.pkl"))
    if os.geteuid() == 0:
        os.mknod(site.folder / "device.pkl", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    site.put("good.pkl", number=1)
    assert names(site.settle()) == ["good"]
    site.settle()
    reasons = "\n".join(entry.reason for entry in site.recorded("failed"))
    kinds = {"link": "a link", "inside": "a link", "pipe": "a named pipe", "socket": "a socket"}
    kinds |= {"device": "a device"} if os.geteuid() == 0 else {}
    for name, kind in kinds.items():
        assert reasons.count(f"staged {name}.pkl was not imported: it is {kind},") == 1
    assert "model.pkl is a link" in reasons
    assert list(site.runs()) == ["good"]


def test_a_link_in_place_of_a_folder_or_file_between_scan_and_copy_is_not_followed(site, tmp_path, monkeypatch):
    outside = Site(tmp_path / "outside").put_folder("forest_20250820_104603", number=99)
    folder = site.put_folder("forest_20250820_104603", number=1)
    real = staged_files._open_below

    def swap(root, name):
        if folder.exists() and not folder.is_symlink():
            shutil.rmtree(folder)
            folder.symlink_to(outside)
        return real(root, name)

    monkeypatch.setattr("selector.workflows.staged_files._open_below", swap)
    assert site.settle() == []
    assert site.runs() == {}


def test_a_sparse_file_of_any_size_costs_neither_room_nor_a_crash(site):
    with (site.folder / "huge.pkl").open("wb") as out:
        out.truncate(1 << 42)
    with (site.folder / "holes.pkl").open("wb") as out:
        out.truncate(1 << 28)
    site.put("good.pkl")
    results = site.settle()
    assert names(results) == ["good"]
    assert names(results, "failed") == ["holes", "huge.pkl"]
    assert not list(site.house.spool.iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the rights of another user for a moment")
def test_what_cannot_be_read_is_recorded_once_and_imported_when_it_can():
    home = Path(tempfile.mkdtemp(prefix="staging-"))
    try:
        site = Site(home)
        for folder in (home, home / "models", site.folder):
            folder.chmod(0o777)
        secret = site.put("secret.pkl", number=1)
        secret.chmod(0)
        closed = site.put_folder("forest_20250820_104603", number=2)
        closed.chmod(0)
        site.put("good.pkl", number=3)
        os.seteuid(65534)
        try:
            results = [*site.settle(), *site.settle()]
            assert names(results) == ["good"]
            assert len(site.recorded("failed")) == 2
            assert all("cannot be read" in entry.reason for entry in site.recorded("failed"))
            os.seteuid(0)
            secret.chmod(0o644)
            closed.chmod(0o755)
            os.seteuid(65534)
            assert names(site.settle()) == ["forest_20250820_104603", "secret"]
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(home)


def test_odd_names_are_imported_and_told_on_one_line_each(site):
    odd = [
        b"caf\xe9.pkl",
        "naïve \u202e.pkl".encode(),
        b"new\nline.pkl",
        b"\x1b[31mred.pkl",
        b"-rf.pkl",
        b"a" * 240 + b".pkl",
    ]
    for number, name in enumerate(odd):
        (site.folder / os.fsdecode(name)).write_bytes(model(number))
    site.put("ordinary.pkl", number=50)
    assert len(names(site.settle())) == len(odd) + 1
    assert site.settle() == []
    site.restart()
    assert site.settle() == []
    json.dumps([entry.details for entry in site.store.entries() if entry.details], default=dict).encode()


def test_a_bad_entry_stops_no_other_and_a_bug_is_its_own_trouble(site, monkeypatch, caplog):
    site.put_folder("cut_20250820_104603", model()[:-7])
    site.put_folder("unknown_20250820_104603", b"what is this")
    site.put_folder("good_20250820_104603", number=1)
    site.put_folder("bug_20250820_104603", number=2)
    real = LegacyImporter.import_paths

    def import_paths(self, paths, *args, **more):
        if any(list(path.rglob("bug_*")) for path in paths):
            raise ZeroDivisionError("a bug")
        return real(self, paths, *args, **more)

    monkeypatch.setattr(LegacyImporter, "import_paths", import_paths)
    results = site.settle()
    assert names(results) == ["good_20250820_104603"]
    assert len(names(results, "failed")) == 3
    assert "not foreseen" in caplog.text
    assert site.settle() == []
    assert len(site.recorded("failed")) == 3


def test_mlflow_away_is_no_fault_of_the_model_which_is_imported_once_mlflow_is_back(site, monkeypatch):
    site.put_folder("forest_20250820_104603")
    real = site.registry.write
    away = [True]

    def write(run):
        if away:
            raise MlflowUnreachableError("MLflow at http://x cannot be reached")
        return real(run)

    monkeypatch.setattr(site.registry, "write", write)
    assert site.settle() == []
    assert len(site.troubles) == 1
    assert site.recorded("failed") == []
    assert site.turn(1.0) == [], "it is not asked again at once"
    assert len(site.troubles) == 1
    away.clear()
    assert names(site.turn(20.0)) == ["forest_20250820_104603"]


def test_a_full_disk_of_ours_is_no_fault_of_the_model_either(site, monkeypatch):
    site.put_folder("forest_20250820_104603")
    full = [True]
    real = staged_files._make

    def make(folder):
        if full:
            raise staged_files._no_room(folder, OSError(errno.ENOSPC, "No space left on device"))
        real(folder)

    monkeypatch.setattr(staged_files, "_make", make)
    assert site.settle() == []
    assert isinstance(site.troubles[0], StateUnavailableError)
    full.clear()
    assert names(site.turn(20.0)) == ["forest_20250820_104603"]


def test_what_waits_in_the_middle_of_a_turn_is_told_by_next_at(site):
    site.put_folder("forest_20250820_104603")
    site.turn()
    assert site.now + QUIET <= site.staged.next_at <= site.now + QUIET + 1.0
    site.turn(QUIET + 1.0)
    assert site.staged.next_at == site.now + 60.0


@pytest.mark.parametrize(
    "hint", [WakeUp("staging"), WakeUp("socket", everything=True), WakeUp("signal", everything=True)]
)
def test_a_hint_brings_the_next_scan_forward_and_without_one_the_rescan_comes(site, hint):
    cycle = Cycle(site.house, site.staged)
    cycle.turn([WakeUp("start", everything=True)], 1000.0)
    site.put("a.pkl")
    cycle.turn([], 1001.0)
    cycle.turn([WakeUp("database")], 1002.0)
    assert cycle.next_at == 1060.0
    cycle.turn([hint], 1003.0)
    assert 1013.0 <= cycle.next_at < 1014.0
    assert names(cycle.turn([], 1014.0).imported) == ["a"]
    site.put("b.pkl", number=2)
    assert cycle.next_at == 1074.0
    cycle.turn([], 1074.0)
    assert names(cycle.turn([], cycle.next_at).imported) == ["b"]


def test_a_turn_that_is_the_only_one_waits_until_things_have_settled(site):
    site.put_folder("forest_20250820_104603")
    slept = []
    site.staged = StagedFolders(sleep=slept.append)
    assert names(site.turn()) == ["forest_20250820_104603"]
    assert QUIET <= sum(slept) <= QUIET + 1.0


def digests(folder):
    out = subprocess.run(["sha256sum", *sorted(p.name for p in folder.iterdir())], cwd=folder, check=True, stdout=-1)
    return out.stdout


def test_a_manifest_makes_a_folder_complete_at_once_and_a_wrong_one_keeps_it_out(tmp_path):
    site = Site(tmp_path, manifest=True)
    good = site.put_folder("good_20250820_104603", number=1)
    (good / "sha256sums").write_bytes(digests(good))
    bad = site.put_folder("bad_20250820_104603", number=2)
    (bad / "_SUCCESS").write_bytes(digests(bad))
    (bad / "model.pkl").write_bytes(model(3))
    site.put_folder("none_20250820_104603", number=4)
    empty = site.put_folder("empty_20250820_104603", number=5)
    (empty / "_SUCCESS").touch()
    beside = site.put("beside.pkl", number=6)
    text = subprocess.run(["sha256sum", beside.name], cwd=site.folder, check=True, stdout=-1).stdout
    (site.folder / "beside.pkl.sha256").write_bytes(text)
    assert names([*site.turn(), *site.turn(0.5)]) == ["beside", "good_20250820_104603"]
    site.turn(1.0)
    assert len(names(site.turn(QUIET + 1.0), "failed")) == 3
    reasons = " ".join(entry.reason for entry in site.recorded("failed"))
    assert "bad_20250820_104603/model.pkl does not have the digest" in reasons
    assert "no manifest vouches for it" in reasons
    assert "lists no digests" in reasons
    (bad / "_SUCCESS").unlink()
    (bad / "_SUCCESS").write_bytes(digests(bad))
    assert names([*site.turn(1.0), *site.turn(1.0)]) == ["bad_20250820_104603"]


def test_with_a_manifest_files_in_any_order_are_imported_only_when_all_are_there(tmp_path):
    site = Site(tmp_path)
    made = Site(tmp_path / "made").put_folder("forest_20250820_104603", number=1)
    (made / "sha256sums").write_bytes(digests(made))
    target = site.folder / made.name
    target.mkdir()
    for name in ("sha256sums", "metadata.json"):
        shutil.copy(made / name, target / name)
        assert site.turn(2.0) == []
    with (target / "model.pkl").open("wb") as out:
        content = (made / "model.pkl").read_bytes()
        out.write(content[:50])
        out.flush()
        assert site.turn(2.0) == []
        out.write(content[50:])
    assert names([*site.turn(2.0), *site.turn(2.0)]) == [made.name]


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
@pytest.mark.parametrize("options", [[], ["--inplace"], ["--whole-file", "--delay-updates"], ["--partial"]])
def test_rsync_with_every_habit_hands_over_whole_models(site, tmp_path, options):
    source = Site(tmp_path / "source")
    for number in range(5):
        source.put_folder(f"forest_20250820_10460{number}", number=number, padding=50_000)
    command = ["rsync", "-a", "--bwlimit=400", *options, f"{source.folder}/", f"{site.folder}/"]
    done, began = [], time.monotonic()
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            done += site.turn(5.0 * (time.monotonic() - began))
            began = time.monotonic()
    done += site.settle()
    assert len(names(done)) == 5
    assert all(len(dict(run.metrics)) == 1 for run in site.runs().values())
    assert site.recorded("failed") == []
    assert sorted(p.name for p in site.folder.iterdir()) == sorted(site.runs())


LAYOUTS = {
    "stamped": ["xgb_20250820_104603/model.pkl", "xgb_20250820_104603/metadata.json", "rf_20250820_104604/model.pkl"],
    "stages": ["production/model.pkl", "production/metadata.json", "archived/model.pkl", "staging/m.pkl"],
    "versions": ["churn/v1/model.pkl", "churn/v1/metadata.json", "churn/v2.0/model.pkl", "churn/README.md"],
    "versions alone": ["churn/v1/model.pkl", "churn/v1/metadata.json", "churn/v2/model.pkl", "fraud/v1/model.pkl"],
    "quarters": ["tech/2025_q1/umap_model.pkl", "tech/2025_q1/hdbscan_model.pkl", "tech/2025_q2/hdbscan_model.pkl"],
    "months": ["2025/08/model.pkl", "2025/09/model.pkl", "2025/09/metrics.json"],
    "tasks": ["anomaly/ad_model.pkl", "anomaly/metadata.json", "effort/e_model.pkl", "training_summary.json"],
    "flat": ["best_model.pkl", "random_forest.pkl", "xgboost.pkl"],
    "flat and named": ["random_forest.pkl", "xgboost.pkl", "metrics.json"],
    "flat and one": ["model.pkl", "metadata.json"],
    "stems": ["a_model.pkl", "a_metrics.json", "a_scaler.pkl", "b_model.pkl", "b_metadata.json"],
    "registry": ["registry.json", "churn/1/model.pkl", "churn/2/model.pkl"],
    "registry below": ["store/registry.json", "store/churn/1/model.pkl", "store/churn/2/model.pkl"],
}
DOCUMENTS = {
    "metrics.json": {"random_forest": {"f1": 0.4}, "xgboost": {"f1": 0.6}},
    "registry.json": {
        "models": [
            {"model_id": "one", "model_path": "churn/1/model.pkl", "metrics": {"f1": 0.1}},
            {"model_id": "two", "model_path": "churn/2/model.pkl", "metrics": {"f1": 0.2}},
        ]
    },
}


@pytest.mark.parametrize("folder", ["staging", "models", "incoming"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_read_as_a_migration_by_hand_reads_it(tmp_path, layout, folder):
    site = Site(tmp_path)
    site.folder = tmp_path / "store" / folder
    site.house = replace(site.house, staging=(Staging(site.folder, "churn", "exp"),))
    for number, name in enumerate(LAYOUTS[layout]):
        document = DOCUMENTS.get(Path(name).name, {"performance_metrics": {"f1_score": number / 10}})
        site.put(name, model(number) if name.endswith(".pkl") else json.dumps(document).encode())
    by_hand = {(m.source, m.name, m.fingerprint, tuple(m.metrics.items())) for m in scan([site.folder]).models}
    site.settle()
    runs = site.registry.runs(["exp"])
    assert {(r.tags[SOURCE_TAG], r.name, r.tags[FINGERPRINT_TAG], tuple(r.metrics.items())) for r in runs} == by_hand
    assert by_hand
