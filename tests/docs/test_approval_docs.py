"""Does docs/approval.md show what the program really says, asks and follows?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selector.config import load
from selector.domain.approval import APPROVE_TAG, REJECT, REJECT_TAG

PAGE = (Path(__file__).parents[2] / "docs" / "approval.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.mark.parametrize("approval", ["true", "{required: true, expires: 7d}"])
def test_the_configuration_loads_as_it_stands_and_asks(tmp_path, approval):
    path = tmp_path / "selector.yaml"
    path.write_text(re.sub(r"approval: .*", f"approval: {approval}", block("yaml")))
    rule = load(path).models["churn"].policy().approval
    assert rule.required
    assert rule.expires == (None if approval == "true" else 7 * 86_400)
    assert approval in block("yaml")


def test_the_tags_are_those_that_are_followed():
    rows = set(re.findall(r"^\| `(selector\.\w+)` \| (.*?) \|", PAGE, re.MULTILINE))
    assert {tag for tag, _ in rows} == {APPROVE_TAG, REJECT_TAG}
    assert (APPROVE_TAG, f"`{REJECT}`") in rows
