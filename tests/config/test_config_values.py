import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selector.config_values import absolute_uri, alias_name, model_name, parse_duration, parse_fraction, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("10", 10), ("2 h", 7200), ("1d", 86400), ("1.5s", 1.5), (7, 7)],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 apples", "0s", "5m and more", "1h 30", True, "nan", "inf"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match=r"duration|unit of time"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"), [("4GiB", 4 << 30), ("500MB", 500_000_000), ("1024", 1024), ("1.5 KiB", 1536), ("2G", 2 * 10**9)]
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "4 apples", "-1GiB", "0", "GiB", True])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@given(st.text(max_size=20))
def test_any_text_is_a_positive_duration_or_refused(text):
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert 0 < seconds < math.inf


@given(st.text(max_size=20))
def test_any_text_is_a_positive_size_or_refused(text):
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert size >= 1


def test_percent_means_a_fraction():
    assert parse_fraction("95%") == pytest.approx(0.95)
    assert parse_fraction("0.5") == "0.5"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("sqlite:///mlflow.db", "sqlite:////srv/mlflow.db"),
        ("sqlite:////data/mlflow.db", "sqlite:////data/mlflow.db"),
        ("sqlite:///../x.db?timeout=5", "sqlite:////x.db?timeout=5"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite+pysqlite:///m.db", "sqlite+pysqlite:////srv/m.db"),
        ("http://localhost:5000", "http://localhost:5000"),
        ("postgresql://u@h/db", "postgresql://u@h/db"),
        ("databricks", "databricks"),
        ("mlruns", "/srv/mlruns"),
        ("./a/../b.csv", "/srv/b.csv"),
        ("/abs/x.csv", "/abs/x.csv"),
        ("file:mlruns", "file:///srv/mlruns"),
        ("file:///abs/mlruns", "file:///abs/mlruns"),
        ("s3://bucket/x.parquet", "s3://bucket/x.parquet"),
    ],
)
def test_relative_paths_and_sqlite_addresses_start_from_the_file(text, wanted):
    assert absolute_uri(text, Path("/srv")) == wanted


@pytest.mark.parametrize("name", ["a/b", "models:churn", "", "  ", "..", "a\nb"])
def test_model_names_that_mlflow_refuses_are_refused(name):
    with pytest.raises(ValueError, match="registered model"):
        model_name(name)


@pytest.mark.parametrize("name", ["churn", "HDBSCAN-north", "with spaces", "ünïcode", "v1", "2025_01"])
def test_other_model_names_are_fine(name):
    assert model_name(name) == name


@pytest.mark.parametrize("name", ["latest", "Latest", "v7", "V12", "with space", "a.b", "", "x" * 256])
def test_alias_names_that_mlflow_refuses_are_refused(name):
    with pytest.raises(ValueError, match="alias"):
        alias_name(name)


@pytest.mark.parametrize("name", ["champion", "previous_champion", "v7b", "blue-green", "Ünïcode"])
def test_other_alias_names_are_fine(name):
    assert alias_name(name) == name
