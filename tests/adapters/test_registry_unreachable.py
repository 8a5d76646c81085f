"""What happens when MLflow is not there, says nothing, drips, or fails?"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import traceback
from types import SimpleNamespace

import pytest

from selector.adapters.mlflow_deadline import MissingError, within
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.errors import MlflowRefusedError, MlflowUnreachableError


@contextlib.contextmanager
def listening(answer):
    """Listen on loopback and give each connection to `answer` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve(connection):
        with connection, contextlib.suppress(OSError):
            answer(connection, ended)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def silent(connection, ended):
    ended.wait(60)


def dripping(connection, ended):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while not ended.wait(0.2):
        connection.sendall(b"x")


def failing(connection, ended):
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")


def other_product(connection, ended):
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def locked(connection, ended):
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")


def questions(registry):
    return {
        "check": registry.check,
        "runs": lambda: registry.runs(["*"]),
        "registered_model": lambda: registry.registered_model("churn"),
        "set_alias": lambda: registry.set_alias("churn", "champion", 1),
    }


@pytest.fixture(params=["check", "runs", "registered_model", "set_alias"])
def question(request):
    return request.param


@pytest.mark.timeout(60)
@pytest.mark.parametrize("behaviour", [silent, dripping, failing])
def test_a_server_that_does_not_answer_well_is_unreachable_in_time(behaviour, question):
    with listening(behaviour) as port:
        registry = MlflowRegistry(f"http://anna:geheim@127.0.0.1:{port}", timeout=1)
        with pytest.raises(MlflowUnreachableError) as caught:
            questions(registry)[question]()
    assert f"127.0.0.1:{port}" in caught.value.message
    assert "geheim" not in caught.value.message + str(caught.value.__cause__)
    assert caught.value.retryable
    assert caught.value.advice


def test_a_refused_connection_is_unreachable(question):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MlflowUnreachableError, match=f"127.0.0.1:{port}"):
        questions(MlflowRegistry(f"http://127.0.0.1:{port}", timeout=2))[question]()


def test_an_unknown_host_is_unreachable():
    with pytest.raises(MlflowUnreachableError, match=r"mlflow\.invalid"):
        MlflowRegistry("http://mlflow.invalid:5000", timeout=3).check()


def test_another_product_is_not_taken_for_mlflow():
    with listening(other_product) as port, pytest.raises(MlflowRefusedError, match="not as an MLflow server"):
        MlflowRegistry(f"http://127.0.0.1:{port}", timeout=2).check()


def test_credentials_are_not_sent_along_a_redirection():
    received = []

    def elsewhere(connection, ended):
        received.append(connection.recv(65536))

    with listening(elsewhere) as other:

        def redirecting(connection, ended):
            while connection.recv(65536):
                place = f"http://127.0.0.1:{other}/health".encode()
                connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\nContent-Length: 0\r\n\r\n")

        with listening(redirecting) as port, pytest.raises(MlflowRefusedError, match="HTTP 302"):
            MlflowRegistry(f"http://anna:geheim@127.0.0.1:{port}", timeout=2).check()
    assert received == []


def test_an_answer_that_is_not_http_is_unreachable():
    def babbling(connection, ended):
        while connection.recv(65536):
            connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")

    with listening(babbling) as port, pytest.raises(MlflowUnreachableError):
        MlflowRegistry(f"http://127.0.0.1:{port}", timeout=2).check()


def test_wrong_credentials_are_a_refusal_that_names_the_variables():
    with listening(locked) as port, pytest.raises(MlflowRefusedError) as caught:
        MlflowRegistry(f"http://127.0.0.1:{port}", timeout=2).check()
    assert "MLFLOW_TRACKING_USERNAME" in caught.value.advice


def test_a_silent_database_is_unreachable_in_time(question):
    pytest.importorskip("psycopg")
    with listening(silent) as port:
        registry = MlflowRegistry(f"postgresql+psycopg://anna:geheim@127.0.0.1:{port}/mlflow", timeout=1)
        with pytest.raises(MlflowUnreachableError) as caught:
            questions(registry)[question]()
    assert "geheim" not in caught.value.message


