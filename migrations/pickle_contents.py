"""What is in this pickle or joblib file: a model, a preprocessor, a bundle, plain data, or something to refuse?"""

from __future__ import annotations

import lzma
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final

from migrations.byte_source import ByteSource, ShortReadError, TooLargeError, compression, unpacked
from migrations.model import ModelFile, Role
from migrations.pickle_classes import (
    DATA_MODULES,
    DISTRIBUTIONS,
    PIPELINES,
    is_preprocessor,
    known_estimator,
    packages,
    runs_code,
)
from migrations.pickle_symbols import (
    DamagedPickleError,
    DictSymbol,
    Global,
    Instance,
    ListSymbol,
    Opaque,
    TooComplexError,
    Walk,
)
from migrations.pickle_walk import walk_pickle

NO_PREDICT: Final = {
    "xgboost.core.Booster": "is a pickled XGBoost booster, which needs a DMatrix; save it with save_model",
}
CLUSTERERS: Final = frozenset({"HDBSCAN", "DBSCAN", "OPTICS", "AgglomerativeClustering", "SpectralClustering"})
"""Classes that label the rows they were fitted on and have no predict."""
_UNPACKING_ERRORS: Final = (EOFError, OSError, zlib.error, lzma.LZMAError)


def read_pickle(path: Path, stream: BinaryIO) -> ModelFile:
    """Tell what a pickle or joblib file holds, compressed or not.

    Args:
        path: the file's path, for nothing but the words of the answer.
        stream: the file, opened by the caller and positioned at its start.

    Returns:
        What it is. A file that breaks off, is not a pickle after all, or would run foreign code has a reason.

    """
    head = stream.read(8)
    stream.seek(0)
    packed = compression(head)
    kind = "joblib" if packed or path.suffix in {".joblib", ".jbl"} else "pickle"
    try:
        source = ByteSource(unpacked(stream, packed) if packed else stream)
        walk = walk_pickle(source)
        if packed:
            source.drain()  # a checksum at the end is the only sign of some cuts
    except (DamagedPickleError, ShortReadError, *_UNPACKING_ERRORS) as error:
        cut = isinstance(error, EOFError | ShortReadError) or str(error) == "cut off"
        return ModelFile(kind, "unknown", "is cut off" if cut else f"is damaged: {error}", damaged=True)
    except (TooComplexError, TooLargeError) as error:
        return ModelFile(kind, "unknown", f"is too large to look into: {error}")
    if walk.arrays:
        kind = "joblib"
    return _told(kind, packed, walk)


def _told(kind: str, packed: str, walk: Walk) -> ModelFile:
    """Turn a finished walk into an answer."""
    needed = packages(walk)
    versions = {"scikit-learn": walk.sklearn_version} if walk.sklearn_version else {}
    notes = (f"packed with {packed}",) if packed else ()
    bad = runs_code(walk)
    if bad:
        return ModelFile(kind, "unknown", f"would run {bad} when it is loaded", packages=needed, versions=versions)
    if walk.old_arrays:
        return ModelFile(kind, "unknown", "keeps its arrays in files of their own, as joblib did before 0.10")
    member = None
    if isinstance(walk.top, DictSymbol):
        role, contains, model_class, reason, member = _bundle(walk.top)
    else:
        role, contains, model_class, reason = _top(walk.top)
    if role == "model" and any(module == "__main__" for module, _ in walk.globals):
        reason = "needs a class that was defined in a script (__main__) and is not in the file"
    if role == "model" and model_class and model_class.rpartition(".")[2] in CLUSTERERS:
        notes = (*notes, f"a {model_class.rpartition('.')[2]} has no predict: it loads with mlflow.sklearn.load_model")
    outside = [package for package in needed if package not in DISTRIBUTIONS and package != "__main__"]
    if outside:
        notes = (*notes, f"loading it needs the module {', '.join(outside)}")
    return ModelFile(
        kind,
        role,
        reason,
        contains=contains,
        model_class=model_class,
        packages=needed,
        versions=versions,
        member=member,
        needs_loader=bool(walk.arrays or packed or member),
        notes=notes,
    )


Told = tuple[Role, str, str | None, str]


def _top(top: Any) -> Told:
    """Return (role, what it is, class, reason) of a top object that is no dict."""
    if isinstance(top, str) or (isinstance(top, Opaque) and top.kind == "text"):
        return "data", "a text", None, "holds a text, not a model"
    if isinstance(top, ListSymbol):
        return "data", f"a {top.kind} of {top.size}", None, f"holds a {top.kind} of {top.size} items, not a model"
    if isinstance(top, Instance):
        return _instance(top)
    if isinstance(top, Global):
        return "data", f"the name {top.module}.{top.name}", None, "holds a name, not a model"
    return "data", "a plain value", None, "holds a plain value, not a model"


def _instance(top: Instance) -> Told:
    """Tell an estimator from a preprocessor and from data by class and, for pipelines, by the last step."""
    of = top.of
    if not isinstance(of, Global):
        return "unknown", "an object of unknown class", None, "holds an object whose class cannot be told"
    dotted = f"{of.module}.{of.name}"
    if (of.module, of.name) in PIPELINES:
        return _pipeline(top, dotted)
    if is_preprocessor(of):
        return "preprocessor", of.name, dotted, f"is a preprocessor ({of.name}), not a model"
    if of.module.partition(".")[0] in DATA_MODULES:
        return "data", f"{of.name} from {of.module.partition('.')[0]}", None, f"holds data ({dotted}), not a model"
    return "model", of.name, dotted, NO_PREDICT.get(dotted, "")


def _pipeline(top: Instance, dotted: str) -> Told:
    """Look at a pipeline's last step."""
    last = _last_step(top)
    if isinstance(last, Instance) and isinstance(last.of, Global):
        role, contains, _, _ = _instance(last)
        if role == "preprocessor":
            return role, f"Pipeline ending in {contains}", dotted, f"is a preprocessing pipeline ending in {contains}"
        if role == "model":
            return role, f"Pipeline ending in {contains}", f"{last.of.module}.{last.of.name}", ""
    return "model", "Pipeline", dotted, ""


def _last_step(top: Instance) -> Any:
    steps = (top.state or {}).get("steps")
    if isinstance(steps, ListSymbol) and steps.items and steps.size == len(steps.items):
        pair = steps.items[-1]
        if isinstance(pair, ListSymbol) and len(pair.items) > 1:
            return pair.items[1]
    return None


def _bundle(top: DictSymbol) -> tuple[Role, str, str | None, str, str | None]:
    """Look for one estimator in a dict; with preprocessors beside it, the model alone would see the wrong columns."""
    told = {key: _instance(value) for key, value in top.items.items() if isinstance(value, Instance)}
    models = [key for key, (role, *_) in told.items() if role == "model" and known_estimator(top.items[key])]
    helpers = [key for key, (role, *_) in told.items() if role != "data" and key not in models]
    if not models:
        return "data", f"a dict of {top.size}", None, f"holds a dict of {top.size} items without a model", None
    if len(models) > 1:
        return (
            "model",
            "a dict of models",
            None,
            f"is a dict with several models ({', '.join(map(repr, models))})",
            None,
        )
    key = models[0]
    _, contains, model_class, reason = told[key]
    if helpers:
        reason = (
            f"is a dict with a model under {key!r} and preprocessors beside it ({', '.join(map(repr, helpers))}); "
            "how they belong together is not in the file"
        )
    return "model", f"a dict with {contains} under {key!r}", model_class, reason, key if isinstance(key, str) else None
