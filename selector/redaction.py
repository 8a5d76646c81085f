"""How does text that came from outside become safe to print: no secret in it, and nothing that steers a terminal?"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, quote_plus

HIDDEN = "***"

SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
"""Environment variables whose values must not be shown."""

# Every pattern takes linear time on hostile text: names are possessive (++) and start only where a name can start.
_TELLING = re.compile(
    r"password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|account[_-]?key|credential"
    r"|signature|^(?:pwd|pass|auth|sig)$",
    re.IGNORECASE,
)
_AFTER_SCHEME = re.compile(r"(?<=[A-Za-z0-9]://)(?:(?!://)[^\s\"'<>`])+")
_PARAMETER = re.compile(r"(?<![\w.-])([\w.-]++)=([^\s&;,#\"'<>`)\]}]+)")
_URI_PARAMETER = re.compile(r"([?&;](?:key|code|k|p|t)=)([^\s&;#\"'<>`]+)", re.IGNORECASE)
_JSON_FIELD = re.compile(r"([\"'])([\w.-]++)\1(\s*+:\s*+)(\"[^\"]*+\"|'[^']*+')")
_AUTHORIZATION = re.compile(
    r"(\bauthorization[\"']?\s*+[:=]\s*+[\"']?(?:(?:basic|bearer)\s++)?)[^\s\"',]+", re.IGNORECASE
)
_BEARER = re.compile(r"(\bbearer\s++)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_PORT = re.compile(r":\d{0,5}$")

_SPACES = re.compile("[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")

_SHORTEST_SECRET = 4


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without credentials.

    Removed are: these secrets as they are and in the encodings that errors and URLs put them in (percent, base64 at any
    offset, base32, hex, JSON, HTML, Python escapes, backwards); the user part of any URI (MLflow's client puts
    `http://user:password@host` into its exceptions); and values of fields whose name says that they are secret.

    Args:
        text: anything, also several lines.
        secrets: known secret values. One shorter than 4 characters is removed only where it stands as a whole word.

    """
    pattern = _pattern(tuple(sorted({secret for secret in secrets if secret.strip()})))
    if pattern is not None:
        text = pattern.sub(HIDDEN, text)
    text = _AFTER_SCHEME.sub(lambda found: _without_user(found[0]), text)
    text = _PARAMETER.sub(lambda f: f"{f[1]}={HIDDEN}" if _TELLING.search(f[1]) else f[0], text)
    text = _URI_PARAMETER.sub(rf"\1{HIDDEN}", text)
    text = _JSON_FIELD.sub(
        lambda f: f"{f[1]}{f[2]}{f[1]}{f[3]}{f[4][0]}{HIDDEN}{f[4][0]}" if _TELLING.search(f[2]) else f[0], text
    )
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    return _BEARER.sub(rf"\1{HIDDEN}", text)


def printable(text: str) -> str:
    """Return the text as one line without C0, C1, bidirectional and invisible characters.

    Line breaks and tabs become one space, lone surrogates the replacement character (a terminal could not encode them).
    """
    text = _SPACES.sub(" ", text)
    return _SURROGATES.sub("\ufffd", _STEERING.sub("", text))


def _without_user(rest: str) -> str:
    """Return what follows `scheme://` without the user part, also where the password holds unescaped / ? # or @."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return f"{HIDDEN}@{rest[authority.rindex('@') + 1 :]}"
    # "user:pa/ss@host": what looks like a port is none.
    if ":" in authority and "@" in rest and not _PORT.search(authority) and not authority.startswith("["):
        return f"{HIDDEN}@{rest[rest.rindex('@') + 1 :]}"
    return rest


@lru_cache(maxsize=8)
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str] | None:
    forms = {form for secret in secrets if len(secret) >= _SHORTEST_SECRET for form in _forms(secret)}
    short = {rf"(?<!\w){re.escape(secret)}(?!\w)" for secret in secrets if len(secret) < _SHORTEST_SECRET}
    # The longest first, so that no tail of a longer form stays.
    parts = [re.escape(form) for form in sorted(forms, key=len, reverse=True)] + sorted(short)
    return re.compile("|".join(parts)) if parts else None


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    percent = "".join(f"%{byte:02X}" for byte in raw)
    escaped = json.dumps(secret)[1:-1]
    forms = {
        secret,
        secret[::-1],
        secret.strip(),
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        quote(quote(raw, safe=""), safe=""),
        re.sub(r"%..", lambda code: code[0].lower(), quote(raw, safe="")),
        percent,
        percent.lower(),
        raw.hex(),
        raw.hex().upper(),
        base64.b32encode(raw).decode().rstrip("="),
        escaped,
        json.dumps(escaped)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        secret.encode("unicode_escape").decode("ascii"),
        html.escape(secret),
        html.escape(secret, quote=False),
        "".join(f"\\x{byte:02x}" for byte in raw),
        *_base64_forms(raw),
    }
    return {form for form in forms if len(form) >= _SHORTEST_SECRET}


def _base64_forms(raw: bytes) -> set[str]:
    """Return the characters that depend on the secret alone, for each of the three ways it can lie in base64 text."""
    forms = set()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + raw).decode()
        start = -(-before * 8 // 6)
        stop = (before + len(raw)) * 8 // 6
        core = whole[start:stop]
        if len(core) > _SHORTEST_SECRET:
            forms |= {core, core.translate(str.maketrans("+/", "-_"))}
    return forms
