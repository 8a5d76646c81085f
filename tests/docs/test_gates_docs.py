"""Does every gate in docs/gates.md load, and is it answered for a real candidate?"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from selector.config import load
from selector.config_gates import COMPARING, GOES_WITH, GateSettings
from selector.domain.gates.case import AllOf, GateCase
from selector.domain.gates.scores import Scores
from selector.domain.metric import metric
from selector.domain.model import Candidate, Predictions, Run, Truth
from selector.domain.model_facts import InputColumn, ModelFacts
from selector.domain.outcomes import measure
from selector.domain.ranking import Standing
from selector.domain.snapshot import Snapshot

PAGE = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
EXAMPLES = [block for block in BLOCKS if block.startswith("- ")]
WHOLE = [block for block in BLOCKS if block.startswith("models:")]
HEAD = (
    "models:\n  churn:\n    metric: f1\n    holdout: {data: h.csv, target: Churn, slices: [region, plan]}\n    gates:\n"
)
AT = datetime(2025, 8, 20, tzinfo=UTC)


def gates_of(folder, text):
    path = folder / "selector.yaml"
    path.write_text(text)
    return load(path).models["churn"].policy().gates


def of_numbers(text):
    return "rmse" in text


@pytest.fixture
def before_the_gates():
    """A candidate that is better than the champion everywhere, signed off, small and quick."""

    def made(*, numbers):
        rng, rows = np.random.default_rng(1), 2_000
        slices = {"region=north": np.arange(rows) % 2 == 0, "plan=premium": np.arange(rows) % 5 == 0}
        if numbers:
            target = rng.normal(size=rows)
            truth, own = Truth("t", target, slices=slices), metric("rmse")
            answers = {"mine": Predictions(target + 0.9), "theirs": Predictions(target + 1.0)}
        else:
            truth = Truth("t", np.arange(rows) % 2, classes=("No", "Yes"), positive=1, slices=slices)
            own = metric("f1", average="binary")
            answers = {"mine": probable(truth, 0.9, TIMES), "theirs": probable(truth, 0.85, None)}
        outcomes = {uri: measure(own, truth, answer) for uri, answer in answers.items()}
        known = ModelFacts(9, ("MLmodel", "extra/a.json"), (InputColumn("age", "long"),))
        snapshot = Snapshot(
            "m", None, (), outcomes=outcomes, truth=truth, answers=answers, facts=dict.fromkeys(answers, known), at=AT
        )
        run = Run(
            "r",
            "r",
            "e",
            "FINISHED",
            ended_at=AT,
            tags={"validated_by": "anna", "review": "passed by anna"},
            params={"learning_rate": "0.1", "max_depth": "3"},
        )
        mine, theirs = (Standing(Candidate(uri, uri, run=run), champion=uri == "theirs") for uri in answers)
        return GateCase(mine, theirs, own, snapshot, Scores(snapshot, own))

    return made


TIMES = ((1, 0.001),) * 40 + ((100, 0.01),) * 20


def probable(truth, right, timings):
    """Answers of which this share is right in each class, with probabilities."""
    rows = np.arange(truth.rows)
    codes = np.where((rows // 2) % 100 < 100 * right, truth.labels, 1 - truth.labels)
    yes = np.where(codes == 1, right, 1 - right)
    return Predictions(np.array(truth.classes)[codes], np.column_stack((1 - yes, yes)), truth.classes, timings=timings)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.strip())
def test_an_example_loads_and_a_better_model_passes_it(tmp_path, example, before_the_gates):
    gates = gates_of(tmp_path, HEAD + "".join(f"      {line}\n" for line in example.splitlines()))
    results = AllOf(gates).each(before_the_gates(numbers=of_numbers(example)))
    assert [r.verdict for r in results] == ["passed"] * len(gates), results
    assert all(r.detail or r.value is not None or r.gate for r in results)


def test_the_page_shows_every_kind_of_gate():
    keys = set(re.findall(r"[{ ](\w+):", " ".join(EXAMPLES)))
    assert {*GOES_WITH, *COMPARING, "minimum", "maximum", "confident", "minimum_rows", "average"} <= keys
    assert keys & {*GateSettings.model_fields} == {*GateSettings.model_fields} - {"direction", "keys", "observe"}


def test_the_whole_example_loads_and_gives_one_gate_per_line(tmp_path):
    [whole] = WHOLE
    assert len(gates_of(tmp_path, whole)) == whole.count("      - ")
