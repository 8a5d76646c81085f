"""Is an MLmodel with a trap refused before anything is loaded?"""

import os

import pytest
import yaml

from selector.adapters.mlmodel_lint import is_inside, lint

PLAIN = {
    "flavors": {
        "python_function": {
            "loader_module": "mlflow.sklearn",
            "model_path": "model.pkl",
            "env": {"conda": "conda.yaml"},
        },
        "sklearn": {"pickled_model": "model.pkl", "serialization_format": "pickle", "code": None},
    },
    "model_uuid": "x",
}


def folder_with(tmp_path, content):
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    (tmp_path / "MLmodel").write_text(text)
    (tmp_path / "model.pkl").write_bytes(b"x")
    return tmp_path


def changed(flavor="python_function", **settings):
    return {"flavors": {**PLAIN["flavors"], flavor: {**PLAIN["flavors"].get(flavor, {}), **settings}}}


def test_a_plain_model_passes(tmp_path):
    assert lint(folder_with(tmp_path, PLAIN)) is None


OWN_CODE = {
    "own loader": changed(loader_module="loader_code"),
    "loader that looks like MLflow's": changed(loader_module="mlflow.sklearn.evil"),
    "loader below another package": changed(loader_module="mlflow_evil.sklearn"),
    "loader that is no text": changed(loader_module=["mlflow.sklearn"]),
    "python model": changed(loader_module="mlflow.pyfunc.model", python_model="python_model.pkl"),
    "generic python loader": changed(loader_module="mlflow.pyfunc.loaders.code_model"),
    "code folder": changed(code="code"),
    "code folder of another flavor": changed("sklearn", code="code"),
    "model from code": changed("langchain", model_code_path="model.py"),
    "a flavor that is no mapping": {"flavors": {"python_function": "x"}},
}


@pytest.mark.parametrize("name", OWN_CODE)
def test_own_code_is_refused_unless_it_is_allowed(tmp_path, name):
    folder = folder_with(tmp_path, OWN_CODE[name])
    reason = lint(folder)
    assert reason is not None
    assert "own code is refused" in reason or "is odd" in reason
    assert lint(folder, allow_code=True) is None


PATHS = {
    "absolute": changed("sklearn", pickled_model="/etc/passwd"),
    "climbing": changed(model_path="../../other/model.pkl"),
    "climbing from within": changed(model_path="a/../../b"),
    "windows": changed(model_path="..\\..\\b"),
    "windows drive": changed(model_path="C:\\models\\b"),
    "home": changed(model_path="~/model.pkl"),
    "uri": changed(data="file:///etc/passwd"),
    "environment": changed(env={"conda": "/etc/passwd", "virtualenv": "python_env.yaml"}),
    "deep down": {**PLAIN, "extra": [{"more": {"artifact_path": "../x"}}]},
    "code, even where code is allowed": changed(code="../code"),
}


@pytest.mark.parametrize("name", PATHS)
def test_paths_that_leave_the_model_are_refused_always(tmp_path, name):
    folder = folder_with(tmp_path, PATHS[name])
    for allow_code in (False, True):
        assert "names a path outside of the model" in lint(folder, allow_code=allow_code)


def test_paths_inside_are_told_from_paths_outside():
    assert [is_inside(path) for path in ("model.pkl", "data/model.xgb", "a..b/c")] == [True] * 3
    assert [is_inside(path) for path in ("", "..", "/x", "x\0y", "a/..", "s3://b/x")] == [False] * 6


BOMBS = {
    "billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join('*' + chr(97 + i) for _ in range(9))}]\n" for i in range(24))
    + "flavors: {sklearn: {}}\n",
    "deep nesting": "flavors: " + "[" * 100_000,
    "huge": "flavors: {sklearn: {}}\nx: " + "y" * (5 << 20),
    "python object": "flavors: !!python/object/apply:os.system ['true']",
    "no yaml": "flavors: {{{:",
    "not utf-8": "flavors: \x00",
    "a list": "- 1",
    "no flavors": "a: 1",
    "flavors that are none": "flavors: 3",
    "empty": "",
}


@pytest.mark.parametrize("name", BOMBS)
def test_unreadable_and_explosive_files_are_refused_with_a_reason(tmp_path, name):
    reason = lint(folder_with(tmp_path, BOMBS[name]))
    assert reason is not None
    assert reason.startswith("the model cannot be read: its MLmodel")
    assert len(reason) < 400


def test_a_missing_mlmodel_is_named(tmp_path):
    assert lint(tmp_path) == "the model cannot be read: its MLmodel file cannot be opened (No such file or directory)"


def test_an_mlmodel_that_is_a_link_or_a_pipe_is_not_followed(tmp_path):
    (tmp_path / "MLmodel").symlink_to("/etc/passwd")
    assert "cannot be opened" in lint(tmp_path)
    (tmp_path / "MLmodel").unlink()
    os.mkfifo(tmp_path / "MLmodel")
    assert "is no regular file" in lint(tmp_path)


def test_links_out_of_the_folder_and_special_files_are_refused(tmp_path):
    folder = folder_with(tmp_path, PLAIN)
    (folder / "within").symlink_to("model.pkl")
    assert lint(folder) is None
    (folder / "sub").mkdir()
    (folder / "sub" / "out").symlink_to("/etc")
    assert lint(folder) == "the model's folder holds a link that leads out of it ('sub/out')"
    (folder / "sub" / "out").unlink()
    os.mkfifo(folder / "sub" / "pipe")
    assert lint(folder) == "the model's folder holds 'sub/pipe', which is neither file nor folder"
