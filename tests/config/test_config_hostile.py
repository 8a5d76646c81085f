"""Whatever stands in the file: a configuration or a ConfigurationError with a place in it, never anything else."""

import copy
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selector.config import Configuration, load
from selector.config_reference import example
from selector.errors import ConfigurationError

GOOD = yaml.safe_load(example())
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield from places(part, (*path, key))


PLACES = [path for path in places(GOOD) if path]


def check(folder: Path, text: str):
    path = folder / "selector.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        found = load(path, {})
    except ConfigurationError:
        return
    assert repr(found)
    assert found.masked()
    assert isinstance(found, Configuration)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=st.sampled_from(PLACES), value=ANYTHING)
def test_any_value_in_any_place_is_taken_or_refused(tmp_path, path, value):
    changed = copy.deepcopy(GOOD)
    at = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    check(tmp_path, yaml.safe_dump(changed, allow_unicode=True))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused(tmp_path, text):
    check(tmp_path, text)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, len(example())), st.text(max_size=4))
def test_an_example_with_a_slip_of_the_pen_is_taken_or_refused(tmp_path, at, typed):
    check(tmp_path, example()[:at] + typed + example()[at:])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(PLACES))
def test_a_key_that_is_left_out_is_a_default_or_a_missing_one(tmp_path, path):
    changed = copy.deepcopy(GOOD)
    at = changed
    for key in path[:-1]:
        at = at[key]
    del at[path[-1]]
    check(tmp_path, yaml.safe_dump(changed))
