"""Does docs/what-is-new.md speak of the numbers and words that the program really has?"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from selector.config_watch import WatchSettings
from selector.workflows import changes, finished_runs

PAGE = (Path(__file__).parents[2] / "docs" / "what-is-new.md").read_text(encoding="utf-8")


def test_the_numbers_are_the_programs():
    assert f"one of the last {finished_runs.SHOWN} runs" in PAGE
    assert f"where more than {changes.MOST_ASKED} models wait" in PAGE


def test_the_configuration_is_the_default_one():
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])["watch"]
    assert WatchSettings.model_validate(shown) == WatchSettings()


def test_the_ledgers_words_are_the_programs():
    source = Path(finished_runs.__file__).with_name("foreign.py").read_text(encoding="utf-8")
    for kind in set(re.findall(r"`(foreign_\w+)`", PAGE)):
        assert f'kind="{kind}"' in source
