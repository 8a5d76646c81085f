"""A real systemd boots, the wheel is installed as docs/install.md says, and the unit has to do all that it promises.

The system is this machine's own root under an overlay, so that nothing outside a temporary folder is written to.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from selector.demo.customers import make_customers, split

pytestmark = pytest.mark.live

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "install.md"
UNITS = sorted((ROOT / "systemd").glob("*.service")) + sorted((ROOT / "systemd").glob("*.timer"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
ANALYZE = shutil.which("systemd-analyze")
INSIDE = "/opt/mlflow-selector"
MOST_SECONDS_TO_END = 30

needs_analyze = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed: units are NOT checked")


@pytest.fixture
def instances(tmp_path):
    """The units with templates made into instances, for programs that look at one unit."""
    for unit in UNITS:
        shutil.copy(unit, tmp_path / unit.name.replace("@.", "@prod."))
    return tmp_path


@needs_analyze
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_every_line(unit, instances, tmp_path):
    # `verify` exits 0 for a key that it does not know, and wants the program to be there.
    path = instances / unit.name.replace("@.", "@prod.")
    path.write_text(path.read_text().replace(f"{INSIDE}/bin/mlflow-selector", "/bin/true"))
    done = subprocess.run([ANALYZE, "verify", str(path)], capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "mlflow-selector-failure@" not in line]
    assert (done.returncode, said) == (0, [])


@needs_analyze
@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_no_unit_is_more_exposed_than_1_0(unit, instances):
    path = instances / unit.name.replace("@.", "@prod.")
    command = [ANALYZE, "security", "--offline=true", "--threshold=10", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_the_service_and_its_template_differ_only_in_names():
    def plain(name):
        text = (ROOT / "systemd" / name).read_text().replace("@%i", "").replace("/%i.yaml", "/selector.yaml")
        return [line for line in text.replace("/%i", "").splitlines() if not line.startswith(("#", "Description"))]

    assert plain("mlflow-selector.service") == plain("mlflow-selector@.service")


@pytest.fixture(scope="module")
def booted(tmp_path_factory, mlflow_template):
    """Boot once, let tests/live/systemd_story.py play inside, and return what it saw."""
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        pytest.skip("booting a systemd needs root and systemd-container: the units are NOT run")
    if sys.version_info[:2] != (3, 11) or not Path("/usr/bin/python3.11").exists():
        pytest.skip("the booted system has Debian 12's Python 3.11, and needs libraries for it: the units are NOT run")
    base = tmp_path_factory.mktemp("systemd")
    try:
        root = _overlaid(base)
        _furnished(root, base)
        shutil.copy(mlflow_template, root / "srv/mlflow.db")  # making one takes MLflow ten seconds
        return _played(root, base)
    finally:
        for place in (base / "root", base / "changes"):
            subprocess.run(["umount", "-R", "-l", str(place)], check=False)
        shutil.rmtree(base, ignore_errors=True)


def _overlaid(base):
    upper, work, root = base / "changes" / "upper", base / "changes" / "work", base / "root"
    upper.parent.mkdir()
    root.mkdir()
    # In memory: what is itself an overlay, as in many a container, cannot carry the changes of another one.
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(upper.parent)], check=False).returncode:
        pytest.skip("nothing can be mounted here: the units are NOT run")
    upper.mkdir()
    work.mkdir()
    options = f"lowerdir=/,upperdir={upper},workdir={work}"
    done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(root)], check=False)
    if done.returncode:
        pytest.skip("no overlay can be mounted here: the units are NOT run")
    return root


def _furnished(root, base):
    """Install the wheel beside the libraries of these tests, and put a project where docs/install.md has it."""
    wheels = base / "wheels"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    venv = root / INSIDE.lstrip("/")
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run(["/usr/bin/python3.11", "-m", "venv", "--without-pip", str(venv)], check=True)
    (wheel,) = wheels.glob("*.whl")
    install = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install", "-qq", "--no-deps"]
    subprocess.run([*install, "--no-index", str(wheel)], check=True, capture_output=True)
    script = venv / "bin" / "mlflow-selector"
    script.write_text(script.read_text().replace(str(root), "", 1))
    site = venv / "lib" / "python3.11" / "site-packages"
    ours = base / "ours"
    shutil.move(site, ours)
    site.mkdir()
    libraries = Path(sys.prefix) / "lib" / "python3.11" / "site-packages"
    options = f"lowerdir={ours}:{libraries}"  # what the wheel brings lies above what the tests use
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, str(site)], check=True)
    _project(root)
    shutil.copy(HERE / "systemd_story.py", root / "story.py")
    shutil.copy(PAGE, root / "install.md")
    (root / "etc/systemd/system/story.service").write_text(
        "[Unit]\nDescription=The test\nAfter=basic.target\n[Service]\nType=oneshot\nTimeoutStartSec=240\n"
        "ExecStart=/usr/bin/python3.11 /story.py\nExecStopPost=/bin/systemctl poweroff --force --no-block\n"
    )
    (root / "etc/systemd/system/story.target").write_text(
        "[Unit]\nRequires=basic.target story.service\nAfter=basic.target\nAllowIsolate=yes\n"
    )


def _project(root):
    """A holdout, a plain model staged, a better one to come, and a broken configuration."""
    train, holdout = split(make_customers())
    place = root / "srv/churn"
    place.mkdir(parents=True)
    numbers = train.select_dtypes("number").columns
    holdout[[*numbers, "Churn"]].to_csv(place / "holdout.csv", index=False)
    for name, columns, folder in (
        ("logistic_regression_20250820_104738", numbers[:2], "staging"),
        ("logistic_regression_20250901_104738", numbers, "later"),
    ):
        model = LogisticRegression(max_iter=2000, class_weight="balanced")
        model.fit(pd.DataFrame(train[columns]), (train["Churn"] == "Yes").astype(int))
        staged = place / folder / name
        staged.mkdir(parents=True)
        (staged / "model.pkl").write_bytes(pickle.dumps(model))
        (staged / "metrics.json").write_text(json.dumps({"f1_score": 0.5}))
        digests = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in staged.iterdir()}
        (staged / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in digests.items()))
    for path in (place, *place.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _played(root, base):
    command = [
        "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--boot",
        f"--directory={root}",
        "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp",
        "--console=pipe", "systemd.unit=story.target",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=280, check=False)
    told = root / "story.json"
    if not told.exists():
        pytest.fail(f"the system did not come to its end:\n{(done.stdout + done.stderr)[-4000:]}")
    return json.loads(told.read_text())


def _saw(booted, chapter):
    assert chapter in booted, f"the story ended before; its end: {booted.get('error')}"
    return booted[chapter]


def test_the_page_on_installing_is_right_line_by_line(booted):
    elsewhere = ("apt-get ", "python3 -m venv ", f"{INSIDE}/bin/pip ", "rm -r /opt/")
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line.split("        # ")[0] for block in blocks for line in block.splitlines()]
    assert booted["ran"] == [line for line in lines if not line.startswith(elsewhere)], booted.get("error")
    for unit in UNITS:
        assert unit.name.replace("@.", "@NAME.") in PAGE.read_text() or "@" in unit.name or "check" in unit.name


def test_it_starts_imports_scores_in_confinement_and_promotes(booted):
    seen = _saw(booted, "start")
    assert seen["promoted"], seen["journal"]
    assert seen["active"] == "active"
    assert seen["status_text"]
    assert seen["noticed"], seen["journal"]


def test_under_systemd_the_log_is_json(booted):
    ours = [line for line in _saw(booted, "start")["journal"].splitlines() if line.startswith("{")]
    assert any("becomes the first champion" in json.loads(line)["message"] for line in ours)


def test_doctor_finds_nothing_wrong_under_the_units_hardening(booted):
    seen = _saw(booted, "doctor")
    assert seen["code"] == 0, seen["out"]
    checks = {check["name"]: check for check in json.loads(seen["out"])["checks"]}
    assert checks["confinement"]["ok"] is True


def test_a_unit_that_takes_the_confinement_of_models_away_is_noticed(booted):
    seen = _saw(booted, "bare")
    assert seen["code"] != 0
    checks = {check["name"]: check for check in json.loads(seen["out"])["checks"]}
    assert checks["confinement"]["ok"] is False


def test_it_has_no_privileges_and_all_that_it_needs(booted):
    seen = _saw(booted, "privileges")
    assert seen["uid"] != 0
    assert seen["capabilities"] == 0
    assert seen["no_new_privileges"] == 1
    assert seen["seccomp"] == 2
    refused, granted = seen["tries"]["refused"], seen["tries"]["granted"]
    assert {what for what, came_true in refused.items() if came_true} == set(), refused
    assert {what for what, came_true in granted.items() if not came_true} == set()


def test_no_secret_is_in_the_environment_on_the_command_line_or_in_the_log(booted):
    assert _saw(booted, "secret") == {"shown": False, "logged": False}


def test_a_staged_file_whose_name_speaks_to_systemd_and_the_journal_is_only_a_name(booted):
    seen = _saw(booted, "hostile")
    assert seen["heard"]
    assert (seen["same_process"], seen["active"]) == (True, "active")
    assert all(text.isprintable() for text in seen["texts"])
    assert set(seen["priorities"]) == {"6"}, "a name changed the priority of a line"
    assert seen["documents"]
    assert seen["printable"]


def test_a_model_that_is_staged_while_it_runs_is_promoted(booted):
    seen = _saw(booted, "staged")
    assert seen["replaced"], seen["journal"]
    assert seen["champion"] == "logistic_regression_20250901_104738", seen["journal"]


def test_a_broken_file_at_a_reload_changes_nothing_and_is_shown(booted):
    seen = _saw(booted, "reload")
    assert seen == {"active": "active", "same_process": True, "told": True, "shown": True, "good_one_taken": True}


def test_a_process_that_hangs_is_killed_and_started_again(booted):
    assert _saw(booted, "watchdog") == {"returned": True, "restarts": 1, "active": "active", "result_told": True}


def test_kill_9_doubles_nothing(booted):
    assert _saw(booted, "kill") == {"returned": True, "active": "active", "promotions": 2}


def test_it_stops_at_once_and_leaves_nobody_behind(booted):
    seen = _saw(booted, "stop")
    assert seen["result"] == "success"
    assert seen["left"] == []
    assert seen["seconds"] < MOST_SECONDS_TO_END


def test_the_timer_alone_notices_that_the_service_is_dead_and_tells(booted):
    seen = _saw(booted, "alarm")
    words = "mlflow-selector-check.service failed; look: journalctl -u mlflow-selector-check.service"
    assert seen["alerts"] == [[words, "1"]]
    assert seen["noticed"], seen["why"]
    assert "The service was stopped" in seen["why"]


def test_a_wrong_configuration_is_not_tried_again(booted):
    assert _saw(booted, "wrong") == {"code": "78", "restarts": "0", "active": "failed"}


def test_the_one_off_import_works_for_an_instance(booted):
    assert _saw(booted, "several") == {"imported": 2}


def test_the_history_can_be_saved_while_it_runs_and_removal_leaves_nothing(booted):
    assert _saw(booted, "backup") > 0
    assert _saw(booted, "removal") == {"left": [], "known": "not-found"}
