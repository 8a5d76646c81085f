"""What does the YAML text say, and on which line and column does it say it?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from selector.errors import ConfigurationError

MAX_BYTES = 1 << 20
MAX_VALUES = 100_000

Location = tuple[str | int, ...]
"""The keys and list positions that lead to a value: ("models", "churn", "metric")."""

_NULL = "tag:yaml.org,2002:null"
_MERGE = "tag:yaml.org,2002:merge"
_STANDARD = "tag:yaml.org,2002:"
_REFUSED_TAGS = ("tag:yaml.org,2002:binary", "tag:yaml.org,2002:python/")


@dataclass(frozen=True, slots=True)
class Place:
    """A position in the text; line and column count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration.

    Attributes:
        location: where it is, as keys; empty for the whole file.
        text: one sentence, without the location.
        place: where it is in the text, if that is known better than through `location`.
        at_key: True where the key itself is wrong, False where its value is.

    """

    location: Location
    text: str
    place: Place | None = None
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A configuration file as plain data.

    Every scalar stays the text that was written (null aside): the key that it belongs to says what type it has. So
    `positive: Yes`, `model: 2025_01` and `positive: 1.0` mean just that, and YAML 1.1's surprises cannot happen.

    Attributes:
        path: the file, for messages.
        data: dict, list, str or None, nested.
        keys: where each key stands.
        values: where each value begins.

    """

    path: Path
    text: str
    data: Any
    keys: dict[Location, Place] = field(default_factory=dict)
    values: dict[Location, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, location: Location, *, at_key: bool = False) -> Place:
        """Return the position of the nearest thing to `location` that is in the text."""
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        for length in range(len(location), -1, -1):
            found = first.get(location[:length]) or second.get(location[:length])
            if found:
                return found
        return Place(1, 1)

    def line(self, number: int) -> str:
        """Return one line of the text, without its end; empty beyond the last line."""
        lines = self.text.splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def at(self, location: Location) -> Any:
        """Return the value at `location`, or None."""
        value = self.data
        for step in location:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


def read_text(path: Path) -> str:
    """Return the file's text.

    Raises:
        ConfigurationError: missing, a directory, unreadable, too large, or not UTF-8 text.

    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ConfigurationError(f"no configuration file {path}", advice="mlflow-selector init") from None
    except IsADirectoryError:
        raise ConfigurationError(
            f"{path} is a folder, not a configuration file", advice=f"--config {path / 'selector.yaml'}"
        ) from None
    except PermissionError:
        raise ConfigurationError(
            f"not allowed to read {path}", advice=f"ls -l {path}; run as a user who may read it"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror or error}") from None
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"{path} is larger than 1 MiB, which no configuration is", advice="check --config")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{path} is not a text file in UTF-8 (byte {error.start})", advice="check --config"
        ) from None
    if "\0" in text:
        raise ConfigurationError(f"{path} is not a text file (it holds a NUL byte)", advice="check --config")
    return text


def parse(path: Path, text: str) -> Document:
    """Return the text as data with positions; what is wrong inside it is in `problems`.

    Raises:
        ConfigurationError: it is not YAML, or not a mapping of keys to values.

    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(
            _not_yaml(path, text, error), advice="mind the indentation, and quote odd values"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is nested too deeply to be a configuration") from None
    document = Document(path=path, text=text, data={})
    if root is None:
        raise ConfigurationError(f"{path} is empty", advice="mlflow-selector config example")
    if not isinstance(root, yaml.MappingNode):
        raise ConfigurationError(
            f"{path} holds no keys at its top level, only {_kind(root)}", advice="mlflow-selector config example"
        )
    document.data.update(_Reader(document).mapping(root, ()))
    return document


def _kind(node: yaml.Node) -> str:
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


def _not_yaml(path: Path, text: str, error: yaml.MarkedYAMLError) -> str:
    said = error.problem or error.context or "it cannot be read"
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"{path} is not YAML: {said}"
    lines = text.splitlines()
    line = lines[mark.line] if mark.line < len(lines) else ""
    return f"{path}:{mark.line + 1}:{mark.column + 1}: not YAML: {said}" + excerpt(
        line, Place(mark.line + 1, mark.column + 1)
    )


def excerpt(line: str, place: Place) -> str:
    """Return the source line with its number and a caret under the column, each on a line of its own."""
    width = 100
    cut = max(0, place.column - width + 10)
    shown = line[cut : cut + width].replace("\t", " ")
    return f"\n{place.line:5} | {shown}\n      | {' ' * (place.column - 1 - cut)}^"


class _Reader:
    """Turns nodes into data and notes where each stands."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[int] = []
        self._seen = 0

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            if key.tag == _MERGE and isinstance(key, yaml.ScalarNode):
                for part in self._merge(value, location):
                    merged = {**part, **merged}
                continue
            if not isinstance(key, yaml.ScalarNode):
                self._problem(key, location, "a key must be one word or a quoted text")
                continue
            name = str(key.value)
            here = (*location, name)
            if name in made:
                first = self._document.keys[here].line
                self._problem(key, here, f"given twice, first in line {first}; keep one of them")
                continue
            self._document.keys[here] = _place(key)
            made[name] = self._value(value, here)
        return {**merged, **made}

    def _merge(self, node: yaml.Node, location: Location) -> Iterator[dict[str, Any]]:
        """Yield the mappings that `<<` takes over; earlier ones win, as YAML says."""
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if isinstance(part, yaml.MappingNode):
                yield self._value(part, location) or {}
            else:
                self._problem(part, location, "<< takes over the keys of a mapping, and this is none")

    def _value(self, node: yaml.Node, location: Location) -> Any:
        self._document.values.setdefault(location, _place(node))
        self._seen += 1
        if self._seen > MAX_VALUES:
            raise ConfigurationError(
                f"{self._document.path} holds more than {MAX_VALUES} values once its aliases are followed"
            )
        if not node.tag.startswith(_STANDARD) or node.tag.startswith(_REFUSED_TAGS):
            self._problem(node, location, f"the YAML tag {node.tag!r} is not supported")
            return None
        if isinstance(node, yaml.ScalarNode):
            return None if node.tag == _NULL else str(node.value)
        if id(node) in self._open:
            self._problem(node, location, "contains itself")
            return None
        self._open.append(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, location)
            return [self._value(item, (*location, index)) for index, item in enumerate(node.value)]
        finally:
            self._open.pop()

    def _problem(self, node: yaml.Node, location: Location, text: str) -> None:
        self._document.problems.append(Problem(location, text, _place(node), at_key=True))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)
