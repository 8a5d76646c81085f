"""Does docs/staging.md say what is really recognised, ignored and vouched for?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from selector.config import load
from selector.domain.settling import entries, manifest_fault, unfinished_name
from selector.workflows.staged_files import MOST_BYTES, SKIPPED, copy, walk

PAGE = (Path(__file__).parents[2] / "docs" / "staging.md").read_text(encoding="utf-8")


def section(title):
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)[1]


def test_the_configuration_loads_and_shows_the_defaults(tmp_path):
    (tmp_path / "selector.yaml").write_text(
        re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1]
        + "models: {churn: {experiments: [churn_monitoring], metric: f1}}\n"
    )
    (shown,) = load(tmp_path / "selector.yaml").staging
    (tmp_path / "selector.yaml").write_text(
        "staging: [{folder: models/staging, model: churn, experiment: churn_monitoring}]\n"
        "models: {churn: {experiments: [churn_monitoring], metric: f1}}\n"
    )
    assert (shown,) == load(tmp_path / "selector.yaml").staging


def test_the_names_that_are_ignored_are():
    names, _, endings = section("What is ignored").partition("As long")[0].partition("endings")
    named = [*re.findall(r"`([^`]+)`", names), *(f"model{end}" for end in re.findall(r"`([^`]+)`", endings))]
    assert len(named) == 9
    assert [name for name in named if not unfinished_name(name)] == []
    for folder in SKIPPED:
        assert f"`{folder}`" in section("What is ignored")
    assert f"{MOST_BYTES >> 30} GiB" in section("What is ignored")


def test_the_commands_make_a_manifest_that_vouches(tmp_path):
    folder = tmp_path / "models" / "staging" / "forest_20260101_120000"
    folder.mkdir(parents=True)
    for name in ("metadata.json", "model.pkl"):
        (folder / name).write_text(name)
    commands = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
    subprocess.run(["bash", "-ec", "\n".join(commands[2:])], cwd=tmp_path, check=True)
    (entry,) = entries(walk(tmp_path / "models" / "staging"))
    copied = copy(tmp_path / "models" / "staging", entry, tmp_path / "copy")
    assert manifest_fault(entry, copied.manifests, copied.digests) == ""


def test_the_commands_move_a_folder_into_place(tmp_path):
    (tmp_path / "build" / "forest_20260101_120000").mkdir(parents=True)
    (tmp_path / "build" / "forest_20260101_120000" / "model.pkl").write_text("x")
    (tmp_path / "models" / "staging").mkdir(parents=True)
    commands = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
    subprocess.run(["bash", "-ec", "\n".join(commands[:2])], cwd=tmp_path, check=True)
    (entry,) = entries(walk(tmp_path / "models" / "staging"))
    assert entry.name == "forest_20260101_120000"


@pytest.mark.parametrize(
    ("files", "count"),
    [
        (["forest_20260101_120000/a", "forest_20260101_120000/b/c"], 1),
        (["churn/v1/model.pkl", "churn/v2/model.pkl"], 2),
        (["churn_model.pkl", "churn_metrics.json", "churn_scaler.pkl"], 1),
        (["model.pkl", "metrics.json"], 1),
        (["registry.json", "churn/x.pkl", "churn/v1/x.pkl"], 1),
    ],
)
def test_what_belongs_together_is_as_the_table_says(tmp_path, files, count):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
        assert file.split("/")[0] in section("What belongs together")
    assert len(entries(walk(tmp_path))) == count
