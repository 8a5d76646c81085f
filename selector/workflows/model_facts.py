"""What does a model's folder tell, once it has been fetched: its size, its files, the inputs of its signature?"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selector.domain.model import Candidate
from selector.domain.model_facts import InputColumn, ModelFacts
from selector.errors import MlflowUnreachableError, SelectorError
from selector.mlmodel import UnreadableMlmodelError, read_mlmodel
from selector.workflows.fingerprint import REWRITTEN
from selector.workflows.house import House


def model_facts(folder: Path) -> ModelFacts:
    """Look at a model's folder; links count as links and are not followed.

    Raises:
        OSError: the folder cannot be read.

    """
    found = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_symlink() or p.is_file()}
    files = {_printable(name): path.lstat().st_size for name, path in found.items() if name not in REWRITTEN}
    return ModelFacts(sum(files.values()), tuple(sorted(files)), _inputs(folder))


def facts_without_rows(house: House, candidates: Sequence[Candidate]) -> dict[str, ModelFacts]:
    """Return what the candidates' folders tell where nothing is scored; each folder is fetched once and never again.

    A folder that cannot be read costs only itself: it is left out.

    Raises:
        MlflowUnreachableError: MLflow does not answer; nothing is concluded from that.

    """
    uris = list(dict.fromkeys(c.uri for c in candidates if c.uri and c.ready))
    known = dict(house.store.facts(uris))
    missing = [uri for uri in uris if uri not in known]
    if not missing:
        return known
    house.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    for done, uri in enumerate(missing):
        house.progress("reading models", done, len(missing))
        into = Path(tempfile.mkdtemp(dir=house.spool, prefix="models-"))
        try:
            known[uri] = model_facts(house.registry.fetch(uri, into))
            house.store.remember_facts(uri, known[uri])
        except MlflowUnreachableError:
            raise
        except (SelectorError, OSError):
            continue  # the gate that asks for it says that the files were not read
        finally:
            shutil.rmtree(into, ignore_errors=True)
    house.progress("reading models", len(missing), len(missing))
    return known


def _printable(name: str) -> str:
    """Return the name without what cannot be written, at a length that fits a sentence."""
    return name.encode("utf-8", "replace").decode()[:500]


def _inputs(folder: Path) -> tuple[InputColumn, ...] | None:
    """Return the inputs of the signature; None where there is none, or none that can be understood."""
    try:
        signature = read_mlmodel(folder).get("signature")
        listed = json.loads(signature["inputs"]) if isinstance(signature, dict) else None
    except (UnreadableMlmodelError, KeyError, ValueError, TypeError, RecursionError):
        return None
    if not isinstance(listed, list) or not all(isinstance(column, dict) for column in listed):
        return None
    return tuple(_column(place, column) for place, column in enumerate(listed))


def _column(place: int, column: dict[str, Any]) -> InputColumn:
    name, tensor = column.get("name"), column.get("tensor-spec")
    kind = str(column.get("type"))
    if isinstance(tensor, dict):
        shape = tensor.get("shape")
        kind = f"tensor({tensor.get('dtype')}, {', '.join(map(str, shape)) if isinstance(shape, list) else shape})"
    elif "items" in column or "properties" in column:
        kind = json.dumps({k: v for k, v in column.items() if k not in ("name", "required")}, sort_keys=True)
    return InputColumn(
        _printable(str(name)) if name is not None else f"#{place}",
        _printable(kind),
        column.get("required") is not False,
    )
