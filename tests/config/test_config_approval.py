"""How is `approval` written, and what does it mean?"""

import pytest

from selector.config import load
from selector.domain.policy import Approval
from selector.errors import ConfigurationError


def written(folder, line):
    path = folder / "selector.yaml"
    path.write_text(f"models:\n  churn:\n    metric: f1\n{line}")
    return path


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("", Approval()),
        ("    approval: true\n", Approval(required=True)),
        ("    approval: yes\n", Approval(required=True)),
        ("    approval: false\n", Approval()),
        ("    approval: {required: true, expires: 7d}\n", Approval(required=True, expires=604_800)),
        ("    approval: {expires: 1h}\n", Approval(required=True, expires=3_600)),
        ("    approval: {required: false, expires: 1h}\n", Approval(required=False, expires=3_600)),
    ],
)
def test_approval_is_a_word_or_keys(tmp_path, line, wanted):
    assert load(written(tmp_path, line)).models["churn"].policy().approval == wanted


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("approval: maybe", r"approval\.required: must be true or false, not 'maybe'"),
        ("approval: {expire: 7d}", "unknown key; did you mean 'expires'"),
        ("approval: {expires: soon}", "not a duration"),
    ],
)
def test_what_is_no_approval_is_refused_with_the_value(tmp_path, line, said):
    with pytest.raises(ConfigurationError, match=said):
        load(written(tmp_path, f"    {line}\n"))


def test_asking_is_another_policy_than_not_asking(tmp_path):
    asked = load(written(tmp_path, "    approval: true\n")).models["churn"].policy()
    silent = load(written(tmp_path, "")).models["churn"].policy()
    assert asked.digest() != silent.digest()
