"""What does `wake` say, with and without a service that listens?"""

from __future__ import annotations

import json
import threading

import pytest

from selector.adapters.socket_file import bound


@pytest.fixture
def service(folder):
    """Stands in for a service: remembers what it was asked and answers as it is told."""
    (folder / ".mlflow-selector").mkdir()
    listener = bound(folder / ".mlflow-selector" / "daemon.sock")
    listener.settimeout(20)
    heard, answers = [], []

    def serve():
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:
            heard.append(json.loads(stream.readline()))
            stream.write(answers[0])

    def answering(answer):
        answers.append(answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n")
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        return heard

    yield answering
    listener.close()


LOOKED = {"ok": True, "looked": [{"model": "churn", "verdict": "kept", "text": "churn: kept. Why.", "error": None}]}
FAILED = {"ok": True, "looked": [{"model": "churn", "verdict": None, "text": "churn: away", "error": "away"}]}


@pytest.mark.parametrize(
    ("words", "asked", "answer", "out"),
    [
        ([], {"look": "*"}, {"ok": True}, "the service was asked to look at everything.\n"),
        (["churn"], {"look": ["churn"]}, {"ok": True}, "the service was asked to look at churn.\n"),
        (["churn", "--dry-run"], {"state": True}, {"ok": True}, "the service would be asked to look at churn.\n"),
        (["churn", "--wait"], {"look": ["churn"], "wait": True, "timeout": 600}, LOOKED, "churn: kept. Why.\n"),
        (["--wait", "--timeout", "5"], {"look": "*", "wait": True, "timeout": 5}, LOOKED, "churn: kept. Why.\n"),
    ],
)
def test_the_service_is_asked_and_the_answer_shown(run, service, *, words, asked, answer, out):
    heard = service(answer)
    result = run("wake", *words)
    assert (result.exit_code, result.stdout, heard) == (0, out, [asked])


def test_a_look_that_failed_is_exit_1(run, service):
    service(FAILED)
    result = run("wake", "--wait")
    assert (result.exit_code, result.stdout) == (1, "churn: away\n")


def test_with_json_it_is_one_document(run, service, one_document):
    service(LOOKED)
    found = one_document(run("wake", "--wait", "--json").stdout)
    assert found["looked"][0]["verdict"] == "kept"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"ok": False, "error": "model 'churn' is not known"}, "the service did not do it: model 'churn' is not known"),
        (b"", "the service ended before it answered"),
    ],
)
def test_a_service_that_refuses_or_ends_is_told(run, service, answer, said):
    service(answer)
    result = run("wake", "churn")
    assert result.exit_code == 1
    assert said in result.stderr


def test_without_a_service_it_says_how_to_start_one(run, folder):
    result = run("wake")
    assert result.exit_code == 1
    assert "no service is at work here" in result.stderr
    assert "mlflow-selector run starts it" in result.stderr


def test_a_socket_that_nobody_listens_at_is_no_service(run, folder):
    (folder / ".mlflow-selector").mkdir()
    bound(folder / ".mlflow-selector" / "daemon.sock").close()
    assert "no service is at work here" in run("wake").stderr


def test_a_model_that_is_not_configured_is_wrong_usage(run, folder):
    result = run("wake", "nobody")
    assert result.exit_code == 2
    assert "model 'nobody' is not in the configuration" in result.stderr
