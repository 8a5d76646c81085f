"""How is the demo's application asked: a process of its own that loads models:/churn@champion whenever it is asked?"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from selector.errors import SelectorError


@dataclass(frozen=True, slots=True)
class Served:
    """What the application answered.

    Attributes:
        version: the champion that answered.
        rows: how many customers it was asked about.
        leaving: how many of them will leave, it says.

    """

    version: int
    rows: int
    leaving: int


class Application:
    """One running consumer."""

    def __init__(self, process: subprocess.Popen[str], said: IO[bytes]) -> None:
        self._process, self._said = process, said

    def ask(self) -> Served:
        """Let it load the champion and predict.

        Raises:
            SelectorError: it stopped; the message ends with its last words.

        """
        stdin, stdout = self._process.stdin, self._process.stdout
        line = ""
        if stdin is not None and stdout is not None:
            try:
                stdin.write("predict\n")
                stdin.flush()
                line = stdout.readline()
            except BrokenPipeError:
                line = ""
        if not line:
            self._said.seek(0)
            last = self._said.read().decode("utf-8", "replace").strip().splitlines()
            raise SelectorError(f"the application that loads the champion stopped: {last[-1] if last else 'no word'}")
        return Served(**json.loads(line))


@contextmanager
def started(tracking_uri: str, model: str, table: Path, target: str) -> Iterator[Application]:
    """Start the application; it gets ready while others work, and ends with the block."""
    script = Path(__file__).with_name("consumer.py")
    command = [sys.executable, "-P", "-W", "ignore", str(script), tracking_uri, model, str(table), target]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, encoding="utf-8"
        )
        try:
            yield Application(process, said)
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()
