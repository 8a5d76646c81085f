"""Which archived versions go, and that nothing goes that an alias, a mark, a rollback or a person needs."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.model import ModelVersion, RegisteredModel
from selector.domain.promotion import CreateVersion, MoveAlias, Plan, SetStage, TagVersion, UntagVersion
from selector.domain.retention import Keep, Past, after, expire, imprint

NOW = datetime(2025, 8, 20, tzinfo=UTC)


def version(number, status="archived", *, stage="None", source=None, **tags):
    marks = {"selector.status": status} if status else {}
    return ModelVersion(number, source or f"models:/m-{number}", f"run{number}", stage=stage, tags={**marks, **tags})


def model(*versions, **aliases):
    return RegisteredModel("churn", versions, aliases or {"champion": max(v.version for v in versions)})


def past(**facts):
    """Versions 1 to 9 were archived one after the other, a day apart, the newest yesterday."""
    days = {number: NOW - timedelta(days=10 - number) for number in range(1, 10)}
    return Past(**({"archived_at": days} | facts))


def deleted(registered, keep, known=None):
    return [f.version.version for f in expire(registered, "champion", keep, known or past(), NOW).deleted]


def why_kept(registered, keep, number, known=None):
    kept = expire(registered, "champion", keep, known or past(), NOW).kept
    return next(f.reason for f in kept if f.version.version == number)


TEN = model(*(version(n) for n in range(1, 10)), version(10, "champion"))


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        (Keep(versions=1), [8, 7, 6, 5, 4, 3, 2, 1]),
        (Keep(versions=6), [3, 2, 1]),
        (Keep(versions=9), []),
        (Keep(versions=99), []),
        (Keep(days=7), [2, 1]),
        (Keep(days=7.5), [2, 1]),
        (Keep(days=400), []),
        (Keep(versions=3, days=7), [2, 1]),
        (Keep(versions=8, days=2), [1]),
    ],
)
def test_a_version_goes_when_it_is_beyond_all_that_is_to_be_kept(keep, gone):
    assert deleted(TEN, keep) == gone


def test_a_version_of_exactly_the_age_stays():
    assert 3 not in deleted(TEN, Keep(days=7))
    assert why_kept(TEN, Keep(days=7), 3).startswith("was archived on 2025-08-13, 7 days ago")


def test_every_version_is_told_of_once_with_a_reason():
    found = expire(TEN, "champion", Keep(versions=6), past(), NOW)
    told = [f.version.version for f in (*found.deleted, *found.kept)]
    assert sorted(told) == list(range(1, 11))
    assert all(f.reason for f in (*found.deleted, *found.kept))
    assert found.deleted[-1].reason == "was archived on 2025-08-11, 9 days ago; the newest 6 are kept"


def test_the_newest_is_the_one_archived_last_whatever_its_number():
    known = past(archived_at={1: NOW, 2: NOW - timedelta(days=3), 3: NOW - timedelta(days=2)})
    registered = model(version(1), version(2), version(3), version(4, "champion"))
    assert deleted(registered, Keep(versions=1), known) == [3, 2]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"stage": "Production"}, "has the stage Production"),
        ({"stage": "Staging"}, "has the stage Staging"),
        ({"selector.keep": "audit 2025"}, "has the tag selector.keep"),
        ({"selector.reject": "x"}, "is marked, which bars copies of it from coming back"),
        ({"status": "quarantined"}, "is not archived"),
        ({"status": "rejected"}, "is not archived"),
        ({"status": "challenger"}, "is not archived"),
        ({"status": "champion"}, "is not archived"),
        ({"status": None}, "is not archived"),
        ({"status": None, "team": "fraud"}, "is not archived"),
    ],
)
def test_what_somebody_needs_stays(what, said):
    tags = {k: v for k, v in what.items() if k not in {"stage", "status"}}
    own = version(1, what.get("status", "archived"), stage=what.get("stage", "None"), **tags)
    registered = model(own, *(version(n) for n in range(2, 10)), version(10, "champion"))
    assert deleted(registered, Keep(versions=1)) == [8, 7, 6, 5, 4, 3, 2]
    assert why_kept(registered, Keep(versions=1), 1) == said


@pytest.mark.parametrize("stage", ["None", "Archived", ""])
def test_a_stage_that_nobody_loads_by_keeps_nothing(stage):
    assert deleted(model(version(1, stage=stage), version(2), version(10, "champion")), Keep(versions=1)) == [1]


@pytest.mark.parametrize("alias", ["previous", "challenger", "Previous", "somebodys-own", "champion-eu"])
def test_a_version_that_any_alias_points_at_stays(alias):
    registered = model(version(1), version(2), version(10, "champion"), champion=10, **{alias: 1})
    assert deleted(registered, Keep(versions=1)) == []
    assert why_kept(registered, Keep(versions=1), 1) == f"has the alias {alias}"


def test_what_a_rollback_would_bring_back_and_the_one_before_stay():
    known = past(champions=(2, 5, 1))
    assert deleted(TEN, Keep(versions=1), known) == [8, 7, 6, 4, 3, 1]
    assert why_kept(TEN, Keep(versions=1), 2, known) == "is what a rollback would bring back"
    assert why_kept(TEN, Keep(versions=1), 5, known) == "is one of the 2 newest earlier champions"


def test_a_version_that_another_one_was_made_from_stays():
    registered = model(version(1), version(2), version(10, "champion", source="models:/churn/1"))
    assert deleted(registered, Keep(versions=1)) == []


def test_what_a_person_may_still_be_asked_about_stays():
    known = past(spoken_of={1: "is offered to a person by decision D"})
    assert 1 not in deleted(TEN, Keep(versions=1), known)


def test_without_a_champion_nothing_goes():
    registered = model(version(1), version(2), version(3), other=3)
    assert deleted(registered, Keep(versions=1)) == []
    gone = model(version(1), version(2), version(3), champion=7)
    assert deleted(gone, Keep(versions=1)) == []


def test_a_version_of_unknown_age_stays():
    assert deleted(TEN, Keep(versions=1), Past()) == []


def test_versions_that_are_not_ours_stay_even_where_they_were_champion():
    foreign = ModelVersion(1, "models:/m-1", "run1", tags={"team": "fraud"})
    registered = model(foreign, version(2), version(10, "champion"))
    assert deleted(registered, Keep(versions=1), past(superseded=frozenset({1}))) == []


@pytest.mark.parametrize("status", [None, "champion"])
def test_a_champion_that_was_superseded_counts_as_archived_without_the_mark(status):
    own = version(1, status, **{"selector.decision": "D"})
    registered = model(own, version(2), version(10, "champion"))
    assert deleted(registered, Keep(versions=1), past(superseded=frozenset({1}))) == [1]
    assert deleted(registered, Keep(versions=1)) == []


def test_nothing_to_keep_by_is_an_error():
    with pytest.raises(ValueError, match="versions, days or both"):
        expire(TEN, "champion", Keep(), past(), NOW)


STATUSES = st.sampled_from(
    [None, "archived", "archived", "archived", "champion", "challenger", "quarantined", "rejected"]
)


@st.composite
def worlds(draw):
    numbers = range(1, draw(st.integers(2, 12)) + 1)
    stages = st.sampled_from(["None", "None", "None", "Archived", "Staging", "Production"])
    extra = st.sampled_from([{}, {}, {}, {"selector.keep": "1"}, {"selector.reject": "1"}, {"team": "x"}])
    versions = tuple(version(n, draw(STATUSES), stage=draw(stages), **draw(extra)) for n in numbers)
    names = st.sampled_from(["champion", "challenger", "previous", "other"])
    aliases = draw(st.dictionaries(names, st.sampled_from(numbers), max_size=4))
    some = st.lists(st.sampled_from(numbers), unique=True)
    ages = draw(st.dictionaries(st.sampled_from(numbers), st.integers(0, 100)))
    known = Past(
        champions=tuple(draw(some)),
        superseded=frozenset(draw(some)),
        archived_at={n: NOW - timedelta(days=d) for n, d in ages.items()},
        spoken_of=dict.fromkeys(draw(some), "is spoken of"),
    )
    keep = draw(st.builds(Keep, st.integers(1, 6), st.none() | st.integers(1, 60)) | st.builds(Keep, days=st.just(30)))
    return RegisteredModel("churn", versions, aliases), keep, known


@given(worlds())
def test_nothing_ever_goes_that_is_needed(world):
    registered, keep, known = world
    found = expire(registered, "champion", keep, known, NOW)
    for version in (fate.version for fate in found.deleted):
        number = version.version
        assert registered.aliases.get("champion") is not None
        assert number not in registered.aliases.values()
        assert version.stage in {"None", "Archived"}
        assert version.tags.get("selector.status") not in {"quarantined", "rejected", "challenger"}
        assert not {"selector.keep", "selector.reject"} & version.tags.keys()
        assert number not in known.champions[:2]
        assert number not in known.spoken_of
        assert any(key.startswith("selector.") for key in version.tags)
        assert keep.days is None or NOW - known.archived_at[number] > timedelta(days=keep.days)


@given(worlds())
def test_so_many_archived_versions_stay_as_were_asked_for(world):
    registered, keep, known = world
    found = expire(registered, "champion", keep, known, NOW)
    left = [f for f in found.kept if f.reason != "is not archived"]
    assert len(left) >= min(len(left) + len(found.deleted), keep.versions or 0)


@given(worlds())
def test_deleting_leads_to_no_further_deletion(world):
    registered, keep, known = world
    gone = {f.version.version for f in expire(registered, "champion", keep, known, NOW).deleted}
    left = tuple(v for v in registered.versions if v.version not in gone)
    there = RegisteredModel("churn", left, registered.aliases)
    assert expire(there, "champion", keep, known, NOW).deleted == ()


def test_a_touched_version_has_another_imprint():
    one = version(1)
    others = [version(1, pin="yes"), version(1, "quarantined"), version(1, stage="Production"), version(1, source="x")]
    assert len({imprint(v) for v in (one, version(1), *others)}) == 5


def test_a_plan_is_looked_at_as_if_it_had_been_carried_out():
    registered = model(version(1), version(2, "champion"), champion=2, previous=1, challenger=1)
    steps = (
        CreateVersion("models:/m-3", "run3"),
        TagVersion(0, "selector.status", "champion"),
        MoveAlias("champion", 0, 2),
        MoveAlias("previous", 2, 1),
        MoveAlias("challenger", None, 1),
        TagVersion(2, "selector.status", "archived"),
        UntagVersion(1, "selector.status"),
        SetStage(2, "Archived"),
    )
    then = after(Plan("D", "churn", "promotion", steps), registered)
    assert then.aliases == {"champion": 3, "previous": 2}
    assert then.version(2).tags["selector.status"] == "archived"
    assert then.version(2).stage == "Archived"
    assert "selector.status" not in then.version(1).tags
    assert registered.version(2).tags["selector.status"] == "champion"
