"""Is the JSON report one that strict parsers read, with every number unrounded?"""

from __future__ import annotations

import json
import math
from dataclasses import fields, is_dataclass, replace

import pytest

from selector.adapters.report_json import plain, render_json


@pytest.fixture(scope="module")
def report(stories):
    return stories.story((1.8, 2.3, 1.9), broken=("cut-off",)).report()


def strictly(text):
    def refuse(word):
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_every_field_of_the_report_is_there_under_its_own_name(report):
    def same(value, document):
        if is_dataclass(value):
            assert list(document) == [f.name for f in fields(value)]
            for f in fields(value):
                same(getattr(value, f.name), document[f.name])
        elif isinstance(value, tuple):
            assert len(document) == len(value)
            for v, d in zip(value, document, strict=True):
                same(v, d)
        else:
            assert document == value

    document = strictly(render_json(report))
    same(report, document)
    assert document["schema_version"] == 1


def test_scores_are_not_rounded(report, stories):
    document = strictly(render_json(report))
    assert document["after"]["score"] == report.after.score
    assert len(str(document["after"]["score"])) > 10


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_say_becomes_null(report, number):
    assert strictly(render_json(replace(report, floor=number)))["floor"] is None


def test_half_a_surrogate_pair_breaks_no_document(report):
    text = render_json(replace(report, actor="half \ud800 pair"))
    assert text.isascii()
    assert strictly(text)["actor"] == "half ? pair"


def test_mappings_and_sequences_keep_their_order():
    assert plain({"b": (1, 2), "a": [None, True]}) == {"b": [1, 2], "a": [None, True]}
