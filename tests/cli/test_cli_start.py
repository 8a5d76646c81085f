import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from selector.cli.app import app
from selector.cli.commands import COMMANDS
from selector.cli.lazy import LazyGroup, Verb

HEAVY = {"mlflow", "pandas", "sklearn", "sqlalchemy", "alembic", "pydantic", "numpy", "scipy", "yaml", "rich", "jinja2"}
ROOT = Path(__file__).parents[2]
NAMES = [entry.name for entries in COMMANDS.values() for entry in entries]


def all_commands(group=app, context=None, path=()):
    context = context or click.Context(group, info_name="mlflow-selector")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from all_commands(command, click.Context(command, parent=context), (*path, name))
        else:
            yield " ".join((*path, name)), command


VERBS = dict(all_commands())
WRITING = {
    "init", "doctor", "run", "wake", "select", "monitor", "approve", "reject", "promote", "rollback", "archive", "restore", "quarantine", "clear", "pause", "resume",
    "migrate apply", "migrate undo", "migrate store", "migrate stages", "demo", "alerts ack", "alerts silence",
}  # fmt: skip
SILENT = {"completion", "config schema"}


def modules_after(code):
    script = f"import sys\n{code}\nprint(' '.join(sorted({{m.partition('.')[0] for m in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import selector",
        "import selector.cli.app",
        "from selector.cli.app import app\napp.main(['--help'], standalone_mode=False)",
        "from selector.cli.app import app\napp.main(['select', '--help'], standalone_mode=False)",
        "from selector.cli.app import app\napp.main(['migrate', 'apply', '--help'], standalone_mode=False)",
        "from selector.cli.app import app\napp.main(['config', '--help'], standalone_mode=False)",
    ],
)
def test_help_imports_nothing_heavy(code):
    assert modules_after(code) & HEAVY == set()


def test_the_check_for_heavy_modules_would_see_one():
    assert "yaml" in modules_after("import yaml") & HEAVY


def test_every_listed_command_is_there_with_one_line_of_help(run):
    text = run("--help").stdout
    for entries in COMMANDS.values():
        for entry in entries:
            assert f"  {entry.name} " in text
            assert entry.help in text
    assert run("--help").exit_code == 0


@pytest.mark.parametrize("name", VERBS)
def test_every_command_has_help_with_an_example(run, name):
    result = run(*name.split(), "--help")
    assert result.exit_code == 0
    assert "Example:\n  " in result.stdout
    assert name in result.stdout.split("Example:")[1]
    assert isinstance(VERBS[name], Verb)


@pytest.mark.parametrize("name", sorted(set(VERBS) - SILENT))
def test_every_command_that_shows_something_has_json(name):
    assert any("--json" in parameter.opts for parameter in VERBS[name].params)


@pytest.mark.parametrize("name", sorted(WRITING))
def test_every_command_that_writes_has_dry_run(name):
    assert any("--dry-run" in parameter.opts for parameter in VERBS[name].params)


def test_commands_that_only_look_are_known_by_name():
    reading = {
        "heartbeat",
        "plan",
        "status",
        "candidates",
        "compare",
        "backtest",
        "explain",
        "history",
        "report",
        "alerts list",
        "migrate scan",
        "migrate verify",
    }
    settings = {"config validate", "notify test", "config show", "config schema", "config example", "completion"}
    assert set(VERBS) == WRITING | reading | settings


def test_no_command_prints_the_help_on_stderr_and_exits_2(run):
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: mlflow-selector" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["seelct"], "No such command 'seelct'. Did you mean 'select'?"),
        (["migrate", "scna"], "No such command 'scna'. Did you mean 'scan'?"),
        (["select", "--jsn"], "--json"),
        (["promote", "churn"], "Missing argument 'VERSION'"),
        (["promote", "churn", "seven"], "'seven' is not a valid integer"),
        (["promote", "churn", "0"], "0 is not in the range x>=1"),
        (["promote", "churn", "1", "--force", " "], "a forced promotion needs a reason"),
        (["history", "--at", "yesterday"], "'yesterday' is no time; write it as 2025-05-05T10:01:26Z"),
        (["migrate", "scan"], "Missing argument 'PATH...'"),
        (["migrate", "scan", "nowhere"], "Path 'nowhere' does not exist"),
        (["migrate", "apply", ".", "--model", "m"], "Missing option '--experiment': "),
        (["migrate", "undo"], "Missing argument 'BATCH'"),
        (["migrate", "scan", ".", "--timezone", "Mars/Phobos"], "is no time zone"),
        (["completion", "tcsh"], "'tcsh' is not one of"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_would_be_right(run, folder, words, said):
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert result.stderr.startswith("error: ")
    assert "  try: mlflow-selector" in result.stderr


def test_wrong_usage_with_json_is_one_document(run, one_document):
    result = run("promote", "churn", "--json")
    assert result.exit_code == 2
    assert one_document(result.stdout)["error"]["message"].startswith("Missing argument 'VERSION'")


def test_python_m_selector_is_the_program(start):
    done = start("--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "mlflow-selector")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(run, shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_MLFLOW_SELECTOR_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("mlflow-selector sel", "select"),
        ("mlflow-selector status ch", "churn"),
        ("mlflow-selector select --exi", "--exit-code"),
    ],
)
def test_the_shell_completes_commands_models_and_options(start, tmp_path, words, wanted):
    (tmp_path / "selector.yaml").write_text("models:\n  churn: {metric: f1}\n")
    count = str(len(words.split()) - 1)
    done = start(env={"_MLFLOW_SELECTOR_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": count})
    assert f"plain,{wanted}" in done.stdout.split()


def test_the_example_can_be_saved_and_used_at_once(run, folder):
    text = run("config", "example").stdout
    (folder / "selector.yaml").write_text(text)
    assert run("config", "validate").exit_code == 0
    assert json.loads(run("config", "schema").stdout)["required"] == ["models"]
