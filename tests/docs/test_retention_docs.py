"""Does the page on old versions show settings that load, and rules that hold?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selector.bootstrap import setup
from selector.config import load
from selector.domain.retention import EARLIER, KEEP_TAG, Keep

PAGE = (Path(__file__).parents[2] / "docs" / "retention.md").read_text(encoding="utf-8")


def test_the_example_loads_and_keeps_what_the_page_says(tmp_path):
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    path = tmp_path / "selector.yaml"
    path.write_text(text)
    assert setup("churn", load(path).models["churn"]).keep == Keep(versions=10)


@pytest.mark.parametrize("written", re.findall(r"`(\{[^`]*\})`", PAGE))
def test_every_way_to_write_it_loads(tmp_path, written):
    path = tmp_path / "selector.yaml"
    path.write_text(f"models: {{churn: {{metric: f1, keep: {written}}}}}\n")
    assert setup("churn", load(path).models["churn"]).keep is not None


def test_the_page_names_the_tag_and_the_number_of_champions_that_stay():
    assert f"`{KEEP_TAG}`" in PAGE
    assert "The version that a rollback would bring back, and the earlier champion before it." in PAGE
    assert EARLIER == 2


def test_the_page_shows_the_words_of_the_program():
    assert f"today; {Keep(versions=1).words()}" in PAGE


def test_the_code_of_the_page_is_python():
    (text,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    compile(text, "docs/retention.md", "exec")
