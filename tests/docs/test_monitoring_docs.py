"""Does docs/monitoring.md show configurations that load, and say what the program really does?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from selector.cli.monitor import HEALTH_CODES
from selector.config import load
from selector.config_monitor import KINDS
from selector.domain.health_policy import DEFAULT_DROP, OnDegraded
from selector.domain.health_rules import plain_rule
from selector.domain.health_watch import Patience

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_the_configurations_load_as_they_stand(tmp_path, number):
    path = tmp_path / "selector.yaml"
    path.write_text(BLOCKS[number])
    monitor = load(path).models["churn"].monitor
    assert monitor is not None
    assert len(monitor.sources) in (1, 5)


def test_every_kind_of_source_and_every_action_has_its_row():
    rows = set(re.findall(r"^\| `\{?(\w+)", PAGE, re.MULTILINE))
    assert set(KINDS) | set(get_args(OnDegraded)) <= rows


def test_the_price_of_a_plain_rule_is_the_one_that_is_shown():
    assert plain_rule("f1", 0.75, 0.80, 170, 1).words in PAGE


def test_the_defaults_and_exit_codes_are_those_of_the_program():
    said = re.sub(r"\s+", " ", PAGE)
    assert f"`maximum_drop` (default {DEFAULT_DROP})" in said
    assert f"`false_alarm_every` batches (default {Patience().false_alarm_every:.0f})" in said
    assert f"{HEALTH_CODES['warning']} (warning) or {HEALTH_CODES['degraded']} (degraded)" in said
