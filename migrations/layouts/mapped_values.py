"""How do the words of a mapping lead to values: templates, dotted paths and globs?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands.

    Attributes:
        file: relative to the model's folder, slashes forward, `..` as far as what is scanned.
        path: keys and numbers of list items, joined by dots; empty for the whole document.
        row: for tables and lists: what the row calls its model.
        keys: the only keys that are taken; empty for all.

    """

    file: str
    path: str = ""
    row: str = ""
    keys: frozenset[str] = frozenset()


def place(value: Mapping[str, Any]) -> Place:
    """Make a place of a checked group of the mapping."""
    keys = value.get("keys") or []
    return Place(value["file"], value.get("path", ""), value.get("row", ""), frozenset(str(key) for key in keys))


def filled(text: str, words: Mapping[str, str]) -> str:
    """Put names into their braces."""
    return re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), text)


def at_path(document: Any, path: str) -> Any:
    """Return what stands at a dotted path, or None; a key that holds dots itself is found as well."""
    node, parts = document, path.split(".") if path else []
    while parts:
        for size in range(len(parts), 0, -1):
            key = ".".join(parts[:size])
            if isinstance(node, Mapping) and key in node:
                node, parts = node[key], parts[size:]
                break
            if size == 1 and isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node, parts = node[int(key)], parts[1:]
                break
        else:
            return None
    return node


@lru_cache(maxsize=256)
def glob_pattern(glob: str) -> re.Pattern[str]:
    """Translate a glob: `*` and `?` stay within a name, `**/` is any number of folders."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part) or re.escape(part) for part in parts), re.DOTALL)
