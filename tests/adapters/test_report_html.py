"""Is the page one inert, self-contained, accessible file that says what the report says?"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from selector.adapters.report_html import MOST_CLASSES, mistakes, render_html
from selector.adapters.report_svg import MOST_ROWS, fitted, shown_in_plot, tick_label

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """The page's tags with their attributes, in order, and its text."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.tags, self.open, self.text = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs), dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs), dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def skeleton(self):
        return [(tag, names) for tag, names, _ in self.tags]


@pytest.fixture(scope="module")
def promoted(stories):
    return stories.story((1.8, 2.3, 1.9, 1.7), broken=("cut-off",), copies=1).report()


@pytest.fixture(scope="module")
def every_kind(stories, promoted):
    return {
        "promoted": promoted,
        "kept": stories.story((1.9, 1.96, 1.7)).report(),
        "logged": stories.story((1.8, 2.1), logged_only=True).report(),
        "first": stories.story((1.8,), champion=False).report(),
        "refused": stories.story((1.8, 2.1), champion=False, logged_only=True, without_proof="keep").report(),
        "nobody": stories.story((), champion=False, broken=("a",)).report(),
        "dry": stories.story((1.8, 2.3)).report(dry_run=True),
        "classes": stories.story((1.8, 2.3), classes=tuple("abcdefghijkl")).report(),
    }


KINDS = ["promoted", "kept", "logged", "first", "refused", "nobody", "dry", "classes"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_tag_is_closed_and_nothing_runs_or_is_loaded(every_kind, kind):
    page = Page(render_html(every_kind[kind]))
    assert page.open == []
    for tag, names, attributes in page.tags:
        assert tag not in {"script", "iframe", "object", "embed", "link", "img", "image", "use", "a", "base", "form"}
        assert not any(name.startswith("on") or name in {"src", "href", "xlink:href", "action"} for name in names)
        assert "url(" not in (attributes.get("style") or "")


@pytest.mark.parametrize("kind", KINDS)
def test_the_style_sheet_asks_for_nothing_from_outside(every_kind, kind):
    html = render_html(every_kind[kind])
    assert "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'" in html
    assert not re.search(r"url\(|@import|https?://", html.split("<style>")[1].split("</style>")[0])


def test_hostile_texts_change_not_one_tag_or_attribute(every_kind, hostile):
    for kind in ("promoted", "logged", "classes"):
        report = every_kind[kind]
        expected = Page(render_html(hostile.poisoned(report, "harmless"))).skeleton
        for text in hostile.TEXTS:
            assert Page(render_html(hostile.poisoned(report, text))).skeleton == expected, (kind, text)


def test_a_hostile_name_is_shown_as_it_is_spelled(promoted, hostile):
    for text in ("<script>alert(1)</script>", "{{ 7 * 7 }}", "&lt;b&gt;", '" onmouseover="alert(1)'):
        page = Page(render_html(hostile.poisoned(promoted, text)))
        assert text in page.text


def test_characters_that_hide_or_reorder_are_shown_as_replaced(promoted, hostile):
    for text in ("\u202egnp.exe\u202c", "a\x00b\x07c\x1b[31m", "half \ud800 pair", "\u2066x\u2069"):
        html = render_html(hostile.poisoned(promoted, text))
        assert "\ufffd" in html
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066\u2067\ud800-\udfff]", html)
        html.encode()


def test_a_name_with_a_line_break_stays_on_one_line(promoted, hostile):
    assert "line one line two" in render_html(hostile.poisoned(promoted, "line one\nline two"))


def test_the_verdict_comes_first_and_the_title_says_it_too(promoted):
    html = render_html(promoted)
    page = Page(html)
    assert "".join(page.text).split("churn", 1)[1].strip().startswith("is the champion") is False
    assert f"<title>{promoted.headline}</title>" in html
    assert html.index("<h1>") < html.index("Expect at least") < html.index("Ranking") < html.index("What was done")
    assert [tag for tag, _, _ in page.tags].count("h1") == 1


