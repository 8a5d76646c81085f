import logging

import pytest


@pytest.mark.parametrize(
    ("words", "libraries", "ours"),
    [
        (["config", "validate"], "WARNING", logging.WARNING),
        (["-v", "config", "validate"], "WARNING", logging.INFO),
        (["config", "validate", "-v"], "WARNING", logging.INFO),
        (["-vv", "config", "validate"], "DEBUG", logging.DEBUG),
    ],
)
def test_once_v_lets_us_say_more_and_twice_lets_libraries_too(  # noqa: PLR0917 - fixtures come by position
    run, folder, logging_calls, words, libraries, ours
):
    assert run(*words).exit_code == 0
    assert logging_calls[0][0] == libraries
    assert logging.getLogger("selector").level == ours


def test_the_file_says_how_logs_look_and_secrets_are_made_known(run, folder, logging_calls, monkeypatch):
    monkeypatch.setenv("TOKEN", "t0k3n-value")
    (folder / "selector.yaml").write_text(
        "models:\n  churn: {metric: f1}\nlogging: {level: error, format: json}\nnotify: ['x://${env:TOKEN}']\n"
    )
    run("config", "validate")
    level, more = logging_calls[0]
    assert (level, more["as_json"], set(more["secrets"])) == ("ERROR", True, {"t0k3n-value"})
