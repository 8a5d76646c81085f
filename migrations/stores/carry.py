"""How is a store carried into MLflow, run by run, so that a kill at any moment is repaired by the next import?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from migrations.stores.versions import CarryVersions
from selector.domain.model import BATCH_TAG, SOURCE_TAG
from selector.errors import MlflowRefusedError
from selector.ports import Progress, Registry
from selector.ports_store import (
    CARRYING_TAG,
    SOURCE_EXPERIMENT_TAG,
    SOURCE_RUN_TAG,
    Measurement,
    StoredRun,
    StoreWriter,
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

    Attributes:
        run_ids: id in MLflow of each run that is there, by its id in the store.
        model_ids: the same of logged models.
        model_names: logged models by run and name, by their ids in the store.

    """

    source: SourceStore
    writer: StoreWriter
    registry: Registry
    batch: str
    deleted: bool = True
    globs: Sequence[str] = ()
    dry_run: bool = False
    progress: Progress | None = None
    run_ids: dict[str, str] = field(default_factory=dict)
    model_ids: dict[str, str] = field(default_factory=dict)
    model_names: dict[tuple[str, str], str] = field(default_factory=dict)
    _targets: dict[str, str] = field(default_factory=dict)
    _measured: list[tuple[str, str, Measurement]] = field(default_factory=list)

    def carry(self) -> StoreOutcome:
        """Carry everything and return what became of it. One broken run or file stops nothing.

        Raises:
            MlflowUnreachableError: MLflow went away; the next import goes on.

        """
        outcome = StoreOutcome(self.source.path, self.batch)
        plan = self._plan(outcome)
        versions = CarryVersions(self.source, self.writer, self.registry, self.batch, dry_run=self.dry_run)
        if self.dry_run:
            outcome.experiments = [(one, one.target) for one in plan.experiments]
            for run in plan.runs:
                outcome.runs[run.status] += 1
                self.run_ids[run.head.run_id] = run.run_id or ""
        else:
            self._experiments(plan.experiments, outcome)
            for index, run in enumerate(plan.runs):
                if self.progress:
                    self.progress(f"carrying {run.head.run_id}", index, len(plan.runs))
                self._run(run, outcome)
            self._orphans(plan.experiments, outcome)
            self._measure_elsewhere(outcome)
        versions.carry(self, outcome)
        if not self.dry_run:
            self._finish(plan.experiments, outcome)
        outcome.left_out += self.source.left_out
        return outcome

    def _plan(self, outcome: StoreOutcome) -> StorePlan:
        everything = self.source.experiments()
        experiments = chosen(everything, self.globs, deleted=self.deleted)
        heads: dict[str, list[RunHead]] = {}
        for experiment in experiments:
            found = self.source.heads(experiment.experiment_id)
            heads[experiment.experiment_id] = [head for head in found if self.deleted or not head.deleted]
            outcome.deleted_runs += len(found) - len(heads[experiment.experiment_id])
        for missing in [glob for glob in self.globs if not chosen(everything, [glob], deleted=True)]:
            outcome.left_out.append(LeftOut("experiment", missing, "there is no experiment of that name"))
        carried = self.writer.carried()
        self.model_ids.update(carried.models)
        return plan_store(self.source.path, experiments, heads, self.writer.experiments(), carried)

    def _experiments(self, plans: Sequence[ExperimentPlan], outcome: StoreOutcome) -> None:
        """Make what is missing and say in each that an import is at work."""
        for plan in plans:
            number = plan.source.experiment_id
            try:
                target = plan.target or self.writer.create_experiment(plan.name, self._tags(plan))
                if plan.target and not plan.finished:
                    self.writer.tag_experiment(plan.target, {CARRYING_TAG: "yes"})
            except MlflowRefusedError as error:
                outcome.left_out.append(LeftOut("experiment", plan.source.name, error.message))
                continue
            outcome.experiments.append((plan, target))
            if not plan.finished:
                self._targets[number] = target

    def _tags(self, plan: ExperimentPlan) -> Mapping[str, str]:
        ours = {SOURCE_TAG: self.source.path, SOURCE_EXPERIMENT_TAG: plan.source.experiment_id, CARRYING_TAG: "yes"}
        return {**plan.source.tags, **ours}

    def _run(self, plan: RunPlan, outcome: StoreOutcome) -> None:
        head = plan.head
        try:
            for leftover in plan.leftovers:
                self.writer.discard(leftover)
            if plan.run_id is not None:
                if plan.delete:
                    self.writer.delete_run(plan.run_id)
                self.run_ids[head.run_id] = plan.run_id
                outcome.runs["already"] += 1
                return
            target = self._targets.get(head.experiment_id)
            if target is None:
                self._failed(outcome, head, "its experiment is deleted in MLflow or could not be made")
                return
            self._write(head, target, outcome)
        except UnreadableStoreError as error:
            self._failed(outcome, head, str(error))
        except MlflowRefusedError as error:
            self._failed(outcome, head, error.message)

    def _write(self, head: RunHead, target: str, outcome: StoreOutcome) -> None:
        run = self.source.run(head)
        written = self.writer.write(self._mapped(run, outcome), target)
        self.run_ids[head.run_id] = written.run_id
        self.model_ids.update(written.models)
        for model in run.models:
            self.model_names[head.run_id, model.name] = model.model_id
            self._measured += [(other, model.model_id, measured) for other, measured in model.elsewhere]
        if head.deleted:
            self.writer.delete_run(written.run_id)
        outcome.runs["imported"] += 1
        outcome.left_out += [LeftOut("run", head.run_id, reason) for reason in written.left_out]

    def _failed(self, outcome: StoreOutcome, head: RunHead, reason: str) -> None:
        outcome.runs["failed"] += 1
        outcome.left_out.append(LeftOut("run", head.run_id, reason))

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
        return replace(run, tags=tags | ours)

    def _orphans(self, plans: Sequence[ExperimentPlan], outcome: StoreOutcome) -> None:
        """Note the logged models that came from no run: MLflow's own models always have one."""
        for plan in plans:
            for model in self.source.orphans(plan.source.experiment_id):
                reason = f"the logged model {model.name!r} came from no run"
                outcome.left_out.append(LeftOut("logged model", model.model_id, reason))

    def _measure_elsewhere(self, outcome: StoreOutcome) -> None:
        """Log what was measured of a model in other runs than its own, once all of them are there."""
        groups: dict[tuple[str, str], list[Measurement]] = {}
        for run, model, measured in self._measured:
            groups.setdefault((run, model), []).append(measured)
        for (run, model), measured_there in groups.items():
            if run not in self.run_ids or model not in self.model_ids:
                reason = f"{len(measured_there)} metrics were measured in run {run or '(none)'}, which was not carried"
                outcome.left_out.append(LeftOut("logged model", model, reason))
                continue
            try:
                self.writer.measure(self.run_ids[run], self.model_ids[model], measured_there)
            except MlflowRefusedError as error:
                outcome.left_out.append(LeftOut("logged model", model, error.message))

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
                outcome.left_out.append(LeftOut("experiment", plan.name, error.message))
