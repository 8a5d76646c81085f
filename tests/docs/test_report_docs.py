"""Does docs/report.md document every key of the JSON report, and nothing that is not there?"""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from selector.domain import report_parts

PAGE = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
PARTS = [p for p in vars(report_parts).values() if isinstance(p, type) and hasattr(p, "__dataclass_fields__")]


@pytest.mark.parametrize("part", PARTS, ids=lambda p: p.__name__)
def test_every_key_is_documented(part):
    documented = set(re.findall(r"`(\w+)`", PAGE.split("## report.json")[1]))
    assert {f.name for f in fields(part)} <= documented


def test_the_excerpt_has_the_keys_and_types_of_a_report_in_their_order():
    excerpt = json.loads(re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)[1])
    keys = [f.name for f in fields(report_parts.Report)]
    assert [k for k in keys if k in excerpt] == list(excerpt)
    assert list(excerpt["before"]) == [f.name for f in fields(report_parts.ChampionLine)]
    assert list(excerpt["luck"]) == [f.name for f in fields(report_parts.LuckLine)]
    assert excerpt["schema_version"] == report_parts.SCHEMA_VERSION
    assert f"{excerpt['before']['score']:.4f}" == "0.8533"


def test_every_key_in_the_table_exists():
    rows = re.findall(r"^\| (`.*?) \|", PAGE.split("## report.json")[1], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    known = {f.name for p in PARTS for f in fields(p)}
    assert named <= known
