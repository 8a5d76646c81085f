"""Who waits for what a hint leads to, and when is it known?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from selector.domain.events import WakeUp
from selector.domain.service import ServiceState

if TYPE_CHECKING:
    from selector.workflows.cycle import Turn
    from selector.workflows.select_champion import Look

SAME_SECONDS = 1.0
"""A hint that was given so short a time ago, and that no turn has taken up yet, is not given once more."""

MOST_GIVEN = 100
"""When so many different hints are on their way, the next one asks to look at everything instead."""

NOT_LOOKED = frozenset({"lease", "recovery"})
"""Where one of these failed in a turn, it looked at nothing; a later turn will."""

Documents = tuple[dict[str, Any], ...]


@dataclass(slots=True, eq=False)
class _Waiting:
    asked: WakeUp
    wake: WakeUp
    since: float
    answer: Future[Documents] = field(default_factory=Future)
    taken: bool = False


class Answers:
    """Passes hints on and tells those who wait what the looks came to. An observer of turns.

    Args:
        monotonic: the clock that the daemon waits by.

    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._given: dict[WakeUp, tuple[WakeUp, float]] = {}
        self._waiting: list[_Waiting] = []

    def give(self, wake: WakeUp, pass_on: Callable[[WakeUp], None]) -> None:
        """Pass a hint on; one that is still on its way is not sent after itself."""
        with self._lock:
            wake, is_new = self._once(wake)
        if is_new:
            pass_on(wake)

    def ask(self, wake: WakeUp, pass_on: Callable[[WakeUp], None]) -> Future[Documents]:
        """Pass a hint on, and return what will hold one document per model that was looked at for it."""
        with self._lock:
            given, is_new = self._once(wake)
            waiting = _Waiting(wake, given, self._monotonic())
            self._waiting.append(waiting)
        waiting.answer.add_done_callback(lambda _: self._forget(waiting))
        if is_new:
            pass_on(given)
        return waiting.answer

    def observe(self, state: ServiceState, turn: Turn, seconds: float) -> None:
        """Answer those whose hint this turn, or an earlier one, took up, once the looks are done."""
        del state
        began = self._monotonic() - seconds
        looked = {look.model for look in turn.looks}
        nothing = any(t.about in NOT_LOOKED for t in turn.troubles)
        done: list[_Waiting] = []
        with self._lock:
            taken = set(turn.wakes)
            # What was given before this turn and is not in it went down with a turn that failed.
            self._given = {w: g for w, g in self._given.items() if w not in taken and g[1] >= began}
            for one in self._waiting:
                wanted = set(one.asked.models)
                one.taken |= any(w is one.wake for w in turn.wakes)
                one.taken |= bool(wanted) and wanted <= looked and began >= one.since
                if one.taken and not nothing:
                    done.append(one)
        for one in done:
            if one.answer.set_running_or_notify_cancel():
                one.answer.set_result(tuple(_document(k) for k in _meant(one.asked, turn.looks)))

    def _once(self, wake: WakeUp) -> tuple[WakeUp, bool]:
        """Return the hint to go by, an equal one that is still on its way if there is one, and whether it is new."""
        now = self._monotonic()
        if wake not in self._given and len(self._given) >= MOST_GIVEN:
            wake = WakeUp(wake.source, everything=True, words="asked for many looks at once")
        found = self._given.get(wake)
        if found is not None and now - found[1] < SAME_SECONDS:
            return found[0], False
        self._given[wake] = (wake, now)
        return wake, True

    def _forget(self, waiting: _Waiting) -> None:
        with self._lock:
            if waiting in self._waiting:
                self._waiting.remove(waiting)


def _meant(wake: WakeUp, looks: tuple[Look, ...]) -> list[Look]:
    """Return the looks that were asked for; a family is asked for by its rule and looked at by its members."""
    if wake.everything or set(wake.models) - {look.model for look in looks}:
        return list(looks)
    return [look for look in looks if look.model in wake.models]


def _document(look: Look) -> dict[str, Any]:
    champion = look.document.get("champion") or {}
    return {
        "model": look.model,
        "verdict": look.decision.verdict if look.decision else None,
        "champion": champion.get("version"),
        "text": look.text,
        "decision": look.document.get("decision"),
        "error": look.error.message if look.error else None,
    }
