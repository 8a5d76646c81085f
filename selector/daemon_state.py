"""What is the daemon doing, and how did its last turns go: kept for whoever asks?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from selector.domain.service import ModelState, Phase, ServiceState
from selector.ports import Clock
from selector.workflows.cycle import Turn
from selector.workflows.select_champion import Look

Observer = Callable[[ServiceState, Turn, float], None]
"""Told after each turn: how things are, what happened, how many seconds it took."""


class Keeper:
    """Holds the present state. It is replaced as a whole, so that other threads may read it at any time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.state = ServiceState("starting", clock.now())

    def phase(self, phase: Phase, doing: str) -> None:
        """Take note of a new phase."""
        self.state = replace(self.state, phase=phase, doing=doing)

    def configured(self, trouble: str) -> None:
        """Take note of why the configuration on disk is not in force; "" where it is."""
        self.state = replace(self.state, configuration=trouble)

    def turned(self, turn: Turn, said: str, hints: Mapping[str, str | None], *, waiting: int) -> ServiceState:
        """Take note of a turn and return how things are now."""
        now = self._clock.now()
        mlflow = next((t.error.message for t in turn.troubles if t.about == "mlflow"), "")
        self.state = replace(
            self.state,
            doing=said,
            turns=self.state.turns + 1,
            turned_at=now,
            good_at=self.state.good_at if mlflow else now,
            mlflow=mlflow,
            troubles=tuple((t.about, t.error.message) for t in turn.troubles),
            hints=dict(hints),
            waiting=waiting,
            models={**self.state.models, **{look.model: _model_state(look, now) for look in turn.looks}},
        )
        return self.state


def _model_state(look: Look, now: datetime) -> ModelState:
    if look.decision is None:
        return ModelState(now, None, error=look.error.message if look.error else "")
    champion = look.document.get("champion") or {}
    metric, score = next(iter((champion.get("scores") or {}).items()), ("", None))
    return ModelState(now, look.decision.verdict, champion.get("version"), metric, score)
