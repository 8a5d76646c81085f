"""What was kept of a model's health in production?"""

from __future__ import annotations

from selector.domain.health import Health
from selector.workflows.house import House


def kept_health(house: House, model: str) -> Health:
    """Return the health as it was kept; a fresh one where there is none, or where it cannot be read."""
    document = house.store.health(model)
    if document is None:
        return Health()
    try:
        return Health.from_json(document)
    except (ValueError, TypeError, KeyError):
        return Health()
