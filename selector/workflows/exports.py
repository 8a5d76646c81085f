"""Do the configured places hold the champion's files, and how are they brought in step where they do not?

Reconciliation, not a step of any plan: what each place holds is compared with the champion alias, whoever moved that.
So it does not matter when, or how often, this is done, and an export that fails delays no promotion.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selector.domain.model import DECISION_TAG, ModelVersion, RegisteredModel
from selector.domain.promotion import NEW_VERSION
from selector.errors import ExportBusyError, ExportError, SelectorError
from selector.ports import Entry
from selector.ports_exports import Exported
from selector.redaction import redact
from selector.workflows.announce import of_entries
from selector.workflows.fingerprint import model_bytes
from selector.workflows.house import House, Setup, why_paused

FAILED = "export_failed"

MOST_TIMES = 3
"""So often the champion may move while it is being exported, before the rest is left to the next look."""


@dataclass(frozen=True, slots=True)
class Place:
    """One export as it is.

    Attributes:
        version: that it holds; None where nothing is there, or it cannot be read.
        in_step: whether that is the champion.
        error: why it is not, where something is wrong.

    """

    where: str
    version: int | None = None
    in_step: bool = False
    error: SelectorError | None = None

    @property
    def why(self) -> str:
        """The error in a sentence that names the place already; "" where there is none."""
        return self.error.message.removeprefix(f"{self.where}: ").rstrip(".") if self.error else ""

    def document(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"where": self.where, "version": self.version, "in_step": self.in_step, "reason": self.why}


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a model's exports.

    Attributes:
        places: all of them, as they are now.
        written: those that were replaced just now.

    """

    places: tuple[Place, ...] = ()
    written: tuple[str, ...] = ()

    @property
    def error(self) -> SelectorError | None:
        """The first failure; None where another process is at it."""
        return next((p.error for p in self.places if p.error and not isinstance(p.error, ExportBusyError)), None)

    @property
    def document(self) -> dict[str, Any]:
        """The part of a document that tells of the exports; empty where there are none."""
        if not self.places:
            return {}
        failed = {"error": self.error.message, "advice": self.error.advice} if self.error else {}
        return {"export": [place.document() for place in self.places], **failed}

    @property
    def text(self) -> str:
        """What a person reads; "" where nothing happened."""
        said = [f"Exported version {p.version} to {p.where}." for p in self.places if p.where in self.written]
        said += [f"Not exported to {p.where}: {p.why}." for p in self.places if p.error]
        return " ".join(said)


def places(house: House, setup: Setup, registered: RegisteredModel | None) -> tuple[Place, ...]:
    """Return what each place holds, compared with this champion; asks MLflow nothing and hashes nothing."""
    return tuple(_place(house, setup, where, _champion(setup, registered)) for where in setup.exports)


def _place(house: House, setup: Setup, where: str, champion: ModelVersion | None) -> Place:
    try:
        held = _held(house, setup, where)
    except ExportError as error:
        return Place(where, error=error)
    if held is None:
        return Place(where)
    same = champion is not None and (held.version, held.run_id, held.source) == _named(champion)
    return Place(where, held.version, in_step=same)


def _held(house: House, setup: Setup, where: str) -> Exported | None:
    held = house.exports.read(where) if house.exports is not None else None
    if held is not None and held.model != setup.model:
        raise ExportError(
            f"{where} holds version {held.version} of {held.model!r}, not {setup.model!r}",
            advice=f"give each model a place of its own; if {held.model!r} is not exported any more, remove {where}",
        )
    return held


def _named(version: ModelVersion) -> tuple[int, str | None, str]:
    return version.version, version.run_id, redact(version.source)


def _champion(setup: Setup, registered: RegisteredModel | None) -> ModelVersion | None:
    return registered.version(registered.aliases.get(setup.policy.aliases.champion)) if registered else None


def would_export(house: House, setup: Setup, champion: int | None, *, by_hand: bool = False) -> tuple[str, ...]:
    """Return one sentence for each place that would be written once this version is champion.

    Args:
        house: the ports.
        setup: the model.
        champion: the version; NEW_VERSION for one that is still to be made; None where there is none.
        by_hand: as for `bring_in_step`.

    """
    if champion is None or house.exports is None or (not by_hand and _is_idle(setup, house.store.paused())):
        return ()
    name = "the new version" if champion == NEW_VERSION else f"v{champion}"
    found = (_place(house, setup, where, None) for where in setup.exports)
    return tuple(
        f"export {name} to {place.where}" + (f" (now refused: {place.why})" if place.error else "")
        for place in found
        if place.version != champion
    )


