"""Does the page on exports show settings that load, and what the program really writes?"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from selector.adapters.exports_files import FileExports
from selector.adapters.exports_record import Record, parse
from selector.config import load
from selector.config_export import SCHEMES
from selector.ports_exports import Exported
from selector.workflows.cycle import FIRST_RETRY, LONGEST_RETRY
from selector.workflows.exports import FAILED, Place

PAGE = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")


def test_the_example_loads_and_means_a_folder_beside_the_file(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "selector.yaml"
    path.write_text(text)
    assert load(path).models["churn"].export == (str(tmp_path / "models" / "production"),)


@pytest.mark.parametrize("entry", re.findall(r"^\| `([^`]+)` \| a ", PAGE, flags=re.MULTILINE))
def test_every_entry_of_the_table_loads(tmp_path, entry):
    path = tmp_path / "selector.yaml"
    path.write_text(f"models: {{churn: {{metric: f1, export: {entry}}}}}\n")
    assert load(path).models["churn"].export


def test_all_schemes_are_named():
    assert ", ".join(SCHEMES[:-1]) in PAGE
    assert f"`{SCHEMES[-1]}:/" in PAGE


def test_selector_json_looks_as_the_page_shows_it():
    text = re.search(r"selector\.json\n(\{.*?\n\})", PAGE, flags=re.DOTALL)[1]
    record = parse(text.encode(), "here")
    assert record.to_json() == text + "\n"
    assert record.exported.version == 1


def test_the_folder_holds_what_the_page_lists(tmp_path):
    model = tmp_path / "fetched"
    model.mkdir()
    for name in ("MLmodel", "model.pkl"):
        (model / name).write_text("x")
    where = tmp_path / "models" / "production"
    exported = Exported("churn", 1, "run", "models:/m-1", None, "d", datetime.now(UTC))
    FileExports().write(str(where), model, exported)
    assert "  ".join(sorted(p.name for p in where.iterdir())) in PAGE
    assert json.loads((where / "selector.json").read_text()) == json.loads(
        Record(exported, {"MLmodel": 1, "model.pkl": 1}).to_json()
    )


def test_status_shows_the_keys_of_the_page():
    shown = json.loads("{" + re.search(r"```json\n(.*?)```", PAGE, flags=re.DOTALL)[1] + "}")
    assert [*shown["export"][0]] == [*Place("/x").document()]


def test_the_entry_and_the_times_are_the_programs():
    assert f"`{FAILED}`" in PAGE
    assert (FIRST_RETRY, LONGEST_RETRY) == (5.0, 600.0)


def test_the_code_of_the_page_is_python():
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    compile(text, "docs/export.md", "exec")
