"""What becomes of a model that is really better?"""

from __future__ import annotations

from selector.demo.customers import CALLS
from selector.demo.old_store import KNOWN_ROWS
from selector.demo.plain_mlflow import log
from selector.demo.stage import CHAMPION, EXPERIMENT, MODEL, Stage, Step, Told, expect, ranked
from selector.demo.training import ALL_NUMBERS, binary_f1, train
from selector.domain.model import STATUS_TAG

NAME = "lightgbm_with_support_calls"


def improve(stage: Stage) -> Told:
    """Train on more rows and on a column that the old models did not have; log it by plain MLflow."""
    model = train("lightgbm", stage.train, 42, ALL_NUMBERS)
    score = binary_f1(model, stage.holdout)
    stage.better = log(EXPERIMENT, NAME, model, {"f1": score}, {"rows": len(stage.train), "new_column": CALLS})
    text = f"trained on all {len(stage.train):,} customers, and on how often they called support; logged"
    return Told(text, result={"f1": score, "run_id": stage.better, "rows": len(stage.train), "rows_before": KNOWN_ROWS})


def promote(stage: Stage) -> Told:
    """Promote it, and archive the old champion last."""
    entry, document = stage.service.decision_on(MODEL, stage.better)
    expect(document["verdict"] == "promoted", f"{NAME} to be promoted", document["reason"])
    expect(document["champion"]["run_id"] == stage.better, f"{NAME} as champion", document["champion"]["name"])
    expect(document["proof"] == "proven", "a proven promotion", document["proof"])
    stage.new, stage.promotion = entry.version or 0, document["decision"]
    expect(stage.champion() == stage.new, f"alias {CHAMPION} on version {stage.new}", stage.champion())
    registered = stage.house.registry.registered_model(MODEL)
    left = registered.version(stage.old) if registered else None
    status = left.tags.get(STATUS_TAG) if left else "gone"
    expect(status == "archived", f"version {stage.old} to be archived", status)
    line, before = ranked(document, stage.better), document["previous"]["scores"]["f1"]
    served, application = stage.served(stage.new)
    text = f"PROMOTED v{stage.new} {NAME}: F1 {line['score']:.3f} against {before:.3f} on the same rows"
    lead = f"a lead of {line['lead']:.3f}, where {line['needed_lead']:.3f} would have been proof enough"
    details = (f"{lead}; v{stage.old} is archived", served)
    return Told(text, details, {"decision": document, "application": application})


STEPS = (
    Step("new data", "train a model that is really better, and log it", improve),
    Step("the service", "sees the run, and promotes it", promote),
)
