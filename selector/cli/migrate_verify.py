"""Is an import what it was to be: read back from MLflow, compared, and asked for predictions?"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from selector.cli.lazy import verb
from selector.cli.migrate import reading, reports_folder, upgrade_database
from selector.cli.options import Zone, as_json, house
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

    from migrations.model import StagedModel
    from migrations.verify import Verified, Wanted
    from selector.ports import Features, RunWriter
    from selector.workflows.house import House


@verb(
    "verify",
    example="mlflow-selector migrate verify 20251120T101500Z-3fa9c1\n"
    "mlflow-selector migrate verify models/staging --model churn --experiment churn_monitoring",
)
@click.argument("target", metavar="BATCH|PATH")
@click.option("--model", metavar="NAME", help="For PATH: the registered model.")
@click.option("--experiment", metavar="NAME", help="For PATH: the experiment.")
@reading
@click.option("--no-predictions", is_flag=True, default=False, help="Compare values and bytes, and load no model.")
@as_json
@upgrade_database
def verify(
    target: str,
    *,
    model: str | None,
    experiment: str | None,
    layout: str | None,
    timezone: tzinfo,
    no_predictions: bool,
    as_json: bool,
    upgrade_database: bool,
) -> int:
    """Compare what MLflow gives back with what was imported: times, params, metrics, tags, bytes, predictions.

    Predictions on the model's holdout, from the legacy files and from MLflow's, have to be equal; models are loaded in
    the confined worker only. Without a holdout, values and bytes are compared.
    """
    with house(writable=False, upgrade_database=upgrade_database, needed=False) as opened:
        from migrations.verify import verify as compare  # noqa: PLC0415 - costs more than the help

        if Path(target).exists():
            name, wanted = _of_path(opened, Path(target), model, experiment, layout, timezone)
        else:
            name, wanted = _of_batch(opened, target)
        features = None if no_predictions else _features(opened, name)
        done = compare(
            wanted,
            opened.registry.registered_model(name),
            opened.registry,
            scorer=opened.scorer if features is not None else None,
            features=features,
            progress=opened.progress,
        )
    document = _document(target, name, done, predicted=features is not None)
    show(document, _text(document), as_json=as_json)
    return 1 if document["different"] else 0


def _of_batch(opened: House, batch: str) -> tuple[str, list[Wanted]]:
    """Return what the report of a batch says was imported, with the legacy store as it is now."""
    from migrations.undo import BATCH_NAME  # noqa: PLC0415 - costs more than the help
    from migrations.verify import Wanted  # noqa: PLC0415 - the same

    if not BATCH_NAME.fullmatch(batch):
        raise UsageError(f"{batch!r} is neither a batch nor a path that is there.")
    place = reports_folder() / "imports" / batch / "report.json"
    try:
        report = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"There is no report of the batch {batch} at {place}.",
            advice="Name the folder instead: migrate verify PATH --model NAME --experiment NAME",
        ) from error
    asked = report["asked"]
    staged = _staged([Path(p) for p in asked["paths"]], asked["layout"], Zone().convert(asked["timezone"], None, None))
    made = [m for m in report["models"] if m["status"] == "imported" and m["planned"]]
    runs = {run.run_id: run for run in opened.registry.runs_by_id([m["run_id"] for m in made])}
    if len(asked["models"]) > 1:
        raise UsageError(
            f"The batch {batch} went into several models.", advice="Verify each folder: migrate verify PATH"
        )
    wanted = [
        Wanted(
            m["name"], m["planned"]["source"], m["run_id"], m["planned"], runs.get(m["run_id"]),
            staged.get(m["planned"]["source"]),
        )
        for m in made
    ]  # fmt: skip
    return asked["models"][0], wanted


def _of_path(  # noqa: PLR0917 - as the command line has them
    opened: House, path: Path, model: str | None, experiment: str | None, layout: str | None, timezone: tzinfo
) -> tuple[str, list[Wanted]]:
    """Return what lies in a folder now, with the runs that its entries became."""
    from migrations.report import planned_document  # noqa: PLC0415 - costs more than the help
    from migrations.verify import Wanted  # noqa: PLC0415 - the same
    from selector.domain.model import SOURCE_TAG  # noqa: PLC0415 - the same

    here = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    told = {s.folder: s for s in session().configuration(needed=False).staging}.get(here)
    name, place = model or (told and told.model), experiment or (told and told.experiment)
    if not name or not place:
        raise click.UsageError(f"Missing option {'--experiment' if name else '--model'!r}.")
    imported = cast("RunWriter", opened.registry).imported(place)
    wanted = []
    for source, staged in _staged([path], layout, timezone).items():
        runs = [r for r in imported.get(staged.fingerprint, ()) if r.tags.get(SOURCE_TAG) == source]
        run = next((r for r in runs if r.status == "FINISHED"), None)
        run_id = run.run_id if run else "that was to be made"
        wanted.append(Wanted(staged.name, source, run_id, planned_document(staged), run, staged))
    return name, wanted


def _staged(paths: Sequence[Path], layout: str | None, timezone: tzinfo) -> dict[str, StagedModel]:
    """Scan what is still there of the legacy store."""
    from migrations.scan import scan  # noqa: PLC0415 - costs more than the help

    there = [path for path in paths if path.exists()]
    if layout is not None and layout.endswith((".yaml", ".yml")) and not Path(layout).exists():
        return {}
    return {model.source: model for model in scan(there, layout=layout, timezone=timezone).models} if there else {}


def _features(opened: House, model: str) -> Features | None:
    """Return the rows of the model's holdout; None where it has none."""
    setup = opened.setups.get(model)
    if setup is None or setup.holdout is None:
        return None
    return opened.holdouts.read(setup.holdout)[1]


def _document(target: str, model: str, done: Sequence[Verified], *, predicted: bool) -> dict[str, Any]:
    from migrations.wording import printable  # noqa: PLC0415 - costs more than the help

    return {
        "schema_version": 1,
        "target": target,
        "model": model,
        "found": len(done),
        "equal": sum(one.status == "equal" for one in done),
        "different": sum(one.status == "different" for one in done),
        "predictions": "compared" if predicted else "not compared",
        "models": [
            {
                "name": printable(one.name),
                "source": printable(one.source),
                "run_id": one.run_id,
                "version": one.version,
                "status": one.status,
                "differences": [printable(text) for text in one.differences],
                "notes": [printable(text) for text in one.notes],
            }
            for one in done
        ],
    }


def _text(document: Mapping[str, Any]) -> str:
    """Return one line per entry, each difference below it, and the counts."""
    lines = []
    for one in document["models"]:
        version = f"version {one['version']}" if one["version"] else "no version"
        lines.append(f"{one['status']:9}  {one['name']}  {version}")
        lines += [f"           {text}" for text in (*one["differences"], *one["notes"])]
    if not lines:
        lines = ["nothing was imported"]
    counts = f"{document['found']} found, {document['equal']} equal, {document['different']} different"
    return "\n".join([*lines, "", f"{counts}; predictions {document['predictions']}"])
