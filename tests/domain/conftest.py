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
