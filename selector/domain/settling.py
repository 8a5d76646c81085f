"""When is a staged model complete, so that no half of it is ever imported?

Nobody tells reliably that a file is finished: hints get lost, copies stall, network file systems say nothing. So an
entry counts as complete when a manifest of digests vouches for it, or when all of its files looked the same in two
scans that lie far enough apart. The reader of the format then judges whether the end of the file is there.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, NamedTuple

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
WHOLE: Final = "."
"""The name of the entry that all loose files form, or everything, where one document is about several models."""

AGAIN_AFTER: Final = 1.0
"""Seconds that an entry stays unchanged before a manifest that did not match is compared once more."""

MOST_NESTED: Final = 8

_UNFINISHED: Final = re.compile(r"^\.|~$|\.(tmp|part|partial|filepart|crdownload|swp)$", re.IGNORECASE)
_STAMPED: Final = re.compile(r".+?[_\-]\d{8}[_\-T]?\d{6}")
_MANIFESTS: Final = frozenset({"_success", "sha256sums", "sha256sums.txt", "sha256sum.txt"})
_GNU_LINE: Final = re.compile(r"\\?([0-9a-f]{64})(?:\s[ *]?\s*(\S.*))?", re.IGNORECASE)
_BSD_LINE: Final = re.compile(r"SHA256 \((.+)\) = ([0-9a-f]{64})", re.IGNORECASE)

_ABOUT: Final = re.compile(r"[_\-.](metrics|metadata|meta|info|results|report|training_metadata)$", re.IGNORECASE)
_KIND: Final = re.compile(r"[_\-.](model|classifier|regressor|clf|pipeline|estimator)$", re.IGNORECASE)
_NOBODY: Final = frozenset({"model", "best", "final", "training", "all", ""})
_SHARED: Final = re.compile(
    r"((models?|best|final|training|all|test|experiment)[_\-.])*"
    r"(metadata|metrics|meta|info|params|parameters|results|report|summary|comparison|leaderboard|scores|performance"
    r"|evaluation)",
    re.IGNORECASE,
)
_REGISTRY: Final = re.compile(r"(registry|manifest|catalog|models_index)[^/]*\.json$", re.IGNORECASE)


class Stamp(NamedTuple):
    """What the file system says of a file without opening it; times are nanoseconds since 1970."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Everything that lies below a staging folder, names relative to it, with slashes.

    Attributes:
        files: regular files.
        others: what is no regular file and no folder, by what it is ("a link"), and folders that cannot be read.

    """

    files: Mapping[str, Stamp]
    others: Mapping[str, str] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class StagedEntry:
    """Files that arrive together and are judged together.

    Attributes:
        name: the folder, the loose file that counts most, or `WHOLE`.
        files: that belong to it, relative to the staging folder.
        unfinished: files under the names that programs give to what they have not finished; never imported.
        others: links, pipes and the like.

    """

    name: str
    files: Mapping[str, Stamp]
    unfinished: Mapping[str, Stamp] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=lambda: NOTHING)

    @property
    def signature(self) -> str:
        """Return what changes with every change of any of its files, 32 hexadecimal digits."""
        digest = hashlib.blake2b(digest_size=16)
        for kind, group in (("file", self.files), ("unfinished", self.unfinished), ("other", self.others)):
            for name in sorted(group):
                digest.update(f"{kind}\0{name}\0{group[name]!r}\n".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @property
    def manifests(self) -> tuple[str, ...]:
        """Return the names of its files that may hold digests of the others."""
        return tuple(sorted(name for name in self.files if is_manifest(name)))

    @property
    def loose(self) -> bool:
        """Whether it consists of some of the files that lie in the staging folder itself."""
        return self.name in self.files


@dataclass(frozen=True, slots=True)
class Sighting:
    """How long an entry has looked the same.

    Attributes:
        first: when the first scan ended that saw this signature, in seconds of a monotonic clock.
        mismatched: a manifest named other digests when it was compared last.
        compared: the signature that was compared then.

    """

    signature: str
    first: float
    mismatched: bool = False
    compared: str = ""


def unfinished_name(name: str) -> bool:
    """Tell whether programs name so what they have not finished; rsync's `.NAME.XXXXXX` begins with a dot."""
    return _UNFINISHED.search(name.rpartition("/")[2]) is not None


