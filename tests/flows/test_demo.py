"""Does the demo tell the truth, keep to its folder, and notice when something comes out wrong?"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from selector.cli.demo import demo
from selector.demo import story
from selector.demo.customers import HOLDOUT_ROWS, TRAIN_ROWS, make_customers, split
from selector.demo.folder import KEY, MARK, OURS, RECEIVER, YAML, check, prepare
from selector.demo.old_store import BROKEN, COPY, IMPORTABLE, LEAKED, WITHOUT_SCORE, build_store, kind_of
from selector.demo.plain_mlflow import own_mlflow
from selector.demo.stage import Step, Told, UnexpectedError, expect
from selector.errors import LeaseHeldError, UsageError

DEAD = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_RUN_ID": "0" * 32, "MLFLOW_EXPERIMENT_NAME": "theirs"}


def _command(*words, cwd, **environment):
    command = [sys.executable, "-m", "selector", "demo", *map(str, words)]
    # The package under test stays importable from another folder.
    paths = os.pathsep.join(filter(None, sys.path))
    env = {**os.environ, "PYTHONPATH": paths, **environment}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """One whole demo, in an environment that points at a dead server."""
    cwd = tmp_path_factory.mktemp("demo")
    done = _command("story", "--json", cwd=cwd, **DEAD)
    assert done.returncode == 0, done.stderr + done.stdout
    return SimpleNamespace(folder=cwd / "story", cwd=cwd, stderr=done.stderr, document=json.loads(done.stdout))


def _verdicts(played):
    return [step["decision"]["verdict"] for step in played.document["steps"] if "decision" in step]


def test_the_first_is_promoted_the_lucky_kept_back_the_better_promoted_and_brought_back_only_by_a_person(played):
    assert _verdicts(played) == ["promoted", "kept", "promoted", "kept", "promoted"]
    titles = [step["step"] for step in played.document["steps"]]
    assert titles[-6:] == ["production", "production", "notify", "select", "clear", "select"]


def test_the_application_gets_each_champion_without_being_told(played):
    served = [step["application"]["version"] for step in played.document["steps"] if "application" in step]
    old, new = served[0], served[2]
    assert old != new
    assert served == [old, old, new, old, new]
    with contextlib.closing(sqlite3.connect(played.folder / "mlflow.db")) as database:
        rows = database.execute("SELECT version FROM registered_model_aliases WHERE alias = 'champion'").fetchall()
    assert rows == [(new,)]
    assert played.document["champion"] == new


def test_the_leaked_model_is_held_in_every_decision(played):
    for step in played.document["steps"]:
        if "decision" in step:
            line = next(line for line in step["decision"]["ranking"] if line["name"] == LEAKED)
            assert line["codes"] == ["too-good"]
            assert line["score"] > 0.98


def test_people_get_the_alarm_and_the_way_back_and_both_are_what_the_service_sent(played):
    (notify,) = [step for step in played.document["steps"] if step["step"] == "notify"]
    back, alarm = notify["messages"]
    assert [back["kind"], alarm["kind"]] == ["rolled_back", "degraded"]
    assert [alarm["title"], *alarm["body"].splitlines()] == notify["details"]
    with contextlib.closing(sqlite3.connect(played.folder / ".mlflow-selector" / "state.db")) as database:
        sent = database.execute("SELECT key FROM selector_deliveries WHERE state = 'sent'").fetchall()
    assert {key for (key,) in sent} >= {back["identity"], alarm["identity"]}


def test_nothing_but_our_lines_reaches_the_screen(played):
    assert played.stderr == ""


def test_everything_lies_in_the_folder_and_is_known_to_it(played):
    assert [path.name for path in played.cwd.iterdir()] == ["story"]
    assert {path.name for path in played.folder.iterdir()} <= set(OURS)
    text = (played.folder / "selector.yaml").read_text()
    assert re.sub(r"http://127\.0\.0\.1:\d+", RECEIVER, text) == YAML
    secret = played.folder / KEY
    assert secret.stat().st_mode & 0o077 == 0
    assert secret.read_text().strip() not in text + (played.folder / "service.log").read_text()
    assert played.document["report"].startswith(str(played.folder))
    page = Path(played.document["report"]).read_text(encoding="utf-8")
    assert "lightgbm_with_support_calls" in page


def test_an_earlier_demo_stays_unless_asked_for(played):
    before = sorted(path.name for path in played.folder.rglob("*"))
    done = _command("story", cwd=played.cwd)
    assert done.returncode == 2
    assert "holds an earlier demo" in done.stderr
    assert "--again" in done.stderr
    assert sorted(path.name for path in played.folder.rglob("*")) == before


def test_a_folder_that_holds_something_else_is_refused_and_untouched(tmp_path):
    (tmp_path / "selector.yaml").write_text("mine")
    for again in (False, True):
        with pytest.raises(UsageError, match="not empty"):
            prepare(tmp_path, again=again)
    assert [path.name for path in tmp_path.iterdir()] == ["selector.yaml"]
    assert (tmp_path / "selector.yaml").read_text() == "mine"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="no folder"):
        check(tmp_path / "file", again=True)


def test_playing_again_removes_what_the_demo_wrote_and_nothing_else(tmp_path):
    prepare(tmp_path, again=False)
    (tmp_path / "models" / "staging").mkdir(parents=True)
    (tmp_path / "mlflow.db").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    elsewhere = tmp_path.with_name(tmp_path.name + "-elsewhere")
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("mine")
    (tmp_path / "mlartifacts").symlink_to(elsewhere)
    prepare(tmp_path, again=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [MARK, "notes.txt"]
    assert (elsewhere / "kept").read_text() == "mine"


def test_a_dry_run_lists_the_steps_and_writes_nothing(tmp_path):
    done = _command("--dry-run", "--json", cwd=tmp_path)
    assert done.returncode == 0
    assert [step["step"] for step in json.loads(done.stdout)["steps"]] == [step.title for step in story.STEPS]
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_comes_out_otherwise_stops_the_demo_and_is_named(monkeypatch):
    def wrong(_stage):
        expect(holds=False, what="the lucky one to be kept back", instead="it was promoted")

    step = Step("select", "look", wrong)
    monkeypatch.setattr(story, "STEPS", (Step("first", "begin", lambda _: Told("fine")), step))
    with pytest.raises(UnexpectedError, match="expected the lucky one") as caught:
        story.run_step(step, stage=None)
    assert caught.value.message == ("step 2 (select): expected the lucky one to be kept back; found: it was promoted")
    assert caught.value.exit_code == 1


def test_a_failure_inside_a_step_keeps_its_exit_code(monkeypatch):
    def busy(_stage):
        raise LeaseHeldError("another instance writes")

    step = Step("select", "look", busy)
    monkeypatch.setattr(story, "STEPS", (step,))
    with pytest.raises(LeaseHeldError) as caught:
        story.run_step(step, stage=None)
    assert caught.value.message == "step 1 (select): another instance writes"


def test_customers_are_the_same_every_time_and_none_is_in_both_tables():
    one, two = make_customers(), make_customers()
    assert one.equals(two)
    train, holdout = split(one)
    assert (len(train), len(holdout)) == (TRAIN_ROWS, HOLDOUT_ROWS)
    assert set(train["customerID"]).isdisjoint(holdout["customerID"])
    assert 0.18 < one["Churn"].eq("Yes").mean() < 0.3


def test_the_old_store_has_every_accident_that_the_story_tells_of(tmp_path):
    train, holdout = split(make_customers())
    assert build_store(tmp_path, train, holdout) == len(IMPORTABLE) + len(BROKEN)
    said = {f.name: json.loads((f / "metadata.json").read_text()) for f in tmp_path.iterdir()}
    assert set(said) == {*IMPORTABLE, *BROKEN}
    assert said[LEAKED]["performance_metrics"]["f1_score"] > 0.98
    assert (
        said[WITHOUT_SCORE]["performance_metrics"]["f1_score"] != said[WITHOUT_SCORE]["performance_metrics"]["f1_score"]
    )
    contents = [(f / "model.pkl").read_bytes() for f in tmp_path.iterdir() if (f / "model.pkl").exists()]
    assert len(contents) == len(set(contents)) + 1
    assert kind_of(COPY) == "xgboost"


def test_mlflow_settings_of_the_user_come_back_after_the_demo(monkeypatch):
    for key, value in DEAD.items():
        monkeypatch.setenv(key, value)
    with own_mlflow("sqlite:///nowhere.db"):
        assert os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///nowhere.db"
        assert "MLFLOW_RUN_ID" not in os.environ
    assert {key: os.environ.get(key) for key in DEAD} == DEAD


def test_a_terminal_of_any_width_gets_whole_words(monkeypatch):
    from selector.cli import demo as module  # noqa: PLC0415 - the module, not the command

    assert demo.name == "demo"
    out = io.StringIO()
    monkeypatch.setattr(module, "session", lambda: SimpleNamespace(out=out))
    monkeypatch.setenv("COLUMNS", "60")
    module._Screen(8, silent=False).line("select", "KEPT v4: " + "word " * 30, ["a detail\x1b[31m"])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0].startswith("select    KEPT v4: word")
    assert all("\x1b" not in line for line in lines)
