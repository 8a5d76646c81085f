"""Does MLflow in memory answer like the real one, whatever is called in whatever order?"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.registry_memory import MemoryRegistry
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.errors import MlflowRefusedError
from selector.ports import NewRun

T0 = datetime(2022, 1, 1, tzinfo=UTC)
ALIASES = ("champion", "Champion", "previous", "latest", "v3", "with space", "", "a-b_c")
STAGES = ("Production", "production", "Staging", "Archived", "None", "Nowhere")
MODELS = ("churn", "fraud model", "a/b", "c:d", "", "missing")
FILTERS = (
    "",
    "metrics.f1 > 0.5",
    "metrics.f1 <= 0.5 AND params.depth = '3'",
    "tags.team = 'a'",
    "tags.team != 'a'",
    "tags.team IS NULL",
    "params.depth IS NOT NULL",
    "params.depth LIKE '1%'",
    "params.depth ILIKE '%2'",
    "attributes.status = 'FINISHED'",
    "attributes.status != 'FINISHED'",
    "attributes.run_name LIKE 'run%'",
    "attributes.start_time >= 1641254400000",
    "attributes.end_time < 1641340800000",
    "metrics.missing > 0",
    "metrics.f1 BETWEEN 1 AND 2",
    "metrics.f1 > 'text'",
    "nonsense",
    "attributes.nonsense = '1'",
)


class Both:
    """One registry with names for what it made up itself: runs and models are known by the order they were made in."""

    def __init__(self, registry):
        self.registry = registry
        self.runs: list[str] = []
        self.uris: list[str | None] = []

    def name_of(self, text):
        """Spell ids as the order of their making, so that two registries can be compared."""
        for number, (run_id, uri) in enumerate(zip(self.runs, self.uris, strict=True)):
            text = text.replace(uri, f"<model {number}>") if uri else text
            text = text.replace(run_id, f"<run {number}>")
        return text

    def told(self, call):
        """Return what came of it, in comparable words."""
        try:
            return self.shown(call())
        except MlflowRefusedError:
            return "refused"

    def shown(self, value):
        if hasattr(value, "versions"):
            versions = tuple(
                (v.version, self.name_of(v.source), self.name_of(v.run_id or ""), v.status, v.stage, dict(v.tags))
                for v in sorted(value.versions, key=lambda v: v.version)
            )
            return (value.name, versions, dict(value.aliases), dict(value.tags))
        if hasattr(value, "started_at"):
            models = tuple((self.name_of(m.uri), m.name, dict(m.metrics), m.ready) for m in value.models)
            times = (value.started_at, value.ended_at)
            tags = {k: v for k, v in value.tags.items() if not k.startswith("mlflow.")}
            facts = (dict(value.metrics), dict(value.params), tags)
            return (self.name_of(value.run_id), value.name, value.status, *times, *facts, models)
        if isinstance(value, dict):
            return {key: self.shown(one) for key, one in value.items()}
        if isinstance(value, tuple | list):
            return [self.shown(one) for one in value]
        return self.name_of(value) if isinstance(value, str) else value

    # What may be called.

    def write(self, new):
        try:
            written = self.registry.write(new)
        except MlflowRefusedError:
            return "refused"
        self.runs.append(written.run_id)
        self.uris.append(written.model_uri)
        return "written"

    def look(self, experiments):
        registry = self.registry
        watched = registry.experiments_like(experiments)
        ends = [self.name_of(r.run_id) for r in registry.finished_from(watched, 0, 100)] if watched else []
        models = registry.all_registered_models()
        outlines = registry.outlines()
        return {
            "runs": sorted(map(repr, self.shown(registry.runs(experiments)))),
            "by id": sorted(map(repr, self.shown(registry.runs_by_id(self.runs)))),
            "models": {name: self.shown(model) for name, model in models.items()},
            "aliases": {name: dict(outline.aliases) for name, outline in outlines.items()},
            "experiments": sorted(set(registry.experiments()) - {"Default"}),
            "watched": sorted(watched.values()),
            "finished": sorted(self.name_of(r.run_id) for r in registry.finished(watched)),
            "ends": ends,
            "from the second": [self.name_of(r.run_id) for r in registry.finished_from(watched, 1, 2)]
            if watched
            else [],
        }


def new_run(rng, folder, day):
    return NewRun(
        rng.choice(("exp", "more-1")),
        f"run {day}",
        T0 + timedelta(days=day),
        T0 + timedelta(days=rng.randrange(9), seconds=day) if rng.random() < 0.9 else None,
        {"f1": rng.choice((0.25, 0.5, 0.75, 1.0))} if rng.random() < 0.8 else {},
        {"depth": rng.choice(("3", "12"))} if rng.random() < 0.7 else {},
        {"team": rng.choice("ab"), "selector.fingerprint": uuid.UUID(int=rng.getrandbits(128)).hex},
        folder if rng.random() < 0.7 else None,
    )


@dataclass(frozen=True)
class Call:
    """One random call, to be made to both."""

    kind: str
    name: str
    number: int
    alias: str
    stage: str
    key: str
    value: str
    condition: str
    place: int
    decision: str

    def make(self, side):
        return getattr(self, self.kind)(side, side.registry)

    def create_model(self, _, registry):
        return registry.create_registered_model(self.name)

    def create_version(self, side, registry):
        source = side.uris[self.place] or f"runs:/{side.runs[self.place]}/model"
        return registry.create_version(self.name, source, side.runs[self.place], {"selector.decision": self.decision})

    def set_alias(self, _, registry):
        return registry.set_alias(self.name, self.alias, self.number)

    def delete_alias(self, _, registry):
        return registry.delete_alias(self.name, self.alias)

    def tag(self, _, registry):
        return registry.set_version_tag(self.name, self.number, self.key, self.value)

    def untag(self, _, registry):
        return registry.delete_version_tag(self.name, self.number, self.key)

    def delete_version(self, _, registry):
        return registry.delete_version(self.name, self.number)

    def tag_model(self, _, registry):
        return registry.set_model_tag(self.name, self.key, self.value)

    def move_stage(self, _, registry):
        return registry.set_stage(self.name, self.number, self.stage)

    def delete_run(self, side, registry):
        return registry.delete_run(side.runs[self.place])

    def histories(self, side, registry):
        found = registry.metric_values([side.runs[self.place], "0" * 32], "f1")
        return [[v for *_, v in values] for values in found.values()]

    def read_one(self, side, registry):
        run = registry.run(side.runs[self.place])
        return [run, registry.registered_model(self.name), registry.registered_models([self.name, "churn", "z"])]

    def choose(self, _, registry):
        return sorted(run.name for run in registry.runs(("exp", "more-*"), self.condition))


CALLS = ("create_version", "set_alias", "choose") * 2 + (
    *("create_model", "delete_alias", "tag", "untag", "delete_version", "tag_model", "move_stage"),
    *("delete_run", "histories", "read_one"),
)


def random_call(rng, runs):
    return Call(
        kind=rng.choice(CALLS),
        name=rng.choice(MODELS[:2] if rng.random() < 0.8 else MODELS),
        number=rng.randrange(1, 5),
        alias=rng.choice(ALIASES),
        stage=rng.choice(STAGES),
        key=rng.choice(("selector.status", "team")),
        value=rng.choice(("", "x", "it's", "ä")),
        condition=rng.choice(FILTERS),
        place=rng.randrange(runs),
        decision=f"d{rng.randrange(4)}",
    )


@pytest.mark.parametrize("seed", range(3))
def test_random_calls_have_the_same_answers_and_leave_the_same_state(mlflow_sqlite, tmp_path, seed):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    rng = random.Random(seed)
    memory, real = Both(MemoryRegistry()), Both(MlflowRegistry(mlflow_sqlite))
    done = []
    for step in range(100):
        if not memory.runs or rng.random() < 0.15:
            new = new_run(rng, folder, len(memory.runs))
            assert memory.write(new) == real.write(new)
        call = random_call(rng, len(memory.runs))
        done.append(call)
        assert memory.told(lambda: call.make(memory)) == real.told(lambda: call.make(real)), done[-4:]  # noqa: B023 - called here
        if step % 10 == 9:
            assert memory.look(("exp", "more-*")) == real.look(("exp", "more-*")), done[-10:]