def is_manifest(name: str) -> bool:
    """Tell whether a file of this name may hold digests of others."""
    plain = name.rpartition("/")[2].lower()
    return plain in _MANIFESTS or plain.endswith(".sha256")


def seen(before: Sighting | None, signature: str, ended: float) -> Sighting:
    """Return the sighting after one more scan.

    Args:
        before: the one until now; None where the entry is new.
        signature: the entry's as of this scan.
        ended: when this scan ended, so that nothing was looked at later.

    """
    if before is None:
        return Sighting(signature, ended)
    return before if before.signature == signature else replace(before, signature=signature, first=ended)


def due(sighting: Sighting, entry: StagedEntry, quiet: float) -> float:
    """Return when the entry is worth comparing or importing, if it stays as it is.

    A scan that begins then, or later, and sees the same signature, makes the entry settled: all stamps were equal in
    two scans at least `quiet` seconds apart. With a manifest it is compared at once, for digests cannot lie.
    """
    if not entry.manifests or sighting.compared == sighting.signature:
        return sighting.first + quiet
    return sighting.first + min(AGAIN_AFTER, quiet) if sighting.mismatched else sighting.first


def settled(sighting: Sighting, began: float, quiet: float) -> bool:
    """Tell whether the scan that began then and saw this signature was the second one, far enough from the first."""
    return began - sighting.first >= quiet


def entries(listing: Listing) -> tuple[StagedEntry, ...]:
    """Return what arrived together, by name.

    A folder is one entry with all that is below it. A folder that only holds folders (`churn/v1`, `production/…`) is
    not: each of these is an entry. Loose files belong together by their stem, as `churn_model.pkl` and
    `churn_metrics.json` do; where a document is about several of them, all loose files are one entry, and where a
    registry lists models, everything is.
    """
    if any("/" not in name and _REGISTRY.search(name) for name in listing.files):
        finished = {name: stamp for name, stamp in listing.files.items() if not unfinished_name(name)}
        unfinished_too = {name: listing.files[name] for name in listing.files.keys() - finished.keys()}
        return (StagedEntry(WHOLE, finished, unfinished_too, listing.others),)
    places = _places(listing)
    files: dict[str, dict[str, Stamp]] = {}
    unfinished: dict[str, dict[str, Stamp]] = {}
    others: dict[str, dict[str, str]] = {}
    loose: dict[str, Stamp] = {}
    for name, stamp in listing.files.items():
        place = places.get(name.rpartition("/")[0])
        if place is not None:
            (unfinished if unfinished_name(name) else files).setdefault(place, {})[name] = stamp
        elif not unfinished_name(name):
            loose[name] = stamp
    for name, kind in listing.others.items():
        others.setdefault(places.get(name.rpartition("/")[0], name), {})[name] = kind
    for name in [n for n in loose if n.endswith(".sha256") and n.removesuffix(".sha256") in files]:
        files[name.removesuffix(".sha256")][name] = loose.pop(name)
    folders = (
        StagedEntry(name, files.get(name, {}), unfinished.get(name, {}), others.get(name, NOTHING))
        for name in {*files, *unfinished, *others}
    )
    return tuple(sorted((*folders, *_loose(loose)), key=lambda e: e.name))


def _places(listing: Listing) -> dict[str, str]:
    """Return, for each folder, the one that stands for it as an entry."""
    occupied = {name.rpartition("/")[0] for name in listing.files if not unfinished_name(name)}
    folders = {name.rpartition("/")[0] for name in (*listing.files, *listing.others)} - {""}
    return {folder: _place(folder, occupied) for folder in folders}


