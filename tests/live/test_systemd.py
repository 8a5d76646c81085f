"""A real systemd boots, the wheel is installed as docs/install.md says, and the unit has to do all that it promises.

The system is this machine's own root under an overlay, so that nothing outside a temporary folder is written to.
"""

from __future__ import annotations

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
UNITS = sorted((ROOT / "systemd").glob("*.service")) + sorted((ROOT / "systemd").glob("*.timer"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service" and "failure" not in unit.name]
ANALYZE = shutil.which("systemd-analyze")
INSIDE = "/opt/mlflow-selector"

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
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None or not Path("/usr/bin/python3.11").exists():
        pytest.skip("booting a systemd needs root, systemd-container and Debian's python3.11: the units are NOT run")
    base = tmp_path_factory.mktemp("systemd")
    root = _overlaid(base)
    try:
        _furnished(root, base)
        shutil.copy(mlflow_template, root / "srv/mlflow.db")  # making one takes MLflow ten seconds
        return _played(root, base)
    finally:
        subprocess.run(["umount", "-R", "-l", str(root)], check=False)
        shutil.rmtree(base, ignore_errors=True)


def _overlaid(base):
    upper, work, root = (base / name for name in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir()
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


def test_it_starts_imports_scores_in_confinement_and_promotes(booted):
    seen = _saw(booted, "start")
    assert seen["active"] == "active"
    assert seen["champion"] == "logistic_regression_20250820_104738", seen["journal"]
    assert seen["status_text"]
    assert seen["json_logs"], "under systemd the log is JSON"


def test_doctor_finds_nothing_wrong_inside(booted):
    seen = _saw(booted, "doctor")
    assert seen["code"] == 0, seen["out"]


def test_it_has_no_privileges(booted):
    seen = _saw(booted, "privileges")
    assert seen["uid"] != 0
    assert seen["capabilities"] == 0
    assert seen["no_new_privileges"] == 1
    assert seen["seccomp"] == 2
    assert seen["writable"] == []
    assert seen["readable"] == []


def test_a_model_that_is_staged_while_it_runs_is_promoted(booted):
    seen = _saw(booted, "staged")
    assert seen["champion"] == "logistic_regression_20250901_104738", seen["journal"]


def test_a_person_sees_and_does_everything_beside_it(booted):
    seen = _saw(booted, "beside")
    assert seen["status"] == 0
    assert seen["woken"] == 0, seen["out"]


def test_a_broken_file_at_a_reload_changes_nothing(booted):
    seen = _saw(booted, "reload")
    assert seen == {"active": "active", "same_process": True, "told": True}


def test_a_loop_that_hangs_is_killed_and_started_again(booted):
    seen = _saw(booted, "watchdog")
    assert seen["restarts"] == 1
    assert seen["active"] == "active"
    assert seen["new_process"]
    assert seen["result_told"]


def test_kill_9_doubles_nothing(booted):
    seen = _saw(booted, "kill")
    assert seen["active"] == "active"
    assert seen["promotions_before"] == seen["promotions_after"]


def test_the_watcher_is_content_while_it_lives_and_tells_when_it_is_dead(booted):
    seen = _saw(booted, "check")
    assert seen["alive"] == 0
    assert seen["dead"] != 0
    assert seen["told"]


def test_it_stops_at_once_and_leaves_nobody_behind(booted):
    seen = _saw(booted, "stop")
    assert seen["result"] == "success"
    assert seen["left"] == []
    assert seen["seconds"] < 30


def test_a_wrong_configuration_is_not_tried_again(booted):
    assert _saw(booted, "wrong") == {"code": "78", "restarts": "0", "active": "failed"}


def test_the_one_off_import_works_for_an_instance(booted):
    seen = _saw(booted, "migrate")
    assert seen["result"] == "success", seen
    assert seen["imported"] == 2


def test_secrets_reach_the_service_and_nobody_else(booted):
    seen = _saw(booted, "secret")
    assert seen["read"], "the configuration refers to a credential, and the service started"
    assert seen["in_environment"] is False
    assert seen["source_readable"] is False


def test_the_page_on_installing_names_every_unit_and_the_story_runs_its_lines(booted):
    page = (ROOT / "docs" / "install.md").read_text()
    for unit in UNITS:
        assert unit.name.replace("@.", "@").split(".")[0].split("@")[0] in page, unit.name
    lines = re.findall(r"^    (?:sudo )?(.+)$", page, re.MULTILINE)
    assert _saw(booted, "installed")["lines"] >= 5
    assert set(booted["installed"]["ran"]) <= {line.strip() for line in lines}
