"""What do ${env:NAME}, ${file:PATH} and ${credential:NAME} in the configuration stand for?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selector.config_yaml import Location, Problem

_REFERENCE = re.compile(r"\$\{([^{}:]*):([^{}]*)\}")
_LOOKALIKE = re.compile(r"\$\{[^{}]*\}?")
_MAX_SECRET_BYTES = 1 << 16
FOR_THE_SERVICE = ("notify", "webhook")
"""What only the service uses, so that whoever works beside it can do without."""

ABSENT = "absent"
KINDS = ("env", "file", "credential")


@dataclass(slots=True)
class Expansion:
    """The data with every reference replaced, and what must never be shown.

    Attributes:
        origins: where a reference was, and the text as it was written.
        secrets: the values that references stood for, where they can be secret.
        absent: where credentials are missing that only the service has, and that only the service needs.

    """

    data: Any
    origins: dict[Location, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    absent: set[Location] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    missing: set[Location] = field(default_factory=set)


class _OnlyInServiceError(ValueError):
    """A credential that systemd hands to the service and to nobody else."""


def expand(
    data: Any, folder: Path, environment: Mapping[str, str], *, service: bool = True, offline: bool = False
) -> Expansion:
    """Return the data with references in its strings replaced; keys are left alone.

    Args:
        data: nested dicts, lists, strings and None.
        folder: where relative paths of ${file:…} start.
        environment: for ${env:…}, and for CREDENTIALS_DIRECTORY, which systemd sets (systemd.exec, LoadCredential=).
        service: who reads is the service; anybody else may be without the credentials of its channels.
        offline: who reads talks to nobody, and may be without any credential.

    """
    expansion = Expansion(data=None)
    expansion.data = _walk(data, (), folder, environment, expansion)
    if service:
        return expansion
    expansion.absent = {a for a in expansion.missing if offline or (a and a[0] in FOR_THE_SERVICE)}
    expansion.problems = [p for p in expansion.problems if p.location not in expansion.absent]
    return expansion


def _walk(value: Any, location: Location, folder: Path, environment: Mapping[str, str], out: Expansion) -> Any:
    if isinstance(value, dict):
        return {k: _walk(v, (*location, k), folder, environment, out) for k, v in value.items()}
    if isinstance(value, list):
        return [_walk(v, (*location, i), folder, environment, out) for i, v in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    return _replace(value, location, folder, environment, out)


def _replace(text: str, location: Location, folder: Path, environment: Mapping[str, str], out: Expansion) -> str:
    found: list[tuple[str, str]] = []

    def one(reference: re.Match[str]) -> str:
        try:
            value = _resolve(reference.group(1), reference.group(2), folder, environment)
        except ValueError as error:
            out.problems.append(Problem(location, str(error)))
            if isinstance(error, _OnlyInServiceError):
                out.missing.add(location)
            return ABSENT
        found.append((reference.group(1), value))
        return value

    left = _LOOKALIKE.findall(_REFERENCE.sub("", text))
    if left:
        said = f"{left[0]!r} is no reference; write ${{env:NAME}}, ${{file:PATH}} or ${{credential:NAME}}"
        out.problems.append(Problem(location, said))
    out.origins[location] = text
    whole = _REFERENCE.sub(one, text)
    out.secrets |= {value for kind, value in found if _is_secret(kind, value, location, whole)}
    return whole


def _is_secret(kind: str, value: str, location: Location, whole: str) -> bool:
    """Tell a password from a host name that happens to stand in the environment: the latter may be printed."""
    if kind != "env" or location[:1] == ("notify",) or location == ("webhook", "secret"):
        return True
    user_part, query = whole.rpartition("@")[0], whole.partition("?")[2]
    return location[:1] in (("mlflow",), ("state",)) and (value in user_part or value in query)


def _resolve(kind: str, name: str, folder: Path, environment: Mapping[str, str]) -> str:
    if not name.strip():
        raise ValueError(f"${{{kind}:}} names nothing")
    if kind == "env":
        if name not in environment:
            raise ValueError(f"the environment variable {name} is not set")
        return environment[name]
    if kind == "file":
        return _content(folder / Path(name).expanduser(), "the file")
    if kind == "credential":
        return _credential(name, environment)
    raise ValueError(f"${{{kind}:…}} is unknown; use ${{env:…}}, ${{file:…}} or ${{credential:…}}")


def _credential(name: str, environment: Mapping[str, str]) -> str:
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if "/" in name or name in (".", ".."):
        raise ValueError(f"the credential name {name!r} must not be a path")
    if not folder:
        raise _OnlyInServiceError(
            f"the credential {name} is only there under systemd (LoadCredential={name}:PATH);"
            " CREDENTIALS_DIRECTORY is not set"
        )
    return _content(Path(folder) / name, "the credential")


def _content(path: Path, what: str) -> str:
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{what} {path} cannot be read: {error.strerror or error}") from None
    if len(raw) > _MAX_SECRET_BYTES:
        raise ValueError(f"{what} {path} is larger than 64 KiB, which no secret is")
    try:
        return raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{what} {path} is not text in UTF-8") from None
