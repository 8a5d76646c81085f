from pathlib import Path

import pytest

from selector.config import Configuration, find, literal_passwords, load
from selector.errors import EXIT_CONFIGURATION, ConfigurationError

SIMPLE = """\
mlflow:
  tracking_uri: http://localhost:5000
models:
  churn:
    experiments: [churn_monitoring]
    metric: f1
    holdout: {data: holdout.csv, target: Churn, positive: "Yes"}
staging:
  - {folder: models/staging, model: churn, experiment: churn_monitoring}
notify:
  - {url: "json://localhost:8080/alerts"}
"""
MODEL = "models:\n  churn:\n    metric: f1\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "selector.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(tmp_path, text, environment=None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text), environment if environment is not None else {})
    assert caught.value.exit_code == EXIT_CONFIGURATION
    return caught.value.message


def test_the_simple_case_of_the_contract_loads(tmp_path):
    found = load(written(tmp_path, SIMPLE), {})
    churn = found.models["churn"]
    assert found.mlflow.tracking_uri == "http://localhost:5000"
    assert found.mlflow.timeout == 10.0
    assert churn.holdout.data == str(tmp_path / "holdout.csv")
    assert churn.holdout.spec().positive == "Yes"
    assert found.staging[0].folder == tmp_path / "models/staging"
    assert found.notify[0].url == "json://localhost:8080/alerts"
    assert found.state.folder == tmp_path / ".mlflow-selector"
    policy = churn.policy()
    assert (policy.rule, policy.confidence, policy.minimum_gain, policy.without_proof) == (
        "proven",
        0.95,
        0.005,
        "promote",
    )
    assert policy.metric.average == "auto"


def test_everything_that_is_wrong_is_told_at_once_in_the_order_of_the_file(tmp_path):
    text = """\
models:
  churn:
    metrc: f1
    metric: f1
    confidence: 7
    shadow: maybe
    export: "s3://bucket"
  a/b:
    metric: foo
    rule: provn
staging:
  - {folder: models/staging, model: chrn, experiment: e}
scoring: {memory: 4 apples, workers: x}
state: a
state: b
"""
    lines = refusal(tmp_path, text).splitlines()
    path = tmp_path / "selector.yaml"
    direction = "metric 'foo' does not tell whether larger or smaller is better. Give direction: maximize or minimize"
    assert lines[0] == f"{path} holds 11 errors"
    assert [line for line in lines[1:] if line.startswith(str(path))] == [
        f"{path}:3:5: models.churn.metrc: unknown key; did you mean 'metric'?",
        f"{path}:5:17: models.churn.confidence: must be less than 1, not '7'",
        f"{path}:6:13: models.churn.shadow: must be true or false, not 'maybe'",
        f"{path}:7:13: models.churn.export: 's3://bucket' is all of a store; name a folder in it, as in s3://bucket/churn",
        f"{path}:8:3: models.a/b: registered model 'a/b': MLflow does not allow '/' in the name; use - or _",
        f"{path}:9:13: models.a/b.metric: {direction}",
        f"{path}:10:11: models.a/b.rule: must be proven or highest, not 'provn'; did you mean 'proven'?",
        f"{path}:12:37: staging[0].model: 'chrn' is not among the models; did you mean 'churn'?",
        f"{path}:13:19: scoring.memory: '4 apples': not a size; write it as 512MiB or 4GiB",
        f"{path}:13:38: scoring.workers: must be a whole number, not 'x'",
        f"{path}:15:1: state: given twice, first in line 14; keep one of them",
    ]
    assert lines[2:4] == ["    3 |     metrc: f1", "      |     ^"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mlflow: {}\n", "models: is missing"),
        ("models:\n", "models: must not be empty"),
        ("models: {}\n", "models: must not be empty"),
        ("models: churn\n", "models: must be a group of keys, not 'churn'"),
        ("models: [churn]\n", "models: must be a group of keys, not a list"),
        ("models:\n  churn:\n", "models.churn.metric: is missing"),
        ("models:\n  churn: f1\n", "models.churn: must be a group of keys, not 'f1'"),
        (MODEL + "modles: {}\n", "modles: unknown key; did you mean 'models'?"),
        (MODEL + "xyzzy: 1\n", "xyzzy: unknown key; known here: mlflow, models"),
        (MODEL + "notify: x\n", "notify: must be a list, not 'x'"),
        (MODEL + "staging: [{folder: a}]\n", "staging[0].model: is missing"),
        (MODEL + "mlflow: {timeout: soon}\n", "mlflow.timeout: 'soon': not a duration"),
        (MODEL + "mlflow: {tracking_uri: ''}\n", "mlflow.tracking_uri: '': is empty"),
        (MODEL + "mlflow: {tracking_uri: [a]}\n", "mlflow.tracking_uri: must be a text, not a list"),
        (MODEL + "scoring: {memory: 1MiB}\n", "scoring.memory: must be at least"),
        (MODEL + "state: {database: mysql://x/y}\n", "state.database"),
        (MODEL + "    holdout: {data: x.csv}\n", "models.churn.holdout.target: is missing"),
        (MODEL + "    holdout: x.csv\n", "models.churn.holdout: must be a group of keys, not 'x.csv'"),
        (MODEL + "    aliases: {champion: latest}\n", "MLflow keeps this name for itself"),
        (MODEL + "    aliases: {champion: v3}\n", "MLflow keeps this name for itself"),
        (MODEL + "    aliases: {champion: best, previous: Best}\n", "three different aliases"),
        (MODEL + "    minimum_gain: -1\n", "must be at least 0"),
        (MODEL + "    minimum_gain: 1\n    min_improvement: 1\n", "mean the same"),
        (MODEL + "    confidence: .inf\n", "models.churn.confidence"),
        (MODEL + "    confidence: nan\n", "models.churn.confidence"),
        (MODEL + "    stages: yes\n", "must be mirror, not 'yes'"),
        ("models:\n  churn:\n    metric: {name: f1, average: macr}\n", "did you mean 'macro'"),
        ("models:\n  churn:\n    metric: {name: rmse, direction: maximize}\n", "better when minimized"),
        ("models:\n  churn:\n    metric: {name: x, target: [2, 1]}\n", "not a finite range"),
        ("models:\n  churn:\n    metric: {name: f1, aggregation: first}\n", "use last, best, or a step"),
        ("models:\n  churn:\n    metric: {names: f1}\n", "metric.names: unknown key; did you mean 'name'?"),
    ],
)
def test_a_wrong_configuration_is_told_in_the_files_own_terms(tmp_path, text, said):
    assert said in refusal(tmp_path, text)


