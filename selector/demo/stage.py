"""What do the steps of the demo share: its folder, its rows, its house, its application, and who did what so far?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from selector.demo.application import Application
from selector.demo.receiver import Message, Receiver
from selector.demo.service import Service
from selector.errors import SelectorError
from selector.workflows.house import House
from selector.workflows.select_champion import Look, select

MODEL = "churn"
EXPERIMENT = "churn_monitoring"
CHAMPION = "champion"
TELLING_SECONDS = 30.0
ADVICE = "please report this, with what `pip list` prints; the folder shows how far it came"


class UnexpectedError(SelectorError):
    """The demo saw something else than it should have."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a step.

    Attributes:
        text: one sentence for people.
        details: further short sentences.
        result: the same for scripts, as JSON values.

    """

    text: str
    details: Sequence[str] = ()
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens.

    Attributes:
        title: a few words: the command that does it, or who does it.
        preview: what is going to happen, for people who wait or only look.

    """

    title: str
    preview: str
    run: Callable[[Stage], Told]


@dataclass(slots=True)
class Stage:
    """Everything that steps hand on to each other.

    Attributes:
        old: the version that is champion before the better model comes.
        new: the version that the better model became.
        lucky: the run of the challenger that was only lucky.
        copy: the run of the champion's copy.
        better: the run of the better model.
        promotion: the decision that made the better model champion.
        today: the day on which the story began.

    """

    folder: Path
    tracking_uri: str
    house: House
    application: Application
    service: Service
    receiver: Receiver
    actor: str
    train: pd.DataFrame
    holdout: pd.DataFrame
    old: int = 0
    new: int = 0
    lucky: str = ""
    copy: str = ""
    better: str = ""
    promotion: str = ""
    today: date = field(default_factory=lambda: datetime.now(UTC).date())

    def champion(self) -> int | None:
        """Return the version that the alias points at, read fresh."""
        registered = self.house.registry.registered_model(MODEL)
        return registered.aliases.get(CHAMPION) if registered else None

    def run_of(self, version: int) -> str | None:
        """Return the run of a version."""
        registered = self.house.registry.registered_model(MODEL)
        found = registered.version(version) if registered else None
        return found.run_id if found else None

    def select(self) -> Look:
        """Do what `mlflow-selector select churn` does.

        Raises:
            SelectorError: it failed.

        """
        look = select(self.house, [MODEL], dry_run=False, actor=self.actor)[0]
        if look.error is not None:
            raise look.error
        return look

    def served(self, version: int) -> tuple[str, dict[str, Any]]:
        """Let the application load the champion, and return what it says; it has to be this version.

        Raises:
            UnexpectedError: another model answered.

        """
        served = self.application.ask()
        expect(served.version == version, f"the application to load version {version}", served.version)
        text = (
            f"an application's models:/{MODEL}@{CHAMPION} is v{version}; it expects {served.leaving} customers to leave"
        )
        return text, {"version": version, "rows": served.rows, "leaving": served.leaving}

    def told(self, kind: str) -> Message:
        """Return what the service told its receiver; waits for it.

        Raises:
            UnexpectedError: it told nothing of this kind within half a minute.

        """
        message = self.receiver.told(kind, TELLING_SECONDS)
        if message is None:
            last = self.service.last_words()
            raise UnexpectedError(f"expected the service to tell people: {kind}; its last words: {last}", advice=ADVICE)
        return message


def expect(holds: object, what: str, instead: object) -> None:
    """Raise where something is not as it should be.

    Raises:
        UnexpectedError: it is not.

    """
    if not holds:
        raise UnexpectedError(f"expected {what}; found: {instead}", advice=ADVICE)


def ranked(document: Mapping[str, Any], run_id: str) -> dict[str, Any]:
    """Return a run's line of the ranking.

    Raises:
        UnexpectedError: it is not among the candidates.

    """
    return _line(document, "run_id", run_id)


def named(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the line of the ranking with this run name.

    Raises:
        UnexpectedError: it is not among the candidates.

    """
    return _line(document, "name", name)


def _line(document: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    found = next((line for line in document["ranking"] if line[key] == value), None)
    if found is None:
        raise UnexpectedError(f"expected {value} among the candidates; found {len(document['ranking'])} others")
    return dict(found)


def reason(line: Mapping[str, Any]) -> str:
    """Return the first half of the first reason why one of the ranking may not compete; the rest is in the report."""
    reasons = line["reasons"]
    return str(reasons[0]).partition(";")[0] if reasons else "it may not compete"
