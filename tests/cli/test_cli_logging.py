"""Whom is the log of the service written for: people, or a collector?"""

from __future__ import annotations

import io

import pytest

from selector.cli.session import Session
from selector.config import load


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "selector.yaml"
    made.write_text("models: {churn: {metric: f1}}\n")
    return made


@pytest.fixture
def stderr_goes_to(monkeypatch):
    def put(where):
        class Stream(io.StringIO):
            def isatty(self):
                return "terminal" in where

        monkeypatch.setattr("sys.stderr", Stream())
        monkeypatch.delenv("JOURNAL_STREAM", raising=False)
        if "journal" in where:
            monkeypatch.setenv("JOURNAL_STREAM", "8:12345")

    return put


@pytest.mark.parametrize(
    ("configured", "where", "as_json"),
    [
        ("", "journal", True),
        ("", "file", False),
        ("", "terminal", False),
        ("", "journal's terminal", False),
        ("logging: {format: human}", "journal", False),
        ("logging: {format: json}", "terminal", True),
        ("logging: {level: debug}", "journal", True),
    ],
)
def test_the_service_logs_json_into_the_journal_unless_told_otherwise(
    path, stderr_goes_to, logging_calls, *, configured, where, as_json
):
    path.write_text(f"{path.read_text()}{configured}\n")
    stderr_goes_to(where)
    Session().speak_up(load(path))
    assert logging_calls[-1][-1]["as_json"] is as_json


def test_a_command_logs_for_people_wherever_it_runs(path, stderr_goes_to, logging_calls):
    stderr_goes_to("journal")
    Session(config_path=path).configuration()
    assert logging_calls[-1][-1]["as_json"] is False
