"""Can any of our own processes load a model? Only the confined worker has the code for it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "selector" / "worker"
DEMO = (
    ROOT / "selector" / "demo"
)  # plays the people around the selector: trains models of its own and serves the champion
SOURCES = [
    path
    for package in ("selector", "migrations")
    for path in sorted((ROOT / package).rglob("*.py"))
    if WORKER not in path.parents and DEMO not in path.parents
]
KNOWN = {("migrations/mlflow_folder.py", "yaml.load()")}  # its loader is libyaml's safe one, chosen in a function
FORBIDDEN_MODULES = {
    "pickle",
    "cloudpickle",
    "dill",
    "joblib",
    "shelve",
    "marshal",
    "skops.io",
    "torch",
    "lightgbm",
    "xgboost",
}
FORBIDDEN_CALLS = {"eval", "exec", "__import__", "load_model", "unsafe_load", "full_load"}


def findings(source):
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FORBIDDEN_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in FORBIDDEN_MODULES:
            yield node.module
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", None) or getattr(node.func, "attr", "")
            if name in FORBIDDEN_CALLS:
                yield f"{name}()"
            if any(word.arg == "shell" and getattr(word.value, "value", False) for word in node.keywords):
                yield "shell=True"
            if any(word.arg == "allow_pickle" and getattr(word.value, "value", True) for word in node.keywords):
                yield "allow_pickle=True"
            if ast.unparse(node.func) in ("pandas.read_pickle", "pd.read_pickle"):
                yield "read_pickle()"
            if ast.unparse(node.func) == "yaml.load" and "SafeLoader" not in ast.unparse(node):
                yield "yaml.load()"


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_no_module_outside_of_the_worker_can_load_a_model_or_run_foreign_code(path):
    found = {(str(path.relative_to(ROOT)), what) for what in findings(path.read_text())}
    assert found - KNOWN == set()


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "mlflow.pyfunc.load_model(x)",
        "eval('1')",
        "subprocess.run('x', shell=True)",
        "numpy.load(x, allow_pickle=True)",
        "yaml.load(x, Loader=yaml.Loader)",
        "pandas.read_pickle(x)",
    ],
)
def test_what_is_looked_for_is_found(source):
    assert list(findings(source))


def test_the_worker_is_where_it_is_looked_for():
    assert (WORKER / "load.py").is_file()
    assert len(SOURCES) > 50
