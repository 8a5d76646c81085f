import json
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from selector.ports import Entry


@pytest.fixture
def reports(monkeypatch, folder):
    """A house whose ledger knows decisions d1 to d3, of which d1 and d2 have pages."""
    entries = [
        Entry(at=datetime(2025, 5, day, tzinfo=UTC), model="churn", kind="decision", decision=f"d{day}")
        for day in (1, 2, 3)
    ]
    pages = {f"d{day}": folder / f"d{day}" / "report.html" for day in (1, 2)}

    def found(model=None, *, decision=None, **more):
        return tuple(e for e in entries if decision in (None, e.decision))

    house = SimpleNamespace(
        setup=lambda model: None,
        store=SimpleNamespace(entries=found),
        reports=SimpleNamespace(path=lambda model, decision: pages.get(decision)),
    )

    @contextmanager
    def open_house(config, **options):
        assert options["writable"] is False
        yield house

    monkeypatch.setattr("selector.bootstrap.open_house", open_house)
    return pages


def test_the_newest_report_that_is_left_is_named(run, reports):
    assert run("report", "churn").stdout == f"{reports['d2']}\n"
    assert json.loads(run("report", "churn", "--json").stdout)["decision"] == "d2"


def test_the_report_of_one_decision_is_named(run, reports):
    assert run("report", "churn", "--decision", "d1").stdout == f"{reports['d1']}\n"


def test_a_decision_without_a_report_and_no_such_decision_are_told(run, reports):
    gone = run("report", "churn", "--decision", "d3")
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert "no report of decision 'd3'" in gone.stderr
    unknown = run("report", "churn", "--decision", "d9")
    assert unknown.exit_code == 2
    assert "no decision 'd9' for model 'churn'" in unknown.stderr


def test_the_page_is_opened_where_it_is_asked_for(run, reports, monkeypatch):
    opened = []
    monkeypatch.setattr("click.launch", opened.append)
    run("report", "churn", "--open")
    assert opened == [reports["d2"].as_uri()]
