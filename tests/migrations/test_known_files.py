"""Is an unchanged file read once, and a changed one always again?"""

from __future__ import annotations

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest

import migrations.byte_source
import migrations.known_files
from migrations.importer import LegacyImporter
from migrations.json_files import UnreadableJsonError
from migrations.known_files import KnownFiles, stamp
from migrations.scan import scan
from selector.adapters.registry_memory import MemoryRegistry

HOUR = 3600


@pytest.fixture
def opened(monkeypatch):
    """Count what is opened."""
    names = []
    real = os.open

    def count(path, *args, **kwargs):
        names.append(Path(path).name)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(migrations.byte_source.os, "open", count)
    return names


def make_old(root, seconds=HOUR):
    """Let the clock stand an hour after the last change."""
    return KnownFiles(now_ns=lambda: max(p.lstat().st_ctime_ns for p in root.rglob("*")) + seconds * 10**9)


def test_nothing_is_opened_the_second_time(churn, opened):
    known = make_old(churn)
    first = scan([churn], known=known)
    assert len(opened) > 6
    opened.clear()
    assert scan([churn], known=known) == first
    assert opened == []


def test_only_what_changed_is_opened_again(churn, opened):
    known = make_old(churn)
    scan([churn], known=known)
    opened.clear()
    changed = churn / "logistic_20250820_104603" / "metadata.json"
    changed.write_text(json.dumps({"f1": 0.123}))
    known._now_ns = make_old(churn)._now_ns
    found = scan([churn], known=known)
    assert set(opened) == {"metadata.json"}
    assert found.models[0].metrics == {"f1": 0.123}


@pytest.mark.parametrize("how", ["bytes of the same length", "another file moved there", "an old time"])
def test_no_change_is_overlooked(tmp_path, estimators, how):
    file = tmp_path / "m.pkl"
    file.write_bytes(pickle.dumps(estimators[0]))
    known = make_old(tmp_path)
    before = scan([tmp_path], known=known).models[0]
    status = file.stat()
    if how == "another file moved there":
        shutil.copy2(file, tmp_path / "other")
    changed = tmp_path / "other" if how == "another file moved there" else file
    changed.write_bytes(file.read_bytes()[:-9] + b"x" * 8 + b".")
    if how == "another file moved there":
        changed.replace(file)
    if how == "an old time":
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    found = scan([tmp_path], known=known)
    assert (found.models or found.unreadable)[0] != before


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path):
    file = tmp_path / "a"
    file.write_text("x")
    known = make_old(tmp_path, seconds=1)
    asked = []
    for _ in range(2):
        known.ask("what", file, asked.append)
    assert len(asked) == 2


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path):
    file = tmp_path / "a"
    file.write_text("x")
    known = make_old(tmp_path)
    known.ask("what", file, lambda path: path.write_text("longer"))
    assert len(known) == 0


def test_a_damaged_document_is_an_answer_and_a_missing_file_is_none(tmp_path):
    file = tmp_path / "a"
    file.write_text("x")
    known, asked = make_old(tmp_path), []

    def refuse(path):
        asked.append(path)
        raise UnreadableJsonError("is cut off")

    for _ in range(2):
        with pytest.raises(UnreadableJsonError):
            known.ask("document", file, refuse)
    assert len(asked) == 1
    assert stamp(tmp_path / "nothing") is None
    with pytest.raises(FileNotFoundError):
        known.ask("what", tmp_path / "nothing", lambda path: path.read_bytes())


def test_no_more_is_kept_than_allowed(tmp_path):
    known = KnownFiles(most=2, now_ns=lambda: 1 << 62)
    for name in "abc":
        (tmp_path / name).write_text(name)
        known.ask("what", tmp_path / name, lambda path: path.name)
    assert len(known) == 2


def test_an_importer_reads_what_it_imported_before_only_once(churn, opened):
    class Clock:
        def now(self):
            from datetime import UTC, datetime  # noqa: PLC0415  only here

            return datetime(2026, 1, 1, tzinfo=UTC)

    registry = MemoryRegistry()
    importer = LegacyImporter(registry, registry, Clock(), known=make_old(churn))
    importer.import_folder(churn, "churn", "legacy")
    opened.clear()
    again = importer.import_folder(churn, "churn", "legacy")
    assert [o.status for o in again][:3] == ["already"] * 3
    assert opened == []
