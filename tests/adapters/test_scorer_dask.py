"""What is special about scoring on a cluster: lost nodes, differing nodes, a cluster that is away, pickles."""

from __future__ import annotations

import json
import os
import signal

import numpy as np
import pytest

from selector.adapters import scorer_dask, scorer_dask_task
from selector.adapters.predictions_files import packed
from selector.adapters.scorer_dask import DaskScorer
from selector.adapters.scorer_dask_task import features_packed, features_unpacked, folder_packed, folder_unpacked
from selector.adapters.scorer_memory import MemoryFeatures
from selector.domain.model import Predictions, Unscorable
from selector.errors import ScoringError


def test_a_cluster_that_is_away_is_one_sentence_with_a_way_out(monkeypatch):
    monkeypatch.setattr(scorer_dask, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ScoringError, match=r"tcp://127\.0\.0\.1:9 cannot be reached") as caught:
        list(DaskScorer("dask://127.0.0.1:9").score([], MemoryFeatures(3)))
    assert "mlflow-selector[dask]" in caught.value.advice


def test_nodes_with_different_libraries_are_refused():
    told = {"a": {"revision": "1", "confinement": "x"}, "b": {"revision": "2", "confinement": "x"}}
    with pytest.raises(ScoringError, match="different versions of the libraries"):
        scorer_dask._agreed(told, "tcp://c:1")


def test_a_node_that_cannot_confine_is_named():
    told = {"tcp://n:1": {"error": "Models would not be confined here", "advice": "Use Linux 5.13"}}
    with pytest.raises(ScoringError, match="Node tcp://n:1 of tcp://c:1: Models would not be confined here"):
        scorer_dask._agreed(told, "tcp://c:1")


@pytest.mark.parametrize(
    "content", [b"", b"A", b"Anonsense", b"F", b"F{}", b"F[]", b"X", 7, None, b"A" + b"PK\x03\x04" + b"\0" * 50]
)
def test_what_is_no_answer_is_one_models_trouble(content):
    answer = scorer_dask._read(content)
    assert isinstance(answer, Unscorable)
    assert answer.transient


def test_an_answer_comes_back_as_it_was_packed():
    predictions = Predictions(np.array(["No", "Yes"]), np.array([[0.9, 0.1], [0.2, 0.8]]), ("No", "Yes"), 0.5)
    answer = scorer_dask._read(b"A" + packed(predictions))
    assert answer.labels.tolist() == ["No", "Yes"]
    assert answer.classes == ("No", "Yes")


def test_a_folder_travels_whole_and_leaves_links_behind(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "data").mkdir(parents=True)
    there.mkdir()
    (here / "MLmodel").write_text("flavors: {}")
    (here / "data" / "model.bin").write_bytes(b"\0\1")
    (here / "secret").symlink_to("/etc/hostname")
    folder_unpacked(folder_packed(here), there)
    found = {str(p.relative_to(there)): p.read_bytes() for p in there.rglob("*") if p.is_file()}
    assert found == {"MLmodel": b"flavors: {}", "data/model.bin": b"\0\1"}


@pytest.mark.parametrize("parts", [(), (b"",), (b"a", b"", b"bc" * 1000)])
def test_rows_travel_whole(parts):
    assert features_unpacked(features_packed(parts)) == parts


def test_a_task_raises_nothing_for_an_exception_would_travel_as_a_pickle(monkeypatch):
    def broken(_limits):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(scorer_dask_task, "_scorer", broken)
    order = json.dumps({"columns": [], "rows": 0, "timed": False, "limits": {}})
    said = scorer_dask_task.score_here(folder_packed_of_nothing(), b"", order)
    assert said.startswith(b"F")
    assert "ZeroDivisionError" in json.loads(said[1:])["reason"]


def folder_packed_of_nothing():
    return b"\0" * 10_240


@pytest.mark.live
def test_a_pickle_from_a_node_is_not_unpickled_here(tmp_path, monkeypatch):
    from distributed import LocalCluster  # noqa: PLC0415 - slow

    caught = []
    before = signal.signal(signal.SIGUSR2, lambda *_: caught.append("unpickled"))
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None, "local_directory": tmp_path}
    try:
        with LocalCluster(**options) as cluster:
            scorer = DaskScorer(cluster.scheduler_address.replace("tcp://", "dask://"))
            with scorer._connected() as client:
                future = client.submit(_evil, os.getpid(), pure=False)
                with pytest.raises(TypeError, match="Could not serialize"):
                    future.result(timeout=20)
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert caught == []


def _evil(pid):
    class Evil:
        def __reduce__(self):
            return os.kill, (pid, signal.SIGUSR2)

    return Evil()
