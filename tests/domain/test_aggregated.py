"""Which of several logged values of a metric counts?"""

from __future__ import annotations

import math

import pytest

from selector.domain.aggregated import aggregated
from selector.domain.metric import metric

INFINITY = 1.7976931348623157e308
HISTORY = [(0, 5, 0.3), (2, 1, 0.4), (1, 9, 0.9), (2, 3, 0.5), (2, 3, 0.6), (3, 1, math.nan)]


@pytest.mark.parametrize(
    ("asked", "history", "value"),
    [
        (metric("f1"), HISTORY[:5], 0.6),
        (metric("f1", aggregation=2), HISTORY, 0.6),
        (metric("f1", aggregation=0), HISTORY, 0.3),
        (metric("f1", aggregation="best"), HISTORY, 0.9),
        (metric("log_loss", aggregation="best"), HISTORY, 0.3),
        (metric("rate", target=(0.42, 0.55), aggregation="best"), HISTORY, 0.5),
        (metric("rate", direction="maximize", aggregation="best"), [(0, 0, INFINITY), (1, 0, -2.0)], -2.0),
        (
            metric("rate", direction="minimize", aggregation="best"),
            [(0, 0, -math.inf), (1, 0, -INFINITY), (2, 0, 5.0)],
            5.0,
        ),
    ],
)
def test_the_value_that_counts(asked, history, value):
    assert aggregated(asked, history) == value
    assert aggregated(asked, history[::-1]) == value


def test_where_nothing_usable_was_logged_nothing_is_the_best():
    assert math.isnan(aggregated(metric("f1", aggregation="best"), [(0, 0, math.nan), (1, 0, INFINITY)]))
    assert math.isnan(aggregated(metric("f1", aggregation=3), HISTORY))
    assert aggregated(metric("f1", aggregation=7), HISTORY) is None
    assert aggregated(metric("f1", aggregation="best"), []) is None
