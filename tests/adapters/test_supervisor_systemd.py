"""Does systemd hear what it should, and nothing that a model's name made up?"""

from __future__ import annotations

import os
import socket
import uuid

import pytest

from selector.adapters import logs
from selector.adapters.supervisor_systemd import LONGEST_STATUS, SystemdSupervisor

HOSTILE = [
    "promoted m\nSTOPPING=1",
    "promoted m\r\nWATCHDOG=trigger",
    "m\x0bMAINPID=1",
    "m\x0cERRNO=5",
    "m\x1cRELOADING=1",
    "m\x85FDSTORE=1",
    "m\u2028STOPPING=1",
    "m\u2029STOPPING=1",
    "m\x00STOPPING=1",
    "\n\n\nSTOPPING=1",
    "m\tSTOPPING=1",
    "\x1b]0;title\x07m",
    "\u202egnp.exe",
    "\udcff\udc0aSTOPPING=1",
    "é" * 5000,
    "m" * 100_000,
    "",
]


@pytest.fixture(params=["path", "abstract"])
def notified(request, tmp_path):
    """Return a supervisor whose words can be heard."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@selector-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        ear.settimeout(5)

        def heard():
            return ear.recv(1 << 20).decode().split("\n")

        yield SystemdSupervisor({"NOTIFY_SOCKET": address}), heard


def test_each_word_is_one_message_as_sd_notify_describes_it(notified):
    supervisor, heard = notified
    supervisor.ready("looking at everything")
    assert heard() == ["READY=1", "STATUS=looking at everything"]
    supervisor.status("churn: kept.")
    assert heard() == ["STATUS=churn: kept."]
    supervisor.alive()
    assert heard() == ["WATCHDOG=1"]
    supervisor.reloading()
    reloading, since = heard()
    assert reloading == "RELOADING=1"
    assert since.removeprefix("MONOTONIC_USEC=").isdigit()
    supervisor.stopping()
    assert heard() == ["STOPPING=1"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_a_name_from_outside_cannot_speak_to_systemd(notified, hostile):
    supervisor, heard = notified
    for say in (supervisor.status, supervisor.ready):
        say(hostile)
        *_, status = fields = heard()
        assert len(fields) == (1 if say == supervisor.status else 2)
        assert status.startswith("STATUS=")
        assert status.isprintable()
        assert len(status) <= len("STATUS=") + LONGEST_STATUS


def test_a_status_shows_no_password(notified, monkeypatch):
    monkeypatch.setattr(logs, "_SECRETS", {"tiger-stripes"})
    supervisor, heard = notified
    supervisor.status("MLflow at http://alice:hunter2@host cannot be reached; tiger-stripes")
    (status,) = heard()
    assert "hunter2" not in status
    assert "tiger" not in status


def test_nobody_who_listens_is_no_trouble(tmp_path):
    for address in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}, {"NOTIFY_SOCKET": "@nobody-here"}):
        SystemdSupervisor(address).ready("at work")


@pytest.mark.parametrize(
    ("environment", "patience"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 60.0),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_counts_where_it_is_ours(environment, patience):
    assert SystemdSupervisor(environment).patience == patience
