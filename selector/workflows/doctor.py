"""Is everything in place: one line for each thing that can be wrong, with the way out."""

from __future__ import annotations

import difflib
import fnmatch
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from selector.domain.model import Truth
from selector.errors import SelectorError
from selector.ports import Features, NewRun, RunWriter
from selector.workflows.check import Check
from selector.workflows.doctor_exports import exports
from selector.workflows.doctor_production import sources
from selector.workflows.families import known
from selector.workflows.fetched import why_silent
from selector.workflows.house import House, Setup

PROBE_EXPERIMENT = "mlflow-selector-doctor"


def checks(house: House, writer: RunWriter, staging: Sequence[Path], *, dry_run: bool) -> Iterator[Check]:
    """Yield one finding after the other; a check that fails stops only those that build on it.

    Args:
        house: the ports.
        writer: the part of MLflow that imports write to, for the write probe.
        staging: folders that are watched for staged models.
        dry_run: leave out the probe that writes.

    """
    reached = _tried("MLflow", house.registry.check)
    yield reached
    if reached.ok:
        yield _write_probe(house, writer, dry_run=dry_run)
    yield _tried("state", house.store.describe)
    yield _tried("ledger", lambda: f"{house.store.verify()} entries, the chain is whole")
    yield _tried("confinement", house.scorer.self_test)
    for folder in staging:
        yield _folder(folder)
    existing = house.registry.experiments() if reached.ok else ()
    for setup in house.setups.values():
        if setup.family is not None:
            yield from _family(house, setup, existing, reached=bool(reached.ok))
            continue
        yield from _model(house, setup, existing, reached=bool(reached.ok))


def _tried(name: str, question: Callable[[], str]) -> Check:
    try:
        return Check(name, ok=True, detail=question())
    except SelectorError as error:
        return Check(name, ok=False, detail=error.message, advice=error.advice)


def _write_probe(house: House, writer: RunWriter, *, dry_run: bool) -> Check:
    """Write a run with an artifact into an experiment of our own, and delete the run again."""
    name = "MLflow writable"
    if dry_run:
        return Check(name, ok=None, detail="not tried in a dry run")
    if not house.registry.experiments():
        return Check(name, ok=None, detail="MLflow is empty; it is filled by the first import or training run")
    now = house.clock.now()
    try:
        written = writer.write(NewRun(PROBE_EXPERIMENT, "probe", now, now, metrics={"probe": 1.0}))
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "probe.txt").write_text("mlflow-selector doctor was here\n")
            house.registry.log_report(written.run_id, Path(folder), "probe")
        writer.delete_run(written.run_id)
    except SelectorError as error:
        advice = error.advice or "give this user the right to create runs and to write to the artifact store"
        return Check(name, ok=False, detail=error.message, advice=advice)
    return Check(name, ok=True, detail="metadata and artifacts")


def _folder(folder: Path) -> Check:
    name = f"folder {folder}"
    if not folder.is_dir():
        return Check(name, ok=False, detail="is not there", advice=f"mkdir -p {folder}")
    if not os.access(folder, os.R_OK | os.X_OK):
        return Check(name, ok=False, detail="cannot be read", advice=f"let this user read {folder}")
    return Check(name, ok=True, detail="readable")


def _model(house: House, setup: Setup, existing: Sequence[str], *, reached: bool) -> Iterator[Check]:
    features: Features | None = None
    if setup.holdout is not None:
        try:
            truth, features = house.holdouts.read(setup.holdout)
            yield Check(f"{setup.model}: holdout", ok=True, detail=_described(truth, setup))
        except SelectorError as error:
            yield Check(f"{setup.model}: holdout", ok=False, detail=error.message, advice=error.advice)
    else:
        yield Check(f"{setup.model}: holdout", ok=None, detail="none: logged metrics only, promotions are unproven")
    yield from sources(house, setup, existing, reached=reached)
    if not reached:
        return
    for pattern in setup.experiments:
        yield _experiment(setup.model, pattern, existing)
    yield _champion(house, setup, features)
    yield from exports(house, setup)


def _family(house: House, rule: Setup, existing: Sequence[str], *, reached: bool) -> Iterator[Check]:
    """Check the experiments once, and holdout, production and champion of each member."""
    if not reached or rule.family is None:
        return
    for pattern in rule.experiments:
        yield _experiment(rule.model, pattern, existing)
    name = f"{rule.model}: members"
    try:
        setups = known(house, (rule.model,))
    except SelectorError as error:
        yield Check(name, ok=False, detail=error.message, advice=error.advice)
        return
    said = f"{len(setups)}: {', '.join(s.value or '' for s in setups)}" if setups else "none yet"
    yield Check(name, ok=True if setups else None, detail=f"{said}; made from {rule.family.split_by}")
    for setup in setups:
        yield from _model(house, replace(setup, experiments=()), existing, reached=reached)


def _described(truth: Truth, setup: Setup) -> str:
    target = setup.holdout.target if setup.holdout else ""
    classes = f", classes {', '.join(truth.classes[:6])}" if truth.classes else ""
    return f"{truth.rows} rows, target {target}{classes}, digest {truth.digest[:12]}"


def _experiment(model: str, pattern: str, existing: Sequence[str]) -> Check:
    name = f"{model}: experiment {pattern}"
    found = [e for e in existing if fnmatch.fnmatchcase(e, pattern)]
    if found:
        return Check(name, ok=True, detail="found" if found == [pattern] else f"matches {', '.join(found)}")
    near = difflib.get_close_matches(pattern, existing, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else "it is made by the first import or training run"
    return Check(name, ok=None, detail=f"does not exist; {hint}")


def _champion(house: House, setup: Setup, features: Features | None) -> Check:
    """Find out whether the champion can be fetched, and loaded in confinement."""
    name = f"{setup.model}: champion"
    alias = setup.policy.aliases.champion
    try:
        registered = house.registry.registered_model(setup.model)
        number = registered.aliases.get(alias) if registered else None
        if number is None:
            return Check(name, ok=None, detail=f"none yet: alias {alias} is not set")
        house.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=house.spool, prefix="doctor-") as spool:
            folder = house.registry.fetch(f"models:/{setup.model}/{number}", Path(spool))
            if features is None:
                return Check(name, ok=True, detail=f"version {number} can be fetched")
            why = why_silent(house, folder, features)
    except SelectorError as error:
        return Check(name, ok=False, detail=error.message, advice=error.advice)
    if why:
        advice = f"mlflow-selector rollback {setup.model}"
        return Check(name, ok=False, detail=f"version {number} cannot be scored: {why}", advice=advice)
    return Check(name, ok=True, detail=f"version {number} loads and answers {features.rows} rows")
