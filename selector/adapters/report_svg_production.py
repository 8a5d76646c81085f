"""How has production gone: the metric batch by batch, its floor, changes of champion, alarms and recoveries, as SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from selector.adapters.report_svg import drawn
from selector.domain.report_parts import ProductionLine, ProductionPoint
from selector.domain.report_words import figure

_TOP, _HEIGHT, _BOTTOM = 34, 150, 24
_LEFT, _RIGHT = 2.0, 98.0
_PAD = 0.08


def production_plot(line: ProductionLine) -> Markup:
    """Return one dot per batch from left to right; red ones while the champion was degraded, a dashed floor."""
    points = [p for p in line.points if p.value is not None]
    if not points:
        return Markup("")
    heights = [v for p in points for v in (p.value, p.floor) if v is not None]
    low, high = min(heights), max(heights)
    pad = (high - low) * _PAD or 0.05
    place = _Place(len(points), low - pad, high + pad)
    parts = [*_floors(points, place), *_dots(points, place), *_marks(points, place)]
    title = f"{line.metric} of {len(points)} batches in production"
    newest = points[-1]
    label = f"{title}; newest: {figure(newest.value)}" + (f", floor {figure(newest.floor)}" if newest.floor else "")
    return drawn(
        '<svg class="plot" role="img" aria-label="{}" width="100%" height="{}"><title>{}</title>{}'
        '<text class="tick" x="{}%" y="{}">{}</text>'
        '<text class="tick" x="{}%" y="{}" text-anchor="end">{}</text></svg>',
        label,
        _TOP + _HEIGHT + _BOTTOM,
        title,
        Markup("").join(parts),
        _LEFT,
        _TOP + _HEIGHT + 18,
        points[0].at[:10],
        _RIGHT,
        _TOP + _HEIGHT + 18,
        newest.at[:10],
    )


class _Place:
    """Where a batch and a value are drawn."""

    def __init__(self, number: int, low: float, high: float) -> None:
        self._number, self._low, self._high = number, low, high

    def x(self, index: float) -> str:
        """Return the horizontal place of a batch, in per cent."""
        share = index / (self._number - 1) if self._number > 1 else 0.5
        return f"{_LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0):.2f}%"

    def y(self, value: float) -> str:
        """Return the height of a value, in px from above."""
        return f"{_TOP + _HEIGHT * (self._high - value) / (self._high - self._low):.1f}"


def _floors(points: Sequence[ProductionPoint], place: _Place) -> list[Markup]:
    """Return the floor as one dashed line for each stretch of batches with the same floor."""
    drawn_lines, start = [], 0
    for index in range(1, len(points) + 1):
        floor = points[start].floor
        if index < len(points) and points[index].floor == floor:
            continue
        if floor is not None:
            drawn_lines.append(
                drawn(
                    '<line class="mark" x1="{}" x2="{}" y1="{}" y2="{}"><title>floor {}</title></line>',
                    place.x(start - 0.5),
                    place.x(index - 0.5),
                    place.y(floor),
                    place.y(floor),
                    figure(floor),
                )
            )
        start = index
    return drawn_lines


def _dots(points: Sequence[ProductionPoint], place: _Place) -> list[Markup]:
    found = []
    for index, point in enumerate(points):
        value = point.value or 0.0
        before = points[index - 1] if index else None
        if before is not None and before.version == point.version:
            found.append(
                drawn(
                    '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>',
                    place.x(index - 1),
                    place.x(index),
                    place.y(before.value or 0.0),
                    place.y(value),
                )
            )
        version = f", v{point.version}" if point.version is not None else ""
        tip = f"{point.at[:10]}: {figure(value)}, {point.rows:,} rows, {point.health}{version}"
        found.append(
            drawn(
                '<g class="{}"><title>{}</title><circle cx="{}" cy="{}" r="4"/></g>',
                {"degraded": "bad", "warning": "held"}.get(point.health, "other"),
                tip,
                place.x(index),
                place.y(value),
            )
        )
    return found


def _marks(points: Sequence[ProductionPoint], place: _Place) -> list[Markup]:
    """Return a line and a word where the champion changed, an alarm was raised, or it recovered."""
    found = []
    for index, point in enumerate(points):
        before = points[index - 1] if index else None
        words = []
        if before is None or before.version != point.version:
            words.append(f"v{point.version}" if point.version is not None else "")
        if point.health == "degraded" and (before is None or before.health != "degraded"):
            words.append("alarm")
        if before is not None and before.health == "degraded" and point.health == "healthy":
            words.append("recovered")
        text = " ".join(w for w in words if w)
        if text:
            x = place.x(index)
            at = float(x.rstrip("%"))
            anchor = "start" if at < 8 else "end" if at > 92 else "middle"  # noqa: PLR2004 - half a word, in per cent
            found.append(
                drawn(
                    '<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
                    '<text class="tick" x="{0}" y="{3}" text-anchor="{4}">{5}</text>',
                    x,
                    _TOP - 14,
                    _TOP + _HEIGHT,
                    _TOP - 18,
                    anchor,
                    text,
                )
            )
    return found
