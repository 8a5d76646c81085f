"""Do explain, compare and backtest still print what docs/explaining.md says they print?"""

import importlib.util
import os
import re
import sys
from pathlib import Path

import click
import pytest

from selector.cli import backtest as backtest_page
from selector.cli import compare as compare_page
from selector.cli import explanation as explain_page
from selector.config import load
from selector.config_policy import load_policy
from selector.workflows.backtest import backtest
from selector.workflows.compare import compare
from selector.workflows.explain import explain

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explaining.md"
ID = re.compile(r"\b(\d{8}T\d{6})-[0-9a-f]{8}\b")


def story(folder):
    """The life of the page: a forest, a challenger by luck, and a better one."""
    spec = importlib.util.spec_from_file_location("flows_of_the_page", ROOT / "tests" / "flows" / "conftest.py")
    flows = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(flows)
    world = flows.World(folder)
    world.train("forest_may", 400)
    world.look()
    world.train("logistic_may", 440, seed=2)
    world.train("boosted_june", 355, seed=3)
    world.look()
    return world


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    world = story(tmp_path_factory.mktemp("page"))
    with pytest.MonkeyPatch.context() as patch, click.Context(click.Command("page")):
        for page in (explain_page, compare_page, backtest_page):
            patch.setattr(page, "width", lambda: None)
        found = {"explain": explain_page.explanation(explain(world.house, "churn", None))}
        world.train("boosted_july", 320)
        world.look()
        found["compare"] = compare_page.comparison(compare(world.house, "churn", (1, 2)))
        found["backtest"] = backtest_page.history(backtest(world.house, "churn"))
    return {name: ID.sub(r"\1-5f1c09ab", text) for name, text in found.items()}


@pytest.mark.parametrize("name", ["explain", "compare", "backtest"])
def test_a_command_prints_what_the_page_says(printed, name):
    block = re.compile(rf"```text {name}\n.*?```", re.DOTALL)
    page = PAGE.read_text(encoding="utf-8")
    made = f"```text {name}\n{printed[name]}\n```"
    if os.environ.get("REGENERATE"):
        page = block.sub(lambda _: made, page)
        PAGE.write_text(page, encoding="utf-8")
    assert block.search(page)[0] == made, "REGENERATE=1 pytest tests/docs/test_explaining_docs.py"


def test_the_policy_file_of_the_page_is_valid(tmp_path):
    (tmp_path / "selector.yaml").write_text("models:\n  churn: {metric: f1}\n")
    present = load(tmp_path / "selector.yaml").models["churn"]
    (tmp_path / "p.yaml").write_text(re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1])
    policy = load_policy(tmp_path / "p.yaml", "churn", present)
    assert (policy.confidence, policy.minimum_gain, policy.metric.name) == (0.8, 0.01, "f1")
