"""The example, the schema and the reference pages are made from the code and say what it does."""

import json
import os
from pathlib import Path

import pytest

from selector.cli import reference
from selector.config import load
from selector.config_reference import example, minimal, schema
from selector.config_reference import reference as configuration_page

ROOT = Path(__file__).parents[2]
GENERATED = {
    "configs/minimal.yaml": minimal,
    "configs/example.yaml": example,
    "configs/schema.json": lambda: json.dumps(schema(), indent=2) + "\n",
    "docs/configuration.md": configuration_page,
    "docs/cli.md": reference.page,
}


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_file_is_what_the_code_says(name):
    path = ROOT / name
    made = GENERATED[name]()
    if os.environ.get("REGENERATE"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made, "REGENERATE=1 pytest tests/config/test_generated_files.py"


@pytest.mark.parametrize("name", ["minimal.yaml", "example.yaml"])
def test_an_example_loads_as_it_is(name):
    loaded = load(ROOT / "configs" / name)
    assert list(loaded.models) == ["churn"]


def test_every_line_that_the_example_holds_back_as_a_comment_loads_too(tmp_path):
    text = example().replace("# registry_uri", "registry_uri").replace("# upgrade_database", "upgrade_database")
    for key in ("filter", "keys", "low", "high", "weights", "group", "slices", "ignore", "threshold", "regression"):
        text = text.replace(f"# {key}: ", f"{key}: ", 1)  # gates, further down, have some of these keys too
    for key in ("stages", "database"):
        text = text.replace(f"# {key}: ", f"{key}: ")
    text = text.replace("name: f1", "name: pinball").replace("average: binary", "").replace("maximize", "minimize")
    text = text.replace("# quantile", "quantile")
    path = tmp_path / "selector.yaml"
    path.write_text(text)
    loaded = load(path).models["churn"]
    assert loaded.stages == "mirror"
    assert loaded.holdout.slices == ("region",)
    assert loaded.metric.keys == ("f1_score", "val_f1")


def test_the_example_names_every_key_that_the_schema_knows():
    known = {name for part in schema()["$defs"].values() for name in _keys(part)} - {"min_improvement"}
    words = {line.strip().lstrip("#- ").partition(":")[0] for line in example().splitlines()}
    assert known - words == set()


def _keys(part):
    if "properties" in part:
        yield from part["properties"]
    for option in part.get("anyOf", ()):
        yield from _keys(option)


def test_the_schema_refuses_unknown_keys_everywhere_and_every_reference_in_it_leads_somewhere():
    made = schema()
    groups = [part for part in _parts(made) if "properties" in part]
    assert groups
    assert all(part["additionalProperties"] is False for part in groups)
    references = {part["$ref"].rsplit("/", 1)[-1] for part in _parts(made) if "$ref" in part}
    assert references == set(made["$defs"])


def _parts(value):
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(part)
