"""How is a wrong configuration told: file, line, column, the source line, a caret, and the nearest known key."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from selector.config_yaml import Document, Location, Place, Problem, excerpt
from selector.errors import ConfigurationError
from selector.redaction import redact

_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "string": "a text",
    "tuple": "a list",
    "list": "a list",
    "dict": "a group of keys",
    "model": "a group of keys",
    "mapping": "a group of keys",
}


def path_text(location: Location) -> str:
    """Return a location as people write it: `models.churn.metric`, `staging[0].folder`."""
    text = ""
    for step in location:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'metric'?" where one of the known words is close, else nothing."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {found[0]!r}?" if found else ""


def told(problems: Sequence[Problem], document: Document) -> ConfigurationError:
    """Return one error that tells all problems, in the order of the file."""
    placed = sorted(((_place(p, document), p) for p in problems), key=lambda pair: (pair[0].line, pair[0].column))
    lines = list(dict.fromkeys(_one(place, problem, document) for place, problem in placed))
    head = f"{document.path} holds {len(lines)} errors\n" if len(lines) > 1 else ""
    return ConfigurationError(head + "\n".join(lines), advice="mlflow-selector config example shows every key")


def _place(problem: Problem, document: Document) -> Place:
    return problem.place or document.place(problem.location, at_key=problem.at_key)


def _one(place: Place, problem: Problem, document: Document) -> str:
    where = path_text(problem.location)
    line = redact(document.line(place.line))
    said = f"{where}: {problem.text}" if where else problem.text
    return f"{document.path}:{place.line}:{place.column}: {said}{excerpt(line, place)}"


def problems_of(error: ValidationError, document: Document, root: type[BaseModel]) -> list[Problem]:
    """Return pydantic's errors as problems in the file's own terms."""
    return [_problem(detail, document, root) for detail in error.errors(include_url=False, include_input=False)]


def _problem(detail: Any, document: Document, root: type[BaseModel]) -> Problem:
    location: Location = tuple(detail["loc"])
    if location and location[-1] == "[key]":
        return Problem(location[:-1], _reason(detail), at_key=True)
    if detail["type"] == "extra_forbidden":
        return Problem(location, _unknown(location, root), at_key=True)
    if detail["type"] == "missing":
        return Problem(location, _missing(location), at_key=True)
    value = document.at(location)
    above = document.at(location[:-1]) if value is None and location else None
    if isinstance(above, str):  # a short form: one word stands for a group of keys
        value = above
    return Problem(location, _sentence(detail, value))


def _reason(detail: Any) -> str:
    error = detail.get("ctx", {}).get("error")
    return str(error) if error is not None else str(detail["msg"])


def _sentence(detail: Any, value: Any) -> str:
    kind, context = str(detail["type"]), detail.get("ctx", {})
    if kind == "value_error":
        return f"{value!r}: {_reason(detail)}" if _is_bare(detail) and isinstance(value, str) else _reason(detail)
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}, not {_shown(value)}"
    if kind == "literal_error":
        known = [w.strip().strip("'") for w in str(context["expected"]).replace(" or ", ", ").split(",")]
        hint = nearest(value, known) if isinstance(value, str) else ""
        return f"must be {_either(known)}, not {_shown(value)}{hint}"
    if kind in ("too_short", "string_too_short"):
        return "must not be empty"
    wanted = _WANTED.get(kind.partition("_")[0])
    return f"must be {wanted}, not {_shown(value)}" if wanted else f"{_shown(value)}: {detail['msg']}"


def _is_bare(detail: Any) -> bool:
    """Tell a reason that does not name the value yet ("not a duration; …") from one that does."""
    return _reason(detail).startswith(("not a ", "is ", "a duration", "a size"))


def _either(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a group of keys"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = redact(str(value))
    return repr(text if len(text) <= 60 else text[:57] + "…")  # noqa: PLR2004 - what fits beside the sentence


def _unknown(location: Location, root: type[BaseModel]) -> str:
    key, parent = str(location[-1]), location[:-1]
    section = section_at(parent, root)
    known = [*section.model_fields, *getattr(section, "synonyms", ())] if section else []
    hint = nearest(key, known)
    return f"unknown key{hint}" if hint else f"unknown key; known here: {', '.join(known)}"


def _missing(location: Location) -> str:
    return "is missing, for example metric: f1" if location[-1] == "metric" else "is missing"


def section_at(location: Location, root: type[BaseModel]) -> type[BaseModel] | None:
    """Return the model class of the group of keys at `location`, or None where there is none."""
    section: type[BaseModel] | None = root
    for step in location:
        if section is None:
            return None
        field = section.model_fields.get(str(step)) if isinstance(step, str) else None
        if field is not None:
            section = inner_section(field.annotation)
        elif section is root:
            return None
    return section


def inner_section(annotation: Any) -> type[BaseModel] | None:
    """Return the group of keys inside an annotation such as `dict[str, ModelSettings]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in get_args(annotation):
        found = inner_section(part)
        if found is not None:
            return found
    return None
