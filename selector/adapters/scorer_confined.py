"""What does each model answer for the holdout's rows? Asked in a process that can do nothing else.

A worker can read the model's folder and the interpreter's libraries, and write to one pipe. It never sees a label.
See docs/adr/0003-confined-worker.md.
"""

from __future__ import annotations

import functools
import hashlib
import os
import select
import signal
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from selector import __version__
from selector.adapters.mlmodel_lint import lint
from selector.adapters.scorer_answer import Answer
from selector.adapters.scorer_fork_server import ForkServer, Pipes
from selector.adapters.scorer_plan import UnplannableError, plan
from selector.adapters.scorer_spool import opened, spooled
from selector.domain.model import Predictions, Unscorable
from selector.errors import ScoringError
from selector.mlmodel import read_mlmodel
from selector.ports import Features, Scored, ScoreJob

CHUNK = 1 << 20
LOG_TAIL = 4_096
GRACE_SECONDS = 10.0
TICK_MILLISECONDS = 200
ADVICE = (
    "Use Linux 5.13 or later with Landlock; where a systemd unit filters system calls, allow landlock_create_ruleset, "
    "landlock_add_rule, landlock_restrict_self and seccomp; or accept the risk with --allow-unconfined."
)


LIBRARIES = (
    "catboost",
    "joblib",
    "lightgbm",
    "mlflow",
    "numpy",
    "onnxruntime",
    "pandas",
    "scikit-learn",
    "scipy",
    "skops",
    "xgboost",
)
"""Libraries that answer for models; another version of one of them may answer otherwise."""


def _versions() -> tuple[str, ...]:
    """Return the libraries that are installed now, as "name version"."""
    return _versions_in(tuple(_changed(folder) for folder in sys.path))


@functools.lru_cache(maxsize=1)
def _versions_in(_state: tuple[int, ...]) -> tuple[str, ...]:
    """Look them up again only where something was installed or removed: a lookup takes a millisecond each."""
    return tuple(f"{name} {found}" for name in LIBRARIES if (found := _version_of(name)))


def _changed(folder: str) -> int:
    try:
        return Path(folder or ".").stat().st_mtime_ns
    except OSError:
        return 0


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one model may use.

    Attributes:
        seconds: wall time for loading and predicting; as much processor time.
        memory: bytes on top of the address space that the libraries take.
        answer_bytes: most bytes of predictions that are read.

    """

    seconds: float
    memory: int
    answer_bytes: int = 512 << 20


class ConfinedScorer:
    """Implements ports.Scorer.

    Args:
        workers: how many models are scored at once.
        memory: bytes each of them may use, on top of the address space that the libraries take.
        timeout: seconds each of them may take to load and predict.
        allow_unconfined: score also where the kernel cannot confine; reports then say so.
        allow_code: accept models that bring their own Python code; they still run confined.
        max_abi: the highest Landlock ABI to use; 0 imitates a kernel without Landlock.
        idle_seconds: the process that starts workers ends after so long without work.

    """

    def __init__(
        self,
        workers: int = 1,
        *,
        memory: int = 4 << 30,
        timeout: float = 60.0,
        allow_unconfined: bool = False,
        allow_code: bool = False,
        max_abi: int | None = None,
        idle_seconds: float = 60.0,
    ) -> None:
        """Start nothing yet."""
        self._workers, self._limits = max(1, workers), Limits(timeout, memory)
        self._allow_unconfined, self._allow_code, self._max_abi = allow_unconfined, allow_code, max_abi
        self._server = ForkServer(idle_seconds)
        self._confinement: str | None = None
        self._test = threading.Lock()

    @property
    def revision(self) -> str:
        """A digest of all that can change a model's answer: libraries, limits, and this package."""
        facts = [__version__, repr(self._limits), str(self._allow_code)]
        facts += _versions()
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]

    @property
    def confinement(self) -> str:
        """How models are confined, for reports; raises ScoringError like `self_test`."""
        with self._test:
            if self._confinement is None:
                self._confinement = self._tested()
            return self._confinement

    def self_test(self) -> str:
        """Let a worker try what it must not be able to do.

        Returns:
            Such as "Landlock ABI 7 + seccomp".

        Raises:
            ScoringError: a way out is open and `allow_unconfined` was not given, or no worker starts.

        """
        with self._test:
            self._confinement = self._tested()
            return self._confinement

    def score(self, jobs: Iterable[ScoreJob], features: Features) -> Iterator[Scored]:
        """Score each job; answers come as they are ready.

        Raises:
            ScoringError: before the first job, where models would not be confined.

        """
        _ = self.confinement
        stop = threading.Event()
        running: set[Future[Scored]] = set()
        with spooled(features) as spool, ThreadPoolExecutor(self._workers, thread_name_prefix="score") as pool:
            try:
                for job in jobs:
                    running.add(pool.submit(self._scored, job, spool, features.rows, stop))
                    while len(running) > self._workers:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in done)
                while running:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            finally:
                stop.set()

    def close(self) -> None:
        """End the process that starts workers; the next score starts another."""
        self._server.close()

    def _scored(self, job: ScoreJob, spool: str, rows: int, stop: threading.Event) -> Scored:
        try:
            reason = lint(job.folder, allow_code=self._allow_code)
            if reason is not None:
                return Scored(job.key, Unscorable(reason))
            chosen = plan(job.folder, read_mlmodel(job.folder))
            order = {"kind": chosen.kind, "file": chosen.file, "imports": chosen.imports, "columns": chosen.columns}
            return Scored(job.key, self._ask({**order, **_of_job(job)}, spool, rows, stop))
        except UnplannableError as error:
            return Scored(job.key, Unscorable(str(error)))
        except (ScoringError, OSError) as error:
            return Scored(job.key, Unscorable(f"the worker could not be started: {error}", transient=True))

    def _ask(self, order: Mapping[str, Any], spool: str, rows: int, stop: threading.Event) -> Predictions | Unscorable:
        begin = time.monotonic()
        answer = Answer(rows, self._limits.answer_bytes)
        end = self._run(order, spool, answer, stop)
        result = answer.result(time.monotonic() - begin)
        if answer.problem or (result is not None and not end.timed_out):
            return result or Unscorable(answer.problem)
        return end.explained(self._limits)

    def _run(self, order: Mapping[str, Any], spool: str, answer: Answer, stop: threading.Event) -> _End:
        order = {
            **order,
            "seconds": self._limits.seconds,
            "memory": self._limits.memory,
            "cpu": max(1, round(self._limits.seconds)),
            "max_abi": self._max_abi,
            "required": not self._allow_unconfined and order["kind"] != "self-test",
        }
        features = opened(spool)
        try:
            pipes = self._server.submit(order, features)
        finally:
            os.close(features)
        try:
            return _listen(pipes, answer, stop, time.monotonic() + self._limits.seconds + GRACE_SECONDS)
        finally:
            pipes.close()

    def _tested(self) -> str:
        answer = Answer(0, 0, note=True)
        order = {"kind": "self-test", "folder": None, "file": "", "imports": (), "columns": None}
        end = self._run(order, os.devnull, answer, threading.Event())
        note = answer.header()
        if not isinstance(note, dict) or "confinement" not in note:
            raise ScoringError(f"The confinement self-test gave no answer: {end.explained(self._limits).reason}.")
        found, ways_out = str(note["confinement"]), [str(way) for way in note["open"]]
        if not ways_out and "Landlock" in found and "seccomp" in found:
            return found
        missing = f"a worker still {', '.join(ways_out)}" if ways_out else f"only {found or 'nothing'} is there"
        if not self._allow_unconfined:
            raise ScoringError(f"Models would not be confined here: {missing}.", advice=ADVICE)
        return f"{found + ' only' if found else 'none'} (allowed by --allow-unconfined)"


