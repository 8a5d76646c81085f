"""Can an operator describe a store that nobody foresaw, and is every mistake in the description named?"""

from __future__ import annotations

import json
import pickle

import pytest

from migrations.layouts import mapped_values
from migrations.layouts.mapping import KEYS, load_mapping
from migrations.scan import scan
from selector.errors import UsageError

MAPPING = """
model: "tenants/*/weights/*.bin"
name: "{grandparent}-{stem}"
metrics: {file: "../numbers/{stem}.json", path: "out.final scores"}
params: {file: "../numbers/{stem}.json", path: conf.0, keys: [depth]}
time: {file: "../numbers/{stem}.json", path: when}
stage: live
model_type: {file: "../numbers/{stem}.json", path: kind}
tags: {tenant: "{grandparent}"}
attach: ["*.vocab"]
ignore: ["tenants/old/**"]
"""


@pytest.fixture
def store(tmp_path, estimators):
    """A store of a shape that no layout knows, and its mapping."""
    for index, tenant in enumerate(("bike", "car", "old")):
        home = tmp_path / "store" / "tenants" / tenant
        (home / "weights").mkdir(parents=True)
        (home / "numbers").mkdir()
        (home / "weights" / "a.bin").write_bytes(pickle.dumps(estimators[index]))
        (home / "weights" / "words.vocab").write_text("a b")
        (home / "numbers" / "a.json").write_text(json.dumps({
            "out": {"final scores": {"f1": index / 10, "auc": 0.5}}, "conf": [{"depth": 4, "secret": 1}],
            "when": "2025-01-02T03:04:05+01:00", "kind": "forest",
        }))  # fmt: skip
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    return tmp_path


def test_a_mapping_finds_exactly_what_it_says(store):
    found = scan([store / "store"], layout=str(store / "mapping.yaml"))
    assert found.unreadable == ()
    assert [model.name for model in found.models] == ["bike-a", "car-a"]
    model = found.models[1]
    assert (dict(model.metrics), dict(model.params)) == ({"f1": 0.1, "auc": 0.5}, {"depth": "4"})
    assert (model.created_at.isoformat(), model.model_type) == ("2025-01-02T02:04:05+00:00", "forest")
    assert {"tenant": "car", "stage": "live"}.items() <= model.tags.items()
    assert [a.path.name for a in model.attachments] == ["words.vocab"]


def test_a_table_is_read_by_the_row_that_names_the_model(tmp_path, estimators):
    (tmp_path / "rf.pkl").write_bytes(pickle.dumps(estimators[0]))
    (tmp_path / "scores.tsv").write_text("Model\tf1\nrf\t0.5\nsvm\t0.6\n")
    (tmp_path / "map.yml").write_text('model: "*.pkl"\nmetrics: {file: scores.tsv, row: "{stem}"}\n')
    assert dict(scan([tmp_path], layout=str(tmp_path / "map.yml")).models[0].metrics) == {"f1": 0.5}


@pytest.mark.parametrize(("said", "year"), [("name", 2024), ("mtime", 2026), ("{from: name}", 2024)])
def test_the_time_is_from_where_the_mapping_says(tmp_path, estimators, said, year):
    (tmp_path / "m_20240102_030405.pkl").write_bytes(pickle.dumps(estimators[0]))
    (tmp_path / "map.yml").write_text(f'model: "*.pkl"\ntime: {said}\n')
    created = scan([tmp_path], layout=str(tmp_path / "map.yml")).models[0].created_at
    assert (created.year == 2024) == (year == 2024)


@pytest.mark.parametrize("file", ["../../etc/secret.json", "nothing.json", "link.json", "sub/../../x.json"])
def test_a_mapping_leads_to_nothing_outside_or_behind_a_link(tmp_path, estimators, file):
    root = tmp_path / "store"
    root.mkdir()
    (tmp_path / "x.json").write_text('{"f1": 1}')
    (root / "link.json").symlink_to(tmp_path / "x.json")
    (root / "m.pkl").write_bytes(pickle.dumps(estimators[0]))
    (tmp_path / "map.yml").write_text(f'model: "*.pkl"\nmetrics: {{file: "{file}"}}\n')
    (model,) = scan([root], layout=str(tmp_path / "map.yml")).models
    assert not model.metrics
    assert "is not there" in " ".join(model.notes)


@pytest.mark.parametrize(
    ("text", "sentence", "advice"),
    [
        ('model: "*"\nmetric: x', "there is no key 'metric'", "Did you mean metrics?"),
        ('model: "*"\nmetrics: {file: a, pth: b}', "metrics: there is no key 'pth'", "Did you mean path?"),
        ("name: x", "does not say which files are models", "model:"),
        ('model: "*"\nname: "{stme}"', "there is no {stme}", "{stem}"),
        ('model: "*"\ntime: yesterday', "time is 'yesterday'", "mtime"),
        ('model: "*"\nmetrics: 4', "metrics is 4", "file"),
        ('model: "*"\nstage: 4', "stage is 4, not a text", None),
        ('model: "*"\ntags: [a]', "tags is ['a']", None),
        ("model: [1]", "model is [1], not a glob", None),
        ("- a", "holds no keys", "Known keys"),
        ("a: [", "is no YAML", None),
    ],
)
def test_what_a_mapping_does_not_know_is_refused_with_the_nearest_word(tmp_path, text, sentence, advice):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(UsageError) as refused:
        load_mapping(tmp_path / "map.yaml")
    assert sentence in refused.value.message
    assert advice is None or advice in (refused.value.advice or "")


def test_a_mapping_that_is_not_there_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        scan([tmp_path], layout=str(tmp_path / "none.yaml"))


def test_globs_stay_within_a_name_unless_they_say_otherwise():
    def fits(glob, path):
        return mapped_values.glob_pattern(glob).fullmatch(path) is not None

    assert fits("**/m.pkl", "m.pkl")
    assert fits("**/m.pkl", "a/b/m.pkl")
    assert fits("*/m?.pkl", "a/m1.pkl")
    assert not fits("*/m.pkl", "a/b/m.pkl")
    assert not fits("*.pkl", "a/m.pkl")
    assert fits("m.[x].pkl", "m.[x].pkl")


def test_dotted_paths_lead_through_lists_and_keys_with_dots():
    document = {"a.b": [{"c": 1}], "a": {"b": 2}}
    assert mapped_values.at_path(document, "a.b.0.c") == 1
    assert mapped_values.at_path({"a": {"b": 2}}, "a.b") == 2
    assert mapped_values.at_path(document, "a.b.7") is None
    assert mapped_values.at_path(document, "") is document


def test_every_key_is_documented(request):
    page = (request.config.rootpath / "docs" / "migration.md").read_text()
    assert [key for key in KEYS if f"`{key}`" not in page] == []
