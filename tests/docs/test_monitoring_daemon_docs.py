"""Does docs/monitoring-the-daemon.md show what the service takes and answers?"""

from __future__ import annotations

import re
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import pytest

from selector.adapters import events_webhook
from selector.adapters.events_socket import Asking, SocketWakeUps
from selector.config import load
from selector.domain.schedule import Cron

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "monitoring-the-daemon.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_configuration_loads_as_it_stands(tmp_path, monkeypatch, text):
    monkeypatch.setenv("HOOK_SECRET", "a-secret-of-16-or-more")
    models = "" if "models:" in text else "models:\n  churn: {metric: f1}\n"
    path = tmp_path / "selector.yaml"
    path.write_text(models + text)
    load(path)


def test_every_schedule_that_is_named_is_one(tmp_path):
    (comment,) = re.findall(r'schedule: "0 6 \* \* 1-5" +# or (\S+), or (\{.*\})', PAGE)
    for line, kind in zip(("0 6 * * 1-5", *comment), (Cron, float, Cron), strict=True):
        path = tmp_path / "selector.yaml"
        path.write_text(f"models:\n  churn:\n    metric: f1\n    schedule: {line}\n")
        assert isinstance(load(path).models["churn"].schedule.times, kind)


def test_the_lines_of_python_say_look_now_and_print_the_answer(tmp_path):
    (tmp_path / ".mlflow-selector").mkdir()
    heard, answer = [], Future()
    answer.set_result(({"model": "churn", "verdict": "kept"},))

    def ask(wake, pass_on):
        pass_on(wake)
        return answer

    asking = Asking(lambda wake, pass_on: pass_on(wake), ask, lambda name: name == "churn", dict)
    source = SocketWakeUps(tmp_path / ".mlflow-selector" / "daemon.sock", asking)
    source.start(heard.append)
    try:
        done = subprocess.run(
            [sys.executable, "-c", blocks("python")[0]], cwd=tmp_path, capture_output=True, text=True, check=True,
            timeout=60,
        )  # fmt: skip
    finally:
        source.stop()
    assert done.stdout == "{'ok': True, 'looked': [{'model': 'churn', 'verdict': 'kept'}]}\n"
    assert [w.models for w in heard] == [("churn",)]


def test_the_address_for_webhooks_is_the_one_that_is_listened_at():
    assert f"http://127.0.0.1:9471{events_webhook.PATH}" in blocks("python")[1]


def test_the_events_are_those_that_mlflow_has():
    webhook = pytest.importorskip("mlflow.entities.webhook")
    for event in re.findall(r'"(model_version[\w.]+)"', blocks("python")[1]):
        assert webhook.WebhookEvent.from_str(event)
