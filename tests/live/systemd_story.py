"""Runs inside the booted system of test_systemd.py, as root, with nothing but Python's own library.

It does what docs/install.md says, line by line, lets things go wrong in between, and writes down what it saw.
"""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

UNIT = "mlflow-selector.service"
PROGRAM = "/opt/mlflow-selector/bin/mlflow-selector"
UNITS = Path("/etc/systemd/system")
CONFIG = Path("/etc/mlflow-selector/selector.yaml")
SECOND = CONFIG.with_name("second.yaml")
STATE = Path("/var/lib/mlflow-selector")
STAGING = Path("/srv/churn/staging")
PAGE = Path("/install.md").read_text()
QUICK = "WatchdogSec=6\nRestartSec=1\n"
"""So that the test need not wait a minute."""

SECRET = "s3cret-of-the-hook"
ELSEWHERE = ("apt-get ", "python3 -m venv ", "/opt/mlflow-selector/bin/pip ", "rm -r /opt/")
"""Lines of the page that put the program there; test_systemd.py has done that by means that need no network."""

HOSTILE = "x\n<0>STOPPING=1\x1b[2J_20250902_104738.pkl"
"""As the name of a staged file: what would end the unit, forge a priority, and clear a terminal."""

TRIES = """
import ctypes, json, mmap, os, shutil, socket, subprocess
def works(attempt):
    try:
        return attempt() is not False
    except BaseException:
        return False
def runs(file):
    shutil.copy("/bin/true", file)
    os.chmod(file, 0o755)
    return subprocess.run([file]).returncode == 0
libc = ctypes.CDLL(None)
state, credentials = "/var/lib/mlflow-selector", os.environ["CREDENTIALS_DIRECTORY"]
places = ("/", "/etc", "/etc/mlflow-selector", "/srv/churn/staging", "/root", "/usr", "/opt/mlflow-selector", "/home")
secrets = ("/etc/mlflow-selector/secrets/mlflow-token", "/etc/shadow", "/root/private", "/home/bert/private")
print(json.dumps({
    "refused": {
        "writes to": [p for p in places if works(lambda: open(p + "/x", "w"))],
        "reads": [p for p in secrets if works(lambda: open(p).read())],
        "runs what it wrote": works(lambda: runs(state + "/program")),
        "runs what lies in": [p for p in ("/tmp", "/var/tmp", "/dev/shm") if works(lambda: runs(p + "/program"))],
        "makes namespaces": libc.unshare(0x10000000) == 0,
        "becomes root": works(lambda: os.setuid(0)),
        "talks netlink": works(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)),
        "runs memory that it can write": works(lambda: mmap.mmap(-1, 4096, prot=7)),
    },
    "granted": {
        "runs programs of the system": works(lambda: subprocess.run(["/bin/true"]).returncode == 0),
        "writes its state": works(lambda: open(state + "/x", "w")),
        "writes the database": works(lambda: open("/srv/mlflow/x", "w")),
        "reads what its group may": works(lambda: os.listdir("/srv/churn/staging")),
        "reads what is bound from a home": works(lambda: open("/srv/anna/readme").read()),
        "reads its credential": works(lambda: open(credentials + "/mlflow-token").read()),
    },
}))
"""
told: dict = {"ran": [], "seconds": {}}
received: list = []


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes the notices that the service and its watcher send."""

    def do_POST(self):
        received.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_words):
        """Keep the console clean."""


def noticed(words, seconds=30):
    """Wait for a notice; return whether it came to the address that only a credential names."""
    until(lambda: any(words in title for _, title in received), seconds)
    return any(words in title and path.endswith(SECRET) for path, title in received)


def sh(line, timeout=90):
    return subprocess.run(line, shell=True, capture_output=True, text=True, timeout=timeout, check=False)


def lines(section):
    """Return the lines of shell in a section of the page, and what has to come out."""
    text = PAGE.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            command, _, expected = line.partition("        # ")
            yield command, expected


def follow(section):
    for command, expected in lines(section):
        if command.startswith(ELSEWHERE):
            continue
        done = sh(command)
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}: exit {done.returncode}\n{said}\n{journal()[-2000:]}"
        assert expected in said, f"{command}: no {expected!r} in\n{said}"
        told["ran"].append(command)


def show(name, unit=UNIT):
    return sh(f"systemctl show -P {name} {unit}").stdout.strip()


def ask(words):
    return sh(f"runuser -u mlflow-selector -- {PROGRAM} {words}")


def until(holds, seconds=60):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if holds():
            return True
        time.sleep(0.1)
    return False


def journal(unit=UNIT):
    return sh(f"journalctl -u {unit} -o cat --no-pager").stdout


def said(words, since=0, seconds=60):
    return until(lambda: words in journal()[since:], seconds)


def champion():
    done = ask("status --json")
    return json.loads(done.stdout)["models"][0]["champion"]["name"] if done.returncode == 0 else done.stderr


def beats(pid):
    """Tell whether the service of this process has left word that it is at work."""
    try:
        found = json.loads((STATE / "heartbeat.json").read_text())
    except (OSError, ValueError):
        return False
    return (str(found["pid"]), found["phase"]) == (pid, "active")


def back(old):
    """Wait until another process is at work."""
    return until(lambda: show("MainPID") not in {old, "0"} and beats(show("MainPID")), 50)


def install():
    follow("1. The program")
    follow("2. The user and the units")


def configure():
    yaml, drop_in = (re.search(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)[1] for kind in ("yaml", "ini"))
    text = yaml.replace("http://localhost:5000", "sqlite:////srv/mlflow/mlflow.db")
    text += 'notify: [{url: "json://localhost:9999/${credential:mlflow-token}"}]\nwatch: {poll: 2s}\n'
    CONFIG.write_text(text.replace("experiment: churn_monitoring}", "experiment: churn_monitoring, quiet: 2s}"))
    SECOND.write_text(
        yaml.replace("http://localhost:5000", f"sqlite:///{STATE}/second/mlflow.db").replace(
            f"state: {STATE}", f"state: {STATE}/second"
        )
    )
    local = UNITS / f"{UNIT}.d" / "local.conf"
    local.parent.mkdir()
    local.write_text(drop_in + QUICK)
    for place in ("/etc/mlflow-selector/secrets", "/home/anna/models", "/home/bert", "/srv/mlflow", STATE / "second"):
        Path(place).mkdir(parents=True, exist_ok=True)
    for file in ("/etc/mlflow-selector/secrets/mlflow-token", "/root/private", "/home/bert/private"):
        Path(file).write_text(SECRET)
    Path("/home/anna/models/readme").write_text("one day there will be a model here")
    sh("groupadd mlflow-staging; chgrp -R mlflow-staging /srv/churn; chmod -R o= /srv/churn/staging")
    shutil.copy("/srv/mlflow.db", "/srv/mlflow/mlflow.db")
    shutil.copy("/srv/mlflow.db", STATE / "second/mlflow.db")
    sh(f"chown -R mlflow-selector:mlflow-selector {STATE} /srv/mlflow")
    follow("3. The configuration")


def start():
    follow("4. Start")
    promoted = said("becomes the first champion")
    told["start"] = {
        "noticed": noticed("churn"),
        "active": show("ActiveState"),
        "promoted": promoted,
        "status_text": show("StatusText"),
        "journal": journal()[-3000:],
    }


def everyday():
    follow("Every day")
    told["everyday"] = True


def like_the_service(name, command, without="nothing"):
    """Make a unit that runs a command with everything that the service's unit says about what it may."""
    kept = [
        line
        for line in (UNITS / UNIT).read_text().splitlines()
        if not re.match(r"Type|Notify|Watchdog|Exec(Start|Reload)|Restart|OnFailure|StartLimit|RuntimeDir", line)
        and not line.startswith(without)
    ]
    at = kept.index("[Service]") + 1
    kept[at:at] = ["Type=oneshot", f"ExecStart={command}", f"StandardOutput=truncate:/run/{name}.out"]
    (UNITS / f"{name}.service").write_text("\n".join(kept) + "\n")
    drop_in = (UNITS / f"{UNIT}.d" / "local.conf").read_text().replace(QUICK, "")
    (UNITS / f"{name}.service.d").mkdir()
    (UNITS / f"{name}.service.d" / "local.conf").write_text(drop_in)
    sh("systemctl daemon-reload")
    return name