def test_a_dead_database_is_unreachable(question):
    pytest.importorskip("psycopg")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MlflowUnreachableError):
        questions(MlflowRegistry(f"postgresql+psycopg://anna:geheim@127.0.0.1:{port}/mlflow", timeout=5))[question]()


def test_an_answer_and_an_error_pass_through_the_deadline():
    assert within(5, "http://x", "add", lambda: 1 + 1) == 2
    with pytest.raises(MlflowRefusedError, match="refused to divide: division by zero"):
        within(5, "http://x", "divide", lambda: 1 / 0)


class CodedError(Exception):
    """Looks like MLflow's exception: a code, and perhaps an HTTP status."""

    def __init__(self, code, status=500):
        super().__init__(f"MLflow says {code}\nand more lines")
        self.error_code = code
        self.status = status

    def get_http_status_code(self):
        return self.status


class AnsweredError(Exception):
    """Looks like requests' HTTPError: the answer is attached."""

    def __init__(self, status):
        super().__init__(f"{status} from the artifact store")
        self.response = SimpleNamespace(status_code=status)


class RequestException(Exception):  # noqa: N818 - requests' own name
    """Looks like requests' base of connection errors."""


@pytest.mark.parametrize(
    ("uri", "error", "becomes"),
    [
        ("http://x", CodedError("INTERNAL_ERROR"), MlflowUnreachableError),
        ("sqlite:///x", CodedError("INTERNAL_ERROR"), MlflowRefusedError),
        ("sqlite:///x", CodedError("TEMPORARILY_UNAVAILABLE"), MlflowUnreachableError),
        ("http://x", CodedError("REQUEST_LIMIT_EXCEEDED"), MlflowUnreachableError),
        ("http://x", CodedError("BAD_REQUEST", 429), MlflowUnreachableError),
        ("http://x", CodedError("BAD_REQUEST", 400), MlflowRefusedError),
        ("http://x", CodedError("RESOURCE_DOES_NOT_EXIST", 404), MissingError),
        ("http://x", CodedError("PERMISSION_DENIED", 403), MlflowRefusedError),
        ("http://x", AnsweredError(404), MlflowRefusedError),
        ("http://x", AnsweredError(503), MlflowUnreachableError),
        ("http://x", AnsweredError(429), MlflowUnreachableError),
        ("http://x", RequestException("reset"), MlflowUnreachableError),
        ("http://x", ConnectionResetError("reset"), MlflowUnreachableError),
        ("http://x", socket.gaierror("unknown host"), MlflowUnreachableError),
        ("http://x", FileNotFoundError("gone"), MlflowRefusedError),
        ("http://x", PermissionError("not yours"), MlflowRefusedError),
        ("http://x", ValueError("odd"), MlflowRefusedError),
    ],
)
def test_a_failure_is_either_not_now_or_no(uri, error, becomes):
    def fail():
        raise error

    with pytest.raises((MlflowUnreachableError, MlflowRefusedError)) as caught:
        within(5, uri, "try", fail)
    assert caught.type is becomes
    assert "\n" not in caught.value.message


def test_a_password_in_an_error_of_mlflow_is_not_passed_on():
    secret = "ge" + "heim"  # so that the test's own lines in the traceback do not hold it

    def fail():
        raise ValueError(f"cannot connect to postgresql://anna:{secret}@db.example/mlflow")

    with pytest.raises(MlflowRefusedError) as caught:
        within(5, f"http://anna:{secret}@x", "try", fail)
    assert secret not in "".join(traceback.format_exception(caught.value))
    assert "db.example" in caught.value.message


def test_an_interrupt_inside_a_call_is_not_turned_into_an_error_of_mlflow():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        within(5, "http://x", "wait", interrupted)


def test_a_call_that_was_given_up_does_not_hold_up_the_exit():
    program = """
import time
from selector.adapters.mlflow_deadline import MissingError, within
from selector.errors import MlflowUnreachableError
try:
    within(0.1, "http://x", "sleep", lambda: time.sleep(600))
except MlflowUnreachableError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "did not answer within 0.1 s (asked to sleep)" in done.stdout
