"""Do the places of export hold the champion, and may they be written to?"""

from __future__ import annotations

from collections.abc import Iterator

from selector.errors import SelectorError
from selector.workflows.check import Check
from selector.workflows.exports import FAILED, places
from selector.workflows.house import House, Setup


def exports(house: House, setup: Setup) -> Iterator[Check]:
    """Yield one finding for each place; whether one can be written to is known from the last export."""
    if not setup.exports:
        return
    try:
        found = places(house, setup, house.registry.registered_model(setup.model))
    except SelectorError as error:
        yield Check(f"{setup.model}: export", ok=False, detail=error.message, advice=error.advice)
        return
    failures = {e.details.get("where"): e.reason for e in house.store.entries(setup.model, kinds=(FAILED,), newest=100)}
    for place in found:
        name, holds = f"{setup.model}: export {place.where}", f"version {place.version}" if place.version else "nothing"
        if place.error is not None:
            yield Check(name, ok=False, detail=place.error.message, advice=place.error.advice)
        elif place.in_step:
            yield Check(name, ok=True, detail=f"holds {holds}, the champion")
        elif place.where in failures:
            yield Check(name, ok=False, detail=failures[place.where], advice=f"mlflow-selector select {setup.model}")
        else:
            yield Check(name, ok=None, detail=f"holds {holds}, which is not the champion; the next look exports it")
