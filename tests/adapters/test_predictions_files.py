"""Are kept predictions on the disk before anybody relies on them, and never half there?"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path

import numpy as np
import pytest

from selector.adapters.predictions_files import PredictionsFiles
from selector.domain.model import Predictions

ANSWER = Predictions(np.array([1, 0, 1]), seconds=0.5)


def test_the_file_is_synced_then_renamed_then_its_folder_is_synced(tmp_path, monkeypatch):
    done = []
    real_sync, real_replace = os.fsync, Path.replace

    def fsync(handle):
        done.append("folder synced" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file synced")
        real_sync(handle)

    def replace(self, target):
        done.append("renamed")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    PredictionsFiles(tmp_path).write("m", "h", ANSWER)
    assert done == ["file synced", "renamed", "folder synced"]


def test_a_write_that_fails_leaves_the_earlier_file_and_nothing_else(tmp_path, monkeypatch):
    files = PredictionsFiles(tmp_path)
    digest = files.write("m", "h", ANSWER)

    def fails(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output"):
        files.write("m", "h", Predictions(np.array([9, 9])))
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".npz"]
    assert files.read("m", "h", digest).labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "a\x00b", "\udcff", "x" * 5000, ""])
def test_no_digest_from_outside_chooses_a_path(tmp_path, name):
    files = PredictionsFiles(tmp_path / "kept")
    digest = files.write(name, name, ANSWER)
    assert files.read(name, name, digest).labels.tolist() == [1, 0, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_the_same_answer_gives_the_same_bytes(tmp_path):
    assert PredictionsFiles(tmp_path / "a").write("m", "h", ANSWER) == PredictionsFiles(tmp_path / "b").write(
        "m", "h", ANSWER
    )


def test_a_pickle_in_a_files_place_is_not_loaded_even_with_the_right_digest(tmp_path):
    files = PredictionsFiles(tmp_path)
    files.write("m", "h", ANSWER)
    (path,) = tmp_path.rglob("*.npz")
    with path.open("wb") as target:
        np.savez(target, labels=np.array([{"a": 1}], dtype=object), classes=np.array([]), seconds=np.array(0.0))
    assert files.read("m", "h", hashlib.sha256(path.read_bytes()).hexdigest()) is None


def test_dropping_what_is_not_there_is_harmless(tmp_path):
    PredictionsFiles(tmp_path / "nowhere").drop("m", "h")
