"""Which versions were champion before, and which of them may serve again?"""

from __future__ import annotations

from selector.domain.model import PUT_ASIDE, STATUS_TAG, RegisteredModel
from selector.workflows.heard import REIGN_ENDS
from selector.workflows.house import House, Setup


def earlier_champions(house: House, registered: RegisteredModel, setup: Setup, left: int | None) -> tuple[int, ...]:
    """Return versions that were champion before and may serve again, the newest first."""
    known = [registered.aliases.get(setup.policy.aliases.previous)]
    for entry in reversed(house.store.entries(setup.model, kinds=tuple(REIGN_ENDS))):
        known += [entry.version, entry.previous]
    good = {v.version for v in registered.versions if v.tags.get(STATUS_TAG) not in PUT_ASIDE and v.status == "READY"}
    return tuple(dict.fromkeys(v for v in known if v is not None and v in good and v != left))
