import os
import signal
import subprocess
import sys

import pytest

from selector.errors import (
    DamagedStateError,
    ForeignChangeError,
    LeaseHeldError,
    MlflowUnreachableError,
    SelectorError,
    UsageError,
)


def test_a_missing_file_says_where_it_was_looked_for_and_exits_78(start, tmp_path):
    done = start("status")
    assert (done.returncode, done.stdout) == (78, "")
    assert f"{tmp_path}/selector.yaml" in done.stderr
    assert "/etc/mlflow-selector/selector.yaml" in done.stderr
    assert "  try: mlflow-selector init" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            b"models:\n  churn:\n    metric: f1\n    metrc: f1\n",
            ":4:5: models.churn.metrc: unknown key; did you mean 'metric'?",
        ),
        (b"models:\n  churn:\n    metric: f1\n    confidence: high\n", "must be a number, not 'high'"),
        (b"models: [\n", "not YAML"),
        (b"models:\n  churn: {metric: f1}\nmodels: {}\n", "given twice, first in line 1"),
        (b"\x80\x04\x95\x00\xff", "not a text file"),
        (b"", "is empty"),
        (b"models:\n  a/b: {metric: f1}\n", "MLflow does not allow '/'"),
        (b"models:\n  churn: {metric: f1, export: {}}\n", "must be a list, not a group of keys"),
        (
            b"models:\n  churn: {metric: f1}\nnotify: [{url: '${env:NOT_SET_ANYWHERE}'}]\n",
            "NOT_SET_ANYWHERE is not set",
        ),
    ],
)
@pytest.mark.parametrize("words", [["select"], ["plan"], ["doctor"], ["config", "validate"], ["config", "show"]])
def test_every_command_refuses_a_wrong_file_with_78(run, folder, content, said, words):
    (folder / "selector.yaml").write_bytes(content)
    result = run(*words)
    assert (result.exit_code, result.stdout) == (78, "")
    assert said in result.stderr


def test_a_wrong_file_with_json_is_told_in_one_document(run, folder, one_document):
    (folder / "selector.yaml").write_text("models:\n  churn: {metric: f1, metrc: f1}\n")
    result = run("config", "validate", "--json")
    assert result.exit_code == 78
    error = one_document(result.stdout)["error"]
    assert "did you mean 'metric'?" in error["message"]
    assert error["advice"] == "mlflow-selector config example shows every key"


@pytest.mark.parametrize("place", ["before", "behind", "environment"])
def test_the_file_may_be_named_before_the_command_behind_it_or_in_the_environment(run, folder, monkeypatch, place):
    other = folder / "other.yaml"
    other.write_text("models:\n  elsewhere: {metric: f1}\n")
    words = ["config", "validate"]
    if place == "before":
        words = ["--config", other, *words]
    elif place == "behind":
        words = [*words, "--config", other]
    else:
        monkeypatch.setenv("MLFLOW_SELECTOR_CONFIG", str(other))
    assert "elsewhere" in run(*words).stdout


def test_a_folder_as_file_and_a_file_that_is_not_there_exit_78(run, folder):
    assert "is a folder" in run("--config", folder, "status").stderr
    assert run("--config", folder, "status").exit_code == 78
    assert f"no configuration file {folder}/none.yaml" in run("--config", folder / "none.yaml", "status").stderr
    assert run("--config", folder / "none.yaml", "status").exit_code == 78


def test_a_file_that_may_not_be_read_exits_78(tmp_path, run, monkeypatch):
    monkeypatch.setattr(
        "pathlib.Path.open", lambda self, *rest: (_ for _ in ()).throw(PermissionError(13, "no", str(self)))
    )
    result = run("--config", tmp_path / "x.yaml", "status")
    assert result.exit_code == 78
    assert "not allowed to read" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SelectorError("it failed", advice="do this"), 1),
        (MlflowUnreachableError("cannot reach MLflow at http://alice:hunter2@host"), 1),
        (ForeignChangeError("somebody moved it"), 1),
        (UsageError("no such model"), 2),
        (DamagedStateError("the chain is broken"), 65),
        (LeaseHeldError("another instance is writing"), 75),
    ],
)
def test_each_deliberate_error_has_its_exit_code_and_no_traceback(  # noqa: PLR0917 - fixtures come by position
    run, folder, fake_house, monkeypatch, one_document, error, code
):
    def fail(*rest, **more):
        raise error

    monkeypatch.setattr("selector.workflows.look.status", fail)
    result = run("status")
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")
    assert "hunter2" not in result.stderr
    assert "Traceback" not in result.stderr
    document = one_document(run("status", "--json").stdout)
    assert document["error"]["advice"] == error.advice
    assert "hunter2" not in document["error"]["message"]


def test_an_unexpected_error_is_one_line_and_says_how_to_see_more(run, folder, fake_house, monkeypatch):
    def fail(*rest, **more):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr("selector.workflows.look.status", fail)
    result = run("status")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "error: unexpected ZeroDivisionError: surprise",
        "  try: the same command with --debug shows the traceback",
    ]
    detailed = run("status", "--debug")
    assert detailed.exit_code == 1
    assert "Traceback (most recent call last)" in detailed.stderr


def test_the_traceback_shows_no_secret(run, folder, fake_house, monkeypatch):
    (folder / "selector.yaml").write_text(
        "models:\n  churn: {metric: f1}\nmlflow: {tracking_uri: 'http://alice:${env:PASSWORD}@host'}\n"
    )
    monkeypatch.setenv("PASSWORD", "hunter2-hunter2")

    def fail(*rest, **more):
        raise RuntimeError("failed with hunter2-hunter2")

    monkeypatch.setattr("selector.workflows.look.status", fail)
    result = run("--debug", "status", "--json")
    assert "Traceback" in result.stderr
    assert "hunter2" not in result.output


def test_control_characters_of_an_error_do_not_reach_the_terminal(run, folder, fake_house, monkeypatch):
    def fail(*rest, **more):
        raise SelectorError("model '\x1b[31mred\x07' is odd\u202e")

    monkeypatch.setattr("selector.workflows.look.status", fail)
    assert run("status").stderr == "error: model '[31mred' is odd\n"


def test_an_interrupt_exits_130_without_a_word(run, folder, fake_house, monkeypatch):
    def fail(*rest, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr("selector.workflows.look.status", fail)
    result = run("status")
    assert (result.exit_code, result.stdout, result.stderr.strip()) == (130, "", "")


def test_what_a_library_prints_does_not_get_between_the_document(run, folder, fake_house, monkeypatch, one_document):
    def noisy(*rest, **more):
        sys.stdout.write("View run at http://somewhere")
        return []

    monkeypatch.setattr("selector.workflows.look.status", noisy)
    result = run("status", "--json")
    assert one_document(result.stdout)["models"] == []
    assert "View run" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="pipes are closed in the Linux way")
def test_a_reader_that_goes_away_is_no_reason_to_complain(start, tmp_path):
    read, write = os.pipe()
    os.close(read)
    try:
        done = start("config", "example", stdout=write, stderr=subprocess.PIPE, capture_output=False)
    finally:
        os.close(write)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == ""


def test_a_terminal_that_knows_only_ascii_gets_escapes_and_no_error(start, tmp_path):
    (tmp_path / "selector.yaml").write_text("models:\n  ünïcode: {metric: f1}\n", encoding="utf-8")
    done = start("config", "validate", env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "\\xfcn\\xefcode" in done.stdout


def test_colours_stay_out_of_pipes(start, tmp_path):
    assert "\x1b" not in start("status").stderr
