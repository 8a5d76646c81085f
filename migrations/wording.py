"""How are names from foreign disks shown: one line, no control characters, no surprises."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_WELL_KNOWN: Final = {
    "XGBClassifier": "xgboost", "XGBRegressor": "xgboost", "XGBRanker": "xgboost", "xgboost.core.Booster": "xgboost",
    "LGBMClassifier": "lightgbm", "LGBMRegressor": "lightgbm", "LGBMRanker": "lightgbm",
    "lightgbm.basic.Booster": "lightgbm",
}  # fmt: skip


def printable(text: str) -> str:
    """Return the text with control, format and undecodable characters escaped, as Python would write them.

    Line breaks would forge lines of a table, escape sequences would reach the terminal, and direction marks would
    show a name in another order than it has.
    """
    return "".join(
        char.encode("unicode_escape", "backslashreplace").decode("ascii")
        if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
        else char
        for char in text
    )


def class_to_type(dotted: str) -> str:
    """Return a short model type for a class: xgboost, lightgbm, catboost, else snake case of the class name."""
    name = dotted.rpartition(".")[2]
    known = _WELL_KNOWN.get(dotted) or _WELL_KNOWN.get(name)
    if known:
        return known
    if dotted.startswith("catboost."):
        return "catboost"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return re.sub(r"_(classifier|regressor)$", "", words)
