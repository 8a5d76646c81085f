"""What does carrying a store say: the JSON document and the exit code?"""

from __future__ import annotations

from typing import Any, Final

from migrations.stores.model import ExperimentPlan, StoreOutcome, VersionOutcome
from migrations.wording import printable
from selector.errors import EXIT_FAILED

SCHEMA_VERSION: Final = 1


def store_document(outcome: StoreOutcome, *, dry_run: bool) -> dict[str, Any]:
    """Return the JSON document of `migrate store`; found, imported, skipped and failed count runs and versions."""
    versions = {status: sum(v.status == status for v in outcome.versions) for status in outcome.runs}
    both = {status: outcome.runs[status] + versions[status] for status in outcome.runs}
    return {
        "schema_version": SCHEMA_VERSION,
        "source": outcome.path,
        "batch": None if dry_run else outcome.batch,
        "dry_run": dry_run,
        "found": sum(both.values()),
        "imported": both["imported"],
        "skipped": both["already"],
        "failed": both["failed"],
        "experiments": [_experiment(plan, target) for plan, target in outcome.experiments],
        "runs": {**_counts(outcome.runs), "without_deleted": outcome.deleted_runs},
        "registered_models": {"found": outcome.registered, "versions": _counts(versions)},
        "models": [_version(version) for version in outcome.versions],
        "left_out": [
            {
                "what": one.what,
                "name": printable(one.name),
                "reason": printable(one.reason),
                "failed": one.failed,
            }
            for one in outcome.left_out
        ],
    }


def exit_code(outcome: StoreOutcome) -> int:
    """Return 0 where everything came that could come, else 1."""
    failed = outcome.runs["failed"] or any(version.status == "failed" for version in outcome.versions)
    return EXIT_FAILED if failed or any(one.failed for one in outcome.left_out) else 0


def _counts(counted: Any) -> dict[str, int]:
    return {
        "found": sum(counted.values()),
        "imported": counted["imported"],
        "skipped": counted["already"],
        "failed": counted["failed"],
    }


def _experiment(plan: ExperimentPlan, target: str | None) -> dict[str, Any]:
    return {
        "name": printable(plan.name),
        "source_name": printable(plan.source.name),
        "source_id": plan.source.experiment_id,
        "experiment_id": target,
        "deleted": plan.source.deleted,
        "action": plan.action,
        "note": printable(plan.note) or None,
    }


def _version(outcome: VersionOutcome) -> dict[str, Any]:
    return {
        "name": printable(outcome.name),
        "path": printable(outcome.source.source),
        "format": "mlflow",
        "model_type": None,
        "metrics": {},
        "created_at": None,
        "fingerprint": None,
        "status": outcome.status,
        "reason": printable(outcome.reason) or None,
        "run_id": outcome.run_id or None,
        "version": outcome.version,
        "source_version": outcome.source.version,
        "stage": outcome.source.stage,
        "aliases": list(outcome.aliases),
    }
