"""Which classes predict, which only transform, and which names have no place in a model file?"""

from __future__ import annotations

import re
from typing import Any, Final

from migrations.pickle_symbols import Global, Walk

PIPELINES: Final = frozenset({("sklearn.pipeline", "Pipeline"), ("imblearn.pipeline", "Pipeline")})
PREPROCESSING: Final = (
    "sklearn.preprocessing",
    "sklearn.impute",
    "sklearn.feature_extraction",
    "sklearn.feature_selection",
    "sklearn.decomposition",
    "sklearn.random_projection",
    "sklearn.kernel_approximation",
    "sklearn.manifold",
    "category_encoders",
    "imblearn.over_sampling",
    "imblearn.under_sampling",
    "imblearn.combine",
    "feature_engine",
    "umap",
)
PREPROCESSING_CLASSES: Final = frozenset({"ColumnTransformer", "FeatureUnion", "TransformedTargetEncoder"})
OLD_PREPROCESSING: Final = frozenset({"LabelEncoder", "StandardScaler", "OneHotEncoder", "MinMaxScaler"})
_TRANSFORMS: Final = re.compile(
    r"(Encoder|Scaler|Imputer|Transformer|Vectorizer|Preprocessor|Binarizer|Discretizer|Tokenizer|FeatureEngineer)$"
)
"""How projects call classes of their own that transform."""
ESTIMATORS: Final = (
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.tree",
    "sklearn.svm",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.discriminant_analysis",
    "sklearn.gaussian_process",
    "sklearn.calibration",
    "sklearn.multiclass",
    "sklearn.multioutput",
    "sklearn.dummy",
    "sklearn.isotonic",
    "sklearn.mixture",
    "sklearn.semi_supervised",
    "sklearn.kernel_ridge",
    "sklearn.cross_decomposition",
    "sklearn.covariance",
    "sklearn.cluster",
    "sklearn.model_selection",
    "sklearn.compose",
    "xgboost",
    "lightgbm",
    "catboost",
    "imblearn.ensemble",
    "imblearn.pipeline",
    "hdbscan",
)
DATA_MODULES: Final = (
    "numpy", "pandas", "scipy", "joblib", "builtins", "datetime", "collections", "pathlib", "decimal", "uuid",
)  # fmt: skip
_HIDDEN: Final = {"_loss": "sklearn"}
"""Compiled modules that name themselves without their package: scikit-learn's losses, in gradient boosting."""
DISTRIBUTIONS: Final = frozenset(
    {
        "sklearn",
        "xgboost",
        "lightgbm",
        "catboost",
        "numpy",
        "pandas",
        "scipy",
        "joblib",
        "imblearn",
        "category_encoders",
        "hdbscan",
        "umap",
        "feature_engine",
        "cloudpickle",
        "skops",
        "onnxruntime",
        "statsmodels",
    }
)
STANDARD_LIBRARY_ALLOWED: Final = frozenset(
    {("builtins", name) for name in ("object", "dict", "list", "tuple", "set", "frozenset", "int", "float", "str",
     "bool", "bytes", "bytearray", "complex", "slice", "range", "type", "Exception", "ValueError")}
    | {("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor"), ("copyreg", "__newobj__"),
       ("__builtin__", "object"), ("__builtin__", "set"), ("__builtin__", "int"), ("__builtin__", "float"),
       ("__builtin__", "long"), ("__builtin__", "bytearray"), ("__builtin__", "unicode"), ("__builtin__", "str"),
       ("_codecs", "encode"), ("functools", "partial"), ("operator", "itemgetter"), ("operator", "attrgetter")}
)  # fmt: skip
STANDARD_LIBRARY_MODULES: Final = (
    "collections",
    "datetime",
    "pathlib",
    "decimal",
    "fractions",
    "uuid",
    "re",
    "enum",
    "types",
    "zoneinfo",
    "threading",
    "random",
    "string",
    "math",
    "array",
)
RUNS_COMMANDS: Final = frozenset(
    {
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
        "socket",
        "shutil",
        "runpy",
        "pty",
        "ctypes",
        "importlib",
        "pickle",
        "webbrowser",
        "urllib",
        "http",
        "code",
        "commands",
        "pkgutil",
        "multiprocessing",
        "asyncio",
        "tempfile",
        "pip",
        "logging",
        "timeit",
        "cProfile",
        "pdb",
    }
)
RUNNING_BUILTINS: Final = frozenset(
    {
        "eval",
        "exec",
        "compile",
        "open",
        "__import__",
        "getattr",
        "setattr",
        "delattr",
        "globals",
        "vars",
        "input",
        "breakpoint",
        "apply",
        "execfile",
    }
)
LOADERS_OF_FILES: Final = frozenset(
    {
        ("joblib", "load"),
        ("pandas", "read_pickle"),
        ("numpy", "load"),
        ("joblib.numpy_pickle", "load"),
        ("pandas.io.pickle", "read_pickle"),
    }
)


def runs_code(walk: Walk) -> str:
    """Return the first global that loading would call to run commands or read other files; empty where there is none.

    This refuses what is plainly hostile or broken; it is no proof that a file is harmless, so nothing is loaded in
    this process either way.
    """
    for module, name in walk.globals:
        root = module.partition(".")[0]
        if root in RUNS_COMMANDS or (module, name) in LOADERS_OF_FILES:
            return f"{module}.{name}"
        if module in {"builtins", "__builtin__"} and name.partition(".")[0] in RUNNING_BUILTINS:
            return f"{module}.{name}"
        if module == "?" or name == "?":
            return "a name that it computes while loading"
    return ""


def packages(walk: Walk) -> tuple[str, ...]:
    """Return the top-level packages that loading imports, without the standard library, in order."""
    roots: dict[str, None] = {}
    for module, name in walk.globals:
        root = module.partition(".")[0]
        standard = (module, name) in STANDARD_LIBRARY_ALLOWED or root in STANDARD_LIBRARY_MODULES
        if not standard and root not in {"builtins", "__builtin__", "copyreg", "copy_reg", "_codecs"}:
            roots[_HIDDEN.get(root, root)] = None
    return tuple(roots)


def is_preprocessor(of: Global) -> bool:
    """Return whether a class transforms but does not predict."""
    if of.name in PREPROCESSING_CLASSES or of.name in OLD_PREPROCESSING:
        return True
    own = not of.module.startswith(ESTIMATORS) and of.module.partition(".")[0] not in DATA_MODULES
    if own and _TRANSFORMS.search(of.name):
        return True
    return of.module.startswith(tuple(PREPROCESSING)) and not of.name.startswith(("RFE", "SelectFromModelPredict"))


def known_estimator(value: Any) -> bool:
    """Return whether the class comes from a library of estimators (a project's own class may be anything)."""
    of = value.of
    return isinstance(of, Global) and (of.module.startswith(ESTIMATORS) or (of.module, of.name) in PIPELINES)
