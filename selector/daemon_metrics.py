"""What does Prometheus count and measure about the daemon?"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from selector import __version__
from selector.domain.events import Event
from selector.domain.service import ServiceState
from selector.domain.verdict import Verdict
from selector.redaction import printable

if TYPE_CHECKING:
    from selector.workflows.cycle import Turn

PREFIX = "mlflow_selector"

MOST_NAMES = 1_000
"""So many models get labels of their own; a family whose runs bring ever new values must not fill Prometheus."""

LONGEST_NAME = 100

OTHERS = "(others)"

TURN_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800)

KNOWN_LABELS = {
    "notifications": ("sent", "failed"),
    "failures": ("mlflow", "staging", "lease", "recovery", "look"),
    "imports": ("imported", "already", "failed", "ignored"),
    "deliveries": ("accepted", "forged", "stale", "replayed", "malformed"),
    "wakes": ("start", "signal", "database", "staging", "schedule", "socket", "webhook"),
    "events": tuple(kind.__name__ for kind in get_args(Event)),
}
"""Series that are there from the start, at 0: increase() does not see the event with which a series begins."""

HEALTH = {"unknown": 0, "healthy": 1, "warning": 2, "degraded": 3}
"""The number that stands for a champion's health in production."""


class DaemonMetrics:
    """Counts what turns came to; one of its own per daemon, so that two in one process do not mix.

    Args:
        state: the daemon's present state, asked whenever somebody reads the page.
        alive: whether its loop keeps its promises.

    """

    def __init__(self, state: Callable[[], ServiceState], alive: Callable[[], bool]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._names: set[str] = set()
        self._lock = threading.Lock()
        self._about_the_daemon(state, alive)
        self._about_turns()
        self._about_models()

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", what, labels, registry=self.registry)

    def _about_the_daemon(self, state: Callable[[], ServiceState], alive: Callable[[], bool]) -> None:
        self._gauge("build_info", "The version that runs; always 1.", "version").labels(__version__).set(1)
        now: dict[str, tuple[str, Callable[[], float]]] = {
            "ready": ("Whether it is at work, or stands by, and can read MLflow.", lambda: state().ready),
            "alive": ("Whether its loop comes back in time.", alive),
            "active": ("Whether it is the one that acts: 0 while it stands by.", lambda: state().phase == "active"),
            "mlflow_up": ("Whether MLflow could be read in the last turn.", lambda: _mlflow_up(state())),
            "configuration_ok": (
                "Whether the configuration on disk is in force; 0 after a reload that failed.",
                lambda: not state().configuration,
            ),
            "models_waiting": ("Models that are still to be looked at.", lambda: state().waiting),
            "start_timestamp_seconds": ("When it started.", lambda: _started(state())),
            "last_turn_timestamp_seconds": ("When the last turn ended; 0 before the first.", lambda: _turned(state())),
            "mlflow_last_success_timestamp_seconds": (
                "When MLflow could be read last; 0 before the first time.",
                lambda: _good(state()),
            ),
        }
        for name, (what, ask) in now.items():
            self._gauge(name, what).set_function(ask)

    def _about_turns(self) -> None:
        self.turns = Histogram(
            f"{PREFIX}_turn_duration_seconds",
            "How long a turn took: reading MLflow, scoring, deciding, carrying out.",
            buckets=TURN_SECONDS,
            registry=self.registry,
        )
        self.wakes = self._counter("wake_ups_total", "Hints that it is worth looking now.", "source")
        self.hints = self._gauge("hints_ok", "Whether a source of hints works.", "source")
        self.events = self._counter("events_total", "What was new in MLflow, by kind.", "kind")
        self.imports = self._counter(
            "imports_total", "Staged models that were taken up, by what came of it.", "outcome"
        )
        self.failures = self._counter(
            "failures_total", "What failed in a turn and is tried again: mlflow, lease, recovery, a look.", "part"
        )
        self.recovered = self._counter("recovered_plans_total", "Plans of an earlier process that were finished.")
        self.deliveries = self._counter("webhook_deliveries_total", "Webhooks that came in, by outcome.", "outcome")
        self.notifications = self._counter("notifications_total", "Notifications by what came of them.", "outcome")
        self.unsent = self._gauge("notifications_waiting", "Notifications that are still to be sent.")
        for counter, labels in KNOWN_LABELS.items():
            for label in labels:
                getattr(self, counter).labels(label)

    def _about_models(self) -> None:
        self.looks = self._counter("looks_total", "Looks at a model, by verdict.", "model", "decision")
        self.decisions = self._counter("decisions_total", "New decisions about a model.", "model", "decision")
        self.versions = self._gauge("champion_version", "The version that is champion; 0 where none is.", "model")
        self.scores = self._gauge("champion_score", "The champion's score when it was looked at.", "model", "metric")
        self.succeeded = self._gauge(
            "last_success_timestamp_seconds", "When a look at the model last came to a decision.", "model"
        )
        self.health = self._gauge(
            "health", "The champion in production: 0 unknown, 1 healthy, 2 warning, 3 degraded.", "model"
        )

    def observe(self, state: ServiceState, turn: Turn, seconds: float) -> None:
        """Count one turn."""
        self.turns.observe(seconds)
        for wake in turn.wakes:
            self.wakes.labels(_label(wake.source)).inc()
        for name, trouble in state.hints.items():
            self.hints.labels(_label(name)).set(trouble is None)
        for event in turn.events:
            self.events.labels(type(event).__name__).inc()
        for imported in turn.imported:
            self.imports.labels(_label(imported.status)).inc()
        looked = {k.model for k in turn.looks}
        for failure in turn.troubles:
            known = failure.about in ("mlflow", "lease", "recovery")
            part = failure.about if known else "look" if failure.about in looked else "staging"
            self.failures.labels(part).inc()
        self.recovered.inc(len(turn.recovered))
        for look in turn.looks:
            verdict = look.decision.verdict if look.decision else "failed" if look.error else "none"
            self.looks.labels(self.model(look.model), verdict).inc()
            if look.news and look.decision is not None:
                self.decisions.labels(self.model(look.model), verdict).inc()
        self._measure(state)

    def _measure(self, state: ServiceState) -> None:
        for name, model in state.models.items():
            label = self.model(name)
            if model.verdict is None or label == OTHERS:
                continue
            self.versions.labels(label).set(model.champion or 0)
            self.succeeded.labels(label).set(model.at.timestamp())
            if model.score is not None and math.isfinite(model.score):
                self.scores.labels(label, _label(model.metric)).set(model.score)

    def healths(self, healths: Mapping[str, str]) -> None:
        """Take over the health of champions in production, by model: unknown, healthy, warning or degraded."""
        for name, health in healths.items():
            self.health.labels(self.model(name)).set(HEALTH.get(health, 0))

    def model(self, name: str) -> str:
        """Return the label for a model; beyond the thousandth they share one."""
        label = _label(name)
        with self._lock:
            if label in self._names:
                return label
            if len(self._names) >= MOST_NAMES:
                return OTHERS
            self._names.add(label)
        for verdict in get_args(Verdict):
            self.decisions.labels(label, verdict)
        self.looks.labels(label, "failed")
        return label

    def page(self) -> bytes:
        """Return the page that Prometheus reads."""
        return generate_latest(self.registry)


def _label(text: str) -> str:
    """Return a text on one line, cut where it is too long; the format escapes quotes and backslashes itself."""
    return printable(text)[:LONGEST_NAME]


def _mlflow_up(state: ServiceState) -> bool:
    return state.good_at is not None and not state.mlflow


def _started(state: ServiceState) -> float:
    return state.started_at.timestamp()


def _turned(state: ServiceState) -> float:
    return state.turned_at.timestamp() if state.turned_at else 0.0


def _good(state: ServiceState) -> float:
    return state.good_at.timestamp() if state.good_at else 0.0
