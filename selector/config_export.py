"""Where is the champion put for consumers that do not speak MLflow?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator

from selector.config_section import one_or_many
from selector.config_values import Address

SCHEMES = ("s3", "r2", "b2", "gs", "wasbs", "abfss", "dbfs", "hdfs", "viewfs", "mlflow-artifacts")
"""Addresses that MLflow's artifact repositories write to, and that need no password in them."""


def _place(address: str) -> str:
    """Return the absolute path of a folder, or the address of a prefix in an artifact store."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return unquote(parts.path)
    if Path(address).is_absolute():
        return address
    if parts.scheme not in SCHEMES:
        known = ", ".join(SCHEMES)
        raise ValueError(f"{address!r} is no place to export to; give a folder, or an address of {known}")
    if parts.password is not None or parts.query:
        raise ValueError("an address to export to holds no password; give it to MLflow in its environment variables")
    if not parts.path.strip("/"):
        raise ValueError(f"{address!r} is all of a store; name a folder in it, as in {address.rstrip('/')}/churn")
    return address.rstrip("/")


def _places(addresses: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(_place(address) for address in addresses)
    for index, where in enumerate(found):
        if any(_within(where, other) or _within(other, where) for other in found[:index]):
            raise ValueError(f"{where} lies in another export, or is one twice")
    return found


ExportPlaces = Annotated[
    tuple[Address, ...],
    BeforeValidator(one_or_many, json_schema_input_type=str | list[str]),
    AfterValidator(_places),
]


def _within(where: str, other: str) -> bool:
    return where == other or where.startswith(f"{other.rstrip('/')}/")


def clashes(
    exports: Mapping[str, tuple[Sequence[str], str | None]], staging: Sequence[Path]
) -> Iterator[tuple[str, str]]:
    """Yield each model whose exports get in the way of another model's, or of a staging folder, and what is wrong.

    Args:
        exports: places, and what splits a family, by the model's name in the configuration.
        staging: folders that are watched for staged models.

    """
    taken: dict[str, str] = {}
    for model, (places, split_by) in exports.items():
        for where in places:
            if split_by and f"{{{split_by}}}" not in where:
                yield model, f"all members of the family would share {where}; add {{{split_by}}} to it"
            for other, owner in taken.items():
                if _within(where, other) or _within(other, where):
                    yield model, f"{where} gets in the way of {other}, to which {owner!r} is exported"
            for folder in staging:
                if _within(where, str(folder)) or _within(str(folder), where):
                    yield model, f"{where} gets in the way of the staging folder {folder}: it would be imported again"
        taken |= dict.fromkeys(places, model)
