from pathlib import Path

import pytest

from selector.config import literal_passwords, load, warnings
from selector.errors import ConfigurationError

MODEL = "models:\n  churn:\n    metric: f1\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "selector.yaml"
    path.write_text(MODEL + text, encoding="utf-8")
    return path


def test_references_stand_anywhere_in_a_text(tmp_path):
    (tmp_path / "token").write_text("s3cr3t-token\n")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "db").write_text("s3cr3t-db")
    path = written(
        tmp_path,
        "mlflow: {tracking_uri: 'http://alice:${env:PASSWORD}@${env:HOST}:5000'}\n"
        "notify: [{url: 'slack://${file:token}/x'}]\n"
        "state: {database: 'postgresql://u:${credential:db}@h/d'}\n",
    )
    environment = {
        "PASSWORD": "hunter2",
        "HOST": "mlflow.internal",
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
    }
    found = load(path, environment)
    assert found.mlflow.tracking_uri == "http://alice:hunter2@mlflow.internal:5000"
    assert found.notify[0].url == "slack://s3cr3t-token/x"
    assert found.state.database == "postgresql://u:s3cr3t-db@h/d"


def test_nothing_that_came_from_a_reference_is_ever_shown(tmp_path):
    path = written(
        tmp_path,
        "mlflow: {tracking_uri: 'http://alice:${env:PASSWORD}@host'}\n"
        "notify: ['slack://${env:TOKEN}/x', {url: 'mail://${env:TOKEN}'}]\n"
        "state: '${env:FOLDER}'\n"
        "staging: [{folder: a, model: churn, experiment: '${env:TOKEN}'}]\n",
    )
    found = load(path, {"PASSWORD": "hunter2", "TOKEN": "t0k3n-value", "FOLDER": "/srv/hidden"})
    for shown in (repr(found), str(found), f"{found}", str(found.masked()), repr(found.notify), repr(found.state)):
        for secret in ("hunter2", "t0k3n-value", "hidden"):
            assert secret not in shown
    assert found.masked()["mlflow"]["tracking_uri"] == "**** (from http://alice:${env:PASSWORD}@host)"
    assert literal_passwords(found) == []


def test_a_host_name_from_the_environment_is_no_secret_but_a_password_is(tmp_path):
    path = written(tmp_path, "mlflow: {tracking_uri: 'http://alice:${env:PASSWORD}@${env:HOST}'}\n")
    assert load(path, {"PASSWORD": "hunter2", "HOST": "localhost"}).secrets == {"hunter2"}
    path.write_text(MODEL + "    experiments: ['${env:EXPERIMENT}']\n")
    found = load(path, {"EXPERIMENT": "churn"})
    assert (found.secrets, found.models["churn"].experiments) == (frozenset(), ("churn",))


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("${env:NOPE}", "notify[0].url: the environment variable NOPE is not set"),
        ("${file:nope}", "nope cannot be read: No such file"),
        ("${file:.}", "cannot be read: Is a directory"),
        ("${credential:nope}", "only there under systemd"),
        ("${credential:../x}", "must not be a path"),
        ("${vault:x}", "is unknown; use ${env:…}"),
        ("${env:}", "names nothing"),
        ("${HOME}", "is no reference"),
        ("${env:HOME", "is no reference"),
    ],
)
def test_a_reference_to_nothing_names_key_and_line(tmp_path, reference, said):
    path = written(tmp_path, f'notify: [{{url: "x://{reference}"}}]\n')
    with pytest.raises(ConfigurationError) as caught:
        load(path, {}, service=True)
    assert said in caught.value.message
    assert f"{path}:4:16: " in caught.value.message


def test_a_person_beside_the_service_does_without_the_credentials_of_its_channels(tmp_path):
    path = written(tmp_path, 'notify: [{url: "x://${credential:hook}"}, {url: "json://localhost"}]\n')
    found = load(path, {})
    assert [c.url for c in found.channels] == ["json://localhost"]
    assert any("notify.0.url: its credential is only there in the service" in w for w in warnings(found))
    assert found.masked()["notify"][0]["url"] == "**** (from x://${credential:hook})"


def test_who_talks_to_nobody_does_without_any_credential_but_not_without_a_right_file(tmp_path):
    path = written(tmp_path, 'mlflow: {tracking_uri: "http://u:${credential:token}@h"}\n')
    found = load(path, {}, offline=True)
    assert "credential:token" in found.masked()["mlflow"]["tracking_uri"]
    path = written(tmp_path, 'mlflow: {tracking_uri: "http://u:${credential:../token}@h"}\n')
    with pytest.raises(ConfigurationError, match="must not be a path"):
        load(path, {}, offline=True)


def test_what_everybody_needs_is_missed_by_everybody(tmp_path):
    path = written(tmp_path, 'mlflow: {tracking_uri: "http://u:${credential:token}@h"}\n')
    with pytest.raises(ConfigurationError, match="only there under systemd"):
        load(path, {})


def test_an_error_never_shows_what_a_reference_stands_for(tmp_path):
    path = written(tmp_path, "scoring: {workers: '${env:SECRET}'}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(path, {"SECRET": "hunter2-hunter2"})
    assert "hunter2" not in caught.value.message
    assert "${env:SECRET}" in caught.value.message


def test_an_error_never_shows_a_password_in_the_source_line(tmp_path):
    path = written(tmp_path, "mlflow: {tracking_uri: 'http://alice:hunter2@host', timeout: never}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert "hunter2" not in caught.value.message


def test_a_password_that_stands_in_an_address_is_a_secret_wherever_the_address_comes_from(tmp_path):
    path = written(
        tmp_path,
        "mlflow: {tracking_uri: '${env:ADDRESS}', registry_uri: 'http://bob:p%40ss-word@host'}\n"
        "notify: ['mailto://[odd']\n",
    )
    assert load(path, {"ADDRESS": "http://alice:hunter2@host"}).secrets == {"hunter2", "p@ss-word"}
