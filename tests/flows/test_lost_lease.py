"""Whoever lost the right to write in the middle of a plan writes nothing more, and the next one finishes it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selector.adapters.lock_memory import MemoryLease
from selector.errors import LeaseHeldError
from selector.workflows import select_champion


class Losing(MemoryLease):
    """A lease that is lost after so many questions, as a database connection is that died unnoticed."""

    def __init__(self, after):
        super().__init__("losing")
        self.left = after

    def still_held(self):
        self.left -= 1
        return self.left >= 0


@pytest.mark.parametrize("after", range(8))
def test_a_lease_lost_before_any_step_stops_the_plan_and_the_next_look_finishes_it_once(world, after):
    world.train("first", 300)
    world.look()
    world.train("better", 100, seed=0)
    losing = replace(world.house, lease=Losing(after))
    with pytest.raises(LeaseHeldError, match="was lost in the middle of promotion"):
        select_champion.select(losing, ["churn"], dry_run=False, actor="the paused one")
    written = len(world.registry.writes)
    assert world.store.unfinished()
    world.look()
    assert world.champion() == "run0001"
    assert not world.store.unfinished()
    promoted = [e for e in world.store.entries() if e.kind == "promoted"]
    assert len(promoted) == 2
    assert len(world.registry.writes) >= written
    assert len(world.model.versions) == 2
