"""How has production gone, drawn in one line of text?"""

from __future__ import annotations

from collections.abc import Sequence

from selector.domain.health import Point

BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 30


def sparkline(points: Sequence[Point], floor: float | None, most: int = MOST_BARS) -> str:
    """Return the newest values as bars, scaled so that the floor and all values fit; "" without any.

    An exclamation mark stands before the first batch after which the model was degraded.
    """
    values = [p for p in points if p.value is not None][-most:]
    if not values:
        return ""
    numbers = [p.value or 0.0 for p in values]
    low = min([*numbers, *([floor] if floor is not None else [])])
    high = max([*numbers, *([floor] if floor is not None else [])])
    reach = (high - low) or 1.0
    drawn = []
    for index, point in enumerate(values):
        fell = point.state == "degraded" and (index == 0 or values[index - 1].state != "degraded")
        bar = BARS[min(int(((point.value or 0.0) - low) / reach * len(BARS)), len(BARS) - 1)]
        drawn.append(f"!{bar}" if fell else bar)
    return "".join(drawn)
