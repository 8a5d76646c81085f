"""Do all report writers keep what the port promises?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.adapters.report_files import ReportFiles
from selector.adapters.report_memory import MemoryReports


@pytest.fixture(params=["files", "memory"])
def reports(request, tmp_path):
    return ReportFiles(tmp_path) if request.param == "files" else MemoryReports()


@pytest.fixture(scope="module")
def report(stories):
    return stories.story((1.8, 2.3)).report()


def test_before_it_is_written_no_report_has_a_path(reports, report):
    assert reports.path(report.model, report.decision) is None


def test_a_written_report_is_found_where_write_said(reports, report):
    page = reports.write(report)
    assert page.name == "report.html"
    assert reports.path(report.model, report.decision) == page


def test_writing_a_decision_again_keeps_its_path(reports, report):
    assert reports.write(report) == reports.write(replace(report, actor="somebody else"))


def test_each_model_and_each_decision_has_a_path_of_its_own(reports, report):
    pages = {
        reports.write(replace(report, model=model, decision=decision))
        for model in ("churn", "Churn", "churn 2")
        for decision in ("d-1", "d-2")
    }
    assert len(pages) == 6
    assert reports.path("churn", "d-3") is None
