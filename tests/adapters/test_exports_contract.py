"""What every place of export promises: whole or not at all, never what is not ours, the one before still readable."""

import contextlib
import json
import os
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from selector.adapters import exports_files
from selector.adapters.exports_files import FileExports
from selector.adapters.exports_memory import MemoryExports
from selector.adapters.exports_mlflow import MlflowExports
from selector.adapters.registry_memory import KilledError
from selector.errors import ExportBusyError, ExportError
from selector.ports_exports import Exported


def model(folder, version, **files):
    """A model folder in which every file says which version it belongs to."""
    made = folder / f"fetched-{version}"
    for name in ("MLmodel", "data/model.pkl", *files):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(f"{name} of version {version}")
    return made


def exported(version, **changed):
    facts = {"model": "churn", "version": version, "run_id": f"run{version}", "source": f"models:/m-{version}"}
    facts |= {"decision": f"decision-{version}", "digest": "d" * 64, "at": datetime(2025, 8, 20, tzinfo=UTC)}
    return Exported(**facts | changed)


class Place:
    """One place, the port that writes to it, and how a consumer reads it."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, folder
        self.where = str(folder / "models" / "production")
        self.exports = {"memory": MemoryExports, "files": FileExports}.get(kind, MlflowExports)
        self.exports = self.exports("sqlite:///none.db") if kind == "mlflow" else self.exports()
        if kind == "mlflow":
            self.where = Path(self.where).as_uri()

    def files(self):
        """The files that a consumer finds, without our record."""
        if self.kind == "memory":
            return {name: text.decode() for name, text in self.exports.held[self.where][1].items()}
        root = self.folder / "models" / "production"
        if self.kind == "mlflow":
            root = root / json.loads((root / "selector.json").read_text())["folder"]
        found = {p.relative_to(root).as_posix(): p.read_text() for p in root.rglob("*") if p.is_file()}
        return {name: text for name, text in found.items() if name != "selector.json"}

    def write(self, version, **changed):
        self.exports.write(self.where, model(self.folder, version), exported(version, **changed))


@pytest.fixture(params=["memory", "files", "mlflow"])
def place(request, tmp_path):
    return Place(request.param, tmp_path)


@pytest.fixture
def folder(tmp_path):
    return Place("files", tmp_path)


def whole(version):
    return {name: f"{name} of version {version}" for name in ("MLmodel", "data/model.pkl")}


def test_a_place_where_nothing_is_holds_nothing(place):
    assert place.exports.read(place.where) is None


def test_what_was_written_is_read_back(place):
    place.write(3)
    assert place.exports.read(place.where) == exported(3)
    assert place.files() == whole(3)


def test_a_version_without_run_and_decision_is_read_back(place):
    place.write(3, run_id=None, decision=None)
    assert place.exports.read(place.where) == exported(3, run_id=None, decision=None)


def test_the_next_version_replaces_all_files_of_the_one_before(place):
    place.exports.write(place.where, model(place.folder, 3, extra="x"), exported(3))
    place.write(4)
    place.write(5)
    assert place.exports.read(place.where) == exported(5)
    assert place.files() == whole(5)


def test_a_model_with_a_file_of_the_name_of_our_record_is_refused_and_the_old_one_stays(place):
    place.write(3)
    named = model(place.folder, 4, **{"selector.json": "x"})
    with pytest.raises(ExportError, match=r"selector\.json"):
        place.exports.write(place.where, named, exported(4))
    assert place.files() == whole(3)


@pytest.mark.parametrize("kind", ["files", "mlflow"])
@pytest.mark.parametrize(
    "text", [None, "{}", "[]", "not JSON", '{"made_by": "somebody"}', '{"made_by": 1, "files": 3}']
)
def test_a_place_with_other_peoples_files_is_refused_and_left_alone(kind, text, tmp_path):
    place = Place(kind, tmp_path)
    theirs = tmp_path / "models" / "production"
    theirs.mkdir(parents=True)
    (theirs / "model.pkl").write_text("theirs")
    if text is not None:
        (theirs / "selector.json").write_text(text)
    before = sorted((tmp_path / "models").rglob("*"))
    for act in (lambda: place.exports.read(place.where), lambda: place.write(3)):
        with pytest.raises(ExportError) as refused:
            act()
        assert refused.value.advice
    assert (theirs / "model.pkl").read_text() == "theirs"
    assert sorted((tmp_path / "models").rglob("*")) == before


def test_a_record_that_would_have_us_delete_something_else_is_refused(tmp_path):
    place = Place("mlflow", tmp_path)
    place.write(3)
    path = tmp_path / "models" / "production" / "selector.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"previous": "../.."}))
    with pytest.raises(ExportError, match="did not put there"):
        place.write(4)


def test_an_artifact_store_keeps_the_version_before_and_deletes_the_one_before_that(tmp_path):
    place = Place("mlflow", tmp_path)
    for version in (3, 4, 5):
        place.write(version)
    kept = sorted(p.name.partition("-")[0] for p in (tmp_path / "models" / "production").iterdir())
    assert kept == ["selector.json", "v4", "v5"]


@pytest.mark.parametrize("after", range(1, 5))
def test_an_upload_that_ends_after_any_write_leaves_the_old_version_whole(after, tmp_path, monkeypatch):
    place = Place("mlflow", tmp_path)
    if after > 1:  # the first time it may also end before anything is there
        place.write(3)
    left = [after]

    def upload(where, doing, call, *more):
        if doing != "open the artifacts" and not doing.startswith(("list", "read")):
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
        return call()

    place.exports._ask = upload
    try:
        place.write(4)
        done = True
    except KilledError:
        done = False
    del place.exports._ask
    if after > 1:
        assert place.files() == whole(4 if done else 3)
    place.write(5)
    assert place.files() == whole(5)


def test_the_folder_holds_exactly_the_model_and_one_small_record(folder):
    folder.write(3)
    path = Path(folder.where)
    assert sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()) == [
        "MLmodel",
        "data/model.pkl",
        "selector.json",
    ]
    record = json.loads((path / "selector.json").read_text())
    assert record["model"] == "churn"
    assert (record["version"], record["run_id"], record["decision"]) == (3, "run3", "decision-3")
    assert record["exported_at"] == "2025-08-20T00:00:00+00:00"
    assert record["files"] == {name: len(text) for name, text in whole(3).items()}


def test_an_empty_folder_is_taken_over(folder):
    Path(folder.where).mkdir(parents=True)
    assert folder.exports.read(folder.where) is None
    folder.write(3)
    assert folder.files() == whole(3)


def test_a_link_of_somebody_else_is_refused(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Path(folder.where).parent.mkdir()
    Path(folder.where).symlink_to(elsewhere)
    with pytest.raises(ExportError, match="is a link to"):
        folder.write(3)
    assert list(elsewhere.iterdir()) == []


def test_whoever_has_begun_to_read_goes_on_reading_the_same_model(folder):
    folder.write(3)
    began = Path(folder.where).resolve()
    opened = (began / "data/model.pkl").open()
    folder.write(4)
    assert (began / "MLmodel").read_text() == "MLmodel of version 3"
    assert opened.read() == "data/model.pkl of version 3"
    opened.close()
    folder.write(5)
    assert not began.exists()


@pytest.mark.parametrize(("mask", "file", "directory"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_permissions_are_as_the_umask_says(folder, mask, file, directory):
    source = model(folder.folder, 3)
    (source / "MLmodel").chmod(0o600)
    source.chmod(0o700)
    before = os.umask(mask)
    try:
        folder.exports.write(folder.where, source, exported(3))
    finally:
        os.umask(before)
    path = Path(folder.where)
    for one in (path / "MLmodel", path / "data/model.pkl", path / "selector.json"):
        assert one.stat().st_mode & 0o777 == file
    for one in (path, path / "data", path.resolve().parent):
        assert one.stat().st_mode & 0o777 == directory


@pytest.mark.parametrize("spoil", ["remove a file", "cut a file off", "remove everything", "remove the link"])
def test_a_folder_that_lost_something_holds_nothing_and_is_written_again(folder, spoil):
    folder.write(3)
    path = Path(folder.where)
    if spoil == "remove a file":
        (path / "data/model.pkl").unlink()
    elif spoil == "cut a file off":
        (path / "data/model.pkl").write_text("data")
    elif spoil == "remove everything":
        shutil.rmtree(path.resolve())
    else:
        path.unlink()
    assert folder.exports.read(folder.where) is None
    folder.write(3)
    assert folder.files() == whole(3)


def test_what_consumers_leave_beside_the_model_does_not_spoil_it(folder):
    folder.write(3)
    (Path(folder.where) / "__pycache__").mkdir()
    assert folder.exports.read(folder.where) == exported(3)


def test_two_processes_do_not_write_the_same_folder_at_once(folder):
    folder.write(3)
    with exports_files._alone(Path(folder.where).resolve().parent, folder.where), pytest.raises(ExportBusyError):
        folder.write(4)
    folder.write(4)
    assert folder.files() == whole(4)


class Steps:
    """Counts every change of the file system, and fails at one of them."""

    NAMES = ("mkdir", "rename", "replace", "symlink", "unlink", "rmdir", "fsync")

    def __init__(self, monkeypatch, check=lambda: None):
        self.count, self.at, self.failure, self.check = 0, None, None, check
        for name in self.NAMES:
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))
        monkeypatch.setattr(shutil, "copyfile", self._copied(shutil.copyfile))
        monkeypatch.setattr(Path, "write_text", self._counted(Path.write_text))

    def _counted(self, real):
        def call(*args, **named):
            if self.failure is not None:
                self.count += 1
                if self.count == self.at:
                    raise self.failure
                result = real(*args, **named)
                self.check()
                return result
            return real(*args, **named)

        return call

    def _copied(self, real):
        def call(source, target, **named):
            half = Path(source).read_bytes()[:5]
            self._counted(lambda: Path(target).write_bytes(half))()
            return self._counted(lambda: real(source, target, **named))()

        return call


@pytest.mark.parametrize("failure", [KilledError(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("first", [True, False])
def test_stopped_or_out_of_room_at_any_step_readers_see_one_whole_model(failure, first, tmp_path, monkeypatch):
    steps = Steps(monkeypatch)
    for at in range(1, 100):
        place = Place("files", tmp_path / str(at))
        place.folder.mkdir()
        new, newer = model(place.folder, 4), model(place.folder, 5)
        if not first:
            place.write(2)
            place.write(3)

        def a_whole_model_is_there(place=place):
            if not first:
                assert place.files() in (whole(3), whole(4))

        steps.count, steps.at, steps.failure, steps.check = 0, at, failure, a_whole_model_is_there
        try:
            place.exports.write(place.where, new, exported(4))
            ended = True
        except (KilledError, ExportError):
            ended = False
        steps.failure = None
        reached = steps.count >= at
        a_whole_model_is_there()
        held = place.exports.read(place.where)
        if not first or held is not None:
            assert place.files() == whole(held.version)
        if isinstance(failure, OSError):
            assert not list(place.folder.rglob("draft-*"))
            assert bool(list(place.folder.rglob("v4-*"))) == (held is not None and held.version == 4)
        else:  # killed again and again, it does not fill the disk with drafts
            steps.count, steps.failure = 0, failure
            with contextlib.suppress(KilledError):
                place.exports.write(place.where, new, exported(4))
            steps.failure = None
            assert len(list(place.folder.rglob("draft-*"))) <= 1
        place.exports.write(place.where, newer, exported(5))
        assert place.files() == whole(5)
        left = sorted(p.name.partition("-")[0] for p in Path(place.where).resolve().parent.iterdir())
        assert set(left) <= {"lock", "v3", "v4", "v5"}
        assert len(left) <= 3
        if not reached:
            assert ended
            assert at > 12
            return
    pytest.fail("the steps do not end")


def test_a_full_disk_is_told_with_the_way_out(folder, monkeypatch):
    folder.write(3)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    for _ in range(3):
        with pytest.raises(ExportError, match="No space left on device") as told:
            folder.write(4)
    assert "make room" in told.value.advice
    assert folder.files() == whole(3)
    assert len(list(Path(folder.where).resolve().parent.iterdir())) == 2


def test_readers_never_see_half_a_model_while_it_is_replaced(folder):
    folder.write(1)
    stop, wrong, seen = threading.Event(), [], set()

    def read():
        while not stop.is_set():
            try:
                root = Path(folder.where).resolve()
                found = {name: (root / name).read_text() for name in whole(1)}
            except FileNotFoundError:
                continue  # this reader slept through two replacements
            version = int(found["MLmodel"].rpartition(" ")[2])
            seen.add(version)
            if found != whole(version):
                wrong.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    for version in range(2, 40):
        folder.write(version)
    stop.set()
    reader.join()
    assert wrong == []
    assert len(seen) > 1
