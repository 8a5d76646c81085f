"""How do log records become lines: for people on a terminal, as JSON elsewhere, and never with a secret?"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from selector.redaction import printable, redact

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_SECRETS: set[str] = set()


def register_secret(value: str) -> None:
    """Remove this value, in all its encodings, from everything that is logged from now on."""
    if value.strip():
        _SECRETS.add(value)


def clean(text: str) -> str:
    """Return the text as one printable line without credentials and without any registered secret."""
    # Again afterwards: control characters inside a secret would have hidden it from the first look.
    return redact(printable(redact(text, _SECRETS)), _SECRETS)


def set_up_logging(
    level: str = "INFO", *, stream: TextIO | None = None, as_json: bool | None = None, secrets: Iterable[str] = ()
) -> None:
    """Send all log records and Python's warnings to one stream, one line each; calling again replaces the set-up.

    Args:
        level: DEBUG, INFO, WARNING or ERROR, in any case.
        stream: standard error where it is left out, so that standard output stays clean for `--json`.
        as_json: where it is left out: JSON unless the stream is a terminal.
        secrets: values for `register_secret`.

    Raises:
        ValueError: an unknown level.

    """
    for secret in secrets:
        register_secret(secret)
    out = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(out)
    handler.addFilter(Redacting())
    wants_json = not out.isatty() if as_json is None else as_json
    handler.setFormatter(JsonFormatter() if wants_json else HumanFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


class Redacting(logging.Filter):
    """Cleans a record where it enters a handler: message, exception, stack and extra fields.

    The record is changed in place, so that handlers that come later see the clean one, too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record and let it through."""
        record.msg = clean(_message(record))
        record.args = None
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = _clean_lines(record.exc_text)
        if record.stack_info:
            record.stack_info = _clean_lines(record.stack_info)
        for name, value in _extras(record).items():
            setattr(record, name, _cleaned(value))
        return True


class HumanFormatter(logging.Formatter):
    """`12:34:56 INFO    message`; an exception follows on the same line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        moment = datetime.fromtimestamp(record.created, UTC).astimezone()
        return f"{moment:%H:%M:%S} {record.levelname:<7} {' | '.join(_texts(record))}"


class JsonFormatter(logging.Formatter):
    """One JSON object per line: at, level, logger, message, exception, and every extra field of the record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of ASCII."""
        message, *rest = _texts(record)
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
        }
        if rest:
            line["exception"] = " | ".join(rest)
        return json.dumps(_extras(record) | line, default=str)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError) as error:
        # A library's wrong format string must not cost the record.
        return f"{record.msg} {record.args!r} (not formatted: {error})"


def _texts(record: logging.LogRecord) -> list[str]:
    rest = [text for text in (record.exc_text, record.stack_info) if text]
    return [printable(" | ".join(text.splitlines())) for text in (record.getMessage(), *rest)]


def _clean_lines(text: str) -> str:
    # Redacted as a whole first: a secret may span lines.
    return "\n".join(clean(line) for line in redact(text, _SECRETS).splitlines())


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def _cleaned(value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    return clean(value if isinstance(value, str) else repr(value))
