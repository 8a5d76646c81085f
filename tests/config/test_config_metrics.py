"""How are further metrics written, and what is refused?"""

import pytest

from selector.bootstrap import setup
from selector.config import load
from selector.errors import ConfigurationError


def written(folder, line):
    path = folder / "selector.yaml"
    path.write_text(f"models:\n  churn:\n    metric: f1\n    {line}\n")
    return path


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("", []),
        ("metrics: recall", ["recall"]),
        ("metrics: [precision, recall, roc_auc]", ["precision", "recall", "roc_auc"]),
        ("metrics: [AUC, F1 Score, acc]", ["roc_auc", "f1", "accuracy"]),
        ("metrics: [silhouette_score, r2]", ["silhouette_score", "r2"]),
    ],
)
def test_further_metrics_are_names_that_reach_the_model(tmp_path, line, names):
    assert [m.name for m in setup("churn", load(written(tmp_path, line)).models["churn"]).metrics] == names


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("metrics: [precison]", "models.churn.metrics.*metric 'precison' is unknown; did you mean 'precision'?"),
        ("metrics: [recall, business_value]", "metric 'business_value' is unknown; Known: f1"),
        ("metrics: [{name: recall}]", "metrics"),
        ("metrics: {recall: yes}", "metrics"),
    ],
)
def test_what_is_no_known_metric_is_refused(tmp_path, line, said):
    with pytest.raises(ConfigurationError, match=said):
        load(written(tmp_path, line))