def test_a_group_whose_keys_are_all_comments_means_its_defaults(tmp_path):
    found = load(written(tmp_path, MODEL + "    aliases:\n      # champion: x\nscoring:\nstate:\n"), {})
    assert found.models["churn"].aliases.champion == "champion"
    assert found.scoring.workers is None


def test_text_needs_no_quotes(tmp_path):
    text = "models:\n  2025_01:\n    experiments: 7\n    metric: f1\n    holdout: {data: h.csv, target: 1, positive: True}\n"
    churn = load(written(tmp_path, text), {}).models["2025_01"]
    assert churn.experiments == ("7",)
    assert (churn.holdout.target, churn.holdout.positive) == ("1", "True")


def test_switches_are_read_in_every_usual_spelling(tmp_path):
    for word, wanted in {"yes": True, "no": False, "true": True, "off": False, "True": True}.items():
        assert load(written(tmp_path, MODEL + f"    shadow: {word}\n"), {}).models["churn"].shadow is wanted


def test_min_improvement_is_another_word_for_minimum_gain(tmp_path):
    assert load(written(tmp_path, MODEL + "    min_improvement: 2%\n"), {}).models["churn"].minimum_gain == 0.02


@pytest.mark.parametrize("line", ["    trust_logged: yes\n", "    without_holdout: {trust_logged: yes}\n"])
def test_trust_logged_may_stand_in_both_places(tmp_path, line):
    assert load(written(tmp_path, MODEL + line), {}).models["churn"].policy().trust_logged is True
    assert load(written(tmp_path, MODEL), {}).models["churn"].policy().trust_logged is False


def test_an_unknown_metric_with_a_direction_is_fine(tmp_path):
    text = "models:\n  churn:\n    metric: {name: my_score, direction: minimize, keys: [a, b]}\n"
    metric = load(written(tmp_path, text), {}).models["churn"].policy().metric
    assert (metric.name, metric.direction, metric.keys) == ("my_score", "minimize", ("a", "b"))


@pytest.mark.parametrize("text", ["state: /srv/state\n", "state: {folder: /srv/state}\n"])
def test_state_is_a_folder_or_a_group(tmp_path, text):
    assert load(written(tmp_path, MODEL + text), {}).state.folder == Path("/srv/state")


def test_state_may_be_a_database_address_alone(tmp_path):
    state = load(written(tmp_path, MODEL + "state: postgresql://u@h/db\n"), {}).state
    assert (state.database, state.folder) == ("postgresql://u@h/db", tmp_path / ".mlflow-selector")


