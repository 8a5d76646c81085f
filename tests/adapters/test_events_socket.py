"""Who may say "look now" at the UNIX socket, what is answered, and what do hostile clients reach?"""

from __future__ import annotations

import grp
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from selector.adapters import events_socket
from selector.adapters.events_socket import Asking, SocketWakeUps
from selector.adapters.listener import Limits
from selector.adapters.socket_file import bound, connected, identity
from selector.domain.events import WakeUp

PATIENCE = 20.0
EVERYTHING = WakeUp("socket", everything=True, words="asked to look at everything")
CHURN = WakeUp("socket", models=("churn",), words="asked to look at churn")


class Ear:
    """A socket, and what it heard."""

    def __init__(self, path, **more):
        self.path, self.heard, self.futures = path, [], []
        asking = Asking(self.give, self.ask, lambda name: name in ("churn", "fraud"), lambda: {"phase": "active"})
        self.source = SocketWakeUps(path, asking, **more)

    def give(self, wake, pass_on):
        pass_on(wake)

    def ask(self, wake, pass_on):
        pass_on(wake)
        self.futures.append(Future())
        return self.futures[-1]

    def __enter__(self):
        self.source.start(self.heard.append)
        return self

    def __exit__(self, *_):
        self.source.stop()

    def say(self, *requests):
        with connected(self.path, PATIENCE) as one:
            return _say(one, *requests)

    def until(self, said):
        _until(said)


def _say(one, *requests):
    answers = []
    with one.makefile("rwb") as stream:
        for request in requests:
            stream.write((request if isinstance(request, bytes) else json.dumps(request).encode()) + b"\n")
            stream.flush()
            answers.append(json.loads(stream.readline()))
    return answers[0] if len(answers) == 1 else answers


def _until(said):
    ends = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.01)


def _all(one):
    parts = []
    try:
        while part := one.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.fixture(scope="module")
def ear(tmp_path_factory):
    with Ear(tmp_path_factory.mktemp("socket") / "daemon.sock") as one:
        yield one


@pytest.fixture(autouse=True)
def _as_before(request):
    if "ear" in request.fixturenames:
        one = request.getfixturevalue("ear")
        one.heard.clear()
        one.futures.clear()


def test_a_line_names_the_models_to_look_at(ear):
    assert ear.say({"look": ["churn"]}) == {"ok": True}
    assert ear.say({"look": "*"}) == {"ok": True}
    assert ear.say({"look": ["churn", "*"]}) == {"ok": True}
    assert ear.heard == [CHURN, EVERYTHING, EVERYTHING]


def test_a_connection_may_ask_several_times_also_without_a_last_line_end(ear):
    assert ear.say({"look": ["churn"]}, {"state": True}) == [{"ok": True}, {"ok": True, "state": {"phase": "active"}}]
    with connected(ear.path, PATIENCE) as one:
        one.sendall(b'{"look": ["churn"]}')
        one.shutdown(socket.SHUT_WR)
        assert json.loads(_all(one)) == {"ok": True}


def test_who_waits_hears_what_came_of_the_looks_though_nothing_more_is_said(ear):
    with connected(ear.path, PATIENCE) as one:
        one.sendall(b'{"look": ["churn"], "wait": true}\n')
        one.shutdown(socket.SHUT_WR)
        _until(lambda: ear.futures)
        ear.futures[0].set_result(({"model": "churn", "verdict": "kept"},))
        assert json.loads(_all(one)) == {"ok": True, "looked": [{"model": "churn", "verdict": "kept"}]}


def test_who_waits_too_long_is_told_that_it_goes_on(ear):
    answer = ear.say({"look": ["churn"], "wait": True, "timeout": 0.1})
    assert answer == {"ok": False, "error": "the looks were not done within 0.1 s; they go on"}
    _until(ear.futures[0].cancelled)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (b"look", "Expecting value"),
        (b"[]", 'ask {"look"'),
        (b"{}", 'ask {"look"'),
        (b'{"look": ["churn"], "state": true}', 'ask {"look"'),
        (b'{"look": ["churn"], "shell": "id"}', 'ask {"look"'),
        (b'{"look": []}', "look: a list of 1 to 1000 names"),
        (b'{"look": "churn"}', "look: a list"),
        (b'{"look": [1]}', "look: a list"),
        (b'{"look": ["nobody"]}', "model 'nobody' is not in the configuration"),
        (b'{"look": ["churn", "\\ud800"]}', "is not in the configuration"),
        (b'{"look": ["churn"], "wait": 1}', "wait: true or false"),
        (b'{"look": ["churn"], "wait": true, "timeout": 0}', "timeout: more than 0 and at most 3600"),
        (b'{"look": ["churn"], "wait": true, "timeout": 1e9}', "timeout: more than 0"),
        (b'{"look": ["churn"], "wait": true, "timeout": NaN}', "timeout: more than 0"),
        (b'{"look": ["churn"], "wait": true, "timeout": true}', "timeout: more than 0"),
        (b"[" * 60_000, "recursion"),
        (b'{"look": ' + b"9" * 50_000 + b"}", ""),
        (b"\xff\xfe", "decode"),
    ],
)
def test_what_is_no_request_is_refused_with_its_reason_and_wakes_nobody(ear, request_, said):
    answer = ear.say(request_)
    assert answer["ok"] is False
    assert said in answer["error"]
    assert ear.heard == []


