"""Does what docs/migration.md shows work as it is written there?"""

from __future__ import annotations

import json
import pickle
import re
import sys
from pathlib import Path

import pytest
import yaml
from sklearn.linear_model import LogisticRegression

from migrations.layouts import ENTRY_POINT_GROUP, layouts
from migrations.layouts.mapping import load_mapping
from migrations.reviewed import KEYS, read_entries
from migrations.scan import scan

PAGE = (Path(__file__).parents[2] / "docs" / "migration.md").read_text()


def blocks(language, heading):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.split(heading)[1].split("\n## ")[0], re.DOTALL)


@pytest.fixture
def model():
    return pickle.dumps(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))


def test_every_layout_has_its_line_and_no_other():
    table = PAGE.split("## What is recognised")[1].split("Files are told")[0]
    assert re.findall(r"^\| `(\w[\w-]+)` \|", table, re.MULTILINE) == [layout.name for layout in layouts()]


def test_the_plan_on_the_page_is_a_plan_with_every_key():
    (text,) = blocks("yaml", "## A plan to be reviewed")
    entries = yaml.safe_load(text)
    (read,) = read_entries(entries).values()
    assert read.name == "xgboost_20250820_104603"
    assert {*entries[0], "reason"} == set(KEYS)


def test_the_mapping_on_the_page_reads_a_store(tmp_path, model):
    (text,) = blocks("yaml", "## A store that nobody foresaw")
    (tmp_path / "mapping.yaml").write_text(text)
    home = tmp_path / "store" / "tenants" / "bike"
    (home / "weights").mkdir(parents=True)
    (home / "numbers").mkdir()
    (home / "weights" / "a.bin").write_bytes(model)
    document = {"results": {"test": {"f1": 0.5}}, "config": {"depth": 3}, "when": "2025-01-02T00:00:00Z"}
    (home / "numbers" / "a.json").write_text(json.dumps(document))
    assert load_mapping(tmp_path / "mapping.yaml").name == "mapping"
    (found,) = scan([tmp_path / "store"], layout=str(tmp_path / "mapping.yaml")).models
    assert (found.name, dict(found.metrics), dict(found.params)) == ("bike-a", {"f1": 0.5}, {"depth": "3"})


def test_the_layout_on_the_page_is_found_where_it_is_installed(tmp_path, monkeypatch, model):
    (toml,), (code,) = (blocks(language, "## A layout of your own") for language in ("toml", "python"))
    group, name, value = re.search(r'entry-points\."(.*)"\]\n(\w+) = "(.*)"', toml).groups()
    assert group == ENTRY_POINT_GROUP
    package = tmp_path / "site" / "our_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "layout.py").write_text(code)
    installed = tmp_path / "site" / "our_package-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: our-package\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\nbroken = our_package.nothing:X\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "our_package", raising=False)
    assert [layout.name for layout in layouts()][-2:] == ["ours", "bare-files"]
    store = tmp_path / "store" / "m"
    store.mkdir(parents=True)
    (store / "OURS").touch()
    (store / "x.pkl").write_bytes(model)
    assert [m.name for m in scan([tmp_path / "store"], layout="ours").models] == ["m"]
