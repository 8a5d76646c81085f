"""Is this recorded value a number, and does its key alone say that it is a metric?"""

from __future__ import annotations

import re
from typing import Any, Final

_METRIC_WORD: Final = re.compile(
    r"(^|[_\-. ])(f1|f2|f1score|fbeta|accuracy|acc|precision|recall|auc|auroc|roc|prc|mae|mse|rmse|mape|smape|r2|loss"
    r"|logloss|score|kappa|mcc|gini|ks|silhouette|brier|rate|error|sensitivity|specificity|contamination"
    r"|calinski|davies|dbcv|rmsle|wape|mase|medae|ndcg|jaccard|iou|dice|fpr|fnr|tpr|tnr|npv|ppv|map|ap"
    r"|acur[aá]cia|exactitude?|precis[aã]o|precisi[oó]n|précision|precisione|rappel|sensibili(dade?|té)"
    r"|especifici(dade?)|genauigkeit|trefferquote|准确率|精确率|召回率|f1值|f1分数|точность|полнота|정확도|정밀도|재현율"
    r"|r²|r\^2|r[_\- ]?squared|explained[_ ]variance)($|[_\-. @(\[%])",
    re.IGNORECASE,
)
_NO_METRIC: Final = re.compile(
    r"threshold|(learning|drop(out)?|decay|(sub_?)?sampl(e|ing)|growth|frame)_?rate|sample_?size|_id$|seed|version|n_estimators",
    re.IGNORECASE,
)
_OF_THE_DATA: Final = re.compile(
    r"(?<!true[_\- ])(?<!false[_\- ])(churn|fraud|positive|negative|default|attrition|event|base|target|attack|fatal)"
    r"[_\- ]?(rate|ratio|pct)",
    re.IGNORECASE,
)
"""How common a class is, which says nothing about a model; a false positive rate does."""
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")
_SPREAD: Final = re.compile(r"\s*(\(\s*)?(±|\+/-|\+-)\s*[\d.,]+\s*%?(?(1)\s*\))$")
_NUMBER_TEXT: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def number(value: Any) -> float | None:
    """Return a recorded number as float; None for anything else, and for integers beyond a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def text_number(text: str) -> float | None:
    """Return the number that a text spells: "0.87", "0,87", "87 %" (0.87), the mean of "0.87 ± 0.02"; else None."""
    plain = _SPREAD.sub("", text.strip()[:80])
    share = plain.endswith("%")
    plain = plain.removesuffix("%").strip()
    if len(plain) > 40 or not _NUMBER_TEXT.fullmatch(plain):  # noqa: PLR2004  longer than any float
        return None
    read = float(plain.replace(",", "."))
    return read / 100 if share else read


def stands_for_itself(key: str, value: Any) -> bool:
    """Take numbers under the names of metrics; arrays of numbers are taken too, to be named as left out."""
    spaced = _CAMEL.sub("_", key)
    if isinstance(value, list):
        return bool(value) and number(value[0]) is not None
    if isinstance(value, str) and text_number(value) is None:
        return False
    numeric = isinstance(value, str) or number(value) is not None
    named = bool(_METRIC_WORD.search(spaced)) and not _NO_METRIC.search(spaced)
    return numeric and named and not _OF_THE_DATA.search(spaced)
