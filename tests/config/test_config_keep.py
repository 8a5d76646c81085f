"""How is `keep` written, and what does it mean?"""

import pytest

from selector.bootstrap import setup
from selector.config import load
from selector.domain.retention import Keep
from selector.errors import ConfigurationError


def written(folder, line):
    path = folder / "selector.yaml"
    path.write_text(f"models:\n  churn:\n    metric: f1\n    {line}\n")
    return path


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("", None),
        ("keep:", None),
        ("keep: 10", Keep(versions=10)),
        ("keep: {versions: 10}", Keep(versions=10)),
        ("keep: {days: 90}", Keep(days=90.0)),
        ("keep: {versions: 10, days: 0.5}", Keep(10, 0.5)),
    ],
)
def test_keep_is_a_number_or_keys_and_reaches_the_model(tmp_path, line, rule):
    assert setup("churn", load(written(tmp_path, line)).models["churn"]).keep == rule


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("keep: 0", "models.churn.keep.*must be at least 1, not '0'"),
        ("keep: -3", "must be at least 1"),
        ("keep: {days: 0}", "must be more than 0"),
        ("keep: yes", "must be a whole number, not 'yes'"),
        ("keep: true", "must be a whole number, not 'true'"),
        ("keep: all", "must be a whole number, not 'all'"),
        ("keep: {}", "give versions, days or both"),
        ("keep: 2.5", "must be a whole number"),
        ("keep: {version: 3}", "unknown key; did you mean 'versions'"),
        ("keep: {versions: 3, day: 3}", "unknown key; did you mean 'days'"),
        ("keep: {days: .inf}", "keep"),
    ],
)
def test_what_keeps_nothing_sensible_is_refused(tmp_path, line, said):
    with pytest.raises(ConfigurationError, match=said):
        load(written(tmp_path, line))
