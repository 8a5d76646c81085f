"""How do precision-recall and ROC curves look: unit squares with one line per model, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from selector.adapters.report_svg import drawn
from selector.domain.curves import Points
from selector.domain.report_words import short

_SIDE, _INSET = 240, 46


def curve_plot(
    title: str, x_label: str, y_label: str, lines: Sequence[tuple[str, str, Points]], base: float | None
) -> Markup:
    """Return a unit square with one polyline per model.

    Args:
        title: what is drawn, for the heading and for screen readers.
        x_label: what runs to the right.
        y_label: what runs upwards.
        lines: (role, name, points in the unit square); the role is the style class.
        base: what a coin would reach: a height in [0, 1], or None for the diagonal.

    """
    start, end = (0.0, 1.0) if base is None else (base, base)
    marks = Markup("").join(
        drawn(
            '<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>'
            '<line class="grid" x1="{3}" x2="{4}" y1="{5}" y2="{5}"/>'
            '<text class="tick" x="{0}" y="{6}" text-anchor="middle">{7}</text>'
            '<text class="tick" x="{8}" y="{9}" text-anchor="end">{7}</text>',
            _x(t),
            _y(0),
            _y(1),
            _x(0),
            _x(1),
            _y(t),
            _y(0) + 15,
            f"{t:g}",
            _x(0) - 6,
            _y(t) + 4,
        )
        for t in (0, 0.5, 1)
    )
    paths = Markup("").join(
        drawn(
            '<polyline class="curve {}" points="{}"><title>{}</title></polyline>',
            role,
            " ".join(f"{_x(a):.1f},{_y(b):.1f}" for a, b in points),
            name,
        )
        for role, name, points in lines
    )
    names = " and ".join(short(name) for _, name, _ in lines)
    size = _SIDE + _INSET + 10
    return drawn(
        '<svg class="square" role="img" aria-label="{}" viewBox="0 0 {} {}"><title>{}</title>{}'
        '<line class="coin" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>{}'
        '<text class="axis" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="axis" x="12" y="{}" text-anchor="middle" transform="rotate(-90 12 {})">{}</text></svg>',
        f"{title} of {names}",
        size,
        size - 6,
        title,
        marks,
        _x(0),
        _y(start),
        _x(1),
        _y(end),
        paths,
        _x(0.5),
        _y(0) + 33,
        x_label,
        _y(0.5),
        _y(0.5),
        y_label,
    )


def _x(share: float) -> float:
    return _INSET + _SIDE * share


def _y(share: float) -> float:
    return 8 + _SIDE * (1 - share)
