"""Is a wrong gate told in the file's own terms, and does a right one ask what it says?"""

from __future__ import annotations

import pytest

from selector.config import load
from selector.domain.gates.bounds import MetricBound, VersusChampion
from selector.domain.gates.files import Artifacts, CompatibleSignature, Size
from selector.domain.gates.latency import Latency
from selector.domain.gates.parts import PartRegression
from selector.domain.gates.runs import Freshness, Required
from selector.domain.metric import metric
from selector.errors import ConfigurationError

HEAD = """\
models:
  churn:
    metric: f1
    holdout: {data: rows.csv, target: Churn, slices: [region]}
"""


def loaded(folder, gates, head=HEAD):
    path = folder / "selector.yaml"
    path.write_text(f"{head}    gates:{gates}\n")
    return load(path).models["churn"].policy().gates


F1, PRECISION = metric("f1"), metric("precision")


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("{metric: precision, minimum: 0.70}", [MetricBound(PRECISION, "minimum", 0.7)]),
        ("{metric: precision, minimum: 70%}", [MetricBound(PRECISION, "minimum", 0.7)]),
        ("{minimum: 0.5, confident: yes}", [MetricBound(F1, "minimum", 0.5, confident=True)]),
        (
            "{metric: f1, average: macro, minimum: 0.5, maximum: 0.99}",
            [MetricBound(metric("macro f1"), side, bound) for side, bound in (("minimum", 0.5), ("maximum", 0.99))],
        ),
        (
            "{metric: business_value, minimum: 12}",
            [MetricBound(metric("business_value", direction="maximize"), "minimum", 12.0)],
        ),
        ("{maximum_regression: 0.01}", [VersusChampion("maximum_regression", 0.01)]),
        (
            "{metric: log_loss, maximum_regression: 0.01, observe: true}",
            [VersusChampion("maximum_regression", 0.01, metric("log_loss"), observe=True)],
        ),
        (
            "{metric: f1, maximum_relative_regression: 2%}",
            [VersusChampion("maximum_relative_regression", 0.02, F1)],
        ),
        ("{minimum_gain: 0.01}", [VersusChampion("minimum_gain", 0.01)]),
        ("{minimum_relative_gain: 1%}", [VersusChampion("minimum_relative_gain", 0.01)]),
        ("{maximum_plausible_gain: 0.10}", [VersusChampion("maximum_plausible_gain", 0.1)]),
        ("{slices: all, maximum_regression: 0.02}", [PartRegression("slices", 0.02)]),
        (
            "{slices: [region, region=north], metric: recall, maximum_regression: 0.02, minimum_rows: 50}",
            [PartRegression("slices", 0.02, ("region", "region=north"), metric("recall"), 50)],
        ),
        (
            "{classes: [Yes], metric: recall, maximum_regression: 5%}",
            [PartRegression("classes", 0.05, ("Yes",), metric("recall"))],
        ),
        ("{latency: p95_per_row, maximum: 5ms}", [Latency(95, "row", 0.005)]),
        ("{latency: p50_per_batch, maximum: 0.5}", [Latency(50, "batch", 0.5)]),
        ("{size: true, maximum: 500MB}", [Size(500_000_000)]),
        ('{artifacts: [MLmodel, "extra/*.json"]}', [Artifacts(("MLmodel", "extra/*.json"))]),
        ('{tags: {validated_by: "*", stage: 2}}', [Required("tags", (("validated_by", "*"), ("stage", "2")))]),
        ("{tags: [validated_by]}", [Required("tags", (("validated_by", "*"),))]),
        ("{params: learning_rate}", [Required("params", (("learning_rate", "*"),))]),
        ("{signature: compatible}", [CompatibleSignature()]),
        ("{freshness: 90d, observe: true}", [Freshness(90 * 86_400.0, observe=True)]),
    ],
)
def test_a_gate_asks_what_is_written(tmp_path, written, asked):
    assert list(loaded(tmp_path, f"\n      - {written}")) == asked


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (" []", "an empty list asks nothing"),
        ("\n      - {}", "asks nothing"),
        ("\n      - {observe: true}", "asks nothing"),
        ("\n      - {metric: f1}", "needs one of minimum, maximum"),
        ("\n      - {metric: f1, minimum: 0.5, latency: p95_per_row}", "metric and minimum does not go with latency"),
        ("\n      - {latency: p95_per_row}", "latency needs maximum"),
        ("\n      - {latency: p95_per_row, maximum: soon}", "not a duration"),
        ("\n      - {latency: p95, maximum: 5ms}", "must be p50_per_row"),
        ("\n      - {size: true, latency: p95_per_row, maximum: 5}", "make latency and size gates of their own"),
        ("\n      - {size: true}", "size needs maximum"),
        ("\n      - {size: false, maximum: 5MB}", "size: false asks nothing"),
        ("\n      - {size: true, maximum: big}", "not a size"),
        ("\n      - {metric: f1, minimum: high}", "minimum 'high' is not a number"),
        ("\n      - {metric: f1, minimum: 70}", "outside 0 to 1"),
        ("\n      - {metric: f2_mine, maximum_regression: 0.1}", "Give direction"),
        ("\n      - {metric: f1, average: all, minimum: 0.5}", "must be binary"),
        ("\n      - {metric: f1, maximum_regression: -0.1}", "must be at least 0"),
        ("\n      - {slices: all}", "slices needs maximum_regression"),
        ("\n      - {slices: [regoin], maximum_regression: 0.1}", "'regoin' is no slice"),
        ("\n      - {slices: all, metric: silhouette, maximum_regression: 0.1}", "cannot be"),
        ("\n      - {classes: all, metric: log_loss, maximum_regression: 0.1}", "no value for a single class"),
        ("\n      - {average: macro, minimum: 0.1}", "need the metric that they are about"),
        ("\n      - {metrc: f1, minimum: 0.5}", "unknown key; did you mean 'metric'"),
        ("\n      - {signature: same}", "must be compatible"),
        ("\n      - {tags: {}}", "asks nothing"),
        ("\n      - {freshness: old}", "not a duration"),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused_with_its_place_and_a_sentence(tmp_path, written, said):
    with pytest.raises(ConfigurationError, match=r"selector\.yaml:\d+:\d+: models\.churn") as caught:
        loaded(tmp_path, written)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "gate",
    [
        "{slices: all, maximum_regression: 0.1}",
        "{classes: all, maximum_regression: 0.1}",
        "{latency: p95_per_row, maximum: 1s}",
    ],
)
def test_what_is_measured_on_rows_needs_a_holdout(tmp_path, gate):
    with pytest.raises(ConfigurationError, match="needs a holdout"):
        loaded(tmp_path, f"\n      - {gate}", "models:\n  churn:\n    metric: f1\n")


def test_slices_need_columns_to_be_made_from(tmp_path):
    head = "models:\n  churn:\n    metric: f1\n    holdout: {data: rows.csv, target: Churn}\n"
    with pytest.raises(ConfigurationError, match=r"needs holdout\.slices"):
        loaded(tmp_path, "\n      - {slices: all, maximum_regression: 0.1}", head)


def test_gates_are_part_of_the_policys_digest_with_their_kind(tmp_path):
    digests = set()
    for written in ("{tags: [a]}", "{params: [a]}", "{artifacts: [a]}", "{tags: [b]}"):
        loaded(tmp_path, f"\n      - {written}")
        digests.add(load(tmp_path / "selector.yaml").models["churn"].policy().digest())
    digests.add(load_without(tmp_path))
    assert len(digests) == 5


def load_without(folder):
    path = folder / "selector.yaml"
    path.write_text(HEAD)
    return load(path).models["churn"].policy().digest()
