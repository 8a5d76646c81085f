"""How fast is the ledger, as ratios to plain sqlite3 inserts on the same disk?

Run: python benchmarks/ledger.py [ENTRIES], 100,000 by default.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from selector.adapters.store_sql import open_store
from selector.ports import Entry

SINGLE = 300
MODELS = 50
START = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        plain_single, plain_bulk = plain(Path(folder) / "plain.db", count)
        with closing(open_store(Path(folder) / "state", None, writable=True)) as store:
            entries = [decision(number) for number in range(count)]
            single = seconds(lambda: [store.append([entry]) for entry in entries[:SINGLE]]) / SINGLE
            bulk = seconds(lambda: store.append(entries[SINGLE:])) / (count - SINGLE)
            last = seconds(store.last_decisions)
            page = seconds(lambda: store.entries("model-7", newest=20))
            verify = seconds(store.verify)
        looking = seconds(lambda: open_store(Path(folder) / "state", None, writable=False).close())
        size = (Path(folder) / "state" / "state.db").stat().st_size
    print(f"entries                            {count}, {size / count:.0f} bytes each on disk")
    print(f"plain insert, one per transaction  1.0   ({1 / plain_single:.0f} per second)")
    print(f"append, one per transaction        {single / plain_single:.1f}   ({1 / single:.0f} per second)")
    print(f"plain insert, all in one           1.0   ({1 / plain_bulk:.0f} per second)")
    print(f"append, all in one                 {bulk / plain_bulk:.1f}   ({1 / bulk:.0f} per second)")
    print(
        f"last_decisions() of {MODELS} models      {last / plain_single:.1f} plain single inserts ({last * 1e3:.1f} ms)"
    )
    print(f"20 newest entries of one model     {page / plain_single:.1f} plain single inserts ({page * 1e3:.1f} ms)")
    print(
        f"verify()                           {verify / count / plain_bulk:.1f} plain bulk inserts each ({verify:.2f} s)"
    )
    print(
        f"open for reading                   {looking / plain_single:.1f} plain single inserts ({looking * 1e3:.1f} ms)"
    )


def decision(number: int) -> Entry:
    scores = {f"version {n}": {"f1": n / 7, "low": n / 8, "high": n / 6} for n in range(5)}
    return Entry(
        START + timedelta(minutes=number),
        f"model-{number % MODELS}",
        "decision",
        decision=f"d{number}",
        reason="better by 0.012 (0.004 to 0.020)",
        details={"verdict": "kept", "scores": scores},
    )


def plain(path: Path, count: int) -> tuple[float, float]:
    """Seconds per insert of the same JSON, durable like ours: one per transaction, and all in one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = WAL")
        raw.execute("PRAGMA synchronous = FULL")
        raw.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, record TEXT)")
        texts = [(json.dumps(dict(decision(number).details)),) for number in range(count)]

        def single() -> None:
            for text in texts[:SINGLE]:
                raw.execute("INSERT INTO t (record) VALUES (?)", text)

        def bulk() -> None:
            raw.execute("BEGIN")
            raw.executemany("INSERT INTO t (record) VALUES (?)", texts[SINGLE:])
            raw.execute("COMMIT")

        return seconds(single) / SINGLE, seconds(bulk) / (count - SINGLE)


def seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
