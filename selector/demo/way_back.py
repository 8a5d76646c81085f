"""What keeps a model that was rolled back from returning by itself, and how does a person let it?"""

from __future__ import annotations

from selector.demo.stage import MODEL, Stage, Step, Told, expect, ranked
from selector.workflows import by_hand


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
    why = "the feed is repaired"
    done = by_hand.mark(stage.house, MODEL, stage.new, "clear", dry_run=False, actor=stage.actor, reason=why)
    text = f'by hand, v{stage.new} may compete again: "{why}"'
    return Told(text, result={"clear": done.document})


def comes_back(stage: Stage) -> Told:
    """Look again: now it may win, and does; the service, which sees what is cleared, may be faster than we are."""
    look = stage.select()
    expect(stage.champion() == stage.new, f"version {stage.new} as champion", look.text)
    newest = [e for e in stage.house.store.entries(MODEL, kinds=("decision",)) if e.details["verdict"] == "promoted"][
        -1
    ]
    expect(newest.details["champion"]["version"] == stage.new, f"version {stage.new} to be promoted", look.text)
    stage.promotion = str(newest.decision)
    served, application = stage.served(stage.new)
    text = f"PROMOTED v{stage.new} again, through the same test as before"
    return Told(text, (served,), {"decision": dict(newest.details), "application": application})


STEPS = (
    Step("select", f"look at {MODEL} again", stays_back),
    Step("clear", "take the better model out of quarantine by hand", clear),
    Step("select", f"look at {MODEL} a last time", comes_back),
)