@dataclass(frozen=True, slots=True)
class _End:
    """How a worker ended: exit code (negative: signal), None where the fork server itself ended or nobody waited."""

    code: int | None
    timed_out: bool
    log: str

    def explained(self, limits: Limits) -> Unscorable:
        """Say why there is no answer."""
        if self.timed_out:
            return Unscorable(f"the model hung: no answer within {limits.seconds:g} s", transient=True)
        if self.code is None:
            return Unscorable("the worker process ended before the model answered", transient=True)
        passing = {
            -signal.SIGXCPU: f"the model used more than {limits.seconds:g} s of processor time",
            -signal.SIGKILL: "the model's process was killed; the machine may be short of memory",
        }
        if self.code in passing:
            return Unscorable(passing[self.code], transient=True)
        return Unscorable(self._died(self.code, limits))

    def _died(self, code: int, limits: Limits) -> str:
        if code >= 0:
            return f"the model ended its process without an answer (exit code {code}){self._said()}"
        if "bad_alloc" in self.log or "MemoryError" in self.log:
            return f"the model asked for more than {limits.memory / 2**30:g} GiB of memory"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"the model crashed with {name}{self._said()}"

    def _said(self) -> str:
        lines = [line.strip() for line in self.log.splitlines() if line.strip()]
        last = "".join(character for character in lines[-1] if character.isprintable())[:200] if lines else ""
        return f"; its last words: {last}" if last else ""


def _of_job(job: ScoreJob) -> dict[str, Any]:
    return {"folder": str(job.folder.resolve()), "timed": job.timed}


def _listen(pipes: Pipes, answer: Answer, stop: threading.Event, backstop: float) -> _End:
    """Read until the worker's end is reported, the answer is refused, nobody waits any more, or `backstop` is over."""
    poll = select.poll()
    for descriptor in (pipes.answer, pipes.log, pipes.status):
        os.set_blocking(descriptor, False)
        poll.register(descriptor, select.POLLIN)
    log = bytearray()
    while time.monotonic() < backstop and not stop.is_set() and not answer.problem:
        ready = {descriptor for descriptor, _ in poll.poll(TICK_MILLISECONDS)}
        if pipes.status in ready:
            report = os.read(pipes.status, 16)
            _drain(pipes, answer, log)
            text = log.decode(errors="replace")
            if len(report) < struct.calcsize("<i?"):
                return _End(None, timed_out=False, log=text)
            code, timed_out = struct.unpack("<i?", report)
            return _End(code, timed_out, text)
        for descriptor in ready:
            if not _take(descriptor, pipes, answer, log):
                poll.unregister(descriptor)
    return _End(None, timed_out=time.monotonic() >= backstop, log="")


def _take(descriptor: int, pipes: Pipes, answer: Answer, log: bytearray) -> bool:
    """Read one piece; False at the end of the pipe. Of the log only the tail is kept."""
    try:
        chunk = os.read(descriptor, CHUNK)
    except BlockingIOError:
        return True
    if descriptor == pipes.answer:
        answer.add(chunk)
    else:
        log += chunk
        del log[:-LOG_TAIL]
    return bool(chunk)


def _drain(pipes: Pipes, answer: Answer, log: bytearray) -> None:
    """Read what still lies in the pipes of a worker that has ended; at most what pipes can hold."""
    for descriptor in (pipes.answer, pipes.log):
        for _ in range(8):
            before = len(log)
            if not _take(descriptor, pipes, answer, log) or (descriptor == pipes.log and len(log) == before):
                break
