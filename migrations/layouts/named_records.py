"""Which records of a document have numbers, and which names of models do they stand under?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from migrations.metric_groups import CONTAINERS, LESSER, REPORTS
from migrations.metrics import NO_METRICS, Metrics, read_metrics
from migrations.names import family, plain, reduced, row_name

GROUPS: Final = (
    "models", "results", "comparison", "leaderboard", "all_models", "metrics", "model_comparison", "scores",
    "all_results", "all_metrics", "model_results", "model_metrics", "performance", "evaluation", "candidates",
    "modelos", "resultados", "metricas",
)  # fmt: skip
BEST_KEYS: Final = (
    "best_model", "best_model_name", "selected_model", "champion", "winner", "mejor_modelo", "melhor_modelo",
)  # fmt: skip
KNOWN_PLACES: Final = frozenset(".".join(path) for path in (*CONTAINERS, *LESSER))
MAX_RECORDS: Final = 1000
MAX_WORDS: Final = 6
SHORTEST: Final = 2
_MODEL_WORDS: Final = frozenset({"", "model", "classifier", "regressor", "clf", "pipeline"})

Found = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Records:
    """What a document holds about several models.

    Attributes:
        named: records by reduced name; a name that occurs twice is nobody's.
        spelled: (words, record) of records that only several words together tell apart: data set and model.
        best: the reduced name of the model that the document calls the best.
        own: the document's own numbers, which are none of its records'.

    """

    named: Mapping[str, Found]
    spelled: tuple[tuple[tuple[str, ...], Found], ...]
    best: str
    own: Metrics

    def only(self, kind: str) -> Found | None:
        """Return the record of an algorithm, under whichever of its names; None of several."""
        found = [record for key, record in self.named.items() if family(key) == kind]
        return found[0] if len(found) == 1 else None

    def variants(self, kind: str) -> int:
        """Return how many records are of an algorithm or a variant of it: LightGBM, LightGBM (Tuned)."""
        return sum(family(key) == kind or key.startswith(kind) for key in self.named)

    def of_words(self, stem: str) -> Found | None:
        """Return the only record whose words together spell a file's name: telco_random_forest."""
        found = [record for words, record in self.spelled if _spell(words, plain(stem))]
        return found[0] if len(found) == 1 else None


def records_of(document: Any) -> Records:
    """Find the records of a document: rows, groups by name, or groups by two names."""
    whole: Mapping[str, Any] = document if isinstance(document, dict) else {}
    named: dict[str, Found] = {}
    spelled: list[tuple[tuple[str, ...], Found]] = []
    twice = set()
    for name, words, record in _listed(document):
        if len(words) > 1:
            spelled.append((words, (" ".join(words), record)))
        if key := reduced(name):
            twice |= {key} & named.keys()
            named[key] = (name, record)
    own = read_metrics(whole)
    if own.container not in KNOWN_PLACES and own.container in {name for name, _ in named.values()}:
        own = NO_METRICS
    best = next((whole[key] for key in BEST_KEYS if isinstance(whole.get(key), str)), "")
    return Records({k: record for k, record in named.items() if k not in twice}, tuple(spelled), reduced(best), own)


def _listed(document: Any) -> Iterator[tuple[str, tuple[str, ...], Mapping[str, Any]]]:
    """Yield (name, words, record) of everything that has numbers; what stands under two names has no single one."""
    places = [document, *(document.get(group) for group in GROUPS)] if isinstance(document, dict) else [document]
    for place in places:
        if isinstance(place, dict):
            yield from _groups(place)
        elif isinstance(place, list):
            rows = [row for row in place[:MAX_RECORDS] if isinstance(row, dict)]
            yield from ((row_name(row), _words(row), row) for row in rows if read_metrics(row).values)


def _groups(place: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Mapping[str, Any]]]:
    for name, held in list(place.items())[:MAX_RECORDS]:
        if not isinstance(held, dict):
            continue
        if read_metrics(held).values:
            yield str(name), (str(name),), held
        for inner, record in list(held.items())[:MAX_RECORDS]:
            if isinstance(record, dict) and inner not in REPORTS and read_metrics(record).values:
                yield "", (str(name), str(inner)), record


def _words(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the name of a row's model and its other texts: the data set, the features, the variant."""
    name = row_name(row)
    others = (value for value in row.values() if isinstance(value, str) and value != name)
    return (name, *list(dict.fromkeys(others))[: MAX_WORDS - 1])


def _spell(words: tuple[str, ...], stem: str) -> bool:
    """Return whether the first of the words and at least one more make up a name, with nothing left over."""
    left, used = stem, 0
    for short in sorted((plain(word) for word in words), key=len, reverse=True):
        if len(short) >= SHORTEST and short in left:
            left = left.replace(short, "", 1)
            used += 1
    return used > 1 and left in _MODEL_WORDS and plain(words[0]) in stem
