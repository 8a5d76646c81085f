"""What does every key mean, as a JSON schema, as a commented example and as a reference page, all from the models?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from selector.config import Configuration
from selector.config_gates import GateSettings
from selector.config_models import ModelSettings
from selector.config_monitor import SourceSettings

_NAMES = {"models": "churn"}
_COMMENTED = (
    "mlflow.registry_uri",
    "mlflow.upgrade_database",
    "alerts.reports_at",
    "models.metric.keys",
    "models.metric.target",
    "models.metric.low",
    "models.metric.high",
    "models.metric.quantile",
    "models.holdout.weights",
    "models.holdout.group",
    "models.holdout.slices",
    "models.holdout.ignore",
    "models.holdout.threshold",
    "models.holdout.regression",
    "models.filter",
    "models.split_by",
    "models.stages",
    "models.keep.versions",
    "models.keep.days",
    "models.export",
    "state.database",
    *(f"notify.{key}" for key in ("webhook", "secret", "on", "models", "name")),
    "http.hosts",
    "webhook.bind",
    "webhook.expose",
    "webhook.secret",
    "socket.path",
    "socket.group",
    *(f"models.monitor.sources.{key}" for key in SourceSettings.model_fields if key != "folder"),
    *(f"models.monitor.{key}" for key in ("metric", "minimum", "relative_drop", "slices", "per_class")),
    "models.monitor.on_degraded.run",
    *(f"models.gates.{key}" for key in GateSettings.model_fields if key not in ("metric", "minimum", "observe")),
)
"""Keys that the example shows as comments, because they need something that most installations do not have."""

_HEADER = """\
# yaml-language-server: $schema=./schema.json
# Every key of selector.yaml with its meaning. Only `models` is needed; what is shown here is mostly the default.
# Relative paths start from this file. ${env:NAME}, ${file:PATH} and ${credential:NAME} stand for secrets.
"""

_MINIMAL = """\
# mlflow-selector keeps the best model of each name in production.
# Next: mlflow-selector doctor, then mlflow-selector plan. Every key: mlflow-selector config example

mlflow:
  tracking_uri: sqlite:///mlflow.db      # or http://localhost:5000

models:
  churn:                                 # name of the registered model
    experiments: [churn_monitoring]      # finished runs in here are candidates: names or globs
    metric: f1                           # f1, accuracy, roc_auc, log_loss, rmse ... or any logged metric
    # holdout:                           # labelled rows that every candidate is judged on: the fair comparison
    #   data: holdout.csv                # CSV or Parquet
    #   target: Churn                    # the column with the label
    #   positive: "Yes"                  # the class that F1 is about

staging:                                 # model files that land here become finished runs
  - {folder: models/staging, model: churn, experiment: churn_monitoring}

# notify:                                # who is told; keep secrets out of this file
#   - {url: "${env:NOTIFY_URL}"}
"""

_PAGE = """\
# Configuration

One YAML file. It is looked for in this order: `--config FILE`, `$MLFLOW_SELECTOR_CONFIG`, `./selector.yaml`,
`/etc/mlflow-selector/selector.yaml`.

- `mlflow-selector config validate` checks it and tells everything that is wrong at once, with line and column.
- `mlflow-selector config show` prints what holds, defaults included, secrets masked.
- `mlflow-selector config example` prints every key with a comment; `mlflow-selector config schema` prints a JSON
  schema for editors. Both are also in `configs/`.

## How values are written

- Text needs no quotes. `positive: Yes`, `model: 2025_01` and `positive: 1.0` are taken as they are spelled.
- A key may stand only once, and an unknown key is an error that names the nearest known one.
- Durations: `30s`, `5m`, `2h`, `1d`, `1h30m`; a plain number means seconds. Sizes: `512MiB`, `4GiB`, `500MB`.
- Relative paths start from the folder of the file; so does `sqlite:///mlflow.db`, while `sqlite:////srv/mlflow.db`
  is absolute.
- Secrets stay outside the file. `${env:NAME}` is an environment variable, `${file:PATH}` the content of a file without
  its last line end, `${credential:NAME}` a credential that systemd loaded (`LoadCredential=NAME:PATH`). They work
  anywhere in a text. A missing one is an error. What came from a reference is never printed.
- `mlflow.tracking_uri` is MLFLOW_TRACKING_URI where the file does not say it, else `sqlite:///mlflow.db` beside the
  file. MLflow's own variables for user, password and token hold as usual.
"""


def schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) that editors check a file with."""
    made = Configuration.model_json_schema(mode="validation")
    properties = made["$defs"]["ModelSettings"]["properties"]
    for synonym, name in ModelSettings.synonyms.items():
        properties[synonym] = {**properties[name], "description": f"Another word for {name}."}
    _drop_titles(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "selector.yaml of mlflow-selector",
        **{key: value for key, value in made.items() if key not in ("title", "description")},
        "required": ["models"],
    }


def _drop_titles(value: Any) -> None:
    """Remove the titles that pydantic makes from names; editors show them instead of the description."""
    if isinstance(value, dict):
        if isinstance(value.get("title"), str):
            del value["title"]
        for part in value.values():
            _drop_titles(part)
    elif isinstance(value, list):
        for part in value:
            _drop_titles(part)


