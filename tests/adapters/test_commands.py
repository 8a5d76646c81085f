"""Does an operator's command run without a shell, within its deadline, and is its end written down?"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from selector.adapters.commands_subprocess import SubprocessCommands
from selector.adapters.production_memory import MemoryCommands
from selector.errors import SelectorError
from selector.ports_production import Ended


@pytest.fixture
def commands(tmp_path):
    return SubprocessCommands(tmp_path / "commands")


def run(commands, *command, timeout=30.0, name="d1"):
    commands.start(name, command, {"MODEL": "churn", "VERSION": "3", "DECISION": name}, timeout)
    return awaited(commands, name)


def awaited(commands, name="d1"):
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        found = commands.ended(name)
        if found is not None:
            return found
        time.sleep(0.05)
    raise AssertionError("the command never ended")


def test_a_command_ends_with_its_exit_code_and_output_and_knows_what_it_is_for(commands):
    code = "import os, sys; print(os.environ['MODEL'], os.environ['VERSION'], os.environ['DECISION']); sys.exit(3)"
    found = run(commands, sys.executable, "-c", code)
    assert (found.code, found.output.strip()) == (3, "churn 3 d1")


def test_words_are_handed_over_as_they_are_without_a_shell(commands):
    found = run(commands, sys.executable, "-c", "import sys; print(sys.argv[1:])", "$HOME; echo x", "a b", "*")
    assert found.output.strip() == "['$HOME; echo x', 'a b', '*']"


def test_a_command_and_its_children_are_ended_at_the_deadline(commands, tmp_path):
    child = tmp_path / "child"
    code = f"import subprocess, time; p = subprocess.Popen(['sleep', '300']); open({str(child)!r}, 'w').write(str(p.pid)); time.sleep(300)"
    found = run(commands, sys.executable, "-c", code, timeout=2.0)
    assert (found.code, found.reason) == (None, "it was ended after 2 s")
    ends = time.monotonic() + 20
    while gone(int(child.read_text())) is False and time.monotonic() < ends:
        time.sleep(0.05)
    assert gone(int(child.read_text()))


def gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_command_that_does_not_exist_says_so(commands):
    assert run(commands, "/nowhere/retrain.sh").reason == "it cannot be started: No such file or directory"


def test_only_the_end_of_a_long_output_is_kept(commands):
    found = run(commands, sys.executable, "-c", "print('x' * 100_000); print('the end')")
    assert len(found.output) <= 4_000
    assert found.output.endswith("the end\n")


def test_another_process_learns_how_a_command_ended(commands, tmp_path):
    run(commands, sys.executable, "-c", "pass")
    assert SubprocessCommands(tmp_path / "commands").ended("d1").code == 0


def test_a_command_whose_watcher_was_killed_is_lost_and_not_waited_for(commands, tmp_path):
    commands.start("d1", (sys.executable, "-c", "import time; time.sleep(30)"), {}, 60.0)
    assert commands.ended("d1") is None
    (pid_file,) = (tmp_path / "commands").glob("*.pid")
    watcher = int(pid_file.read_text().strip("[").partition(",")[0])
    os.killpg(watcher, signal.SIGKILL)
    found = awaited(commands)
    assert (found.code, found.reason) == (None, "it was stopped from outside, or never began")


def test_a_command_that_nobody_started_is_lost(commands):
    assert commands.ended("never").code is None


def test_the_memory_adapter_starts_ends_and_fails_like_the_real_one():
    commands = MemoryCommands(missing={"gone"})
    commands.start("d1", ("retrain",), {"MODEL": "churn"}, 60.0)
    assert commands.ended("d1") is None
    commands.results["d1"] = Ended(0, 1.0, "")
    assert commands.ended("d1").code == 0
    with pytest.raises(SelectorError, match="gone cannot be started"):
        commands.start("d2", ("gone",), {}, 60.0)
