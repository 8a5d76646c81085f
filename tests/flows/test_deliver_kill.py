"""Is nothing lost, and at most one notice repeated, when a real process is killed while it delivers?"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from selector.adapters.store_sql import open_store
from selector.exchange import Notice

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTICES, KILLS = 150, 6

SENDER = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from selector.adapters.clock_memory import MemoryClock
from selector.adapters.store_sql import open_store
from selector.exchange import Delivery
from selector.workflows.deliver import deliver, share_out

class Receiver:
    name = "hook"

    def takes(self, notice):
        return True

    def send(self, notice):
        with open(sys.argv[2], "a") as got:
            got.write(notice.key + "\\n")
        return Delivery("sent")

clock = MemoryClock(datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=2 * int(sys.argv[3])))
store = open_store(Path(sys.argv[1]), None, writable=True, clock=clock)
share_out(store, [Receiver()], clock, complete=True)
deliver(store, [Receiver()], clock, limit=10_000)
"""


def test_kills_lose_nothing_and_each_repeats_at_most_one(tmp_path):
    folder, got = tmp_path / "state", tmp_path / "got"
    got.touch()
    keys = [f"n{number:04d}" for number in range(NOTICES)]
    with closing(open_store(folder, None, writable=True, clock=_Noon())) as store:
        store.put([Notice(key=key, model="churn", kind="promoted", title="t", body="") for key in keys])
    killed = 0
    for run in range(KILLS + 1):
        arguments = [sys.executable, "-c", SENDER, str(folder), str(got), str(run)]
        process = subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})
        if run < KILLS:
            _wait_for(got, len(got.read_text().splitlines()) + 3 + 7 * run % 11, process)
            killed += process.poll() is None
            process.send_signal(signal.SIGKILL)
        process.wait(60)
    arrived = got.read_text().splitlines()
    assert killed >= 2
    assert list(dict.fromkeys(arrived)) == keys
    assert max(Counter(arrived).values()) <= 2
    assert len(arrived) - len(keys) <= killed
    with closing(open_store(folder, None, writable=False)) as store:
        assert dict(store.counts()) == {"sent": NOTICES}


class _Noon:
    def now(self):
        return NOON - timedelta(minutes=1)


def _wait_for(got, lines, process):
    end = time.monotonic() + 30
    while process.poll() is None and len(got.read_text().splitlines()) < lines:
        assert time.monotonic() < end
        time.sleep(0.001)
