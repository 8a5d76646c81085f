"""How is a store carried into MLflow, run by run, so that a kill at any moment is repaired by the next import?

The order matters. Runs come first and get their end status last; what links them with models of other runs comes when
all of them are there, and only then is deleted what was deleted in the store, for MLflow takes nothing more into it.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from migrations.stores.meta import moment
from migrations.stores.model import (
    ExperimentPlan,
    LeftOut,
    RunHead,
    RunPlan,
    SourceStore,
    StoreOutcome,
    StorePlan,
    UnreadableStoreError,
)
from migrations.stores.plan import chosen, plan_store
from migrations.stores.versions import OBJECT_STORES, CarryVersions
from selector.domain.model import BATCH_TAG, SOURCE_TAG
from selector.errors import MlflowRefusedError
from selector.ports import Progress, Registry
from selector.ports_store import (
    CARRYING_TAG,
    SOURCE_ARTIFACTS_TAG,
    SOURCE_CREATED_TAG,
    SOURCE_EXPERIMENT_TAG,
    SOURCE_RUN_TAG,
    Carried,
    StoredModel,
    StoredRun,
    StoreWriter,
    WrittenStoredRun,
)

PARENT_TAG = "mlflow.parentRunId"
SOURCE_PARENT_TAG = "selector.source_parent"


@dataclass(slots=True)
class Carrier:
    """Carries one store.

    Args:
        source: the store that is read.
        writer: where experiments and runs go.
        registry: where versions, stages and aliases go.
        batch: id of this import.
        deleted: carry deleted experiments and runs too; they stay deleted.
        globs: experiments to carry, all where there are none.
        dry_run: say what would be done and write nothing.
        jobs: runs that are written at the same time, at least 1; a server gains by it, SQLite does not.

    Attributes:
        run_ids: id in MLflow of each run that is there, by its id in the store.
        model_ids: the same of logged models.

    """

    source: SourceStore
    writer: StoreWriter
    registry: Registry
    batch: str
    deleted: bool = True
    globs: Sequence[str] = ()
    dry_run: bool = False
    progress: Progress | None = None
    jobs: int = 1
    run_ids: dict[str, str] = field(default_factory=dict)
    model_ids: dict[str, str] = field(default_factory=dict)
    _targets: dict[str, str] = field(default_factory=dict)
    _to_delete: list[str] = field(default_factory=list)
    _elsewhere: collections.Counter[str] = field(default_factory=collections.Counter)

    def carry(self) -> StoreOutcome:
        """Carry everything and return what became of it. One broken run or file stops nothing.

        Raises:
            MlflowUnreachableError: MLflow went away; the next import goes on.

        """
        outcome = StoreOutcome(self.source.path, self.batch)
        carried = self.writer.carried()
        plan = self._plan(carried, outcome)
        versions = CarryVersions(self.source, self.writer, self.registry, self.batch, dry_run=self.dry_run)
        if self.dry_run:
            self._count(plan, outcome)
        else:
            self._experiments(plan.experiments, outcome)
            self._runs(plan.runs, outcome)
            self._orphans(plan.experiments, outcome)
            if outcome.runs["imported"] or any(one.interrupted for one in plan.experiments):
                self._uses(outcome)
            self._delete(outcome)
        versions.carry(self, outcome)
        if not self.dry_run:
            self._finish(plan.experiments, outcome)
        for place, count in sorted(self._elsewhere.items()):
            reason = f"the files of {count} runs are there and were not read; --artifacts DIR names a copy of them"
            outcome.left_out.append(LeftOut("artifacts", place, reason))
        outcome.left_out += self.source.left_out
        return outcome

    def _plan(self, carried: Carried, outcome: StoreOutcome) -> StorePlan:
        everything = self.source.experiments()
        experiments = chosen(everything, self.globs, deleted=self.deleted)
        heads: dict[str, list[RunHead]] = {}
        for experiment in experiments:
            found = self.source.heads(experiment.experiment_id)
            heads[experiment.experiment_id] = [head for head in found if self.deleted or not head.deleted]
            outcome.deleted_runs += len(found) - len(heads[experiment.experiment_id])
        for missing in [glob for glob in self.globs if not chosen(everything, [glob], deleted=True)]:
            reason = "there is no experiment of that name"
            outcome.left_out.append(LeftOut("experiment", missing, reason, failed=True))
        # Runs of other stores count too: people keep runs in a database and its registry in a folder.
        for source_id, copies in carried.runs.items():
            whole = sorted((run for run in copies if run.whole), key=lambda run: run.deleted)
            if whole:
                self.run_ids[source_id] = whole[0].run_id
        self.model_ids.update(carried.models)
        return plan_store(self.source.path, experiments, heads, self.writer.experiments(), carried)

    def _count(self, plan: StorePlan, outcome: StoreOutcome) -> None:
        """Say what a real import would do."""
        outcome.experiments = [(one, one.target) for one in plan.experiments]
        for run in plan.runs:
            outcome.runs[run.status] += 1
            self.run_ids[run.head.run_id] = run.run_id or ""

    def _experiments(self, plans: Sequence[ExperimentPlan], outcome: StoreOutcome) -> None:
        """Make what is missing and say in each that an import is at work."""
        for plan in plans:
            number = plan.source.experiment_id
            try:
                target = plan.target or self.writer.create_experiment(plan.name, self._tags(plan))
                if plan.target and not plan.finished:
                    self.writer.tag_experiment(plan.target, {CARRYING_TAG: "yes"})
            except MlflowRefusedError as error:
                outcome.left_out.append(LeftOut("experiment", plan.source.name, error.message, failed=True))
                continue
            outcome.experiments.append((plan, target))
            if not plan.finished:
                self._targets[number] = target

    def _tags(self, plan: ExperimentPlan) -> Mapping[str, str]:
        ours = {SOURCE_TAG: self.source.path, SOURCE_EXPERIMENT_TAG: plan.source.experiment_id, CARRYING_TAG: "yes"}
        made = {SOURCE_CREATED_TAG: moment(plan.source.created)} if plan.source.created else {}
        return {**plan.source.tags, **made, **ours}

    def _runs(self, plans: Sequence[RunPlan], outcome: StoreOutcome) -> None:
        """Carry the runs in their order, several at a time where that is asked for; a child waits for its parent."""
        if self.jobs <= 1:
            for index, plan in enumerate(plans):
                self._tell(plan, index, len(plans))
                for run, target in self._prepared(plan, outcome):
                    self._settle(plan, self._written(run, target), outcome)
            return
        flying: dict[Future[WrittenStoredRun | MlflowRefusedError], RunPlan] = {}
        with ThreadPoolExecutor(self.jobs, "carry") as pool:
            for index, plan in enumerate(plans):
                self._tell(plan, index, len(plans))
                while len(flying) >= self.jobs or any(p.head.run_id == plan.head.parent for p in flying.values()):
                    self._land(flying, outcome)
                for run, target in self._prepared(plan, outcome):
                    flying[pool.submit(self._written, run, target)] = plan
            while flying:
                self._land(flying, outcome)

    def _land(
        self, flying: dict[Future[WrittenStoredRun | MlflowRefusedError], RunPlan], outcome: StoreOutcome
    ) -> None:
        for future in wait(flying, return_when=FIRST_COMPLETED).done:
            self._settle(flying.pop(future), future.result(), outcome)

    def _tell(self, plan: RunPlan, index: int, count: int) -> None:
        if self.progress:
            self.progress(f"carrying {plan.head.run_id}", index, count)

    def _prepared(self, plan: RunPlan, outcome: StoreOutcome) -> Iterator[tuple[StoredRun, str]]:
        """Yield the run that is to be written and its experiment in MLflow; nothing where there is none."""
        head = plan.head
        try:
            for leftover in plan.leftovers:
                self.writer.discard(leftover)
            if plan.run_id is not None:
                if plan.delete:
                    self._to_delete.append(plan.run_id)
                self.run_ids[head.run_id] = plan.run_id
                outcome.runs["already"] += 1
                return
            target = self._targets.get(head.experiment_id)
            if target is None:
                self._failed(outcome, head, "its experiment is deleted in MLflow or could not be made")
                return
            yield self._mapped(self.source.run(head), outcome), target
        except UnreadableStoreError as error:
            self._failed(outcome, head, str(error))
        except MlflowRefusedError as error:
            self._failed(outcome, head, error.message)

    def _written(self, run: StoredRun, target: str) -> WrittenStoredRun | MlflowRefusedError:
        try:
            return self.writer.write(run, target)
        except MlflowRefusedError as error:
            return error

    def _settle(self, plan: RunPlan, written: WrittenStoredRun | MlflowRefusedError, outcome: StoreOutcome) -> None:
        head = plan.head
        if isinstance(written, MlflowRefusedError):
            self._failed(outcome, head, written.message)
            return
        self.run_ids[head.run_id] = written.run_id
        self.model_ids.update(written.models)
        if head.deleted:
            self._to_delete.append(written.run_id)
        outcome.runs["imported"] += 1
        outcome.left_out += [LeftOut("run", head.run_id, reason) for reason in written.left_out]
        outcome.left_out += [LeftOut("run", head.run_id, reason, failed=True) for reason in written.lost]

    def _failed(self, outcome: StoreOutcome, head: RunHead, reason: str) -> None:
        outcome.runs["failed"] += 1
        outcome.left_out.append(LeftOut("run", head.run_id, reason, failed=True))

    def _mapped(self, run: StoredRun, outcome: StoreOutcome) -> StoredRun:
        """Return the run with our tags, and with its parent under its new id."""
        tags = dict(run.tags)
        parent = tags.pop(PARENT_TAG, "").strip()
        if parent in self.run_ids:
            tags[PARENT_TAG] = self.run_ids[parent]
        elif parent:
            tags[SOURCE_PARENT_TAG] = parent
            outcome.left_out.append(LeftOut("parent", run.run_id, f"its parent run {parent} was not carried"))
        ours = {SOURCE_RUN_TAG: run.run_id, SOURCE_TAG: self.source.path, BATCH_TAG: self.batch}
        if run.files is None and run.address:
            ours[SOURCE_ARTIFACTS_TAG] = run.address
            if run.address.partition(":")[0] in OBJECT_STORES:
                self._elsewhere[run.address.partition(run.run_id)[0]] += 1
        return replace(run, tags=tags | ours)

    def _orphans(self, plans: Sequence[ExperimentPlan], outcome: StoreOutcome) -> None:
        """Carry the logged models that came from no run."""
        for plan in plans:
            target = self._targets.get(plan.source.experiment_id)
            if target is None:
                continue
            for model in self.source.orphans(plan.source.experiment_id):
                if model.model_id in self.model_ids:
                    continue
                try:
                    written = self.writer.write_model(self._marked(model), target)
                except MlflowRefusedError as error:
                    outcome.left_out.append(LeftOut("logged model", model.model_id, error.message, failed=True))
                    continue
                self.model_ids.update(written.models)
                outcome.left_out += [LeftOut("logged model", model.model_id, reason) for reason in written.left_out]
                outcome.left_out += [
                    LeftOut("logged model", model.model_id, reason, failed=True) for reason in written.lost
                ]

    def _marked(self, model: StoredModel) -> StoredModel:
        """Return a model without a run, with the tags by which it can be told and taken back."""
        return replace(model, tags=dict(model.tags) | {SOURCE_TAG: self.source.path, BATCH_TAG: self.batch})

    def _uses(self, outcome: StoreOutcome) -> None:
        """Link runs with the models of other runs, once all of them are there; again it changes nothing."""
        for use in self.source.uses():
            run_id, model_id = self.run_ids.get(use.run_id), self.model_ids.get(use.model_id)
            if not run_id or not model_id:
                missing = f"run {use.run_id or '(none)'}" if not run_id else f"logged model {use.model_id}"
                what = f"{len(use.metrics)} metrics of it" if use.metrics else "a link"
                reason = f"{what} in run {use.run_id or '(none)'}: the {missing} was not carried"
                outcome.left_out.append(LeftOut("logged model", use.model_id, reason))
                continue
            try:
                self.writer.use(replace(use, run_id=run_id, model_id=model_id))
            except MlflowRefusedError as error:
                outcome.left_out.append(LeftOut("logged model", use.model_id, error.message, failed=True))

    def _delete(self, outcome: StoreOutcome) -> None:
        """Delete the runs that are deleted in the store."""
        for run_id in self._to_delete:
            try:
                self.writer.delete_run(run_id)
            except MlflowRefusedError as error:
                outcome.left_out.append(LeftOut("run", run_id, f"it is not deleted: {error.message}", failed=True))

    def _finish(self, plans: Sequence[ExperimentPlan], outcome: StoreOutcome) -> None:
        """Delete what was deleted in the store, and say in the others that the import has ended."""
        for plan in plans:
            target = self._targets.get(plan.source.experiment_id)
            if target is None:
                continue
            try:
                if plan.source.deleted:
                    # A tag before it would be lost work for a kill in between, and after it MLflow takes none.
                    self.writer.delete_experiment(target)
                else:
                    self.writer.tag_experiment(target, {CARRYING_TAG: "no"})
            except MlflowRefusedError as error:
                outcome.left_out.append(LeftOut("experiment", plan.name, error.message, failed=True))
