"""When does a staged entry count as complete, and what belongs to it?"""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.domain.settling import (
    WHOLE,
    Listing,
    Sighting,
    StagedEntry,
    Stamp,
    due,
    entries,
    manifest_fault,
    seen,
    settled,
    unfinished_name,
)

QUIET = 10.0
STAMP = Stamp(10, 1, 1, 1)


def listing(*names, others=()):
    return Listing(dict.fromkeys(names, STAMP), dict.fromkeys(others, "a link"))


def grouped(*names, others=()):
    return {entry.name: sorted(entry.files) for entry in entries(listing(*names, others=others))}


@pytest.mark.parametrize(
    "name",
    [
        ".model.pkl.ZsRFL2",
        ".hidden",
        "model.pkl~",
        "a.tmp",
        "a.pkl.part",
        "a.partial",
        "a.pkl.filepart",
        "a.crdownload",
        "x/.model.swp",
        "A.TMP",
    ],
)
def test_names_of_unfinished_files_are_known(name):
    assert unfinished_name(name)


@pytest.mark.parametrize("name", ["model.pkl", "partial.pkl", "tmp", "x.tmp/model.pkl", "a.parts", "template.json"])
def test_other_names_are_not_taken_for_unfinished(name):
    assert not unfinished_name(name)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["xgb_20250826_013058/model.pkl", "xgb_20250826_013058/metadata.json"], {"xgb_20250826_013058": 2}),
        (["xgb_20250826_013058/model/MLmodel", "xgb_20250826_013058/model/data/x"], {"xgb_20250826_013058": 2}),
        (["churn/v1/model.pkl", "churn/v2/model.pkl"], {"churn/v1": 1, "churn/v2": 1}),
        (["churn/v1/model.pkl", "churn/registry.json"], {"churn": 2}),
        (["2025/08/forest/model.pkl"], {"2025/08/forest": 1}),
        (["a_model.pkl", "a_metrics.json", "b_model.pkl"], {"a_model.pkl": 2, "b_model.pkl": 1}),
        (["a_model.pkl", "a_metrics.json", "a_scaler.pkl"], {"a_model.pkl": 3}),
        (["m.pkl", "m_1.pkl", "m_2.pkl"], {"m.pkl": 1, "m_1.pkl": 1, "m_2.pkl": 1}),
        (["a_metrics.json"], {"a_metrics.json": 1}),
        (["model.pkl", "metrics.json"], {WHOLE: 2}),
        (["a.pkl", "b.pkl", "model_metadata.json"], {WHOLE: 3}),
        (["a.pkl", "b.pkl", "model_comparison.json", "c/model.pkl"], {WHOLE: 3, "c": 1}),
        (["registry.json", "a/v1.pkl", "b/v1.pkl"], {WHOLE: 3}),
        (["a.pkl", "a.pkl.sha256"], {"a.pkl": 2}),
        (["a_20250826_013058/model.pkl", "a_20250826_013058.sha256"], {"a_20250826_013058": 2}),
        (["a.pkl", ".b.pkl.ZsRFL2", "c.tmp"], {"a.pkl": 1}),
        ([], {}),
    ],
)
def test_what_arrives_together_is_one_entry(names, expected):
    assert {name: len(files) for name, files in grouped(*names).items()} == expected


def test_links_are_entries_of_their_own_and_pull_nothing_together():
    found = entries(listing("production/v1/model.pkl", "production/v2/m.pkl", others=["production/latest", "x.pkl"]))
    assert {e.name: (len(e.files), len(e.others)) for e in found} == {
        "production": (0, 1),
        "production/v1": (1, 0),
        "production/v2": (1, 0),
        "x.pkl": (0, 1),
    }


@given(st.lists(st.text("ab/._1", min_size=1, max_size=12), max_size=12, unique=True))
def test_every_finished_file_belongs_to_exactly_one_entry(names):
    names = [n for n in names if not n.startswith("/") and not n.endswith("/") and "//" not in n]
    owned = [name for entry in entries(listing(*names)) for name in entry.files]
    assert sorted(owned) == sorted(n for n in names if not unfinished_name(n))


def test_a_temporary_file_inside_a_folder_keeps_it_waiting_while_it_grows():
    def signature(size):
        files = {"x/metadata.json": STAMP, "x/.model.pkl.ZsRFL2": Stamp(size, 1, 1, 2)}
        (entry,) = entries(Listing(files))
        assert sorted(entry.files) == ["x/metadata.json"]
        return entry.signature

    assert signature(10) != signature(20)


