import io
from types import SimpleNamespace

import pytest

from selector.cli import progress as progress_module
from selector.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(progress_module, "sys", SimpleNamespace(stderr=stream))
    monkeypatch.setenv("TERM", "xterm")
    return stream


def test_there_is_no_bar_in_a_pipe(monkeypatch):
    monkeypatch.setattr(progress_module, "sys", SimpleNamespace(stderr=io.StringIO()))
    with progress_bar(patience=0) as progress:
        assert progress is None


def test_there_is_no_bar_on_a_dumb_terminal(terminal, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    with progress_bar(patience=0) as progress:
        assert progress is None


def test_short_work_shows_nothing(terminal):
    with progress_bar(patience=1000) as progress:
        progress("scoring a", 1, 2)
    assert terminal.getvalue() == ""


def test_long_work_shows_what_is_done_how_far_it_is_and_cleans_up(terminal):
    with progress_bar(patience=0) as progress:
        progress("scoring [bold]a\x1b[2J", 1, 4)
        progress("scoring b", 2, 4)
    shown = terminal.getvalue()
    assert "scoring [bold]a[2J" in shown
    assert "scoring b" in shown
    assert "2/4" in shown
    assert "\x1b[2J" not in shown


def test_an_unknown_total_is_no_error(terminal):
    with progress_bar(patience=0) as progress:
        progress("scanning", 3, 0)
    assert "scanning" in terminal.getvalue()