def ran(name):
    done = sh(f"systemctl start {name}")
    out = Path(f"/run/{name}.out")
    return done.returncode, out.read_text() if out.exists() else done.stderr + journal(f"{name}.service")


def privileges():
    Path("/tries.py").write_text(TRIES)
    _, out = ran(like_the_service("tries", "/opt/mlflow-selector/bin/python /tries.py"))
    pid = show("MainPID")
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    told["privileges"] = {
        "uid": int(status["Uid"].split()[0]),
        "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
        "no_new_privileges": int(status["NoNewPrivs"]),
        "seccomp": int(status["Seccomp"]),
        "tries": json.loads(out) if out.startswith("{") else out,
    }
    shown = b"".join(Path(f"/proc/{pid}/{file}").read_bytes() for file in ("environ", "cmdline"))
    told["secret"] = {"shown": SECRET.encode() in shown, "logged": SECRET in sh("journalctl --no-pager").stdout}


def doctor():
    inside = f"{PROGRAM} --config {CONFIG} doctor --json"
    names = like_the_service("doctor", inside), like_the_service("bare", inside, without="SystemCallFilter=landlock")
    with ThreadPoolExecutor() as pool:
        for name, (code, out) in zip(names, pool.map(ran, names), strict=True):
            told[name] = {"code": code, "out": out}


