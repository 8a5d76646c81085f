"""Does a report stay inert and readable in a real browser?"""

from __future__ import annotations

import pytest

from selector.adapters.report_html import render_html

pytestmark = pytest.mark.browser

WIDTHS = (560, 602, 1280)


def shown(browser, tmp_path, html, **settings):
    path = tmp_path / "report.html"
    path.write_text(html)
    return browser.page(path.as_uri(), **settings)


@pytest.fixture(scope="module")
def reports(stories):
    long = ("x" * 200, "W" * 200, "模型" * 60, "very-long-name_" * 13)
    return {
        "promoted": stories.story((1.8, 2.3, 1.9, 1.7), broken=("cut-off",), copies=1).report(),
        "long": stories.story((1.8, 2.3, 1.9, 1.7), names=long, model="churn_" * 30, broken=("y" * 200,)).report(),
        "sixty": stories.story(tuple(1.2 + 0.02 * i for i in range(60))).report(),
        "logged": stories.story((1.8, 2.1), logged_only=True).report(),
        "classes": stories.story((1.8, 2.3), classes=tuple(f"class-{c}" for c in "abcdefgh")).report(),
        "kept": stories.story((1.9, 1.96, 1.7)).report(),
    }


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["promoted", "long", "sixty", "logged", "classes", "kept"])
def test_nothing_sticks_out_sideways(browser, tmp_path, reports, kind, width):
    page = shown(browser, tmp_path, render_html(reports[kind]), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widest = "Math.max(...[...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect().right))"
    assert page.evaluate(widest) <= width


def test_hostile_names_open_no_dialog_and_ask_for_nothing(browser, tmp_path, stories, hostile):
    names = tuple(t.replace("\x00", "") for t in hostile.TEXTS)
    skills = tuple(1.5 + 0.01 * i for i in range(len(names)))
    report = stories.story(skills, names=names, model=names[0]).report(actor=names[7], done=names, target=names[2])
    page = shown(browser, tmp_path, render_html(report), width=602)
    assert page.heard("Page.javascriptDialogOpening") == []
    assert [u for u in page.requests if not u.startswith("file://")] == []
    assert len(page.requests) == 1
    assert page.heard("Runtime.exceptionThrown") == []
    assert page.heard("Log.entryAdded") == []
    assert page.evaluate("document.scripts.length + document.images.length + document.links.length") == 0
    assert "<script>alert(1)</script>" in page.evaluate("document.querySelector('.eyebrow').textContent")


def test_the_instrument_would_have_noticed_a_request_and_a_dialog(browser, tmp_path):
    page = shown(browser, tmp_path, "<img src='x.png'><p style='width: 900px'>wide</p>", width=560)
    assert any(u.endswith("x.png") for u in page.requests)
    assert page.evaluate("document.documentElement.scrollWidth") > 560


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme_of_its_reader(browser, tmp_path, reports, scheme):
    page = shown(browser, tmp_path, render_html(reports["promoted"]), width=602, scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(c) for c in ground.removeprefix("rgb(").removesuffix(")").split(","))
    assert (brightness > 600) == (scheme == "light")


def test_labels_of_the_plot_stay_inside_it(browser, tmp_path, reports):
    for kind in ("promoted", "sixty", "logged"):
        page = shown(browser, tmp_path, render_html(reports[kind]), width=560)
        out = """[...document.querySelectorAll('svg.plot text, svg.square text')].filter(t => {
            const a = t.getBoundingClientRect(), b = t.ownerSVGElement.getBoundingClientRect();
            return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1;
        }).map(t => t.textContent)"""
        assert page.evaluate(out) == []
