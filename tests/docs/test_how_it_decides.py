"""Does the example in docs/how-it-decides.md still print what the page says it prints?"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "how-it-decides.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_example_prints_what_the_page_says():
    [example], [expected] = blocks("python"), blocks("text")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(example, "docs/how-it-decides.md", "exec"), {})
    assert out.getvalue() == expected


def test_the_table_of_the_example_holds_the_rows_that_are_counted():
    counts = [int(n) for n in re.findall(r"^\| (?:Yes|No) \|.*\| (\d+) \|$", PAGE, flags=re.MULTILINE)]
    assert f"[{', '.join(map(str, counts))}]" in PAGE
    assert sum(counts) == 2000
    assert sum(counts[:4]) == 540
