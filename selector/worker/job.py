"""What does a worker do, from fork to end? Confine itself, load one model, predict, answer, exit."""

from __future__ import annotations

import fcntl
import importlib
import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from selector.worker import answer, confine, latency, limits, load
from selector.worker.attempts import Attempts
from selector.worker.frame import batches

ANSWER, FEATURES = 3, 4
"""The only two descriptors besides 0, 1 and 2."""


def run(job: dict[str, Any], parent: int, descriptors: tuple[int, int, int]) -> NoReturn:
    """Do the job in this freshly forked process.

    Args:
        job: see adapters/scorer_fork_server.py; all of it comes from the selector itself.
        parent: process id of the fork server.
        descriptors: for the answer, the model's own output, and the features.

    """
    try:
        limits.die_with(parent)
        os.setsid()
        _settle(*descriptors)
        _work(job)
    finally:
        os._exit(0)


def _settle(answer_fd: int, log_fd: int, features_fd: int) -> None:
    """Move the descriptors to their places and close all others; forget the fork server's signal handlers."""
    silence = os.open(os.devnull, os.O_RDONLY)
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 64) for fd in (silence, log_fd, log_fd, answer_fd, features_fd)]
    for place, fd in enumerate(high):
        os.dup2(fd, place)
    os.closerange(FEATURES + 1, os.sysconf("SC_OPEN_MAX"))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _work(job: dict[str, Any]) -> None:
    attempts = Attempts()
    try:
        for module in job["imports"]:
            importlib.import_module(module)
        locked = confine.confine(job["folder"], job["memory"], job["cpu"], job["max_abi"], required=job["required"])
    except (OSError, ImportError) as error:
        answer.send_failure(ANSWER, f"the worker could not be confined: {error}")
        return
    if job["kind"] == "self-test":
        answer.send_note(ANSWER, {"confinement": locked, "open": _ways_out()})
        return
    try:
        attempts.watch()
        warnings.simplefilter("ignore")
        _score(job)
    except MemoryError:
        answer.send_failure(ANSWER, f"the model asked for more than {job['memory'] / 2**30:g} GiB of memory")
    except answer.UnusableError as error:
        answer.send_failure(ANSWER, str(error))
    except BaseException as error:  # noqa: BLE001  whatever a foreign model raises is its reason, reported and not lost
        answer.send_failure(ANSWER, explain(error, attempts, job["memory"]))


def _score(job: dict[str, Any]) -> None:
    predictor = load.load(job["kind"], Path(job["folder"]), job["file"], job["columns"])
    parts, seconds = [], 0.0
    for frame in batches(FEATURES):
        part, took = predictor.predict(frame)
        parts.append(part)
        seconds += took
    calls = latency.timings(predictor, next(batches(FEATURES))) if job.get("timed") and parts else None
    answer.send(ANSWER, answer.join(parts), seconds, calls)


def stable(text: str) -> str:
    """Return an error on one line, without times, stack traces and addresses: the same error, the same reason."""
    text = re.sub(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ", "", text.partition("Stack trace:")[0])
    return " ".join(re.sub(r"\b0x[0-9a-f]{6,}", "0x…", text).split())


def explain(error: BaseException, attempts: Attempts, memory: int) -> str:
    """Say in one sentence why a foreign model failed."""
    text = stable(str(error))[:500]
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.split(".")[0]
        return (
            f"the model needs the Python module '{error.name if top in sys.modules else top}', which is not installed"
        )
    if "bad_alloc" in text or "bad allocation" in text:
        return f"the model asked for more than {memory / 2**30:g} GiB of memory"
    if isinstance(error, PermissionError):
        return f"the model {attempts.behind(error)}, which confinement refuses"
    return (
        f"the model failed with {type(error).__name__}: {text}"
        if text
        else f"the model failed with {type(error).__name__}"
    )


def _ways_out() -> list[str]:
    """Try what must not work and return what did work."""
    attempts = {
        "reads /etc/hostname": lambda: Path("/etc/hostname").read_bytes(),
        "makes sockets": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        "reads another process's environment": lambda: _environment_of(os.getppid()),
        "changes files' modes": lambda: Path("/nonexistent/file").chmod(0o600),
    }
    return [name for name, attempt in attempts.items() if _works(attempt)]


def _environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except FileNotFoundError:
        # That process is there; systemd's ProtectProc=invisible hides it, which is as good as forbidding it.
        raise PermissionError from None


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except FileNotFoundError:  # nobody forbade it, there is only nothing to do it to
        return True
    except OSError:
        return False
    return True
