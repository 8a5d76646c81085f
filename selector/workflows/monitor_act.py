"""What is done about a degraded champion: a rollback, another look, or the operator's command?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from selector.domain.health import Act, Health
from selector.domain.health_policy import Todo
from selector.errors import MlflowUnreachableError, SelectorError
from selector.ports import Entry
from selector.workflows.by_hand import roll_back
from selector.workflows.house import House, Setup
from selector.workflows.report_deed import report_deed


@dataclass(frozen=True, slots=True)
class Acted:
    """What was done.

    Attributes:
        acts: for the kept health.
        sentences: for people.
        entries: for the ledger, besides those that the action wrote itself.
        report: path of the action's page, where it has one.

    """

    acts: tuple[Act, ...] = ()
    sentences: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    report: str | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """Commands that have ended since the last look."""

    health: Health
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class _Deed:
    """Who acts on what, under which id."""

    house: House
    setup: Setup
    version: int
    name: str
    actor: str

    def entry(self, kind: str, reason: str, details: dict[str, Any]) -> Entry:
        """Return the ledger's line about it."""
        return Entry(
            at=self.house.clock.now(),
            model=self.setup.model,
            kind=kind,
            version=self.version,
            actor=self.actor,
            decision=self.name,
            reason=reason,
            details=details,
        )

    def report(self, code: str, reason: str) -> str | None:
        """Write the action's page and return its path; None where that cannot be done."""
        said = reason[0].upper() + reason[1:]
        page = report_deed(self.house, self.setup, self.name, code=code, reason=said, actor=self.actor)
        return str(page) if page else None

    def act(self, what: str, text: str, *, done: bool = False, waiting: bool = False, decision: str = "") -> Act:
        """Return what the kept health remembers."""
        now = self.house.clock.now()
        return Act(now, what, self.version, decision or self.name, done=done, text=text, waiting=waiting)


def act(house: House, setup: Setup, health: Health, todo: Todo, *, dry_run: bool, actor: str) -> Acted:
    """Do it, within the lease. What cannot be done is said, recorded, and stops nothing else.

    Raises:
        MlflowUnreachableError: MLflow does not answer; the next look does it.

    """
    if todo.what == "nothing":
        return Acted(sentences=(f"Not acted: {todo.why}.",) if todo.why else ())
    if setup.shadow or house.paused(setup.model) is not None:
        why = "in shadow" if setup.shadow else "paused"
        return Acted(sentences=(f"Not acted: the model is {why}; {todo.what} is what would be done.",))
    version = health.version or 0
    deed = _Deed(house, setup, version, house.new_id(setup.model, version, todo.what), actor)
    if todo.what == "rollback":
        return _rollback(deed, _why(health), dry_run=dry_run)
    if dry_run:
        return Acted(sentences=(f"Would {todo.what}.",))
    return _run(deed, _why(health)) if todo.what == "run" else _reselect(deed, _why(health))


def _why(health: Health) -> str:
    fallen = [w for w in health.watched if w.state == "degraded"]
    sides = [f"{w.name} {'above' if w.kind == 'lower' else 'below'} its floor of {w.floor:.3f}" for w in fallen]
    return f"version {health.version} is degraded in production: {', '.join(sides[:5])}"


def _rollback(deed: _Deed, reason: str, *, dry_run: bool) -> Acted:
    try:
        done = roll_back(deed.house, deed.setup, to=None, dry_run=dry_run, actor=deed.actor, reason=reason)
    except MlflowUnreachableError:
        raise
    except SelectorError as error:
        text = f"Could not roll back: {error.message}."
        if dry_run:
            return Acted(sentences=(text,))
        return Acted((deed.act("rollback", text),), (text,), (deed.entry("failed", text, {}),))
    to = done.document["version"]
    said = f"{'Would roll' if dry_run else 'Rolled'} back to version {to}; version {deed.version} is quarantined"
    text = f"{said}, and does not return by itself."
    made = deed.act("rollback", text, done=True, decision=str(done.document["decision"]))
    return Acted(() if dry_run else (made,), (text,), report=done.document["report"])


def _run(deed: _Deed, why: str) -> Acted:
    policy, commands = deed.setup.monitor, deed.house.commands
    if policy is None or commands is None:
        return Acted()
    environment = {"MODEL": deed.setup.model, "VERSION": str(deed.version), "DECISION": deed.name}
    words = {"command": list(policy.command), "timeout": policy.command_timeout}
    try:
        commands.start(deed.name, policy.command, environment, policy.command_timeout)
    except SelectorError as error:
        failed = deed.entry("failed", error.message, words)
        return Acted((deed.act("run", error.message),), (error.message,), (failed,))
    text = f"Started {policy.command[0]} (decision {deed.name})."
    reason = f"{why}: {text}"
    page = deed.report("command-started", reason)
    return Acted((deed.act("run", text, waiting=True),), (text,), (deed.entry("started", reason, words),), page)


def _reselect(deed: _Deed, why: str) -> Acted:
    """Write down that another look is due; whoever called does it once the lease is free."""
    text = "Looks for a better candidate now."
    reason = f"{why}: a better candidate is looked for."
    page = deed.report("looked-again", reason)
    return Acted((deed.act("reselect", text, done=True),), (text,), (deed.entry("started", reason, {}),), page)


def collect(house: House, model: str, health: Health, *, dry_run: bool) -> Collected:
    """Take note of commands that have ended."""
    if house.commands is None or dry_run or not any(act.waiting for act in health.acts):
        return Collected(health)
    acts, entries = [], []
    for made in health.acts:
        ended = house.commands.ended(made.decision) if made.waiting else None
        if ended is None:
            acts.append(made)
            continue
        well = ended.code == 0
        how = ended.reason or f"exit code {ended.code}"
        text = f"The command {'ended well' if well else 'failed'}: {how}, after {ended.seconds:.0f} s."
        acts.append(replace(made, waiting=False, done=well, text=text))
        details = {"exit_code": ended.code, "seconds": ended.seconds, "output": ended.output}
        entries.append((made, text, details))
    return Collected(
        replace(health, acts=tuple(acts)),
        tuple(_ended(house, model, made, text, details) for made, text, details in entries),
    )


def _ended(house: House, model: str, made: Act, text: str, details: dict[str, Any]) -> Entry:
    return Entry(
        at=house.clock.now(),
        model=model,
        kind="ended",
        version=made.version,
        decision=made.decision,
        reason=text,
        details=details,
    )
