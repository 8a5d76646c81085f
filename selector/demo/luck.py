"""What becomes of a challenger that was merely lucky, and of a copy of the champion?"""

from __future__ import annotations

from typing import Any

from selector.demo.old_store import KNOWN_ROWS, kind_of
from selector.demo.plain_mlflow import log
from selector.demo.stage import EXPERIMENT, MODEL, Stage, Step, Told, UnexpectedError, expect, ranked, reason
from selector.demo.training import ESTIMATORS, binary_f1, train

WORTH_SHOWING = 0.006
"""A lead that anybody would promote by looking at the score; more than `minimum_gain`."""
MOST_TRIES = 200


def retrain_until_lucky(stage: Stage) -> Told:
    """Retrain the champion with nothing changed but the random seed until one scores higher; log it, and a copy."""
    kind, same = _champion(stage)
    before = binary_f1(same, stage.holdout)
    for tries in range(1, MOST_TRIES + 1):
        model = train(kind, stage.train.iloc[:KNOWN_ROWS], 42 + tries)
        score = binary_f1(model, stage.holdout)
        if score - before >= WORTH_SHOWING:
            break
    else:
        raise UnexpectedError(f"none of {MOST_TRIES} retrainings of {kind} scored {WORTH_SHOWING} higher by luck")
    stage.lucky = log(EXPERIMENT, f"{kind}_retrained", model, {"f1": score}, {"random_state": 42 + tries})
    stage.copy = log(EXPERIMENT, f"{kind}_once_more", same, {"f1": before}, {"random_state": 42})
    text = (
        f"the champion with other random seeds; the {_nth(tries)} looks better: F1 {score:.3f}, {score - before:+.3f}"
    )
    result = {"tries": tries, "f1": score, "lead": score - before, "run_id": stage.lucky, "copy_run_id": stage.copy}
    return Told(text, ("both it and an unchanged copy of the champion are logged, by plain MLflow code",), result)


def _champion(stage: Stage) -> tuple[str, Any]:
    """Return the champion's kind, and the champion trained once more: the same rows and seed give the same model."""
    run_id = stage.run_of(stage.old) or ""
    run = stage.house.registry.run(run_id)
    kind = kind_of(run.name) if run else ""
    expect(kind in ESTIMATORS, "a champion from the old store", run_id)
    return kind, train(kind, stage.train.iloc[:KNOWN_ROWS], 42)


def keep(stage: Stage) -> Told:
    """Keep the champion: such a lead is no more than luck explains, and a copy is no challenger."""
    _, document = stage.service.decision_on(MODEL, stage.copy)
    expect(document["verdict"] in ("kept", "inconclusive"), "the champion to be kept", document["reason"])
    expect(stage.champion() == stage.old, f"version {stage.old} to stay champion", stage.champion())
    lucky, copy = ranked(document, stage.lucky), ranked(document, stage.copy)
    expect(lucky["eligible"] and lucky["lead"] > 0, "the lucky one to compete and lead", lucky["reasons"])
    expect("copy" in copy["codes"], "the copy to be seen as one", copy["reasons"])
    served, application = stage.served(stage.old)
    text = (
        f"KEPT v{stage.old}: with {document['challengers']['judged']} challengers, luck alone explains leads of up to"
        f" {lucky['needed_lead']:.3f}"
    )
    details = (f"left out {copy['name']}: {reason(copy)}", served)
    return Told(text, details, {"decision": document, "application": application})


def _nth(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")  # noqa: PLR2004
    return f"{number}{ending}"


def start(stage: Stage) -> Told:
    """Start the service; from now on nobody has to ask."""
    stage.service.start()
    return Told("`mlflow-selector run` watches from now on; systemd would start it like this")


STEPS = (
    Step("run", "start the service", start),
    Step("retrain", "retrain the champion until one looks better by luck; log it, and a copy", retrain_until_lucky),
    Step("the service", "sees both runs, and decides", keep),
)
