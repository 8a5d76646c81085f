from pathlib import Path

import pytest

from selector.config_yaml import Place, excerpt, parse, read_text
from selector.errors import EXIT_CONFIGURATION, ConfigurationError

PATH = Path("selector.yaml")


def test_scalars_stay_what_was_written():
    text = "a: Yes\nb: 2025_01\nc: 1.0\nd: 0o17\ne: null\nf: ~\ng:\nh: on\ni: 12:30:00\nj: 2025-08-20\n"
    assert parse(PATH, text).data == {
        "a": "Yes", "b": "2025_01", "c": "1.0", "d": "0o17", "e": None, "f": None, "g": None, "h": "on",
        "i": "12:30:00", "j": "2025-08-20",
    }  # fmt: skip


def test_every_value_and_key_knows_where_it_stands():
    document = parse(PATH, "models:\n  churn:\n    experiments: [a, b]\n")
    assert document.place(("models", "churn", "experiments", 1)) == Place(3, 22)
    assert document.place(("models", "churn", "experiments"), at_key=True) == Place(3, 5)
    assert document.place(("models", "churn", "metric", "name")) == Place(3, 5)


def test_a_key_that_stands_twice_is_a_problem_with_both_lines():
    document = parse(PATH, "a: 1\nb:\n  c: 1\n  c: 2\na: 3\n")
    assert [(p.location, p.place.line) for p in document.problems] == [(("b", "c"), 4), (("a",), 5)]
    assert "first in line 3" in document.problems[0].text


def test_merged_keys_are_taken_over_and_own_keys_win():
    text = "base: &base {metric: f1, rule: proven}\nchurn:\n  <<: *base\n  rule: highest\n"
    assert parse(PATH, text).data["churn"] == {"metric": "f1", "rule": "highest"}


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system [ls]\n", "a: !custom 3\n", "a: !!binary aGk=\n", "? [a, b]\n: 1\n"]
)
def test_tags_and_odd_keys_are_problems_and_nothing_is_executed(text):
    assert parse(PATH, text).problems


def test_a_document_that_contains_itself_is_a_problem():
    assert parse(PATH, "a: &x\n  b: *x\n").problems[0].text == "contains itself"


def test_aliases_that_multiply_without_end_are_refused():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(ConfigurationError, match="values"):
        parse(PATH, "\n".join(lines))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\n", "selector.yaml:2:1: not YAML"),
        ("a: b: c\n", "selector.yaml:1:5: not YAML"),
        ("a: 'x\n", "not YAML"),
        ("\ta: 1\n", "not YAML"),
        ("a: \x07\n", "not YAML"),
        ("a: 1\n---\nb: 2\n", "not YAML"),
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        ("- a\n- b\n", "only a list"),
        ("just words\n", "only a single value"),
        ("[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_mapping_of_keys_is_a_configuration_error(text, said):
    with pytest.raises(ConfigurationError, match=said.replace("[", r"\[")) as caught:
        parse(PATH, text)
    assert caught.value.exit_code == EXIT_CONFIGURATION


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path):
    path = tmp_path / "selector.yaml"
    path.write_bytes(b"\xef\xbb\xbfmodels: 1\n")
    assert read_text(path) == "models: 1\n"


def test_windows_line_ends_keep_their_lines():
    assert parse(PATH, "a: 1\r\nb: 2\r\n").place(("b",)) == Place(2, 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\x80\x04\x95abc", "not a text file"), (b"a: \0\n", "NUL"), (b"a: " + b"x" * (1 << 20), "1 MiB")],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, content, said):
    path = tmp_path / "selector.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        read_text(path)


def test_a_folder_is_no_configuration_file(tmp_path):
    with pytest.raises(ConfigurationError, match="is a folder"):
        read_text(tmp_path)


def test_a_file_below_a_file_is_told_and_not_raised_as_it_is(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="Not a directory"):
        read_text(tmp_path / "file" / "selector.yaml")


def test_the_caret_stands_under_the_column_also_in_a_very_long_line():
    line = "x" * 300 + "HERE"
    shown, caret = excerpt(line, Place(1, 301)).splitlines()[1:]
    assert shown[caret.index("^") :].startswith("HERE")