def test_the_tracking_address_is_the_files_then_mlflows_own_then_a_database_beside_the_file(tmp_path):
    path = written(tmp_path, MODEL)
    assert load(path, {}).mlflow.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    found = load(path, {"MLFLOW_TRACKING_URI": "http://elsewhere"})
    assert (found.mlflow.tracking_uri, found.tracking_from) == ("http://elsewhere", "MLFLOW_TRACKING_URI")
    path = written(tmp_path, MODEL + "mlflow: {tracking_uri: http://file}\n")
    found = load(path, {"MLFLOW_TRACKING_URI": "http://elsewhere"})
    assert (found.mlflow.tracking_uri, found.tracking_from) == ("http://file", "file")


def test_defaults_hold_without_any_file(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = Configuration.defaults(tmp_path)
    assert found.mlflow.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert found.state.folder == tmp_path / ".mlflow-selector"
    assert (found.models, found.path, found.folder) == ({}, None, tmp_path)


def test_the_file_is_looked_for_in_the_usual_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("selector.config.SYSTEM_FILE", tmp_path / "etc.yaml")
    with pytest.raises(ConfigurationError, match=r"neither .*selector\.yaml nor .*etc\.yaml exists"):
        find(None, {})
    (tmp_path / "etc.yaml").write_text(MODEL)
    assert find(None, {}) == tmp_path / "etc.yaml"
    written(tmp_path, MODEL)
    assert find(None, {}) == tmp_path / "selector.yaml"
    assert find(None, {"MLFLOW_SELECTOR_CONFIG": "other.yaml"}) == Path("other.yaml")
    assert find(Path("option.yaml"), {"MLFLOW_SELECTOR_CONFIG": "other.yaml"}) == Path("option.yaml")


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(ConfigurationError, match=f"no configuration file {tmp_path}/none.yaml"):
        load(tmp_path / "none.yaml")


def test_a_file_that_may_not_be_read_is_told(tmp_path, monkeypatch):
    def refuse(self, *rest):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigurationError, match=r"not allowed to read .*selector\.yaml"):
        load(tmp_path / "selector.yaml")


def test_relative_paths_start_from_the_file_and_not_from_where_one_is(tmp_path, monkeypatch):
    (tmp_path / "conf").mkdir()
    path = written(tmp_path / "conf", SIMPLE)
    monkeypatch.chdir(tmp_path)
    assert load(Path("conf/selector.yaml"), {}).models["churn"].holdout.data == str(path.parent / "holdout.csv")


def test_an_address_with_its_password_in_the_file_is_worth_a_warning(tmp_path):
    path = written(tmp_path, MODEL + "mlflow: {tracking_uri: 'http://alice:hunter2@host'}\n")
    found = load(path, {})
    assert len(literal_passwords(found)) == 1
    assert "hunter2" not in "".join(literal_passwords(found)) + repr(found) + str(found.masked())


def _problem(tmp_path, models):
    path = tmp_path / "selector.yaml"
    path.write_text(f"models:\n{models}")
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    return str(caught.value)


def test_a_rule_for_a_family_is_read_with_its_place_for_the_value(tmp_path):
    path = tmp_path / "selector.yaml"
    path.write_text(
        "models:\n  HDBSCAN-{tech_center}:\n    split_by: tech_center\n    metric: {name: silhouette_score}\n"
        "    holdout: {data: 'holdouts/{tech_center}.csv', target: y}\n"
    )
    (settings,) = load(path).models.values()
    assert settings.split_by == "tech_center"
    assert settings.holdout.data == str(tmp_path / "holdouts" / "{tech_center}.csv")


@pytest.mark.parametrize(
    ("models", "said"),
    [
        ("  HDBSCAN:\n    split_by: center\n    metric: f1\n", "needs {center} once"),
        ("  H-{center}-{center}:\n    split_by: center\n    metric: f1\n", "needs {center} once"),
        ("  H-{center}-{x}:\n    split_by: center\n    metric: f1\n", "no other braces"),
        ("  H-{center}:\n    metric: f1\n", "add split_by: center"),
        (
            "  H-{a}:\n    split_by: a\n    metric: f1\n  H-{b}:\n    split_by: b\n    metric: f1\n",
            "makes the same names as 'H-{a}'",
        ),
    ],
)
def test_a_rule_for_a_family_that_makes_no_sense_is_refused(tmp_path, models, said):
    assert said in _problem(tmp_path, models)