def minimal() -> str:
    """Return the file that `init` writes."""
    return _MINIMAL


def example() -> str:
    """Return a file with every key and its comment; it loads as it is."""
    made = schema()
    lines = _HEADER.rstrip().splitlines()
    for key, value in made["properties"].items():
        lines += ["", *_example_key(key, value, made, (), "")]
    return "\n".join(lines) + "\n"


def _example_key(key: str, value: Any, root: Any, above: tuple[str, ...], indent: str) -> Iterator[str]:
    here = (*above, key)
    if key in ModelSettings.synonyms:
        return
    section, kind = _section(value, root)
    for line in _wrapped(_meaning(value, root), 110 - len(indent)):
        yield f"{indent}# {line}"
    off = "# " if ".".join(here) in _COMMENTED else ""
    if section is None:
        yield f"{indent}{off}{key}: {_sample(value)}"
        return
    yield f"{indent}{key}:"
    inner = indent + "  "
    if kind == "named":
        yield f"{inner}{_NAMES[key]}:"
        inner += "  "
    made = [
        line for name, part in section["properties"].items() for line in _example_key(name, part, root, here, inner)
    ]
    if kind == "list":
        first = next(i for i, line in enumerate(made) if not line.lstrip().startswith("#"))
        before, after = made[:first], made[first:]
        made = [*before, f"{inner}- {after[0].lstrip()}", *(inner + "  " + line.lstrip() for line in after[1:])]
    yield from made


def _sample(value: Any) -> str:
    found = (value.get("examples") or [value.get("default")])[0]
    return found if isinstance(found, str) else json.dumps(found)


def _section(value: Any, root: Any) -> tuple[Any, str]:
    """Return the group of keys that a property leads to (None: a plain value), and how: one, named or list."""
    if "$ref" in value:
        return _section(root["$defs"][value["$ref"].rsplit("/", 1)[-1]], root)
    if "properties" in value:
        return value, "one"
    for part in value.get("anyOf", ()):
        found, kind = _section(part, root)
        if found is not None:
            return found, kind
    for key, kind in (("additionalProperties", "named"), ("items", "list")):
        if isinstance(value.get(key), dict):
            found, _ = _section(value[key], root)
            if found is not None:
                return found, kind
    return None, ""


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return [line for line in lines if line]


def reference() -> str:
    """Return the reference page in Markdown."""
    made = schema()
    parts = [_PAGE, "## Keys at the top level\n", _table(made, made)]
    for key, value in made["properties"].items():
        parts += _pages(key, value, made)
    return "\n".join(parts).rstrip() + "\n"


def _pages(path: str, value: Any, root: Any) -> Iterator[str]:
    section, kind = _section(value, root)
    if section is None:
        return
    path += {"named": ".NAME", "list": "[]"}.get(kind, "")
    yield f"## `{path}`\n"
    if section.get("description"):
        yield section["description"].split("\n")[0] + "\n"
    yield _table(section, root)
    for key, part in section["properties"].items():
        yield from _pages(f"{path}.{key}", part, root)


def _table(section: Any, root: Any) -> str:
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for key, value in section["properties"].items():
        default = "needed" if key in section.get("required", ()) else _default(value)
        rows.append(f"| `{key}` | {_kind(value, root)} | {default} | {_meaning(value, root)} |")
    return "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    found = value.get("default")
    if found in (None, [], "", {}):
        return ""
    if value.get("x-kind") in ("duration", "size"):
        return f"`{found:g}s`" if value["x-kind"] == "duration" else f"`{found >> 30}GiB`"
    return f"`{found if isinstance(found, str) else json.dumps(found)}`"


def _meaning(value: Any, root: Any) -> str:
    """Return a key's description; pydantic leaves it out where it is the same as that of the group it leads to."""
    section, _ = _section(value, root)
    return str(value.get("description") or (section or {}).get("description", "")).split("\n")[0]


def _kind(value: Any, root: Any) -> str:
    section, kind = _section(value, root)
    if "x-kind" in value:
        return str(value["x-kind"])
    if section is not None:
        text = {"named": "names, each with keys", "list": "list of keys"}.get(kind, "keys")
        return text + (" or of texts" if kind == "list" else ", or a text") * _takes_text(value, root)
    if "anyOf" in value:
        kinds = [_kind(part, root) for part in value["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    words = value.get("enum", [value["const"]] if "const" in value else [])
    return ", ".join(f"`{word}`" for word in words) or _plain_kind(value)


def _plain_kind(value: Any) -> str:
    if value["type"] == "array":
        return "two numbers" if "prefixItems" in value else "list of texts"
    return {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}[value["type"]]


def _takes_text(value: Any, root: Any) -> bool:
    if "$ref" in value:
        return _takes_text(root["$defs"][value["$ref"].rsplit("/", 1)[-1]], root)
    parts = [*value.get("anyOf", ()), *([value["items"]] if isinstance(value.get("items"), dict) else [])]
    return any(p.get("type") == "string" for p in value.get("anyOf", ())) or any(_takes_text(p, root) for p in parts)
