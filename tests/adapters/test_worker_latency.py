"""Which calls are timed, and what does a model that cannot be timed cost?"""

import itertools

import pandas as pd
import pytest

from selector.worker import latency

FRAME = pd.DataFrame({"x": range(2_000)})


class Recorder:
    """Remembers the rows of every call."""

    def __init__(self):
        self.calls = []

    def predict(self, frame):
        self.calls.append(frame["x"].tolist())
        return None, 0.001 * len(frame)


def test_single_rows_and_batches_lie_evenly_over_the_holdout():
    model = Recorder()
    found = latency.timings(model, FRAME)
    assert found == [(1, 0.001)] * 40 + [(100, 0.1)] * 20
    assert [call[0] for call in model.calls[:40]] == list(range(0, 2_000, 50))
    assert list(itertools.chain(*model.calls[40:])) == list(range(2_000))


def test_a_holdout_smaller_than_a_batch_is_timed_by_single_rows_only():
    assert latency.timings(Recorder(), FRAME[:99]) == [(1, 0.001)] * 40


def test_a_slow_model_is_called_once_of_each_kind(monkeypatch):
    monkeypatch.setattr(latency, "BUDGET_SECONDS", -1.0)
    assert latency.timings(Recorder(), FRAME) == [(1, 0.001), (100, 0.1)]


@pytest.mark.parametrize("rows", [1, 100])
def test_a_model_that_answers_whole_tables_only_has_no_timings(rows):
    class Picky(Recorder):
        def predict(self, frame):
            if len(frame) == rows:
                raise ValueError("not so few")
            return super().predict(frame)

    assert latency.timings(Picky(), FRAME) == []