def test_a_line_that_is_too_long_is_refused(ear):
    with connected(ear.path, PATIENCE) as one:
        one.sendall(b'{"look": ["' + b"a" * (1 << 17))
        assert b"a line may have 65536 bytes" in _all(one)
    assert ear.say({"state": True})["ok"]


@hypothesis_settings(max_examples=60)
@given(st.binary(min_size=1, max_size=200).filter(lambda b: b.strip() and b"\n" not in b))
def test_any_line_gets_one_line_of_json(ear, line):
    assert "ok" in ear.say(line)


def test_a_connection_cannot_ask_for_ever(ear):
    with connected(ear.path, PATIENCE) as one:
        one.sendall(b'{"state": true}\n' * 150)
        one.shutdown(socket.SHUT_WR)
        assert _all(one).count(b"\n") == events_socket.MOST_REQUESTS


def test_two_hundred_silent_clients_keep_nobody_out(ear):
    silent = [connected(ear.path, PATIENCE) for _ in range(200)]
    try:
        assert ear.say({"look": ["churn"]}) == {"ok": True}
        assert ear.source._listener.clients <= 32
    finally:
        for one in silent:
            one.close()


def test_those_who_wait_are_not_pushed_out_by_those_who_only_connect(tmp_path):
    limits = Limits(connections=3, seconds=5.0)
    with Ear(tmp_path / "s", limits=limits) as ear, connected(ear.path, PATIENCE) as waiting:
        waiting.sendall(b'{"look": ["churn"], "wait": true}\n')
        _until(lambda: ear.futures)
        silent = [connected(ear.path, PATIENCE) for _ in range(20)]
        assert ear.say({"state": True})["ok"]
        ear.futures[0].set_result(())
        with waiting.makefile("rb") as stream:
            assert json.loads(stream.readline()) == {"ok": True, "looked": []}
        for one in silent:
            one.close()


def test_those_who_went_away_while_they_waited_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(events_socket, "_AT_EOF_SECONDS", 0.02)
    with Ear(tmp_path / "s", limits=Limits(connections=3, seconds=60.0)) as ear:
        for _ in range(3):
            with connected(ear.path, PATIENCE) as gone:
                gone.sendall(b'{"look": ["churn"], "wait": true}\n')
        _until(lambda: len(ear.futures) == 3)
        _until(lambda: not any(client.settled for client in ear.source._listener._clients))
        assert ear.say({"state": True})["ok"]


def test_a_line_that_drips_in_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(events_socket, "LINE_SECONDS", 0.3)
    with Ear(tmp_path / "s", limits=Limits(seconds=0.3)) as ear, connected(ear.path, PATIENCE) as one:
        _until(lambda: ear.source._listener.clients == 1)
        while ear.source._listener.clients:
            try:
                one.send(b" ")
            except OSError:
                break
            time.sleep(0.02)
        _until(lambda: ear.source._listener.clients == 0)
        assert ear.say({"state": True})["ok"]


