"""How does it begin: made-up customers, an old store without MLflow, its import, the first champion?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from migrations import summary
from migrations.importer import LegacyImporter, new_batch
from migrations.scan import scan
from selector.demo.customers import TARGET
from selector.demo.folder import CONFIGURATION, STAGING
from selector.demo.old_store import BROKEN, COPY, IMPORTABLE, KNOWN_ROWS, LEAKED, PLAIN, WITHOUT_SCORE, build_store
from selector.demo.stage import CHAMPION, EXPERIMENT, MODEL, Stage, Step, Told, expect, named, reason
from selector.ports import RunWriter


def customers(stage: Stage) -> Told:
    """Tell about the rows that were made."""
    share = float(stage.holdout[TARGET].eq("Yes").mean())
    text = (
        f"{len(stage.train):,} to train on and {len(stage.holdout):,} to judge every model by;"
        f" {100 * share:.0f} % of them leave"
    )
    result = {"train_rows": len(stage.train), "holdout_rows": len(stage.holdout), "leaving": share}
    return Told(text, result=result)


def old_store(stage: Stage) -> Told:
    """Train what a team has before it has MLflow."""
    count = build_store(stage.folder / STAGING, stage.train, stage.holdout)
    text = f"{count} folders in {STAGING}, trained on the {KNOWN_ROWS:,} customers known then"
    return Told(text, result={"folder": str(stage.folder / STAGING), "models": count, "trained_on": KNOWN_ROWS})


def configure(stage: Stage) -> Told:
    """Tell about the file that was written before the house was opened."""
    text = f"{CONFIGURATION}: which MLflow, which model, which metric, which rows to judge by"
    return Told(text, result={"file": str(stage.folder / CONFIGURATION)})


def scan_store(stage: Stage) -> Told:
    """Look at the old store without loading any model."""
    found = scan([stage.folder / STAGING])
    document = summary.scan_document(found)
    why = {model["name"]: model["reason"] for model in document["models"] if model["status"] == "failed"}
    expect(set(why) == set(BROKEN), f"{' and '.join(BROKEN)} to be refused", ", ".join(why) or "nothing refused")
    ready = [model["name"] for model in document["models"] if model["status"] == "new"]
    expect(set(ready) == set(IMPORTABLE), f"{len(IMPORTABLE)} models that can be imported", ", ".join(ready))
    text = f"{len(ready)} of {document['found']} can be imported; none was loaded to find out"
    return Told(text, _reasons(why), {"found": document["found"], "new": len(ready), "refused": why})


def _reasons(why: dict[str, str]) -> Sequence[str]:
    return [f"refused {name}: {reason.rstrip('.')}" for name, reason in why.items()]


def apply_import(stage: Stage) -> Told:
    """Import the old store into the demo's own MLflow."""
    house = stage.house
    importer = LegacyImporter(cast("RunWriter", house.registry), house.registry, house.clock)
    batch = new_batch(house.clock.now())
    with house.lease.hold():
        outcomes = importer.import_paths([stage.folder / STAGING], MODEL, EXPERIMENT, batch=batch)
    document = summary.apply_document(outcomes, batch)
    expect(document["imported"] == len(IMPORTABLE), f"{len(IMPORTABLE)} models to be imported", document["imported"])
    text = f"{document['imported']} runs and as many versions of {MODEL} in MLflow, each with its old date"
    return Told(text, result={"batch": batch, "imported": document["imported"], "failed": document["failed"]})


def first_champion(stage: Stage) -> Told:
    """Choose the first champion, and leave out what must not win."""
    look = stage.select()
    document = look.document
    expect(document["verdict"] == "promoted", "a first champion", look.text)
    champion = document["champion"]
    expect(champion["name"] in PLAIN, "an honest model as champion", champion["name"])
    stage.old = champion["version"]
    expect(stage.champion() == stage.old, f"alias {CHAMPION} on version {stage.old}", stage.champion())
    leaked, copy, scoreless = (named(document, name) for name in (LEAKED, COPY, WITHOUT_SCORE))
    expect("too-good" in leaked["codes"], f"{LEAKED} to be held", leaked["reasons"])
    # Which of two equal models is called the copy depends on their age alone.
    expect("copy" in copy["codes"], f"{COPY} to be seen as a copy", copy["reasons"])
    expect(not scoreless["eligible"], f"{WITHOUT_SCORE} to be left out", scoreless["reasons"])
    line = named(document, champion["name"])
    served, application = stage.served(stage.old)
    text = (
        f"PROMOTED v{stage.old} {champion['name']}: F1 {line['score']:.3f}, 95 % range {line['low']:.3f} to"
        f" {line['high']:.3f}"
    )
    details = (
        f"held {LEAKED}: F1 {leaked['score']:.3f} is too good to be true; it had seen these rows",
        f"left out {COPY}: {reason(copy)}",
        f"left out {WITHOUT_SCORE}: {reason(scoreless)}",
        served,
    )
    return Told(text, details, {"decision": document, "application": application})


STEPS = (
    Step("customers", "make up 7,000 telecom customers", customers),
    Step("an old store", "train models as a team without MLflow keeps them, with the usual accidents", old_store),
    Step("configure", f"write {CONFIGURATION}", configure),
    Step("migrate scan", "look at the old store without loading any model", scan_store),
    Step("migrate apply", "import what can be imported into an MLflow made for this demo", apply_import),
    Step("select", "choose the first champion", first_champion),
)