def test_all_candidates_stand_in_the_table_with_code_and_sentence(promoted):
    text = " ".join(Page(render_html(promoted)).text)
    for line in promoted.ranking:
        assert line.name in text
        if line.why:
            assert line.why.code in text
            assert line.why.text in text


def test_what_was_logged_only_is_marked_unproven_before_any_number(every_kind):
    html = render_html(every_kind["logged"])
    assert "nobody has compared these models on the same rows" in html
    assert html.index("nobody has compared") < html.index('<p class="score">')


def test_a_dry_run_says_so_and_that_nothing_was_changed(every_kind):
    html = render_html(every_kind["dry"])
    assert "dry run" in html
    assert "Nothing was changed." in html
    assert "rollback" not in html


def test_drawings_have_a_name_and_tables_have_headers(every_kind):
    for report in every_kind.values():
        page = Page(render_html(report))
        for tag, _, attributes in page.tags:
            if tag == "svg":
                assert attributes.get("aria-hidden") == "true" or (
                    attributes["role"] == "img" and attributes["aria-label"]
                )
            if tag == "th":
                assert attributes["scope"] in {"row", "col"}


def test_the_champion_is_drawn_as_a_line_where_it_stands(promoted):
    html = render_html(promoted)
    assert re.search(r'<line class="mark" x1="(\d+\.\d+%)" x2="\1"', html)
    assert f">champion {promoted.before.score:.4f}<" in html


def test_a_long_plot_is_cut_but_keeps_champion_and_winner(stories):
    skills = tuple(1.2 + 0.02 * i for i in range(40))
    report = stories.story((1.0, *skills)).report()
    drawn = shown_in_plot(report)
    assert len(drawn) == MOST_ROWS
    assert any(c.champion for c in drawn)
    assert [c.place for c in drawn] == sorted(c.place for c in drawn)
    assert f"Drawn: {MOST_ROWS} of 41" in render_html(report)


def test_many_classes_become_the_most_frequent_mistakes(every_kind):
    html = render_html(every_kind["classes"])
    assert "The most frequent mistakes, of 12 classes" in html
    assert len(every_kind["classes"].errors.classes) > MOST_CLASSES
    assert mistakes([[5, 2], [3, 1]]) == [(1, 0, 3), (0, 1, 2)]


def test_a_report_of_fourteen_candidates_stays_below_one_hundred_kilobytes(stories):
    report = stories.story(tuple(1.6 + 0.05 * i for i in range(14))).report()
    assert len(render_html(report).encode()) < 100_000


def test_one_score_for_all_is_drawn_without_dividing_by_nothing(stories):
    assert "<circle" in render_html(stories.story((1.8,), logged_only=True).report())


def test_ticks_have_the_decimals_that_their_step_needs():
    assert [tick_label(v, (0.8, 0.825)) for v in (0.8, 0.825)] == ["0.800", "0.825"]
    assert tick_label(1000.0, (0.0, 1000.0)) == "1,000"


def test_templates_travel_with_the_package():
    folder = files("selector.adapters") / "templates"
    assert (folder / "report.html.j2").is_file()
    assert (folder / "report.css").is_file()


def relative_luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_colour_has_contrast_enough_on_every_ground_it_stands_on(scheme):
    css = (files("selector.adapters") / "templates" / "report.css").read_text()
    block = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[0 if scheme == "light" else 1]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [(ink, ground) for ink in ("ink", "dim") for ground in ("paper", "card", "soft")]
    for tone in ("winner", "champion", "refused", "waiting"):
        pairs += [(tone, "paper"), (tone, f"{tone}-soft"), ("ink", f"{tone}-soft")]
    for ink, ground in pairs:
        dark, light = sorted(relative_luminance(colours[c]) for c in (ink, ground))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (scheme, ink, ground)


@pytest.mark.parametrize(
    ("name", "kept"), [("candidate-2026-11-02", 20), ("W" * 200, 26), ("模" * 200, 26), ("x" * 200, 44)]
)
def test_a_name_in_the_plot_is_cut_by_its_width(name, kept):
    assert len(fitted(name)) == kept
    assert name.startswith(fitted(name).rstrip("…"))