def test_only_the_owner_may_connect_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        with Ear(tmp_path / "s") as ear:
            assert stat.S_IMODE(ear.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_members_of_the_group_may_connect_and_others_may_not(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can speak as somebody else")
    folder = Path(os.path.realpath("/tmp")) / f"group-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        with Ear(folder / "s", group="games") as ear:
            assert stat.S_IMODE(ear.path.stat().st_mode) == 0o660
            assert _as_somebody(ear.path, groups=["games"]) == '{"ok": true}\n'
            assert _as_somebody(ear.path, group="games") == '{"ok": true}\n'
            assert "PermissionError" in _as_somebody(ear.path)
            ear.path.chmod(0o666)  # even where the file lets everybody in
            assert "you may not ask this daemon" in _as_somebody(ear.path)
    finally:
        shutil.rmtree(folder)


def _as_somebody(path, **more):
    script = (
        "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n"
        "s.sendall(b'{\"look\": [\"churn\"]}\\n')\ns.shutdown(1)\nprint(s.recv(4096).decode(), end='')"
    )
    system = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    more = {"group": "nogroup", "extra_groups": more.pop("groups", [])} | more
    done = subprocess.run(
        [system, "-c", script, str(path)],
        capture_output=True,
        text=True,
        check=False,
        user="nobody",
        timeout=60,
        **more,
    )
    return done.stdout + done.stderr


def test_the_group_of_the_service_itself_needs_no_right_to_change_owners(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("selector.adapters.socket_file.os.chown", refused)
    with Ear(tmp_path / "s", group=grp.getgrgid(os.getegid()).gr_name) as ear:
        assert ear.source.trouble() is None
        assert stat.S_IMODE(ear.path.stat().st_mode) == 0o660
    other = next(g.gr_name for g in grp.getgrall() if g.gr_gid != os.getegid())
    with Ear(tmp_path / "t", group=other) as ear:
        assert "Operation not permitted" in ear.source.trouble()
        assert not list(tmp_path.iterdir())


def test_an_unknown_group_is_a_trouble_and_stops_nothing(tmp_path):
    with Ear(tmp_path / "s", group="no-such-group") as ear:
        assert "there is no group no-such-group" in ear.source.trouble()
        assert not list(tmp_path.iterdir())


def test_a_socket_that_a_killed_daemon_left_is_replaced(tmp_path):
    path = tmp_path / "s"
    bound(path).close()
    with Ear(path) as ear:
        assert ear.say({"look": ["churn"]}) == {"ok": True}
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "s"
    path.write_text("precious")
    with Ear(path) as ear:
        assert "is no socket" in ear.source.trouble()
    assert path.read_text() == "precious"


def test_the_socket_of_a_living_daemon_is_left_alone(tmp_path):
    with Ear(tmp_path / "s") as first:
        with Ear(tmp_path / "s") as second:
            assert "another daemon listens" in second.source.trouble()
        assert first.say({"look": ["churn"]}) == {"ok": True}
        assert first.heard


def test_a_socket_that_somebody_removed_is_made_again(tmp_path):
    with Ear(tmp_path / "s") as ear:
        ear.path.unlink()
        assert ear.source.trouble() is None
        assert ear.say({"look": ["churn"]}) == {"ok": True}


def test_at_the_end_the_socket_goes_but_not_that_of_a_successor(tmp_path):
    first = Ear(tmp_path / "s")
    with first:
        first.path.unlink()
        successor = bound(first.path)
        made = identity(first.path)
    assert identity(first.path) == made
    successor.close()


def test_a_path_longer_than_addresses_works(tmp_path):
    folder = tmp_path / ("a" * 120) / ("b" * 120)
    folder.mkdir(parents=True)
    with Ear(folder / "daemon.sock") as ear:
        assert len(str(ear.path)) > 200
        assert ear.say({"look": ["churn"]}) == {"ok": True}


def test_a_folder_that_is_not_there_is_a_trouble_and_stops_nothing(tmp_path):
    with Ear(tmp_path / "nowhere" / "s") as ear:
        assert "cannot listen" in ear.source.trouble()


def test_a_link_in_the_state_folder_leads_to_it(tmp_path):
    link = tmp_path / "state.sock"
    bound(link).close()  # what was there before systemd started it
    with Ear(tmp_path / "run.sock", link=link):
        with connected(link, PATIENCE) as one:
            assert _say(one, {"state": True})["ok"]
        assert link.is_symlink()
    assert not list(tmp_path.iterdir())


def test_it_can_be_stopped_twice_without_a_start_and_started_again(tmp_path):
    ear = Ear(tmp_path / "s")
    ear.source.stop()
    for _ in range(2):
        with ear:
            assert ear.say({"state": True})["ok"]
        ear.source.stop()


def test_those_who_wait_are_cut_off_at_the_end(tmp_path):
    with Ear(tmp_path / "s") as ear:
        one = connected(ear.path, PATIENCE)
        one.sendall(b'{"look": ["churn"], "wait": true}\n')
        _until(lambda: ear.futures)
    assert _all(one) == b""
    one.close()
