"""What was kept of a model's health in production?"""

from __future__ import annotations

import hashlib

from selector.domain.health import Cursor, Health
from selector.ports_production import SourceSpec
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


def mark_of(source: SourceSpec) -> str:
    """Return what a source is called in the kept health."""
    return hashlib.sha256(source.name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def read_so_far(health: Health, source: SourceSpec) -> tuple[set[str], Cursor]:
    """Return the ids of the batches that are known from a source, and how far it was read."""
    mark = mark_of(source)
    cursor = next((c for c in health.cursors if c.source == mark), Cursor(mark))
    return {one.partition(":")[2] for one in health.seen if one.startswith(f"{mark}:")}, cursor
