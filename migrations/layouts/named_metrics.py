"""The layout of several models beside one JSON file that holds the numbers of each under its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from migrations.drafts import Draft
from migrations.folder import Folder, list_folder
from migrations.headline import headline
from migrations.json_files import UnreadableJsonError
from migrations.layouts.layout import Reading
from migrations.layouts.model_folder import called, describes_one
from migrations.layouts.named_records import Found, Records, records_of
from migrations.layouts.neighbours import neighbours
from migrations.metrics import read_metrics
from migrations.model import Unreadable
from migrations.names import MODEL_FOLDERS, POINTER, SAYS_NOTHING, VERSION, family, reduced, stage_of
from migrations.record import about
from migrations.timestamps import recorded_times
from migrations.wording import class_to_type

BEST_STEMS: Final = frozenset({"best", "champion", "final", "production"})
FILES: Final = frozenset({"model", "pointer", "unknown"})
BY_NAME, BY_WORDS, BY_FAMILY, AS_BEST, BY_CLASS = range(5)
"""How a record was found, the surest way first."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """A record that may be about a file, and how sure that is."""

    document: str
    how: int
    name: str
    record: Mapping[str, Any]

    @property
    def rank(self) -> tuple[int, bool]:
        """The surest first, then what has an F1; an earlier document wins among equals."""
        return self.how, headline(read_metrics(self.record).values) is None


class _Models:
    """What the model files of a folder are called, and of which algorithms they are; worked out once for all documents.

    Attributes:
        keys: the reduced name of each file.
        alone: there is one model, in one or several formats.

    """

    def __init__(self, folder: Folder, keys: Mapping[str, str]) -> None:
        self.keys = keys
        self.alone = len(set(keys.values())) == 1
        self._families = Counter(family(key) for key in set(keys.values()))
        told = folder.model_files().items()
        self._kinds = {name: family(class_to_type(what.model_class)) for name, what in told if what.model_class}
        stems = {(kind, name.partition(".")[0]) for name, kind in self._kinds.items()}
        self._of_kind = Counter(kind for kind, _ in stems)

    def of_family(self, records: Records, wanted: str) -> Found | None:
        """Return the only record of the algorithm that only one of the files is called after: rf, Random Forest."""
        return records.only(family(wanted)) if self._families[family(wanted)] <= 1 else None

    def of_class(self, records: Records, file: str) -> Found | None:
        """Return the only record of the class in the bytes, where no other model of the folder is of this class.

        Variants of the algorithm among the records (LightGBM, LightGBM (Tuned)) leave open which one the bytes are.
        """
        kind = self._kinds.get(file, "")
        return records.only(kind) if kind and self._of_kind[kind] == 1 and records.variants(kind) == 1 else None


class NamedMetrics:
    """`metrics.json` with `{"random_forest": {"f1": ...}, "xgboost": {...}}` beside the files of these models."""

    name = "named-metrics"

    def read(self, folder: Folder) -> Reading | None:
        """Bind each model file to the record with its name; `best_model.*` to the one that is named the best."""
        told = folder.model_files()
        models = {name: reduced(name.partition(".")[0]) for name, what in told.items() if what.role in FILES}
        if not models:
            flat = folder.path.name.lower() in MODEL_FOLDERS and not folder.folders
            flat = flat and not describes_one(folder, about(folder))
            return _without_files(folder) if flat else None
        drafts: list[Draft] = []
        used: set[str] = set()
        for home in (folder, *(neighbours(folder) if folder.path.name.lower() in MODEL_FOLDERS else ())):
            left = {file: key for file, key in models.items() if file not in used}
            for file, offers in _offers(home, folder, left).items():
                drafts.append(_draft(folder, file, sorted(offers, key=lambda offer: offer.rank)))
                used |= {file, *((offer.document for offer in offers) if home is folder else ())}
        drafts = drafts or list(_under_its_folder(folder, models))
        return Reading(tuple(drafts), frozenset(used | {draft.candidates[0] for draft in drafts})) if drafts else None


def _draft(folder: Folder, file: str, offers: list[_Offer]) -> Draft:
    """Take the first offer; say where other numbers for the same file stand."""
    first, *others = offers
    values = read_metrics(first.record).values
    differing = [offer.document for offer in others if read_metrics(offer.record).values != values]
    notes = [f"the numbers are those of {first.name} in {first.document}"]
    notes += [f"not taken: other numbers for it in {', '.join(differing)}"] if differing else []
    path = folder.files[file]
    return Draft(called(folder, path), path, (file,), record=first.record, notes=tuple(notes))


def _without_files(folder: Folder) -> Reading | None:
    """List the models that a document has numbers of, although no file of any is here."""
    missing: list[Unreadable] = []
    used = set()
    for document in folder.document_names():
        records = _records(folder, document)
        if records is None or records.own.values:
            continue
        for name, record in records.named.values():
            reason = f"no model file ({document} has its numbers)"
            missing.append(
                Unreadable(name, folder.path / document, reason, model_type=name, metrics=read_metrics(record).values)
            )
            used.add(document)
    return Reading(used=frozenset(used), unreadable=tuple(missing)) if missing else None


def _records(home: Folder, document: str) -> Records | None:
    try:
        return records_of(home.document(document))
    except UnreadableJsonError:
        return None


def _offers(home: Folder, folder: Folder, models: Mapping[str, str]) -> dict[str, list[_Offer]]:
    """Return for each model what the documents of a folder have about it."""
    offers: dict[str, list[_Offer]] = {}
    known = _Models(folder, models)
    alone = known.alone and home is folder
    described = alone and any((r := _records(home, name)) is not None and r.own.values for name in about(home))
    for document in home.document_names() if models else ():
        records = _records(home, document)
        if records is None or not (records.named or records.spelled):
            continue
        where = document if home is folder else f"{home.path.name}/{document}"
        shared = _shared(home, document)
        for file in models:
            for how, (name, record) in _matches(records, known, file, alone=alone):
                if how == BY_CLASS and (described or records.own.values):
                    continue
                if how == AS_BEST and _fuller(records, record):
                    continue
                offers.setdefault(file, []).append(_Offer(where, how, name, {**shared, **record}))
                break
    return offers


def _shared(home: Folder, document: str) -> Mapping[str, Any]:
    whole = home.document(document)
    return recorded_times(whole) if isinstance(whole, dict) else {}


def _matches(records: Records, models: _Models, file: str, *, alone: bool) -> Iterator[tuple[int, Found]]:
    """Yield the records that may be about a file, the surest first."""
    key = models.keys[file]
    best = records.best if (alone or key in BEST_STEMS) and key not in records.named else ""
    found = (
        (BY_NAME, records.named.get(key)),
        (BY_WORDS, records.of_words(file.partition(".")[0])),
        (AS_BEST, records.named.get(best) or (models.of_family(records, best) if best else None)),
        (BY_FAMILY, None if best else models.of_family(records, key)),
        (BY_CLASS, models.of_class(records, file)),
    )
    return ((how, record) for how, record in found if record is not None)


def _fuller(records: Records, record: Mapping[str, Any]) -> bool:
    """Return whether a document itself says more of its best model than the record does: the scores on test data."""
    own, other = records.own.values, read_metrics(record).values
    ranked, other_ranked = headline(own) is not None, headline(other) is not None
    return (ranked, len(own)) > (other_ranked, len(other)) and ranked >= other_ranked


def _under_its_folder(folder: Folder, models: Mapping[str, str]) -> Iterator[Draft]:
    """Bind `random_forest/model.pkl` to the record of random_forest in a document of the folder above."""
    here = folder.path
    generic = [f for f in models if (s := f.partition(".")[0].lower()) in SAYS_NOTHING or POINTER.fullmatch(s)]
    telling = here.name.lower() not in MODEL_FOLDERS and not stage_of(here.name) and not VERSION.fullmatch(here.name)
    if here == folder.root or not telling or len(generic) != 1 or any(_speaks(folder, n) for n in about(folder)):
        return
    try:
        above = list_folder(here.parent, folder.root, folder.known)
    except OSError:
        return
    folders = _Models(above, {name: reduced(name) for name in above.folders})
    for home in (above, *(neighbours(above) if above.path.name.lower() in MODEL_FOLDERS else ())):
        for document in home.document_names():
            records = _records(home, document)
            found = records and (
                records.named.get(reduced(here.name)) or folders.of_family(records, reduced(here.name))
            )
            if found:
                note = (f"the numbers are those of {found[0]} in {home.path.name}/{document}",)
                record = {**_shared(home, document), **found[1]}
                name = here.name if len(models) == 1 else f"{here.name}/{generic[0].partition('.')[0]}"
                yield Draft(name, folder.files[generic[0]], (generic[0],), record=record, notes=note)
                return


def _speaks(folder: Folder, document: str) -> bool:
    records = _records(folder, document)
    return records is None or bool(records.own.values or records.named)


LAYOUT: Final = NamedMetrics()
