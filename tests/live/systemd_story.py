"""Runs inside the booted system of test_systemd.py, as root, with nothing but Python's own library."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import traceback
from pathlib import Path

UNIT = "mlflow-selector.service"
PROGRAM = "/opt/mlflow-selector/bin/mlflow-selector"
SHARED = "/opt/mlflow-selector/share/mlflow-selector/systemd"
CONFIG = Path("/etc/mlflow-selector/selector.yaml")
STATE = "/var/lib/mlflow-selector"
TEXT = """
mlflow: {tracking_uri: "sqlite:////var/lib/mlflow-selector/mlflow.db"}
models:
  churn:
    experiments: [churn]
    metric: f1
    holdout: {data: /srv/churn/holdout.csv, target: Churn, positive: "Yes"}
staging: [{folder: /srv/churn/staging, model: churn, experiment: churn, quiet: 2s}]
state: /var/lib/mlflow-selector
watch: {poll: 2s}
notify: [{url: "json://localhost:9/${credential:hook}"}]
"""
SECRET = "s3cret-of-the-hook"
INSTALL = [
    "mkdir -p /etc/sysusers.d /etc/mlflow-selector",
    f"cp {SHARED}/mlflow-selector.sysusers /etc/sysusers.d/mlflow-selector.conf",
    "systemd-sysusers /etc/sysusers.d/mlflow-selector.conf",
    f"cp {SHARED}/*.service {SHARED}/*.timer /etc/systemd/system/",
    "systemctl daemon-reload",
    "systemctl start mlflow-selector",
]
told: dict = {}


def sh(*command, timeout=90):
    words = command[0] if len(command) == 1 else command
    return subprocess.run(words, shell=len(command) == 1, capture_output=True, text=True, timeout=timeout, check=False)


def show(name, unit=UNIT):
    return sh("systemctl", "show", "-P", name, unit).stdout.strip()


def ask(*words, config=CONFIG):
    return sh("runuser", "-u", "mlflow-selector", "--", PROGRAM, "--config", str(config), *words)


def until(holds, seconds=60):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if holds():
            return True
        time.sleep(0.3)
    return False


def champion():
    done = ask("status", "--json")
    try:
        return json.loads(done.stdout)["models"][0]["champion"]["name"]
    except (ValueError, KeyError, TypeError, IndexError):
        return done.stderr[-500:] or None


def journal(unit=UNIT):
    return sh("journalctl", "-u", unit, "-o", "cat", "--no-pager").stdout


def promotions():
    return ask("history", "--json").stdout.count('"kind": "promoted"')


def install():
    Path("/etc/mlflow-selector/secrets").mkdir(parents=True, exist_ok=True)
    Path("/etc/mlflow-selector/secrets/hook").write_text(SECRET)
    Path("/etc/mlflow-selector/secrets").chmod(0o700)
    CONFIG.write_text(TEXT)
    drop = Path(f"/etc/systemd/system/{UNIT}.d")
    drop.mkdir(parents=True)
    # A short watchdog, so that the test need not wait a minute.
    (drop / "test.conf").write_text("[Service]\nWatchdogSec=6\nLoadCredential=hook:/etc/mlflow-selector/secrets/hook\n")
    for line in INSTALL[:-1]:
        done = sh(line)
        assert done.returncode == 0, (line, done.stderr)
    for place in (STATE, f"{STATE}/second"):
        Path(place).mkdir(exist_ok=True)
        shutil.copy("/srv/mlflow.db", f"{place}/mlflow.db")
    sh("chown", "-R", "mlflow-selector:mlflow-selector", STATE)
    told["installed"] = {"lines": len(INSTALL), "ran": INSTALL}


def start():
    done = sh(INSTALL[-1])
    assert done.returncode == 0, done.stderr + journal()
    until(lambda: champion() == "logistic_regression_20250820_104738")
    lines = [line for line in journal().splitlines() if line.startswith("{")]
    told["start"] = {
        "active": show("ActiveState"),
        "champion": champion(),
        "status_text": show("StatusText"),
        "json_logs": bool(lines) and all("message" in json.loads(line) for line in lines),
        "journal": journal()[-2000:],
    }


def doctor():
    # In a unit of its own with the service's hardening, for that is where models are confined.
    done = sh("runuser", "-u", "mlflow-selector", "--", "env", f"CREDENTIALS_DIRECTORY={credentials()}", PROGRAM,
              "--config", str(CONFIG), "doctor")  # fmt: skip
    told["doctor"] = {"code": done.returncode, "out": done.stdout + done.stderr}


def credentials():
    """What a person at the command line has instead: a folder of their own."""
    folder = Path("/run/person")
    folder.mkdir(exist_ok=True)
    (folder / "hook").write_text(SECRET)
    sh("chown", "-R", "mlflow-selector", str(folder))
    return str(folder)


def privileges():
    pid = show("MainPID")
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    uid = status["Uid"].split()[0]
    inside = ("nsenter", "-t", pid, "-m", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    places = ("/etc/x", "/srv/churn/staging/x", "/root/x", "/usr/x", "/opt/mlflow-selector/x", "/home/x", "/x")
    secrets = ("/etc/mlflow-selector/secrets/hook", "/etc/shadow", "/root")
    told["privileges"] = {
        "uid": int(uid),
        "capabilities": int(status["CapEff"].strip(), 16) | int(status["CapBnd"].strip(), 16),
        "no_new_privileges": int(status["NoNewPrivs"]),
        "seccomp": int(status["Seccomp"]),
        "writable": [p for p in places if sh(*inside, "touch", p).returncode == 0],
        "readable": [p for p in secrets if sh(*inside, "ls" if p == "/root" else "cat", p).stdout.strip()],
    }
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    told["secret"] = {
        "read": show("ActiveState") == "active" and "credential" not in journal().lower(),
        "in_environment": SECRET.encode() in environment + arguments,
        "source_readable": sh(*inside, "cat", "/etc/mlflow-selector/secrets/hook").returncode == 0,
    }


def staged():
    shutil.copytree(
        "/srv/churn/later/logistic_regression_20250901_104738",
        "/srv/churn/staging/logistic_regression_20250901_104738",
    )
    until(lambda: champion() == "logistic_regression_20250901_104738")
    told["staged"] = {"champion": champion(), "journal": journal()[-2000:]}


def beside():
    woken = ask("wake", "churn", "--wait")
    told["beside"] = {"status": ask("status").returncode, "woken": woken.returncode, "out": woken.stdout + woken.stderr}


def reload():
    pid = show("MainPID")
    CONFIG.write_text(TEXT.replace("models:", "modles:"))
    sh("systemctl", "reload", UNIT)
    heard = until(lambda: "was not reloaded" in journal(), 20)
    told["reload"] = {"active": show("ActiveState"), "same_process": show("MainPID") == pid, "told": heard}
    CONFIG.write_text(TEXT)
    sh("systemctl", "reload", UNIT)


def watchdog():
    pid = show("MainPID")
    sh("kill", "-STOP", pid)
    until(lambda: show("MainPID") not in {pid, "0"} and show("ActiveState") == "active", 40)
    told["watchdog"] = {
        "restarts": int(show("NRestarts")),
        "active": show("ActiveState"),
        "new_process": show("MainPID") not in {pid, "0"},
        "result_told": "atchdog" in journal(),
    }


def kill():
    before = promotions()
    pid = show("MainPID")
    sh("kill", "-9", pid)
    until(lambda: show("MainPID") not in {pid, "0"} and show("ActiveState") == "active", 40)
    until(lambda: "active" in ask("heartbeat").stdout, 20)
    time.sleep(3)
    told["kill"] = {
        "active": show("ActiveState"),
        "promotions_before": before,
        "promotions_after": promotions(),
    }


def check():
    alive = sh("systemctl", "start", "mlflow-selector-check.service").returncode
    began = time.monotonic()
    sh("systemctl", "stop", UNIT)
    told["stop"] = {
        "result": show("Result"),
        "seconds": time.monotonic() - began,
        "left": sh("pgrep", "-a", "-u", "mlflow-selector").stdout.splitlines(),
    }
    dead = sh("systemctl", "start", "mlflow-selector-check.service").returncode
    heard = until(
        lambda: (
            "mlflow-selector-check.service failed"
            in sh("journalctl", "-o", "cat", "-t", "mlflow-selector-failure").stdout
        ),
        10,
    )
    told["check"] = {"alive": alive, "dead": dead, "told": heard}


def wrong():
    CONFIG.write_text(TEXT.replace("metric: f1", "metirc: f1"))
    sh("systemctl", "start", UNIT)
    told["wrong"] = {"code": show("ExecMainStatus"), "restarts": show("NRestarts"), "active": show("ActiveState")}
    CONFIG.write_text(TEXT)


def migrate():
    other = Path("/etc/mlflow-selector/second.yaml")
    other.write_text(
        TEXT.replace("/var/lib/mlflow-selector", "/var/lib/mlflow-selector/second").replace(
            'notify: [{url: "json://localhost:9/${credential:hook}"}]', ""
        )
    )
    sh("systemctl", "start", "mlflow-selector-migrate@second.service")
    found = sh("runuser", "-u", "mlflow-selector", "--", PROGRAM, "--config", str(other), "history", "--json").stdout
    told["migrate"] = {
        "result": show("Result", "mlflow-selector-migrate@second.service"),
        "imported": next((int(word) for word in found.replace('"', " ").split() if word.isdigit()), 0)
        if "models imported" not in found
        else int(found.split(" models imported")[0].split()[-1].strip('"')),
        "journal": journal("mlflow-selector-migrate@second.service")[-1500:],
    }


for chapter in (install, start, doctor, privileges, staged, beside, reload, watchdog, kill, check, wrong, migrate):
    began = time.monotonic()
    try:
        chapter()
    except Exception:  # noqa: BLE001 - whatever it is, it is told to the test outside
        told["error"] = f"{chapter.__name__}: {traceback.format_exc()}\n{journal()[-3000:]}"
        break
    finally:
        told.setdefault("seconds", {})[chapter.__name__] = round(time.monotonic() - began, 1)
        Path("/story.json").write_text(json.dumps(told, indent=1))
