"""Does a report show how production has gone: in the page, in Markdown, for programs and for screen readers?"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from selector.adapters.report_html import render_html
from selector.adapters.report_json import render_json
from selector.adapters.report_markdown import render_markdown
from selector.adapters.report_svg_production import production_plot
from selector.domain.report_parts import ProductionLine, ProductionPoint


def line(values, floor=0.7, versions=None, metric="F1"):
    points = tuple(
        ProductionPoint(
            f"2025-09-{day + 1:02d}T00:00:00+00:00",
            value,
            floor,
            200,
            "degraded" if value is not None and value < 0.65 else "healthy",
            (versions or [3] * len(values))[day],
        )
        for day, value in enumerate(values)
    )
    return ProductionLine(metric, "degraded", "Alarm when it is more than chance.", points)


@pytest.fixture(scope="module")
def report(stories):
    return stories.story((1.8, 2.3, 1.9)).report()


def drawing(found):
    return ET.fromstring(str(found))


def test_every_batch_is_a_dot_and_the_floor_a_line():
    svg = drawing(production_plot(line([0.8, 0.81, 0.6, 0.79])))
    assert len(svg.findall(".//circle")) == 4
    assert len(svg.findall(".//line[@class='mark']")) == 1
    assert [g.get("class") for g in svg.findall("g")] == ["other", "other", "bad", "other"]


def test_alarms_recoveries_and_changes_of_champion_are_named():
    svg = drawing(production_plot(line([0.8, 0.6, 0.79, 0.8], versions=[3, 3, 3, 4])))
    assert [t.text for t in svg.findall("text")][:-2] == ["v3", "alarm", "recovered", "v4"]


def test_lines_do_not_join_batches_of_different_champions_and_each_floor_has_its_own_line():
    one = line([0.8, 0.8, 0.8, 0.8], versions=[3, 3, 4, 4])
    points = tuple(replace(p, floor=0.6) if p.version == 4 else p for p in one.points)
    svg = drawing(production_plot(replace(one, points=points)))
    assert len(svg.findall("line[@class='mark']")) == 2
    assert len([x for x in svg.findall("line[@class='grid']") if x.get("y1") == x.get("y2")]) == 2


@pytest.mark.parametrize("values", [[0.8], [0.7, 0.7], [None, 0.8, None], [0.0, 1.0]])
def test_few_equal_and_missing_values_can_be_drawn(values):
    svg = drawing(production_plot(line(values)))
    assert len(svg.findall(".//circle")) == sum(v is not None for v in values)
    assert "nan" not in ET.tostring(svg, encoding="unicode")


def test_nothing_measured_draws_nothing():
    assert production_plot(line([])) == ""
    assert production_plot(line([None])) == ""


def test_foreign_text_does_nothing_in_the_drawing():
    text = str(production_plot(line([0.8], metric='<script>"x"</script>')))
    assert "<script>" not in text
    ET.fromstring(text)


def test_all_formats_show_production_where_there_is_some_and_only_there(report):
    watched = replace(report, production=line([0.8, 0.6]))
    assert "Production: F1, degraded" in render_html(watched)
    assert re.search(r"\| 2025-09-02 00:00 \| 0\.6000? \| 0\.7000? \| 200 \| degraded \|", render_markdown(watched))
    assert json.loads(render_json(watched))["production"]["points"][1]["health"] == "degraded"
    assert "Production:" not in render_html(report) + render_markdown(report)
    assert json.loads(render_json(report))["production"] is None
