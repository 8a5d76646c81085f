"""How does a result reach stdout: as text fit for a terminal, or as exactly one JSON document?"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from selector.cli.session import session
from selector.errors import SelectorError
from selector.redaction import printable, redact

SCHEMA_VERSION = 1
_TELLING = ("://", "=", '"', "'", "earer", "asic")


def show(document: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Write the result: one JSON document, or the text for people."""
    current = session()
    if as_json:
        whole = {"schema_version": SCHEMA_VERSION, **document}
        click.echo(json.dumps(_plain(whole, current.secrets), indent=2), file=current.out)
    elif text:
        safe = redact(text, current.secrets)
        click.echo("\n".join(_line(line) for line in safe.splitlines()), file=current.out)


def talk(text: str) -> None:
    """Say something on stderr, which is where everything goes that is not the result."""
    safe = redact(text, session().secrets)
    click.echo("\n".join(_line(line) for line in safe.splitlines()), err=True)


def tell_failure(model: str, error: SelectorError | None) -> int:
    """Say what failed for one model, where anything did, and return the exit code that it stands for."""
    if error is None:
        return 0
    talk(f"error: {model}: {error.message}")
    if error.advice:
        talk(f"  try: {error.advice}")
    return error.exit_code


def _line(line: str) -> str:
    indent = len(line) - len(line.lstrip(" "))
    return " " * indent + printable(line[indent:])


def _plain(value: Any, secrets: frozenset[str]) -> Any:
    """Return JSON values: times in ISO 8601 UTC, null for what JSON cannot say, no secrets."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part, secrets) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part, secrets) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    text = _text(value)
    return redact(text, secrets) if secrets or any(t in text for t in _TELLING) else text


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Path):
        return str(value).encode("utf-8", "backslashreplace").decode()
    return str(value)
