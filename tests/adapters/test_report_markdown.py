"""Does the Markdown report say the same as the page, and can no foreign text break out of its place?"""

from __future__ import annotations

import itertools
import re

import pytest
from markdown_it import MarkdownIt

from selector.adapters.report_markdown import escaped, render_markdown

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def skeleton(markdown):
    """Return what a Markdown parser sees, without the words."""
    return [
        (token.type, token.level, tuple(c.type for c in token.children or () if c.type not in {"text", "text_special"}))
        for token in PARSER.parse(markdown)
    ]


def spoken(markdown):
    """Return the words that a reader of the rendered page sees."""
    parts = [c.content for t in PARSER.parse(markdown) for c in (t.children or [t])]
    return " ".join(p for p in parts if p)


@pytest.fixture(scope="module")
def reports(stories):
    return {
        "promoted": stories.story((1.8, 2.3, 1.9, 1.7), broken=("cut-off",), copies=1).report(),
        "kept": stories.story((1.9, 1.96, 1.7)).report(),
        "logged": stories.story((1.8, 2.1), logged_only=True).report(),
        "nobody": stories.story((), champion=False, broken=("a",)).report(),
        "classes": stories.story((1.8, 2.3), classes=tuple("abcdefghijkl")).report(),
    }


def test_the_first_line_is_the_verdict(reports):
    assert render_markdown(reports["promoted"]).startswith(
        "Promoted: version 12 (candidate-1) is the champion of churn"
    )
    assert render_markdown(reports["kept"]).startswith("Kept: ")
    assert render_markdown(reports["nobody"]).startswith("No candidate: ")


def test_hostile_texts_change_nothing_that_a_parser_sees(reports, hostile):
    for kind, report in reports.items():
        expected = skeleton(render_markdown(hostile.poisoned(report, "harmless")))
        assert "html_block" not in {t for t, _, _ in expected}
        for text in hostile.TEXTS:
            found = skeleton(render_markdown(hostile.poisoned(report, text)))
            assert found == expected, (kind, text)


@pytest.mark.parametrize("kind", ["promoted", "kept", "logged", "nobody", "classes"])
def test_there_is_no_html_tag_and_no_link(reports, kind):
    kinds = {c for _, _, children in skeleton(render_markdown(reports[kind])) for c in children}
    assert kinds <= {"strong_open", "strong_close", "softbreak"}
    assert not re.search(r"<[a-zA-Z/!]", render_markdown(reports[kind]))


def test_all_sentences_of_the_report_are_there(reports):
    report = reports["promoted"]
    words = spoken(render_markdown(report))
    for text in (
        report.headline,
        report.reason,
        report.expectation,
        report.luck.text,
        *report.policy.words,
        *report.done,
    ):
        assert text in words
    for line in report.ranking:
        assert line.name in words
        if line.why:
            assert line.why.text in words


def test_every_row_of_a_table_has_as_many_cells_as_its_head(reports, hostile):
    for text in ("a | b", "a \\| b", "a\n| b"):
        lines = render_markdown(hostile.poisoned(reports["promoted"], text)).splitlines()
        for before, line in itertools.pairwise(lines):
            if before.startswith("|") and line.startswith("|"):
                assert len(re.findall(r"(?<!\\)\|", before)) == len(re.findall(r"(?<!\\)\|", line))


def test_addresses_do_not_become_links_by_themselves():
    for text in ("https://evil.example", "www.evil.example", "JavaScript:alert(1)"):
        assert not re.search(r"(?i)https?:|www\.|javascript:", escaped(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("candidate-2", "candidate-2"),
        ("a_b*c", r"a\_b\*c"),
        ("x | y", r"x \| y"),
        ("<b>", "&lt;b&gt;"),
        ("- item", r"\- item"),
        ("1. item", r"1\. item"),
        ("12", "12"),
        ("   # heading", r"\# heading"),
    ],
)
def test_foreign_text_is_escaped_where_markdown_would_read_it(text, shown):
    assert escaped(text) == shown
    assert PARSER.parse(escaped(text))[0].type == "paragraph_open"


def test_what_was_done_can_be_undone_with_a_command_shown_as_code(reports):
    fences = [t.content for t in PARSER.parse(render_markdown(reports["promoted"])) if t.type == "code_block"]
    assert fences == ["mlflow-selector rollback churn\n"]