def bring_in_step(
    house: House, setup: Setup, seen: RegisteredModel | None, *, actor: str, by_hand: bool = False
) -> Brought:
    """Let every place hold the champion; one that cannot be written stops no other one, and is told of once.

    Args:
        house: the ports; the lease is not needed, and a large model should not keep others from it.
        setup: the model.
        seen: the model as it was read just now; None where it has changed since. MLflow is asked only where it is None,
            or a place is out of step.
        actor: who looks.
        by_hand: a person moved the champion; otherwise a paused or shadowed model is left alone.

    """
    if not setup.exports or house.exports is None or (not by_hand and _is_idle(setup, house.store.paused())):
        return Brought()
    found, champion = places(house, setup, seen) if seen is not None else (), _champion(setup, seen)
    written: list[str] = []
    times = 0
    while not found or (times < MOST_TIMES and any(not p.in_step and p.error is None for p in found)):
        try:
            registered = house.registry.registered_model(setup.model)
        except SelectorError as error:
            return Brought(tuple(replace(p, error=error) for p in found or map(Place, setup.exports)), tuple(written))
        found = places(house, setup, registered)
        champion = _champion(setup, registered)
        if champion is None:
            break
        late = [p.where for p in found if not p.in_step and p.error is None]
        errors = _written(house, setup, champion, late)
        written += [where for where in late if where not in errors]
        found = tuple(replace(p, error=errors.get(p.where, p.error)) for p in found)
        times += 1
    if champion is not None:
        _record(house, setup, champion, found, actor)
    return Brought(found, tuple(dict.fromkeys(written)))


def _is_idle(setup: Setup, paused: Mapping[str, str]) -> bool:
    return setup.shadow or why_paused(paused, setup.model) is not None


def _written(house: House, setup: Setup, champion: ModelVersion, late: Sequence[str]) -> dict[str, SelectorError]:
    """Fetch the champion once, write it to these places, and return what went wrong by place."""
    if not late or house.exports is None:
        return {}
    errors: dict[str, SelectorError] = {}
    what = f"exporting {setup.model}"
    try:
        house.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=house.spool, prefix="export-") as spool:
            house.progress(what, 0, len(late) + 1)
            folder = house.registry.fetch(f"models:/{setup.model}/{champion.version}", Path(spool))
            exported = _exported(house, setup, champion, folder)
            for done, where in enumerate(late):
                house.progress(what, done + 1, len(late) + 1)
                try:
                    house.exports.write(where, folder, exported)
                except ExportError as error:
                    errors[where] = error
    except SelectorError as error:
        return dict.fromkeys(late, error)
    except OSError as error:
        return dict.fromkeys(late, ExportError(f"{house.spool}: {error.strerror or error}", advice="make room there"))
    return errors


def _exported(house: House, setup: Setup, champion: ModelVersion, folder: Path) -> Exported:
    number, run_id, source = _named(champion)
    decision = champion.tags.get(DECISION_TAG)
    return Exported(setup.model, number, run_id, source, decision, model_bytes(folder).files, house.clock.now())


def _record(house: House, setup: Setup, champion: ModelVersion, found: Sequence[Place], actor: str) -> None:
    """Write each failure down once per decision, and tell people."""
    failed = [p for p in found if p.error is not None and not isinstance(p.error, ExportBusyError)]
    if not failed:
        return
    decision = champion.tags.get(DECISION_TAG)
    before = house.store.entries(setup.model, kinds=(FAILED,), newest=1000)
    known = {(e.decision, e.version, e.details.get("where")) for e in before}
    entries = tuple(
        Entry(
            at=house.clock.now(),
            model=setup.model,
            kind=FAILED,
            version=champion.version,
            actor=actor,
            decision=decision,
            reason=f"{place.where} does not hold version {champion.version}: {place.why}",
            details={"where": place.where},
        )
        for place in failed
        if place.error is not None and (decision, champion.version, place.where) not in known
    )
    if entries:
        house.store.put(of_entries(house, entries), entries)


def out_of_step(house: House, aliases: Mapping[str, Mapping[str, int]], *, thorough: bool) -> Iterator[str]:
    """Yield the models whose exports do not hold the champion that MLflow's aliases, as last read, name.

    Args:
        house: the ports.
        aliases: of all registered models, by name.
        thorough: also ask artifact stores; folders cost nothing to look at.

    """
    rules = [setup for setup in house.setups.values() if setup.exports]
    members = [r for r in rules if r.family is None]
    for rule in rules:
        if rule.family is not None:
            values = {name: rule.family.value_of(name) for name in aliases if name not in house.setups}
            members += [house.member(rule, value) for value in values.values() if value is not None]
    paused = house.store.paused() if members else {}
    for setup in members:
        champion = aliases.get(setup.model, {}).get(setup.policy.aliases.champion)
        if champion is None or _is_idle(setup, paused):
            continue
        looked_at = (where for where in setup.exports if thorough or Path(where).is_absolute())
        if any(_place(house, setup, where, None).version != champion for where in looked_at):
            yield setup.model