@pytest.mark.parametrize("change", [{"size": 11}, {"mtime_ns": 2}, {"ctime_ns": 2}, {"inode": 2}])
def test_each_part_of_a_stamp_counts(change):
    before = StagedEntry("a", {"a/m": STAMP}).signature
    assert StagedEntry("a", {"a/m": STAMP._replace(**change)}).signature != before


# Every gap between two writes is shorter than the quiet time; scans come whenever they come, and take their time.
gaps = st.lists(st.floats(0.01, QUIET * 0.99), min_size=1, max_size=30)
scans = st.lists(st.tuples(st.floats(0.01, 30.0), st.floats(0.0, 5.0)), min_size=1, max_size=60)


def watch(writes, looks):
    """Return the moments at which scans call the entry settled, and the version of its content that each saw."""
    sighting, now, found = None, 0.0, []
    for wait, took in looks:
        began = now + wait
        version = sum(at <= began for at in writes)
        sighting = seen(sighting, str(version), began + took)
        # What a scan sees was looked at between its begin and its end; the last moment is the worst case for us.
        if settled(sighting, began, QUIET):
            found.append((began, version))
        now = began + took
    return found


@given(gaps, scans)
def test_what_is_still_being_written_is_never_complete(gaps, scans):
    writes = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    assert all(began > writes[-1] for began, _ in watch(writes, scans) if began >= writes[0])


@given(gaps, scans, st.integers(1, 4))
def test_lost_and_repeated_hints_change_when_it_is_complete_never_whether(gaps, hints, copies):
    writes = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    rescans = [(60.0, 1.0)] * (2 + int(sum(gaps) / 60.0))
    last = (*hints[-1:], *rescans)
    for looks in (rescans, [*hints, *rescans], [h for h in hints for _ in range(copies)] + rescans, list(last)):
        assert any(version == len(writes) for _, version in watch(writes, looks))


def test_a_manifest_needs_no_waiting_and_one_that_did_not_match_a_moment():
    plain = StagedEntry("a", {"a/m.pkl": STAMP})
    vouched = StagedEntry("a", {"a/m.pkl": STAMP, "a/sha256sums": STAMP})
    assert due(Sighting("s", 100.0), plain, QUIET) == 110.0
    assert due(Sighting("s", 100.0), vouched, QUIET) == 100.0
    assert due(Sighting("s", 100.0, mismatched=True, compared="r"), vouched, QUIET) == 101.0
    assert due(Sighting("s", 100.0, mismatched=True, compared="s"), vouched, QUIET) == 110.0


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


DIGESTS = {"x/model.pkl": sha("model"), "x/metadata.json": sha("{}")}


@pytest.mark.parametrize("name", ["x/_SUCCESS", "x/sha256sums", "x/SHA256SUMS", "x.sha256"])
@pytest.mark.parametrize(
    "line", ["{d}  {n}", "{d} *{n}", "{D}  ./{n}", "SHA256 ({n}) = {d}", "\\{d}  {n}", "  {d}  {n}  "]
)
def test_manifests_of_every_spelling_vouch_for_a_folder(name, line):
    text = "\n".join(
        line.format(d=digest, D=digest.upper(), n=file.removeprefix("x/")) for file, digest in DIGESTS.items()
    )
    entry = StagedEntry("x", dict.fromkeys((*DIGESTS, name), STAMP))
    assert manifest_fault(entry, {name: text}, DIGESTS) == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", None),
        ("\n\n", None),
        (f"{sha('model')}  model.pkl", "no manifest names x/metadata.json"),
        (f"{sha('other')}  model.pkl", "x/model.pkl does not have the digest that its manifest names"),
        (f"{sha('model')}  gone.pkl", "x/sha256sums names gone.pkl, which is not there"),
        (f"{sha('model')}  ../../etc/passwd", "x/sha256sums names ../../etc/passwd, which is not there"),
        (f"{sha('model')}  /etc/passwd", "x/sha256sums names /etc/passwd, which is not there"),
        ("done", "x/sha256sums is no list of sha256 digests"),
    ],
)
def test_a_manifest_that_does_not_vouch_says_why(text, fault):
    entry = StagedEntry("x", dict.fromkeys((*DIGESTS, "x/sha256sums"), STAMP))
    assert manifest_fault(entry, {"x/sha256sums": text}, DIGESTS) == fault


def test_a_digest_alone_is_about_the_file_beside_it():
    entry = StagedEntry("a.pkl", {"a.pkl": STAMP, "a.pkl.sha256": STAMP})
    assert manifest_fault(entry, {"a.pkl.sha256": sha("a")}, {"a.pkl": sha("a")}) == ""
    assert manifest_fault(entry, {"a.pkl.sha256": sha("a")}, {"a.pkl": sha("b")})