def _place(folder: str, occupied: set[str]) -> str:
    parts = folder.split("/")
    for depth in range(1, min(len(parts), MOST_NESTED) + 1):
        here = "/".join(parts[:depth])
        if here in occupied or _STAMPED.fullmatch(parts[depth - 1]):
            return here
    return "/".join(parts[:MOST_NESTED])


def _loose(files: Mapping[str, Stamp]) -> Iterable[StagedEntry]:
    if any(_is_shared(name) for name in files):
        return (StagedEntry(WHOLE, files),)
    groups: dict[str, dict[str, Stamp]] = {}
    for name, stamp in files.items():
        groups.setdefault(_stem(name), {})[name] = stamp
    documented = {stem for stem, held in groups.items() if any(n.lower().endswith(".json") for n in held)}
    for stem in sorted(groups, key=len, reverse=True):
        owner = _owner(stem, documented)
        if owner:
            groups[owner] |= groups.pop(stem)
    return tuple(StagedEntry(_first(held), held) for held in groups.values())


def _owner(stem: str, documented: set[str]) -> str:
    """Return the stem of a documented model that this file goes with: `churn` for `churn_scaler`."""
    end = stem.rfind("_")
    while end > 0:
        if stem[:end] in documented:
            return stem[:end]
        end = stem.rfind("_", 0, end)
    return ""


def _first(names: Iterable[str]) -> str:
    """Return the name that stands for all: no document, no manifest, short."""
    return min(names, key=lambda n: (is_manifest(n), n.lower().endswith(".json"), len(n), n))


def _stem(name: str) -> str:
    """Return what the name of a model shares with those of its documents; the readers of formats see it alike."""
    plain = name.removesuffix(".sha256")
    base = plain.rpartition(".")[0] or plain
    if plain.lower().endswith(".json"):
        base = _ABOUT.sub("", base)
    return _KIND.sub("", base)


def _is_shared(name: str) -> bool:
    """Tell whether a loose document may be about any model beside it."""
    if not name.lower().endswith(".json"):
        return False
    base = name.rpartition(".")[0]
    return _SHARED.fullmatch(base) is not None or (base != _ABOUT.sub("", base) and _stem(name).lower() in _NOBODY)


def manifest_fault(entry: StagedEntry, texts: Mapping[str, str], digests: Mapping[str, str]) -> str | None:
    """Return why the manifests do not vouch for an entry; "" where they do, None where they list nothing.

    Args:
        entry: with its manifests.
        texts: what stands in each manifest.
        digests: sha256 of each file, in lower case.

    """
    expected: dict[str, str] = {}
    for manifest in entry.manifests:
        for line in filter(None, map(str.strip, texts.get(manifest, "").splitlines())):
            digest, recorded = _line(line)
            if not digest:
                return f"{manifest} is no list of sha256 digests"
            name = _resolve(manifest, recorded, entry)
            if name is None:
                return f"{manifest} names {recorded}, which is not there"
            expected[name] = digest
    if not expected:
        return None
    wrong = next((name for name, digest in sorted(expected.items()) if digests.get(name) != digest), None)
    if wrong is not None:
        return f"{wrong} does not have the digest that its manifest names"
    missing = next((n for n in sorted(entry.files) if n not in expected and not is_manifest(n)), None)
    return f"no manifest names {missing}" if missing is not None else ""


def _line(line: str) -> tuple[str, str]:
    """Return (digest in lower case, recorded name) of one line; a digest alone is about the file beside it."""
    if found := _GNU_LINE.fullmatch(line):
        return found[1].lower(), found[2] or ""
    if found := _BSD_LINE.fullmatch(line):
        return found[2].lower(), found[1]
    return "", ""


def _resolve(manifest: str, recorded: str, entry: StagedEntry) -> str | None:
    """Return the file of the entry that a manifest means: relative to itself, or to the folder it is named after."""
    beside, _, own = manifest.rpartition("/")
    named = own.removesuffix(".sha256")
    clean = recorded.removeprefix("./") or named
    tries = (f"{beside}/{clean}" if beside else clean, f"{entry.name}/{clean}", f"{named}/{clean}")
    return next((name for name in tries if name in entry.files), None)
