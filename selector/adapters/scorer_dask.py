"""What does each model answer for the holdout's rows, where one computer's cores no longer suffice? Asked on a cluster.

Every node does what this computer would do: a confined worker loads the model. See docs/adr/0009-dask.md.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from selector.adapters.predictions_files import unpacked
from selector.adapters.scorer_dask_task import (
    ANSWERED,
    about_here,
    features_packed,
    folder_packed,
    score_here,
)
from selector.domain.model import Predictions, Unscorable
from selector.errors import ConfigurationError, ScoringError
from selector.ports import Features, Scored, ScoreJob

SCHEME = "dask://"
CONNECT_SECONDS = 10.0
SLACK_SECONDS = 60.0
"""On top of the time a model may take: sending it, and waiting for a free core."""

AHEAD = 2
"""Models sent per core of the cluster: one at work, one on its way. More would only fill the scheduler's memory."""

ADVICE = "Check that the scheduler runs and that its nodes have the same packages: pip install 'mlflow-selector[dask]'."


class DaskScorer:
    """Implements ports.Scorer on a Dask cluster whose nodes have mlflow-selector installed.

    Args:
        address: dask://HOST:PORT of the scheduler.
        memory: bytes that one model may use, on top of the address space that the libraries take.
        timeout: seconds that one model may take to load and predict.
        allow_unconfined: score also where a node's kernel cannot confine; reports then say so.

    """

    def __init__(
        self, address: str, *, memory: int = 4 << 30, timeout: float = 60.0, allow_unconfined: bool = False
    ) -> None:
        self._address = "tcp://" + address.removeprefix(SCHEME)
        self._limits = {"memory": memory, "timeout": timeout, "allow_unconfined": allow_unconfined}
        self._timeout = timeout
        self._about: dict[str, str] | None = None

    @property
    def revision(self) -> str:
        """A digest of all that can change a model's answer, the same on every node."""
        return self._asked()["revision"]

    @property
    def confinement(self) -> str:
        """How models are confined on the nodes, for reports."""
        return self._asked()["confinement"]

    def self_test(self) -> str:
        """Let a worker on every node try what it must not be able to do.

        Raises:
            ScoringError: a node cannot confine, the nodes differ, or the cluster does not answer.

        """
        self._about = None
        return self.confinement

    def score(self, jobs: Iterable[ScoreJob], features: Features) -> Iterator[Scored]:
        """Score each job on whichever node is free; answers come as they are ready.

        Raises:
            ScoringError: the cluster does not answer, or would not confine.

        """
        self._asked()
        from distributed import as_completed  # noqa: PLC0415 - an extra

        with self._connected() as client:
            rows = client.scatter(features_packed(list(features.batches())), broadcast=True, hash=False)
            cores = max(1, sum(client.nthreads().values()))
            finished, keys = as_completed(loop=client.loop), {}
            source = iter(jobs)
            for job in source:
                future = self._submitted(client, job, rows, features)
                keys[future.key] = job.key
                finished.add(future)
                if len(keys) >= AHEAD * cores:
                    yield self._next(finished, keys)
            while keys:
                yield self._next(finished, keys)

    def close(self) -> None:
        """Nothing is kept open between looks."""

    def _submitted(self, client: Any, job: ScoreJob, rows: Any, features: Features) -> Any:
        order = {
            "columns": list(features.columns),
            "rows": features.rows,
            "timed": job.timed,
            "limits": self._limits,
        }
        return client.submit(score_here, folder_packed(job.folder), rows, json.dumps(order), pure=False, retries=1)

    def _next(self, finished: Any, keys: dict[str, str]) -> Scored:
        """Return the next answer; a cluster that says nothing for long ends the look, and the next one asks again."""
        from distributed import TimeoutError as SilenceError  # noqa: PLC0415 - an extra

        finished.timeout = self._timeout + SLACK_SECONDS
        try:
            future = next(finished)
        except SilenceError:
            raise ScoringError(f"The cluster {self._address} gave no answer in time.", advice=ADVICE) from None
        key = keys.pop(future.key)
        if future.status != "finished":
            return Scored(key, Unscorable(f"its node was lost ({future.status})", transient=True))
        answer = _read(future.result(timeout=CONNECT_SECONDS))
        future.release()
        return Scored(key, answer)

    def _asked(self) -> dict[str, str]:
        if self._about is None:
            with self._connected() as client:
                told = client.run(about_here, self._limits)
            self._about = _agreed({node: json.loads(said) for node, said in told.items()}, self._address)
        return self._about

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        try:
            from distributed import Client  # noqa: PLC0415 - an extra
        except ImportError:
            advice = "pip install 'mlflow-selector[dask]'"
            raise ConfigurationError("scoring on a Dask cluster needs a package more", advice=advice) from None
        try:
            # Results may come as plain bytes only: nothing from a node is unpickled here.
            client = Client(
                self._address, timeout=CONNECT_SECONDS, set_as_default=False, deserializers=["dask", "msgpack", "error"]
            )
        except OSError as error:
            reason = str(error).splitlines()[0]
            raise ScoringError(f"The cluster {self._address} cannot be reached: {reason}.", advice=ADVICE) from None
        with client:
            if not client.nthreads():
                raise ScoringError(f"The cluster {self._address} has no nodes.", advice=ADVICE)
            yield client


def _agreed(told: dict[str, dict[str, str]], address: str) -> dict[str, str]:
    """Return what all nodes say; where they differ, the same model would answer differently from look to look."""
    for node, said in told.items():
        if "error" in said:
            raise ScoringError(f"Node {node} of {address}: {said['error']}", advice=said.get("advice") or ADVICE)
    if len({said["revision"] for said in told.values()}) > 1:
        raise ScoringError(f"The nodes of {address} have different versions of the libraries.", advice=ADVICE)
    first = next(iter(told.values()))
    count = f"{len(told)} node{'' if len(told) == 1 else 's'}"
    return {"revision": first["revision"], "confinement": f"{first['confinement']}, on {count} of a Dask cluster"}


def _read(content: Any) -> Predictions | Unscorable:
    try:
        if content[:1] == ANSWERED:
            return unpacked(content[1:])
        told = json.loads(content[1:])
        return Unscorable(str(told["reason"]), transient=bool(told["transient"]))
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        return Unscorable(f"its node answered something that is no answer: {type(error).__name__}", transient=True)
