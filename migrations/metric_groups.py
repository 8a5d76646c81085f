"""Where in a document do its metrics stand: under a known name, at the top, in a report, or further down?"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from migrations.numbers import number, stands_for_itself, text_number

# The order is that of the survey: what people call the metrics of the model itself, then test data, then the rest.
CONTAINERS: Final = (
    ("performance_metrics",), ("metrics",), ("performance",), ("test_metrics",), ("metrics_test",), ("metrics", "test"),
    ("evaluation_metrics",), ("test",), ("test_holdout",), ("holdout_results",), ("holdout",), ("holdout_metrics",),
    ("test_results",), ("test_performance",), ("test_scores",), ("evaluation",), ("evaluation_results",),
    ("winner", "test_metrics"), ("winner", "metrics"), ("best_model", "test_metrics"), ("best_model", "metrics"),
    ("best_model",), ("winner",), ("final_metrics",), ("model_metrics",), ("model_performance",),
    ("best_model_metrics",), ("best_metrics",),
    ("metrics", "holdout"), ("metrics", "evaluation"), ("performance", "test"), ("results", "test"), ("candidate",),
    ("scores",), ("eval",), ("eval_metrics",), ("metrics_at_0.5",), ("metrics_at_default",), ("metrics_at_optimal",),
    ("metricas",), ("métricas",), ("metricas", "teste"), ("metricas", "test"), ("metricas", "prueba"), ("metriken",),
    ("metriques",), ("métriques",), ("metriche",), ("resultados",), ("ergebnisse",), ("指标",),
)  # fmt: skip
LESSER: Final = (
    ("validation_metrics",), ("val_metrics",), ("metrics_val",), ("validation",), ("val",), ("metrics", "validation"),
    ("metrics", "val"), ("cv_results",), ("cv_metrics",), ("cross_validation",), ("cv",), ("train_metrics",),
    ("training_metrics",), ("metrics_train",), ("metrics", "train"), ("train",),
)  # fmt: skip
FREELY: Final = frozenset(
    {"performance_metrics", "metrics", "performance", "test_metrics", "metrics_test", "metricas", "métricas",
     "metriken", "metriques", "métriques", "metriche", "指标"}
)  # fmt: skip
REPORTS: Final = ("classification_report", "report", "class_report")
TRAINING: Final = re.compile(r"(^|[._ ])(train(ing)?|treino|entrenamiento)($|[._ ])")
TOP: Final = "the top level"
MAX_GROUPS: Final = 2000
MAX_DEPTH: Final = 4
_ELSEWHERE: Final = re.compile(
    r"param|config|threshold|drift|baseline|previous|history|importance|feature|train|schema|sample|support|confusion"
    r"|environment|versions?$|folds?$|per_class|by_class|(?<!meta)data",
    re.IGNORECASE,
)
_POSITIVE: Final = frozenset({"1", "1.0", "True", "true", "Yes", "yes", "churn", "Churn"})


@dataclass(frozen=True, slots=True)
class Group:
    """Some metrics, and where they stand."""

    place: str
    held: Mapping[str, Any]


def group_of(document: Mapping[str, Any]) -> Group | None:
    """Return the metrics that count most in a document, or None where there are none or several alike."""
    for path in CONTAINERS:
        held = _at(document, path)
        if held is not None and _has_numbers(held) and (path[-1] in FREELY or _scores(held)):
            return Group(".".join(path), _with_report(held))
        if held is not None and (report := _report(held)) is not None:
            return Group(".".join(path), report)
    named = {str(key): value for key, value in document.items() if stands_for_itself(str(key), value)}
    if _has_numbers(named):
        places = (document, *(document.get(key) for key in REPORTS))
        report = next((r for held in places if (r := _report(held)) is not None), {})
        return Group(TOP, named | {key: value for key, value in report.items() if not _spells_f1(named)})
    for place, report in ((TOP, _report(document)), *((key, _report(document.get(key))) for key in REPORTS)):
        if report is not None:
            return Group(place, report)
    return _lesser(document) or _only(document)


def others_than(document: Mapping[str, Any], taken: Group | None) -> tuple[str, ...]:
    """Return the places of further metrics that were not taken."""
    known = [path for path in (*CONTAINERS, *LESSER) if (held := _at(document, path)) is not None and _scores(held)]
    named = [".".join(path) for path in known]
    found = named if taken is not None else [group.place for group in _further(document)]
    return tuple(place for place in dict.fromkeys(found) if taken is None or place != taken.place)


def _lesser(document: Mapping[str, Any]) -> Group | None:
    for path in LESSER:
        held = _at(document, path)
        if held is not None and _has_numbers(held):
            return Group(".".join(path), held)
    return None


def _only(document: Mapping[str, Any]) -> Group | None:
    """Return the only group with scores further down; of several the one on test data; None where it is not clear."""
    groups = list(_further(document))
    for wanted in (groups, [g for g in groups if re.search(r"(^|[._ ])(test|holdout)", g.place)]):
        if len(wanted) == 1:
            return wanted[0]
    return None


def _further(document: Mapping[str, Any]) -> Iterator[Group]:
    """Walk the groups below the top, without recursion; what plainly is no result is not entered."""
    todo: deque[tuple[str, Any, int]] = deque([("", document, 0)])
    for _ in range(MAX_GROUPS):
        if not todo:
            return
        place, node, depth = todo.popleft()
        if depth and isinstance(node, Mapping) and _scores(node):
            yield Group(place, node)
            continue
        if isinstance(node, Mapping) and depth < MAX_DEPTH:
            todo.extend(
                (f"{place}.{key}" if place else str(key), value, depth + 1)
                for key, value in node.items()
                if isinstance(value, Mapping | list) and not _ELSEWHERE.search(str(key))
            )
        elif isinstance(node, list) and depth < MAX_DEPTH and len(node) <= MAX_GROUPS:
            todo.extend(
                (f"{place}[{index}]", value, depth + 1)
                for index, value in enumerate(node)
                if isinstance(value, Mapping)
            )


def _scores(held: Mapping[str, Any]) -> bool:
    return any(stands_for_itself(str(key), value) and not isinstance(value, list) for key, value in held.items())


def _has_numbers(held: Mapping[str, Any]) -> bool:
    return any(
        number(value) is not None
        or (isinstance(value, str) and stands_for_itself(str(key), 0.0) and text_number(value) is not None)
        for key, value in held.items()
    )


def _with_report(held: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add the numbers of a report that stands among the metrics, where these have no F1 of their own."""
    reports = (report for key in REPORTS if (report := _report(held.get(key))) is not None)
    report = {} if _spells_f1(held) else next(reports, {})
    return {**report, **{key: value for key, value in held.items() if not (report and key in REPORTS)}}


def _spells_f1(named: Mapping[str, Any]) -> bool:
    return any("f1" in str(key).lower() for key in named)


def _report(held: Any) -> dict[str, float] | None:
    """Read what scikit-learn's classification_report(output_dict=True) returns; None where it is none.

    Averages get their name before the key; the positive class of a binary report gives the binary scores.
    """
    if not isinstance(held, Mapping):
        return None
    averages = [key for key in ("macro avg", "weighted avg", "micro avg") if isinstance(held.get(key), Mapping)]
    if not averages:
        return None
    read: dict[str, float] = {}
    accuracy = number(held.get("accuracy"))
    if accuracy is not None:
        read["accuracy"] = accuracy
    classes = [str(k) for k, v in held.items() if isinstance(v, Mapping) and k not in averages and "f1-score" in v]
    positive = [key for key in classes if key in _POSITIVE]
    binary = positive if len(classes) == 2 and len(positive) == 1 else []  # noqa: PLR2004  two classes
    for average in (*averages, *binary):
        prefix = average.partition(" ")[0] if average in averages else "binary"
        for key, value in held[average].items():
            if key != "support" and (told := number(value)) is not None:
                read[f"{prefix}_{key}"] = told
    return read


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any] | None:
    value: Any = document
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else None
