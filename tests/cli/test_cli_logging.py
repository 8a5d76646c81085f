"""Whom is the log of the service written for: people, or a collector?"""

from __future__ import annotations

import logging

import pytest

from selector.adapters.logs import HumanFormatter, JsonFormatter
from selector.cli.session import Session
from selector.config import load


@pytest.fixture(autouse=True)
def restored():
    root = logging.getLogger()
    ours = [logging.getLogger(name) for name in ("selector", "migrations")]
    handlers, levels = root.handlers[:], [(logger, logger.level) for logger in (root, *ours)]
    yield
    root.handlers[:] = handlers
    for logger, level in levels:
        logger.setLevel(level)
    logging.captureWarnings(capture=False)


class Stream:
    def __init__(self, *, terminal):
        self._terminal = terminal

    def isatty(self):
        return self._terminal

    def write(self, text):
        return len(text)

    def flush(self):
        pass


def chosen():
    (found,) = {type(h.formatter) for h in logging.getLogger().handlers} & {HumanFormatter, JsonFormatter}
    return found


@pytest.mark.parametrize(
    ("configured", "where", "formatter"),
    [
        ("", "journal", JsonFormatter),
        ("", "file", HumanFormatter),
        ("", "terminal", HumanFormatter),
        ("", "journal, terminal", HumanFormatter),
        ("logging: {format: human}", "journal", HumanFormatter),
        ("logging: {format: json}", "terminal", JsonFormatter),
        ("logging: {level: debug}", "journal", JsonFormatter),
    ],
)
def test_the_service_logs_json_into_the_journal_unless_told_otherwise(
    tmp_path, monkeypatch, configured, where, formatter
):
    path = tmp_path / "selector.yaml"
    path.write_text(f"models: {{churn: {{metric: f1}}}}\n{configured}\n")
    monkeypatch.setattr("sys.stderr", Stream(terminal="terminal" in where))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if "journal" in where:
        monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    Session().speak_up(load(path))
    assert chosen() is formatter


def test_a_command_logs_for_people_wherever_it_runs(tmp_path, monkeypatch):
    path = tmp_path / "selector.yaml"
    path.write_text("models: {churn: {metric: f1}}\n")
    monkeypatch.setattr("sys.stderr", Stream(terminal=False))
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    Session(config_path=path).configuration()
    assert chosen() is HumanFormatter
