"""How are the service's addresses written, and which are refused?"""

import pytest

from selector.config import load, warnings
from selector.errors import ConfigurationError


def written(folder, text):
    path = folder / "selector.yaml"
    path.write_text(f"models:\n  churn: {{metric: f1}}\n{text}\n")
    return path


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("http: 127.0.0.1:9470", ("127.0.0.1", 9470)),
        ("http: localhost:80", ("127.0.0.1", 80)),
        ("http: '[::1]:9470'", ("::1", 9470)),
        ("http: {bind: '127.0.0.2:9470'}", ("127.0.0.2", 9470)),
        ("http: {bind: '0.0.0.0:9470', expose: true}", ("0.0.0.0", 9470)),
        ("http: {bind: '[::]:9470', expose: yes}", ("::", 9470)),
    ],
)
def test_an_address_is_an_ip_address_and_a_port(tmp_path, line, address):
    assert load(written(tmp_path, line)).http.address == address


def test_nothing_listens_unless_it_is_asked_for(tmp_path):
    found = load(written(tmp_path, ""))
    assert found.http is None
    assert found.webhook is None
    assert load(written(tmp_path, "http:\nwebhook:\nsocket:")).http is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("http: 0.0.0.0:9470", "other computers reach '0.0.0.0:9470'; write 127.0.0.1:PORT, or expose: true"),
        ("http: 192.168.1.5:9470", "other computers reach"),
        ("http: '[::]:9470'", "other computers reach"),
        ("http: {bind: '0.0.0.0:9470', expose: false}", "other computers reach"),
        ("http: '::1:9470'", "is no IP address with a port"),
        ("http: 127.0.0.1", "is no IP address with a port"),
        ("http: 127.0.0.1:0", "is no IP address with a port"),
        ("http: 127.0.0.1:65536", "is no IP address with a port"),
        ("http: example.org:80", "is no IP address with a port"),
        ("http: 9470", "is no IP address with a port"),
        ("http: {}", r"http.bind: is missing"),
        ("http: {bind: '127.0.0.1:1', port: 2}", "unknown key"),
        ("webhook: {bind: '127.0.0.1:9471'}", "webhook.secret: is missing"),
        ("webhook: {bind: '127.0.0.1:9471', secret: short}", "webhook.secret"),
        ("webhook: {bind: '0.0.0.0:9471', secret: 0123456789abcdef}", "other computers reach"),
        ("webhook: {bind: '127.0.0.1:9471', secret: '${env:NO_SUCH}'}", "NO_SUCH is not set"),
    ],
)
def test_what_is_no_address_or_would_be_open_to_all_is_refused(tmp_path, line, said):
    with pytest.raises(ConfigurationError, match=said):
        load(written(tmp_path, line))


def test_the_secret_of_webhooks_is_never_shown_and_does_not_belong_in_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", "from-the-environment")
    for secret, hint in (("written-in-the-file", True), ("${env:HOOK}", False)):
        found = load(written(tmp_path, f"webhook: {{bind: '127.0.0.1:9471', secret: '{secret}'}}"))
        real = found.webhook.secret
        assert real in found.secrets
        assert real not in repr(found)
        assert real not in str(found.masked())
        assert any("webhook.secret" in w for w in warnings(found)) is hint


def test_the_socket_is_in_the_state_folder_unless_it_is_put_elsewhere(tmp_path):
    found = load(written(tmp_path, ""))
    assert found.socket.known_at(found.state.folder) == tmp_path / ".mlflow-selector" / "daemon.sock"
    found = load(written(tmp_path, "socket: {path: run/s, group: mlops}"))
    assert found.socket.known_at(found.state.folder) == tmp_path / "run" / "s"
    assert found.socket.group == "mlops"
    assert load(written(tmp_path, "socket: s")).socket.path == tmp_path / "s"
