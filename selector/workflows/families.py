"""Which registered models are meant: those configured by name, and the members that a family has right now?"""

from __future__ import annotations

import difflib
import fnmatch
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from selector.domain.family import Family, Members, members
from selector.domain.model import Run
from selector.errors import MlflowUnreachableError, SelectorError, UsageError
from selector.workflows.house import House, Seen, Setup
from selector.workflows.together import read_together

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """A member, or a whole family, that cannot be looked at."""

    model: str
    error: SelectorError


@dataclass(frozen=True, slots=True)
class Left:
    """Runs of a family that belong to no member, and what else is worth knowing about the family."""

    rule: Setup
    runs: tuple[Run, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Meant:
    """What a look goes through.

    Attributes:
        setups: one for each registered model, the members of a family with what was read for all of them at once.
        troubles: what cannot be looked at.
        left: what belongs to no member, by family.

    """

    setups: tuple[Setup, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    left: tuple[Left, ...] = ()


def meant(house: House, models: Sequence[str]) -> Meant:
    """Return the set-ups of these models, of all where none is named; a family stands for all its members.

    The number of MLflow calls does not grow with the number of models or members beyond pages.

    Raises:
        UsageError: a model that is neither configured nor a member of a family.
        MlflowUnreachableError: MLflow does not answer to what is asked for many models at once.

    """
    total = Meant()
    for name in models or house.setups:
        rule = house.setups.get(name)
        if rule is not None and rule.family is not None:
            found = _expanded(house, rule)
        else:
            found = Meant(setups=(_known_member(house, house.setup(name)),))
        total = Meant((*total.setups, *found.setups), (*total.troubles, *found.troubles), (*total.left, *found.left))
    return replace(total, setups=_together(house, total.setups))


def _together(house: House, setups: tuple[Setup, ...]) -> tuple[Setup, ...]:
    """Read what many models need at once; where that fails, each is left to itself, and so is its failure."""
    try:
        return read_together(house, setups)
    except MlflowUnreachableError:
        raise  # asking once more for each of them would only take that many times as long
    except SelectorError as error:
        log.warning("Many models cannot be read together, so each is read by itself: %s", error.message)
        return setups


def known(house: House, models: Sequence[str]) -> tuple[Setup, ...]:
    """Return the set-ups of these models, of all where none is named: members of today and of earlier decisions."""
    found: dict[str, Setup] = {}
    for name in models or house.setups:
        rule = house.setups.get(name)
        if rule is None or rule.family is None:
            found[name] = house.setup(name)
            continue
        family = rule.family
        values = members(family, house.registry.runs(rule.experiments, rule.filter)).runs
        decided = [name for name in house.store.last_decisions() if family.value_of(name) is not None]
        for member in sorted({*(family.fill(value) for value in values), *decided} - {*house.setups}):
            found.setdefault(member, house.setup(member))
    return tuple(found.values())


def _expanded(house: House, rule: Setup) -> Meant:
    try:
        runs = house.registry.runs(rule.experiments, rule.filter)
        return _of_runs(house, rule, runs)
    except SelectorError as error:
        return Meant(troubles=(Trouble(rule.model, error),))


def _of_runs(house: House, rule: Setup, runs: Sequence[Run]) -> Meant:
    family = rule.family
    assert family is not None  # noqa: S101 - the caller looked; this tells the type checker
    found = members(family, runs)
    setups = [s for value in found.runs if (s := house.member(rule, value)).model not in house.setups]
    registered = house.registry.registered_models([s.model for s in setups])
    everybody = {run.run_id: run for run in runs}
    made_from = {v.run_id for model in registered.values() for v in model.versions if v.run_id}
    elsewhere = sorted(made_from - everybody.keys())
    if elsewhere:
        everybody |= {run.run_id: run for run in house.registry.runs_by_id(elsewhere)}
    return Meant(
        tuple(replace(s, seen=Seen(found.runs[s.value or ""], registered.get(s.model), everybody)) for s in setups),
        tuple(_refused(family, value, why) for value, why in found.refused.items()),
        _left(house, rule, found, runs),
    )


def _refused(family: Family, value: str, why: str) -> Trouble:
    advice = f"give these runs another {family.split_by}, for example {'-'.join(value.replace(':', '/').split('/'))!r}"
    return Trouble(family.fill(value), SelectorError(why, advice=advice))


def _left(house: House, rule: Setup, found: Members, runs: Sequence[Run]) -> tuple[Left, ...]:
    seen = {run.experiment for run in runs}
    unseen = [p for p in rule.experiments if not any(p == e or fnmatch.fnmatchcase(e, p) for e in seen)]
    notes = missing_experiments(house, unseen) if unseen else ()
    return (Left(rule, found.left_out, notes),) if found.left_out or notes or not found.runs else ()


def missing_experiments(
    house: House, unseen: Sequence[str], existing: tuple[str, ...] | None = None
) -> tuple[str, ...]:
    """Say of experiments without a candidate whether they are empty or do not exist, with the nearest name."""
    existing = house.registry.experiments() if existing is None else existing
    notes = []
    for pattern in unseen:
        if any(fnmatch.fnmatchcase(name, pattern) for name in existing):
            notes.append(f"Experiment {pattern!r} holds no run that could be a candidate.")
            continue
        near = difflib.get_close_matches(pattern, existing, n=1, cutoff=0.6)
        notes.append(f"Experiment {pattern!r} does not exist" + (f"; did you mean {near[0]!r}?" if near else "."))
    return tuple(notes)


def _known_member(house: House, setup: Setup) -> Setup:
    """Refuse the name of a member that does not exist: it is a slip of the pen."""
    if setup.value is None or setup.family is None:
        return setup
    runs = house.registry.runs(setup.experiments, setup.filter)
    there = members(setup.family, runs).runs
    if setup.value not in there and house.registry.registered_model(setup.model) is None:
        near = difflib.get_close_matches(setup.value, there, n=1, cutoff=0.5)
        hint = f"did you mean {setup.family.fill(near[0])!r}?" if near else f"members: {', '.join(there) or 'none'}"
        text = f"the family {setup.family.template!r} has no member {setup.model!r}: no run holds that value"
        raise UsageError(text, advice=hint)
    return setup