def hostile():
    pid = show("MainPID")
    file = STAGING / HOSTILE
    file.write_bytes(b"this is no pickle")
    sh("chgrp -R mlflow-staging /srv/churn/staging")
    heard = said("STOPPING=1", 0, 30)
    texts = {show("StatusText") for _ in range(20) if time.sleep(0.1) is None}
    entries = [
        json.loads(line)
        for line in sh("journalctl -t mlflow-selector -o json --no-pager").stdout.splitlines()
        if "STOPPING" in line
    ]
    told["hostile"] = {
        "heard": heard,
        "same_process": show("MainPID") == pid,
        "active": show("ActiveState"),
        "texts": sorted(texts),
        "priorities": sorted({entry["PRIORITY"] for entry in entries}),
        "documents": all(isinstance(json.loads(entry["MESSAGE"]), dict) for entry in entries),
        "printable": all(entry["MESSAGE"].isprintable() for entry in entries),
    }
    file.unlink()


def staged():
    shutil.copytree("/srv/churn/later", STAGING, dirs_exist_ok=True)
    sh("chgrp -R mlflow-staging /srv/churn/staging")
    replaced = said("(v2) replaces logistic_regression_20250820_104738 (v1)")
    told["staged"] = {"replaced": replaced, "champion": champion(), "journal": journal()[-3000:]}


def reload():
    pid, text, since = show("MainPID"), CONFIG.read_text(), len(journal())
    CONFIG.write_text(text.replace("models:", "modles:"))
    sh(f"systemctl reload {UNIT}")
    heard = said("was not reloaded", since, 20)
    shown = until(lambda: "not in force" in show("StatusText"), 20)
    told["reload"] = {
        "active": show("ActiveState"),
        "same_process": show("MainPID") == pid,
        "told": heard,
        "shown": shown,
    }
    CONFIG.write_text(text)
    sh(f"systemctl reload {UNIT}")
    told["reload"]["good_one_taken"] = said("was read again", since, 20)


