"""PURE: which run, logged model or version does the source of a version name, on whatever machine it was written?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from migrations.stores.files import address_parts

_RUN = re.compile(r"[0-9a-f]{32}")
_MODEL = re.compile(r"m-[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Address:
    """What a source names.

    Attributes:
        kind: files of a run, a logged model, another version, or nothing that can be told.
        name: the id of the run or of the logged model, or the name of the registered model.
        rest: the path below the run's artifacts, or the other version's number.

    """

    kind: Literal["run", "model", "version", "unknown"]
    name: str = ""
    rest: str = ""


def address_of(source: str) -> Address:
    """Return what a version's source names."""
    scheme, _, rest = source.partition(":")
    rest = rest.strip("/")
    if scheme == "models":
        name, slash, number = rest.rpartition("/")
        if not slash and rest:
            return Address("model", rest)
        return Address("version", name, number) if number.isdigit() else Address("unknown")
    if scheme == "runs":
        run_id, _, path = rest.partition("/")
        return Address("run", run_id, path.strip("/"))
    parts = address_parts(source)
    for index in range(len(parts) - 1, -1, -1):
        if _MODEL.fullmatch(parts[index]):
            return Address("model", parts[index])
        if _RUN.fullmatch(parts[index]) and parts[index + 1 : index + 2] == ("artifacts",):
            return Address("run", parts[index], "/".join(parts[index + 2 :]))
    return Address("unknown")
