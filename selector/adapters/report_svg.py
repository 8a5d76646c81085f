"""How do the candidates' scores look: dots with their intervals and the champion's line, as inline SVG.

Horizontal positions are percentages, so that the plot fills any width while its text keeps its size.
Colours come from the page's style sheet by class; a drawing holds no script, no link and no outside resource.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from selector.adapters.report_text import visible
from selector.domain.report_parts import RankedCandidate, Report
from selector.domain.report_words import figure, short, span

MOST_ROWS = 24
"""A longer plot is no longer taken in at a glance; the table holds everybody."""

_ROW = 40
_TOP = 26
_AXIS = 30
_LEFT, _RIGHT = 2.0, 98.0


def drawn(template: str, *values: object) -> Markup:
    """Fill values into a piece of SVG: foreign text is escaped and on one line, markup of our own stays as it is."""
    safe = (visible(v) if isinstance(v, str) and not isinstance(v, Markup) else v for v in values)
    return Markup(template).format(*safe)  # noqa: S704 - templates are literals of these modules


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def __call__(self, value: float) -> str:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return f"{_LEFT + (_RIGHT - _LEFT) * min(1.0, max(0.0, share)):.2f}%"


def shown_in_plot(report: Report) -> tuple[RankedCandidate, ...]:
    """Return who is drawn: those with a score that may compete, the champion always, `MOST_ROWS` at most."""
    scored = [c for c in report.ranking if c.score is not None and (c.eligible or c.champion or c.held)]
    if len(scored) <= MOST_ROWS:
        return tuple(scored)
    must = [c for c in scored if c.champion or c.winner]
    rest = [c for c in scored if not (c.champion or c.winner)][: MOST_ROWS - len(must)]
    return tuple(sorted((*must, *rest), key=lambda c: c.place))


def interval_plot(report: Report) -> Markup:
    """Return one row per candidate: a dot for the score, a bar for its interval, a line where the champion stands."""
    rows = shown_in_plot(report)
    if not rows:
        return Markup("")
    values = [v for c in rows for v in (c.score, c.low, c.high) if v is not None]
    ticks = _ticks(min(values), max(values))
    scale = _Scale(min(ticks[0], *values), max(ticks[-1], *values))
    bottom = _TOP + _ROW * len(rows)
    parts = [_grid(ticks, scale, bottom)]
    champion = next((c for c in rows if c.champion and c.score is not None), None)
    if champion is not None and champion.score is not None:
        x = scale(champion.score)
        parts.append(
            drawn('<line class="mark" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>', x, _TOP - 8, bottom)
            + drawn(
                '<text class="mark" x="{}" y="12" text-anchor="{}">champion {}</text>',
                x,
                _anchor(x),
                figure(champion.score),
            )
        )
    parts += [_candidate(c, scale, _TOP + _ROW * i) for i, c in enumerate(rows)]
    title = f"{report.metric.label} of {len(rows)} candidates" + (
        " with 95 % intervals" if any(c.low is not None for c in rows) else ""
    )
    best = rows[0]
    label = f"{title}; first: {short(best.name)}, {figure(best.score)}"
    return drawn(
        '<svg class="plot" role="img" aria-label="{}" width="100%" height="{}"><title>{}</title>{}</svg>',
        label,
        bottom + _AXIS,
        title,
        Markup("").join(parts),
    )


def _candidate(candidate: RankedCandidate, scale: _Scale, top: int) -> Markup:
    score = candidate.score if candidate.score is not None else math.nan
    kind = "winner" if candidate.winner else "champion" if candidate.champion else "held" if candidate.held else "other"
    version = f" v{candidate.version}" if candidate.version is not None else ""
    name = fitted(candidate.name)
    interval = span(candidate.low, candidate.high)
    tip = f"{candidate.name}{version}: {figure(score)}" + (f" ({interval})" if interval else "")
    y = top + 23
    bar = Markup("")
    if candidate.low is not None and candidate.high is not None:
        bar = drawn(
            '<line class="bar" x1="{}" x2="{}" y1="{}" y2="{}"/>', scale(candidate.low), scale(candidate.high), y, y
        )
    return drawn(
        '<g class="{}"><title>{}</title><text x="{}%" y="{}"><tspan class="name">\u2068{}\u2069</tspan>'
        '<tspan class="dim">{}</tspan></text><text class="value" x="{}%" y="{}" text-anchor="end">{}</text>'
        '{}<circle cx="{}" cy="{}" r="{}"/></g>',
        kind,
        tip,
        _LEFT,
        top + 13,
        name,
        version,
        _RIGHT,
        top + 13,
        figure(score),
        bar,
        scale(score),
        y,
        5 if kind in {"winner", "champion"} else 4,
    )


def fitted(name: str, room: float = 380.0) -> str:
    """Return as much of the name as fits beside its score at 560 px; SVG text neither wraps nor ends in an ellipsis.

    Args:
        name: any text.
        room: in px at the plot's 13 px type; widths are upper estimates for common sans-serif fonts.

    """
    used = 0.0
    for i, character in enumerate(name):
        used += _width(character)
        if used > room:
            return short(name, max(2, i))
    return name


def _width(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF" or character in "MW@%mw—…":
        return 14.5
    return 11.0 if character.isupper() else 8.6


def _grid(ticks: Sequence[float], scale: _Scale, bottom: int) -> Markup:
    lines = [
        drawn('<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>', scale(t), _TOP - 8, bottom)
        + drawn(
            '<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>',
            scale(t),
            bottom + 18,
            _anchor(scale(t)),
            tick_label(t, ticks),
        )
        for t in ticks
    ]
    return Markup("").join(lines)


def _anchor(x: str) -> str:
    """Keep a label inside the drawing: text near an edge grows away from it."""
    at = float(x.rstrip("%"))
    return "start" if at < 8 else "end" if at > 92 else "middle"  # noqa: PLR2004 - half a label, in per cent


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers from at most `low` to at least `high`."""
    if not math.isfinite(high - low):
        return [low, high]
    if high - low <= max(1e-12 * abs(high), 1e-300):
        pad = abs(low) * 0.05 or 0.05
        low, high = low - pad, high + pad
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def tick_label(value: float, ticks: Sequence[float]) -> str:
    """Return a tick's number with as many decimals as the step between ticks needs, and no more."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    decimals = next((d for d in range(7) if abs(round(step, d) - step) < step * 1e-6), 6)
    return f"{value:,.{decimals}f}"
