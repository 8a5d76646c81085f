"""How does a call to MLflow end in time, and which of our errors does a failure become?"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from selector.errors import MlflowRefusedError, MlflowUnreachableError, SelectorError
from selector.redaction import printable, redact

T = TypeVar("T")

FIRST_SERVER_ERROR = 500
PASSING_STATUS = frozenset({408, 425, 429})
"""Answers below 500 that mean "not now": timed out, too early, too many requests."""

UNREACHABLE_ADVICE = "Check that the server runs and that mlflow.tracking_uri is right; the next look tries again."

CREDENTIALS_ADVICE = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, for a user with that right."
)

_BUSY_CODES = frozenset({"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED", "CANCELLED"})
_MISSING_CODES = frozenset({"RESOURCE_DOES_NOT_EXIST"})
_FORBIDDEN_CODES = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"})
_CONNECTION_ERRORS = frozenset(
    {
        "OperationalError",  # databases
        "InterfaceError",
        "RequestException",  # HTTP
        "ConnectionError",
        "TimeoutError",
        "gaierror",
        "HTTPClientError",  # object stores
    }
)


def redacted(text: str) -> str:
    """Return the text on one line without secrets: MLflow puts the URI's password into its exceptions."""
    return printable(redact(text))


class MissingError(MlflowRefusedError):
    """MLflow says that the thing asked for does not exist."""


def within(seconds: float, uri: str, doing: str, call: Callable[[], T]) -> T:
    """Run `call` in a thread of its own and give up waiting after `seconds`.

    A thread that was given up is a daemon: it ends by itself or with the program, and never holds up its exit.

    Args:
        seconds: how long to wait, > 0.
        uri: where MLflow is; shown without its userinfo.
        doing: what the call does, for the error's sentence ("search runs").
        call: takes nothing; its result is returned.

    Raises:
        MlflowUnreachableError: no answer in time, no connection, or a passing server error (5xx, 408, 425, 429).
        MissingError: MLflow says RESOURCE_DOES_NOT_EXIST.
        MlflowRefusedError: MLflow said no.

    """
    results: list[T] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001 - handed over to the waiting thread, which raises it
            failures.append(error)

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work,), name=f"mlflow: {doing}", daemon=True)
    thread.start()
    thread.join(seconds)
    if failures:
        _raise_ours(failures[0], uri, doing)
    if not results:
        message = f"MLflow at {redacted(uri)} did not answer within {seconds:g} s (asked to {doing})."
        raise MlflowUnreachableError(message, advice=UNREACHABLE_ADVICE)
    return results[0]


def _raise_ours(error: BaseException, uri: str, doing: str) -> NoReturn:
    """Raise what the error means to us. The original is left out of the chain: its text may hold a password."""
    if isinstance(error, SelectorError) or not isinstance(error, Exception):
        raise error
    text = redacted(_first_line(error))
    where = redacted(uri)
    if _unreachable(error, uri):
        why = next((said for sign, said in _PLAIN.items() if sign in text), text)
        message = f"MLflow at {where} cannot be reached (asked to {doing}): {why}"
        raise MlflowUnreachableError(message, advice=UNREACHABLE_ADVICE) from None
    message = f"MLflow at {where} refused to {doing}: {text}"
    code = getattr(error, "error_code", None)
    if code in _MISSING_CODES:
        raise MissingError(message) from None
    raise MlflowRefusedError(message, advice=CREDENTIALS_ADVICE if code in _FORBIDDEN_CODES else "") from None


_PLAIN = {
    "Connection refused": "connection refused",
    "Name or service not known": "this host name is not known",
    "nodename nor servname": "this host name is not known",
    "Temporary failure in name resolution": "host names cannot be looked up",
    "No route to host": "no route to this host",
    "Network is unreachable": "the network is unreachable",
    "Connection reset by peer": "the connection was reset",
    "Remote end closed connection": "the connection was closed",
    "certificate verify failed": "its certificate cannot be verified",
}
"""What libraries wrap into a paragraph, in plain words."""


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip()
    first = text.splitlines()[0] if text else ""
    return first[:500] or type(error).__name__


def _unreachable(error: Exception, uri: str) -> bool:
    """Tell whether the same call may succeed later."""
    code = getattr(error, "error_code", None)
    if code is not None:
        # MLflow's client says INTERNAL_ERROR both for a refused connection and for a server's 5xx.
        over_http = uri.startswith(("http://", "https://"))
        return code in _BUSY_CODES or (over_http and (code == "INTERNAL_ERROR" or _status(error) in PASSING_STATUS))
    answer = getattr(getattr(error, "response", None), "status_code", None)
    if answer is not None:
        return answer >= FIRST_SERVER_ERROR or answer in PASSING_STATUS
    return any(kind.__name__ in _CONNECTION_ERRORS for kind in type(error).__mro__)


def _status(error: Any) -> int:
    """Return the HTTP status that MLflow holds for the error; 0 where it holds none."""
    ask = getattr(error, "get_http_status_code", None)
    return int(ask()) if ask else 0
