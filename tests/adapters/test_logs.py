"""Is every log record one clean line, whoever wrote it?"""

from __future__ import annotations

import io
import json
import logging
import warnings

import pytest

from selector.adapters import logs
from selector.adapters.logs import clean, register_secret, set_up_logging


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    monkeypatch.setattr(logs, "_SECRETS", set())
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def fail(message):
    raise RuntimeError(message)


def json_lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_terminal_gets_lines_for_people_and_everything_else_json():
    terminal, pipe = Terminal(), io.StringIO()
    set_up_logging(stream=terminal)
    logging.getLogger("selector.x").info("promoted %s", "churn")
    set_up_logging(stream=pipe)
    logging.getLogger("selector.x").info("promoted %s", "churn", extra={"model": "churn", "version": 3})
    assert terminal.getvalue()[8:] == " INFO    promoted churn\n"
    (line,) = json_lines(pipe)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "selector.x",
        "message": "promoted churn",
        "model": "churn",
        "version": 3,
    }


def test_the_choice_can_be_made_by_hand():
    stream = Terminal()
    set_up_logging(stream=stream, as_json=True)
    logging.getLogger().warning("x")
    assert json_lines(stream)[0]["message"] == "x"


def test_logs_go_to_standard_error_by_default(capsys):
    set_up_logging()
    logging.getLogger().warning("x")
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["message"] == "x"


def test_setting_up_twice_does_not_write_twice():
    stream = io.StringIO()
    set_up_logging(stream=stream)
    set_up_logging("debug", stream=stream)
    logging.getLogger("a").debug("x")
    assert len(json_lines(stream)) == 1


def test_the_level_is_obeyed_and_an_unknown_one_refused():
    stream = io.StringIO()
    set_up_logging("WARNING", stream=stream)
    logging.getLogger("a").info("x")
    assert stream.getvalue() == ""
    with pytest.raises(ValueError, match="LOUD"):
        set_up_logging("loud", stream=stream)


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_secrets_are_hidden_in_message_arguments_extras_and_exceptions(stream):
    out = stream()
    set_up_logging(stream=out, secrets=["tiger-stripes"])
    log = logging.getLogger("a.library")
    try:
        fail("cannot reach http://ann:hunter2@host with tiger-stripes")
    except RuntimeError:
        log.exception(
            "%s at %s", "tiger-stripes", "http://ann:hunter2@host", stack_info=True, extra={"url": "tiger-stripes"}
        )
    log.info("objects too: %s", {"password": "hunter2"}, extra={"more": {"a": "tiger-stripes"}})
    text = out.getvalue()
    assert "hunter2" not in text
    assert "tiger" not in text
    assert "RuntimeError" in text
    assert "Traceback" in text
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
@pytest.mark.parametrize(
    "hostile", ["a\nERROR forged", "\x1b[2Jgone", "<0>panic\r\n", "\u202eevil", "\udcff", "\x00", "a\u2028b"]
)
def test_hostile_text_stays_one_line_without_control_characters(stream, hostile):
    out = stream()
    set_up_logging(stream=out)
    logging.getLogger().warning("run %s", hostile, extra={"name_of_run": hostile})
    logging.getLogger().warning(hostile)
    text = out.getvalue()
    text.encode()
    assert len(text.splitlines()) == 2
    assert all(line.isprintable() for line in text.splitlines())
    assert not text.startswith("<")


def test_a_wrong_format_string_does_not_cost_the_record():
    out = io.StringIO()
    set_up_logging(stream=out)
    logging.getLogger().warning("%d models", "many")
    assert "%d models ('many',)" in json_lines(out)[0]["message"]


def test_warnings_of_libraries_become_records():
    out = io.StringIO()
    set_up_logging(stream=out)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old\napi", stacklevel=1)
    (line,) = json_lines(out)
    assert line["logger"] == "py.warnings"
    assert "old api" in line["message"]


def test_a_secret_registered_later_is_hidden_from_then_on():
    out = Terminal()
    set_up_logging(stream=out)
    register_secret("tiger-stripes")
    register_secret("")
    logging.getLogger().info("tiger-stripes")
    assert "tiger" not in out.getvalue()
    assert clean("tiger-stripes\nx") == "*** x"
    assert clean("tiger\x00-stri\u202epes") == "***"
