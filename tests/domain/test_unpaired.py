"""Is a lead by counts alone shown as rarely as it is said to be, where there is none?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.metric import metric
from selector.domain.tables import Table
from selector.domain.unpaired import unpaired

F1 = metric("f1", average="binary")
ACCURACY = metric("accuracy")
whole = st.integers(1, 5_000)
counts = st.builds(lambda *four: Table(*four, exact=True, note=""), whole, whole, whole, whole)


def tables(random, rows, same, pairs):
    """Draw counts of equal models, on rows of their own or on the same rows."""
    for _ in range(pairs):
        made = []
        for _ in range(2):
            if not same or not made:
                positive, luck = random.random(rows) < 0.27, random.normal(size=rows)
            said = 2.3 * positive + 0.9 * luck + math.sqrt(0.19) * random.normal(size=rows) > 1.4
            tp = int(np.sum(said & positive))
            made.append((tp, int(said.sum()) - tp, int(positive.sum()) - tp))
        yield [Table(tp, fp, fn, rows - tp - fp - fn, exact=True, note="") for tp, fp, fn in made]


@pytest.mark.parametrize(
    ("rows", "same", "least", "most"), [(500, False, 0.04, 0.06), (2_000, False, 0.04, 0.06), (500, True, 0, 0.01)]
)
@pytest.mark.parametrize(
    "asked", [F1, metric("precision", average="binary"), metric("recall", average="binary"), ACCURACY]
)
def test_a_lead_of_an_equal_model_is_shown_once_in_twenty_on_other_rows_and_hardly_ever_on_the_same(
    rows, same, least, most, asked
):
    pairs = 3_000
    found = [unpaired(b, a, asked, 0.95, 1) for a, b in tables(np.random.default_rng(3), rows, same, pairs)]
    shown = sum(f is not None and f.low > 0 for f in found) / pairs
    assert least <= shown <= most


@pytest.mark.parametrize(
    ("new", "old", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 10), 0.6075, 1.0)],
)
def test_the_limits_of_a_share_are_those_that_newcombe_published(new, old, low, high):
    tables = [Table(hits, 0, of - hits, 0, exact=True, note="") for hits, of in (new, old)]
    found = unpaired(*tables, metric("recall", average="binary"), 0.975, 1)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(counts, counts, st.floats(1, 1000))
def test_more_tries_never_make_a_lead_more_certain_and_sides_can_be_changed(new, old, k):
    one, many, turned = (unpaired(a, b, F1, 0.95, c) for a, b, c in ((new, old, 1), (new, old, k), (old, new, 1)))
    assert one is not None
    assert many is not None
    assert turned is not None
    assert many.low <= one.low + 1e-12 <= one.lead + 1e-12
    assert (turned.lead, turned.low) == (pytest.approx(-one.lead), pytest.approx(-one.high))
    assert one.needed == pytest.approx(one.lead - one.low)


def test_what_a_table_does_not_tell_is_not_compared():
    table = Table(40, 9, 11, None, exact=False, note="")
    assert unpaired(table, table, ACCURACY, 0.95, 1) is None
    assert unpaired(table, table, metric("roc_auc"), 0.95, 1) is None
    assert unpaired(table, table, F1, 0.95, 1) is not None
