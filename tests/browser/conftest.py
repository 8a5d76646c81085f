"""Which factories do the tests of this folder share?"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


def _module(name, path):
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def stories():
    """The module that makes decisions, from real predictions, for reports to tell of."""
    return _module("report_factory", TESTS / "domain" / "report_factory.py")


@pytest.fixture(scope="session")
def hostile():
    """Foreign texts that try to become more than text, and a way to put them everywhere in a report."""
    return _module("report_hostile", TESTS / "adapters" / "report_hostile.py")


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A Chromium that tells what its pages ask for."""
    pipe = _module("chromium_pipe", TESTS / "browser" / "chromium_pipe.py")
    if pipe.program() is None:
        pytest.skip(f"no Chromium is installed: none of {', '.join(pipe.NAMES)} is on PATH")
    chromium = pipe.Chromium(tmp_path_factory.mktemp("chromium"))
    yield chromium
    chromium.close()
