"""How does a person go back, and what keeps the model they left from returning by itself?"""

from __future__ import annotations

from selector.demo.stage import MODEL, Stage, Step, Told, expect, ranked
from selector.domain.model import STATUS_TAG
from selector.workflows import by_hand

WHY = "complaints from the call centre"


def roll_back(stage: Stage) -> Told:
    """Bring the old champion back."""
    done = by_hand.rollback(stage.house, MODEL, to=None, dry_run=False, actor=stage.actor, reason=WHY)
    expect(stage.champion() == stage.old, f"version {stage.old} as champion again", stage.champion())
    registered = stage.house.registry.registered_model(MODEL)
    left = registered.version(stage.new) if registered else None
    status = left.tags.get(STATUS_TAG) if left else "gone"
    expect(status == "quarantined", f"version {stage.new} in quarantine", status)
    served, application = stage.served(stage.old)
    text = f'v{stage.old} is champion again, v{stage.new} in quarantine: "{WHY}"'
    return Told(text, (served,), {"rollback": done.document, "application": application})


def stays_back(stage: Stage) -> Told:
    """Look again: the quarantined one scores best and does not come back."""
    look = stage.select()
    expect(look.document["verdict"] != "promoted", "nobody to be promoted", look.text)
    expect(stage.champion() == stage.old, f"version {stage.old} to stay champion", stage.champion())
    line = ranked(look.document, stage.better)
    expect("quarantined" in line["codes"], f"version {stage.new} to be barred", line["reasons"])
    text = f"KEPT v{stage.old}: v{stage.new} scores best, but what was rolled back never returns by itself"
    return Told(text, result={"decision": look.document})


def clear(stage: Stage) -> Told:
    """Let a person take it out of quarantine."""
    why = "the complaints had another cause"
    done = by_hand.mark(stage.house, MODEL, stage.new, "clear", dry_run=False, actor=stage.actor, reason=why)
    text = f'by hand, v{stage.new} may compete again: "{why}"'
    return Told(text, result={"clear": done.document})


def comes_back(stage: Stage) -> Told:
    """Look again: now it may win, and does."""
    look = stage.select()
    expect(look.document["verdict"] == "promoted", f"version {stage.new} to be promoted", look.text)
    expect(stage.champion() == stage.new, f"version {stage.new} as champion", stage.champion())
    stage.promotion = look.document["decision"]
    served, application = stage.served(stage.new)
    text = f"PROMOTED v{stage.new} again, through the same test as before"
    return Told(text, (served,), {"decision": look.document, "application": application})


STEPS = (
    Step("rollback", "go back to the champion before", roll_back),
    Step("select", f"look at {MODEL} again", stays_back),
    Step("clear", "take the better model out of quarantine by hand", clear),
    Step("select", f"look at {MODEL} a last time", comes_back),
)
