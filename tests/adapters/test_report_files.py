"""Do reports lie where they can be found again, whole, whatever the model is called?"""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.adapters import report_files
from selector.adapters.report_files import ReportFiles, slug


@pytest.fixture(scope="module")
def report(stories):
    return stories.story((1.8, 2.3)).report()


def test_all_three_formats_are_written_below_model_and_decision(report, tmp_path):
    page = ReportFiles(tmp_path).write(report)
    assert page == tmp_path / "churn" / report.decision / "report.html"
    assert sorted(p.name for p in page.parent.iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads((page.parent / "report.json").read_text())["decision"] == report.decision
    assert (page.parent / "report.md").read_text().startswith("Promoted: ")


def test_a_report_is_found_again_by_model_and_decision(report, tmp_path):
    reports = ReportFiles(tmp_path)
    assert reports.path("churn", report.decision) is None
    assert reports.path("churn", report.decision) != reports.write(report)
    assert reports.path("churn", report.decision) == tmp_path / "churn" / report.decision / "report.html"
    assert reports.path("other", report.decision) is None


def test_writing_again_replaces_and_leaves_no_draft_behind(report, tmp_path):
    reports = ReportFiles(tmp_path)
    reports.write(report)
    page = reports.write(replace(report, actor="somebody else"))
    assert "somebody else" in page.read_text()
    assert len(list(page.parent.iterdir())) == 3


@pytest.mark.parametrize(
    "name", ["../../etc", "..", ".", "/etc/passwd", "a/b", "", "a\x00b", "x" * 300, "C:\\x", "half \ud800"]
)
def test_no_name_leads_out_of_the_folder(report, tmp_path, name):
    folder = tmp_path / "reports"
    page = ReportFiles(folder).write(replace(report, model=name, decision=name))
    assert page.resolve().is_relative_to(folder.resolve())
    assert len(page.relative_to(folder).parts) == 3
    assert ReportFiles(folder).path(name, name) == page


@given(st.text(max_size=90), st.text(max_size=90))
def test_two_names_never_share_a_folder(one, other):
    assert (slug(one) == slug(other)) == (one == other)


@given(st.text())
def test_a_folder_name_is_short_and_plain(name):
    made = slug(name)
    assert 0 < len(made) <= 80
    assert made.isascii()
    assert made not in {".", ".."}
    assert not set(made) & set("/\\\0")


def test_where_the_disk_is_full_the_earlier_report_stays_whole(report, tmp_path, monkeypatch):
    reports = ReportFiles(tmp_path)
    page = reports.write(report)
    before = {p.name: p.read_bytes() for p in page.parent.iterdir()}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        reports.write(replace(report, actor="somebody else"))
    assert {p.name: p.read_bytes() for p in page.parent.iterdir()} == before


def test_each_file_is_on_disk_before_it_gets_its_name_and_its_folder_after(report, tmp_path, monkeypatch):
    seen = []
    fsync, replacing = os.fsync, report_files.Path.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (seen.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"), fsync(fd))
    )
    monkeypatch.setattr(report_files.Path, "replace", lambda self, to: (seen.append(to.name), replacing(self, to))[1])
    ReportFiles(tmp_path).write(report)
    assert seen == [
        *("file", "report.json", "folder"),
        *("file", "report.md", "folder"),
        *("file", "report.html", "folder"),
    ]


def test_a_link_planted_in_the_place_of_a_report_is_replaced_and_not_followed(report, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    folder = tmp_path / "reports" / "churn" / report.decision
    folder.mkdir(parents=True)
    (folder / "report.html").symlink_to(victim)
    page = ReportFiles(tmp_path / "reports").write(report)
    assert victim.read_text() == "precious"
    assert not page.is_symlink()
