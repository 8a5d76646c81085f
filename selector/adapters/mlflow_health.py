"""Does an MLflow server answer at this address, and which version is it? Asked without importing MLflow."""

from __future__ import annotations

import base64
import http.client
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NoReturn

from selector.adapters.mlflow_deadline import (
    CREDENTIALS_ADVICE,
    FIRST_SERVER_ERROR,
    PASSING_STATUS,
    UNREACHABLE_ADVICE,
    redacted,
    within,
)
from selector.errors import MlflowRefusedError, MlflowUnreachableError


def server_version(uri: str, seconds: float) -> str:
    """Ask an MLflow server whether it is well and which version it is, without importing MLflow.

    Raises:
        MlflowUnreachableError: refused, silent, dripping, unknown host, or a 5xx answer.
        MlflowRefusedError: it answers, but not as MLflow, or wants other credentials.

    """

    def ask() -> str:
        health = _get(uri, "/health", seconds)
        if health.strip().strip('"').upper() != "OK":
            raise MlflowRefusedError(
                f"{redacted(uri)} answers, but not as an MLflow server.", advice="Check mlflow.tracking_uri."
            )
        return _get(uri, "/version", seconds).strip().strip('"')[:40]

    return within(min(seconds, 9.5), uri, "say its version", ask)


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follow no redirection: urllib would send our credentials along to wherever it leads."""

    def redirect_request(self, *_words: Any, **_more: Any) -> None:
        """Answer None, which makes the redirection an HTTPError."""


def _get(uri: str, path: str, seconds: float) -> str:
    parts = urllib.parse.urlsplit(uri)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + path)
    request = urllib.request.Request(bare.geturl(), headers=_credentials(parts))  # noqa: S310 - http or https only
    opener = urllib.request.build_opener(_StayHere, urllib.request.HTTPSHandler(context=_tls(parts.scheme)))
    try:
        with opener.open(request, timeout=seconds) as answer:
            return bytes(answer.read(1000)).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            _refuse_status(uri, path, error.code)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = redacted(str(getattr(error, "reason", error)))
        message = f"MLflow at {redacted(uri)} cannot be reached: {reason}."
        raise MlflowUnreachableError(message, advice=UNREACHABLE_ADVICE) from None


def _refuse_status(uri: str, path: str, status: int) -> NoReturn:
    where = redacted(uri)
    if status in {401, 403}:
        raise MlflowRefusedError(
            f"MLflow at {where} wants other credentials (HTTP {status}).",
            advice=f"{CREDENTIALS_ADVICE} For HTTP 403 see also the server's --allowed-hosts.",
        ) from None
    if status < FIRST_SERVER_ERROR and status not in PASSING_STATUS:
        raise MlflowRefusedError(
            f"{where} has no {path} (HTTP {status}), so it is no MLflow server.", advice="Check mlflow.tracking_uri."
        ) from None
    raise MlflowUnreachableError(
        f"MLflow at {where} cannot be reached: HTTP {status}.", advice=UNREACHABLE_ADVICE
    ) from None


def _credentials(parts: urllib.parse.SplitResult) -> dict[str, str]:
    """Return the Authorization header that MLflow's own client would send."""
    user = urllib.parse.unquote(parts.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = urllib.parse.unquote(parts.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
    if user:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _tls(scheme: str) -> ssl.SSLContext | None:
    """Return the TLS rules that MLflow's own client would follow."""
    if scheme != "https":
        return None
    context = ssl.create_default_context(cafile=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"))
    if os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in {"true", "1"}:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
