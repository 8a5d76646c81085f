"""The tutorial does what it says: its blocks are run in order, in one shell, in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(sh|yaml|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def script(page: str) -> str:
    """Return the page as one shell script: commands as they are, files written where they are shown."""
    lines = ["set -eu"]
    for language, text in BLOCK.findall(page):
        if language == "sh":
            lines.append(text)
        else:
            name = text.splitlines()[0].removeprefix("# ")
            lines.append(f"cat > {name} <<'END_OF_FILE'\n{text}END_OF_FILE")
    return "\n".join(lines)


def test_the_tutorial_works_as_written(tmp_path):
    programs = Path(sys.executable).parent
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW")}
    done = subprocess.run(
        ["bash", "-c", script(PAGE.read_text())],
        cwd=tmp_path,
        env=environment | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "9 found" in said
    assert said.count("7 imported") == 1
    assert "churn: promoted. gradient boosting, all customers replaces" in said
    assert "rolled back from version 8 to version" in said
    assert said.count("churn: kept.") == 3  # explain, and a select with nothing new, before and after the rollback
