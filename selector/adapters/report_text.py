"""Which characters of a foreign text may reach a page: nothing that hides, reorders or breaks lines."""

from __future__ import annotations

import unicodedata

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_JOINERS = frozenset("\u200c\u200d")
"""Zero-width (non-)joiners belong to Persian, Hindi and other scripts."""


def visible(text: str) -> str:
    """Return the text on one line, with control, bidirectional and unassigned characters shown as U+FFFD."""
    return "".join(_shown(c) for c in text)


def _shown(character: str) -> str:
    if character in "\t\n\r\x0b\x0c\u2028\u2029\x85":
        return " "
    hidden = unicodedata.category(character) in _INVISIBLE and character not in _JOINERS
    return "\N{REPLACEMENT CHARACTER}" if hidden else character
