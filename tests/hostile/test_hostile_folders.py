"""Do folders that were made to harm cost no more than their own entries, in bounded time and memory?"""

from __future__ import annotations

import json
import os
import pickle
import time
import tracemalloc

import pytest

from migrations.documents import MAX_TABLE
from migrations.plan_file import read_plan
from migrations.scan import scan
from selector.errors import UsageError

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)
DEEP = "[" * 5000


@pytest.fixture
def bounded():
    """Fail where the test took more than 20 seconds or 200 MB."""
    tracemalloc.start()
    begun = time.monotonic()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 << 20
    assert time.monotonic() - begun < 20  # a bound against hanging, far from what it takes


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("name", ["dvc.lock", "metrics.yaml", "results.yml"])
@pytest.mark.parametrize(
    "text", [LAUGHS, DEEP, "{" * 5000, "!!python/object/apply:os.system [touch HARM]", "a: !!binary x"]
)
def test_yaml_that_explodes_nests_or_runs_something_is_left_alone(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"x": 1}))
    scan([tmp_path])
    assert not (tmp_path / "HARM").exists()


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("text", [LAUGHS, DEEP, "!!python/name:os.system"])
def test_a_plan_or_layout_that_explodes_is_a_usage_error(tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    for read in (read_plan, lambda path: scan([tmp_path], layout=str(path))):
        with pytest.raises(UsageError):
            read(tmp_path / "x.yaml")


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize(
    "text",
    [
        "Model,f1\n" + "x,1\n" * 300_000,
        "a" * (MAX_TABLE + 5),
        ",".join("x" * 50_000) + "\n",
        '"' + "x" * 1_000_000,
        "\0" * 1000,
    ],
    ids=["many rows", "too large", "many columns", "a quote that never ends", "zeros"],
)
def test_tables_of_any_size_and_shape_are_bounded(tmp_path, text):
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "results.csv").write_text(text)
    scan([tmp_path])


@pytest.mark.usefixtures("bounded")
def test_a_registry_of_many_records_ends(tmp_path):
    records = [{"version": f"v{n}", "created_at": "2025-01-02", "metrics": {"f1": 0.5}} for n in range(4_000)]
    (tmp_path / "registry.json").write_text(json.dumps(records))
    assert len(scan([tmp_path]).unreadable) == 4_000


@pytest.mark.usefixtures("bounded")
def test_documents_that_nest_wide_and_deep_are_searched_for_a_moment_only(tmp_path):
    document: object = {"f1": 0.5}
    for level in range(60):
        document = {f"k{level}": document, **{f"x{level}_{n}": {"y": [{}] * 50} for n in range(50)}}
    folder = tmp_path / "models" / "v1"
    folder.mkdir(parents=True)
    (folder / "metadata.json").write_text(json.dumps(document))
    scan([tmp_path])


def test_links_that_lead_out_in_circles_or_to_devices_are_never_opened(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    for name, target in {"a.pkl": "/dev/zero", "b.json": "/etc/passwd", "c": "c", "d": "..", "dvc.lock": "/dev/stdin",
                         "registry.json": "/dev/zero", "metrics.csv": "/proc/self/mem"}.items():  # fmt: skip
        (root / name).symlink_to(target)
    os.mkfifo(root / "results.yaml")
    found = scan([root])
    assert not found.models
    assert len(found.unreadable) == 8
    assert all(entry.ignored for entry in found.unreadable)


@pytest.mark.parametrize(
    "path", ["../../../etc/passwd", "/etc/passwd", "a/../../x.pkl", "\x00", "x" * 5000, ".", "", "..\\..\\x"]
)
def test_recorded_paths_never_leave_the_tree(tmp_path, path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"x": 1}))
    root = tmp_path / "a" / "b"
    root.mkdir(parents=True)
    (root / "registry.json").write_text(json.dumps([{"model_id": "m", "path": path, "f1": 0.5}]))
    (root / "dvc.lock").write_text(json.dumps({"stages": {"s": {"outs": [{"path": path}, {"path": f"{path}.pkl"}]}}}))
    found = scan([root])
    assert not found.models
    assert all(
        entry.path.is_relative_to(root) or ".." in entry.path.parts or path.startswith("/")
        for entry in found.unreadable
    )
