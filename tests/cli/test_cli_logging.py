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


@pytest.mark.parametrize(
    ("configured", "journal", "terminal", "formatter"),
    [
        ("", True, False, JsonFormatter),
        ("", False, False, HumanFormatter),
        ("", True, True, HumanFormatter),
        ("", False, True, HumanFormatter),
        ("logging: {format: human}", True, False, HumanFormatter),
        ("logging: {format: json}", False, True, JsonFormatter),
        ("logging: {level: debug}", True, False, JsonFormatter),
    ],
)
def test_the_service_logs_json_into_the_journal_unless_told_otherwise(
    tmp_path, monkeypatch, configured, journal, terminal, formatter
):
    path = tmp_path / "selector.yaml"
    path.write_text(f"models: {{churn: {{metric: f1}}}}\n{configured}\n")
    monkeypatch.setattr("sys.stderr", Stream(terminal=terminal))
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    if journal:
        monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    Session().speak_up(load(path))
    (handler,) = logging.getLogger().handlers
    assert type(handler.formatter) is formatter


def test_a_command_logs_for_people_wherever_it_runs(tmp_path, monkeypatch):
    path = tmp_path / "selector.yaml"
    path.write_text("models: {churn: {metric: f1}}\n")
    monkeypatch.setattr("sys.stderr", Stream(terminal=False))
    monkeypatch.setenv("JOURNAL_STREAM", "8:12345")
    Session(config_path=path).configuration()
    (handler,) = logging.getLogger().handlers
    assert type(handler.formatter) is HumanFormatter
