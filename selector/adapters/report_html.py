"""How does a report look in a browser: one self-contained page, no script, nothing loaded from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from selector.adapters.report_svg import interval_plot, shown_in_plot
from selector.adapters.report_svg_curves import curve_plot
from selector.adapters.report_svg_production import production_plot
from selector.adapters.report_text import visible
from selector.domain.report import Report
from selector.domain.report_parts import RankedCandidate
from selector.domain.report_words import chance, figure, signed, span

MOST_CLASSES = 8
"""A wider confusion matrix does not fit into MLflow's 602 px frame; the most frequent mistakes are listed instead."""

BETTER = {"maximize": "more is better", "minimize": "less is better", "target": "closer to the band is better"}

MOST_FURTHER = 20
"""So many candidates have their further metrics shown; report.json has those of all."""

COLUMNS = 4
"""More further metrics than this stand in tables below one another, for the same reason."""

FURTHER = "Shown beside; they decide nothing."
NOT_SHOWN = "{} more are in report.json."

_MINUS = "\N{MINUS SIGN}"


def render_html(report: Report) -> str:
    """Return the page. Every foreign text is escaped and on one line; numbers are rounded for people."""
    return _template().render(
        r=report,
        intervals=any(c.low is not None for c in report.ranking),
        plotted=len(shown_in_plot(report)),
        tested=any(c.lead is not None for c in report.ranking),
        shortlisted=sum(c.shortlisted for c in report.ranking),
        further=further_lines(report),
        others=[c for c in report.ranking if c.why is not None],
        challenger=_challenger(report),
        curves=_curves(report),
    )


@cache
def _template() -> Template:
    pages = Environment(
        loader=PackageLoader("selector.adapters"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        keep_trailing_newline=True,
    )
    pages.globals.update(
        chance=chance,
        figure=lambda v: figure(v).replace("-", _MINUS),
        signed=lambda v: signed(v).replace("-", _MINUS),
        span=lambda low, high, sign=False: span(low, high, sign=sign).replace("-", _MINUS),
        interval_plot=interval_plot,
        production_plot=production_plot,
        share=lambda count, row: count / sum(row) if sum(row) else 0.0,
        mistakes=mistakes,
        better=BETTER,
        most_classes=MOST_CLASSES,
        columns=COLUMNS,
        words_further=FURTHER,
        words_not_shown=NOT_SHOWN,
    )
    return pages.get_template("report.html.j2")


def _finalize(value: Any) -> Any:
    """Take invisible and line-breaking characters out of everything that is not markup of our own."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def further_lines(report: Report) -> tuple[Sequence[RankedCandidate], int]:
    """Return the best candidates with a value of a further metric, the champion among them, and how many more are."""
    found = [c for c in report.ranking if any(c.metrics.get(key) is not None for key in report.metrics)]
    chosen = sorted(found, key=lambda c: not (c.champion or c.winner))[:MOST_FURTHER]
    return sorted(chosen, key=lambda c: c.place), len(found) - len(chosen)


def mistakes(confusion: Sequence[Sequence[int]], most: int = 10) -> list[tuple[int, int, int]]:
    """Return the most frequent (true class, answered class, rows) with a wrong answer, most frequent first."""
    wrong = [(i, j, n) for i, row in enumerate(confusion) for j, n in enumerate(row) if i != j and n > 0]
    return sorted(wrong, key=lambda cell: (-cell[2], cell[0], cell[1]))[:most]


def _challenger(report: Report) -> RankedCandidate | None:
    """Return the best one that may compete and is not champion."""
    return next((c for c in report.ranking if c.eligible and not c.champion and not c.winner), None)


def _curves(report: Report) -> list[tuple[Markup, str]]:
    models = [m for m in report.errors.models if m.roc] if report.errors else []
    if not models or report.errors is None:
        return []
    recall = [(m.role, m.name, m.precision_recall) for m in models]
    roc = [(m.role, m.name, m.roc) for m in models]
    base = report.errors.prevalence or 0.0
    return [
        (curve_plot("Precision and recall", "recall", "precision", recall, base), "Precision and recall"),
        (curve_plot("ROC curve", "false positive rate", "true positive rate", roc, None), "ROC curve"),
    ]
