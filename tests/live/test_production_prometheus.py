"""Does a real Prometheus give what its own query says?"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.metrics_prometheus import PrometheusProduction
from selector.domain.metric import metric
from selector.errors import ProductionError
from selector.ports_production import SourceSpec

pytestmark = pytest.mark.live


@pytest.fixture
def prometheus(tmp_path):
    """The address of a Prometheus that watches itself ten times a second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed: there is no prometheus on PATH")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{listener.getsockname()[1]}"
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 100ms, scrape_timeout: 100ms}\n"
        f"scrape_configs: [{{job_name: itself, static_configs: [{{targets: ['{place}']}}]}}]\n"
    )
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={place}"], stdout=log, stderr=log)
    try:
        url, ends = f"http://{place}", time.monotonic() + 60
        while time.monotonic() < ends:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=5) as answer:
                if answer.status == 200:
                    break
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def read(url, query, **more):
    spec = SourceSpec("prometheus", url, query=query, step=1.0, timeout=10.0, **more)
    now = datetime.now(UTC)
    return list(PrometheusProduction(spec, metric("f1", average="binary")).batches((), now - timedelta(seconds=5), now))


def test_values_of_a_real_prometheus_are_read_with_their_rows(prometheus):
    found, ends = [], time.monotonic() + 30
    while not found and time.monotonic() < ends:
        time.sleep(0.3)
        found = read(prometheus, "max(up) * 0.75", rows="max(up) * 200")
    assert {(b.metrics["f1"], b.rows) for b in found} == {(0.75, 200)}
    assert all(b.at.microsecond == 0 for b in found)


def test_a_real_prometheus_says_what_is_wrong_with_a_query(prometheus):
    with pytest.raises(ProductionError, match=r"400.*parse error"):
        read(prometheus, "max(")
