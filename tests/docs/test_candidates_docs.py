"""Does the page on candidates show a configuration that loads, and words that the code uses?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from selector.bootstrap import setup
from selector.config import load
from selector.domain.further import further
from selector.domain.metric import metric
from selector.domain.policy import Nested, Policy

PAGE = (Path(__file__).parents[2] / "docs" / "candidates.md").read_text(encoding="utf-8")


def test_the_rule_for_a_family_loads_and_makes_the_name_that_the_page_names(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "selector.yaml"
    path.write_text(text)
    ((name, settings),) = load(path).models.items()
    family = setup(name, settings).family
    assert family.fill("North West") == "HDBSCAN-North West"
    assert 'select "HDBSCAN-North West"' in PAGE


def test_the_page_names_every_choice_of_nested_and_the_default(tmp_path):
    named = re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE)
    assert sorted(named[1:] if named[0] == "nested" else named) == sorted(get_args(Nested))
    assert f"`{Policy.__dataclass_fields__['nested'].default}` (default)" in PAGE


def test_the_reasons_of_the_page_are_those_of_the_code():
    source = "".join(p.read_text() for p in (Path(__file__).parents[2] / "selector" / "domain").glob("*.py"))
    assert '"logged-unsure"' in source
    assert "`logged-unsure`" in PAGE


def test_the_training_code_of_the_page_is_python():
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    compile(text, "docs/candidates.md", "exec")


def test_the_further_metrics_of_the_page_load_and_show_the_titles_that_it_shows(tmp_path):
    (line,) = re.findall(r"`(metrics: \[.*?\])`", PAGE)
    path = tmp_path / "selector.yaml"
    path.write_text(f"models:\n  churn:\n    metric: f1\n    {line}\n")
    asked = setup("churn", load(path).models["churn"]).metrics
    shown = further(asked, metric("f1", average="binary"), (), truth=None, answers={}, thresholds={})
    assert list(shown.labels.values()) == ["binary precision", "binary recall", "ROC AUC"]
    assert all(label in PAGE for label in shown.labels.values())
