"""Two selectors with two states on one registry: they cannot lock each other out, so they say so."""

from __future__ import annotations

from selector.adapters.store_memory import MemoryStore


def test_a_selector_says_that_another_one_promoted_last_and_no_longer_once_it_did_itself(world):
    world.train("first", 300)
    mine = world.look()
    assert not any("another state" in note for note in mine.document["notes"])
    others = world.store
    world.store = MemoryStore()
    theirs = world.look()
    assert any("was last promoted by a selector with another state" in note for note in theirs.document["notes"])
    world.train("better", 100, seed=0)
    assert world.look().decision.verdict == "promoted"
    assert not any("another state" in note for note in world.look().document["notes"])
    world.store = others
    assert any("another state" in note for note in world.look().document["notes"])


def test_saying_so_is_no_new_decision(world):
    world.train("first", 300)
    world.look()
    world.store = MemoryStore()
    world.look()
    entries = world.store.entries()
    assert not world.look().news
    assert world.store.entries() == entries