def watchdog():
    pid = show("MainPID")
    before = int(show("NRestarts"))
    sh(f"kill -STOP {pid}")
    returned = back(pid)
    told["watchdog"] = {
        "returned": returned,
        "restarts": int(show("NRestarts")) - before,
        "active": show("ActiveState"),
        "result_told": "atchdog" in journal(),
    }


def kill():
    pid = show("MainPID")
    sh(f"kill -9 {pid}")
    returned = back(pid)
    history = ask("history churn --json").stdout
    told["kill"] = {"returned": returned, "active": show("ActiveState"), "promotions": history.count('"promoted"')}


def stop():
    began = time.monotonic()
    sh(f"systemctl stop {UNIT}")
    told["stop"] = {
        "result": show("Result"),
        "seconds": time.monotonic() - began,
        "left": sh("pgrep -a -u mlflow-selector").stdout.splitlines(),
    }


def alarm():
    """The service has just been stopped; only the timer is there to notice."""
    drop_in = UNITS / "mlflow-selector-check.timer.d" / "often.conf"
    drop_in.parent.mkdir()
    # As the page says: what the channels need, the watcher needs, too.
    credential = UNITS / "mlflow-selector-check.service.d" / "local.conf"
    credential.parent.mkdir()
    credential.write_text("[Service]\nLoadCredential=mlflow-token:/etc/mlflow-selector/secrets/mlflow-token\n")
    drop_in.write_text("[Timer]\nOnCalendar=\nOnCalendar=*:*:0/3\nAccuracySec=100ms\n")

    def alerts():
        out = sh("journalctl -t mlflow-selector-failure -o json --no-pager").stdout
        return [(entry["MESSAGE"], entry["PRIORITY"]) for entry in map(json.loads, out.splitlines())]

    before = len(alerts())
    sh("systemctl daemon-reload; systemctl restart mlflow-selector-check.timer")
    until(lambda: len(alerts()) > before, 30)
    sh("systemctl stop mlflow-selector-check.timer")
    told["alarm"] = {"alerts": alerts()[before : before + 1], "why": journal("mlflow-selector-check.service")}
    told["alarm"]["noticed"] = noticed("does not work")
    drop_in.unlink()
    sh("systemctl daemon-reload")


def wrong():
    text = CONFIG.read_text()
    CONFIG.write_text(text.replace("metric: f1", "metirc: f1"))
    sh(f"systemctl start {UNIT}")
    told["wrong"] = {"code": show("ExecMainStatus"), "restarts": show("NRestarts"), "active": show("ActiveState")}
    CONFIG.write_text(text)


def several():
    follow("Several of them")
    imported = re.search(r"(\d+) imported", journal("mlflow-selector-migrate@second.service"))
    told["several"] = {"imported": imported and int(imported[1])}


def upkeep():
    follow("Upgrade")
    follow("Back-up")
    told["backup"] = (STATE / "state.backup").stat().st_size
    follow("Removal")
    left = [str(p) for p in (*UNITS.glob("mlflow-selector*"), STATE, CONFIG) if p.exists()]
    told["removal"] = {"left": left, "known": show("LoadState")}


threading.Thread(target=http.server.HTTPServer(("127.0.0.1", 9999), Receiver).serve_forever, daemon=True).start()
os.chdir("/root")  # where an administrator is, and where the service's user may not look
for chapter in (
    install, configure, start, everyday, privileges, doctor, hostile, staged, reload, watchdog, kill, stop, alarm,
    wrong, several, upkeep,
):  # fmt: skip
    began = time.monotonic()
    try:
        chapter()
    except Exception:  # noqa: BLE001 - whatever it is, it is told to the test outside
        told["error"] = f"{chapter.__name__}: {traceback.format_exc()}\n{journal()[-3000:]}"
        break
    finally:
        told["seconds"][chapter.__name__] = round(time.monotonic() - began, 1)
        Path("/story.json").write_text(json.dumps(told, indent=1))
