"""Does docs/install.md fit the units and the program? tests/live/test_systemd.py runs its lines."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from selector.cli.app import app
from selector.config import load
from selector.errors import EXIT_CONFIGURATION, EXIT_DAMAGED_STATE, EXIT_LEASE_HELD, EXIT_USAGE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
UNITS = sorted(path.name for path in (ROOT / "systemd").iterdir() if path.suffix in {".service", ".timer"})
SERVICE = (ROOT / "systemd" / "mlflow-selector.service").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_configuration_loads_as_it_stands(tmp_path):
    path = tmp_path / "selector.yaml"
    path.write_text(block("yaml"))
    assert load(path).state.folder == Path("/var/lib/mlflow-selector")


def test_every_command_of_the_page_is_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
    words = re.findall(r"(?:^|-- )mlflow-selector (?:--config \S+ )?(config validate|[a-z]+)", lines, re.MULTILINE)
    assert len(words) >= 6
    for command in set(words):
        assert CliRunner().invoke(app, [*command.split(), "--help"]).exit_code == 0, command


@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_is_explained(unit):
    # Nobody starts the services of the timers by hand.
    explained = unit.replace("@.", "@NAME.").replace("failure@NAME", "failure@")
    assert re.sub(r"(-check(@NAME)?)\.service", r"\1.timer", explained) in PAGE


def test_the_units_start_the_program_where_the_page_puts_it():
    for unit in UNITS:
        for program in re.findall(r"^ExecStart=(\S+)", (ROOT / "systemd" / unit).read_text(), re.MULTILINE):
            assert program in {"/opt/mlflow-selector/bin/mlflow-selector", "/bin/sh"}
    assert "python3 -m venv /opt/mlflow-selector\n" in PAGE


def test_starting_again_is_not_tried_where_the_program_says_that_it_would_not_help():
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", SERVICE, re.MULTILINE)
    assert {int(code) for code in codes.split()} == {
        EXIT_USAGE,
        EXIT_DAMAGED_STATE,
        EXIT_LEASE_HELD,
        EXIT_CONFIGURATION,
    }
    for code in (EXIT_DAMAGED_STATE, EXIT_LEASE_HELD, EXIT_CONFIGURATION):
        assert f"({code})" in PAGE


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_understands_the_drop_in(tmp_path):
    unit = tmp_path / "mlflow-selector.service"
    unit.write_text(SERVICE.replace("/opt/mlflow-selector/bin/mlflow-selector", "/bin/true"))
    drop_in = tmp_path / "mlflow-selector.service.d"
    drop_in.mkdir()
    (drop_in / "local.conf").write_text(block("ini"))
    command = ["systemd-analyze", "verify", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "mlflow-selector-failure@" not in line]
    assert (done.returncode, said) == (0, [])
