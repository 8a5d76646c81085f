"""Does the doctor open and read every source of production metrics, without taking anything out of it?"""

from __future__ import annotations

import http.server
import json
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from selector.adapters.production import open_production
from selector.adapters.production_memory import MemoryProduction
from selector.domain.health_policy import MonitorPolicy
from selector.domain.model import Run
from selector.errors import MlflowUnreachableError
from selector.ports_production import Batch, SourceSpec, Unusable
from selector.workflows import doctor, doctor_production
from selector.workflows.kept_health import kept_health
from selector.workflows.monitor import monitor

ROWS = "day,f1,n\n2025-09-01,0.8,200\n"


class Watched:
    """The world with a model that is watched in production."""

    def __init__(self, world, *sources):
        self.world, self.sources = world, sources
        self.opened = lambda spec, metric: open_production(spec, metric, world.registry)

    @property
    def house(self):
        house = self.world.house
        setup = replace(house.setups["churn"], monitor=MonitorPolicy(on_degraded="alert"), sources=self.sources)
        return replace(house, setups={"churn": setup}, production=self.opened)

    def checks(self):
        return list(doctor.checks(self.house, self.world.registry, [], dry_run=True))

    def found(self):
        kinds = ("folder", "sql", "experiment", "prometheus", "csv")
        return [one for one in self.checks() if one.name.startswith(tuple(f"churn: {kind} " for kind in kinds))]

    def only(self):
        (found,) = [one for one in self.found() if one.name != "churn: experiment exp"]
        return found


@pytest.fixture
def prometheus():
    """A server whose answer and status the test sets; it keeps what it was asked."""
    asked, says = [], {"code": 200, "values": []}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = json.dumps({"data": {"result": [{"values": says["values"]}] if says["values"] else []}}).encode()
            self.send_response(says["code"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", says, asked
    server.shutdown()
    server.server_close()


def database(tmp_path):
    path = tmp_path / "quality.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE q (day TEXT, f1 REAL, n INTEGER); INSERT INTO q VALUES ('2025-09-01', 0.8, 200)"
        )
    return f"sqlite:///{path}"


def folder(tmp_path):
    place = tmp_path / "batches"
    place.mkdir()
    (place / "2025-09-01.csv").write_text("Churn,said\n" + "Yes,Yes\nNo,No\n" * 5)
    return SourceSpec("folder", str(place), label="Churn", prediction="said")


def csv(tmp_path):
    (tmp_path / "rolling.csv").write_text(ROWS)
    return SourceSpec("csv", str(tmp_path / "rolling.csv"))


QUERY = "SELECT day, f1, n FROM q WHERE day > :since"


def test_every_source_that_can_be_read_is_fine_and_named(world, tmp_path, prometheus):
    address, says, _ = prometheus
    says["values"] = [[world.clock.now().timestamp() // 86_400 * 86_400, "0.8"]]
    world.registry.add_run(
        Run("p1", "p1", "prod", status="FINISHED", started_at=world.clock.now(), metrics={"f1": 0.8})
    )
    sources = (
        folder(tmp_path),
        SourceSpec("sql", database(tmp_path), query=QUERY),
        SourceSpec("mlflow", "prod"),
        SourceSpec("prometheus", address, query="churn_f1"),
        csv(tmp_path),
    )
    found = [one for one in Watched(world, *sources).found() if one.name != "churn: experiment exp"]
    assert [one.name for one in found] == [
        f"churn: folder {tmp_path}/batches",
        f"churn: sql sqlite:///{tmp_path}/quality.db",
        "churn: experiment prod",
        f"churn: prometheus {address}",
        f"churn: csv {tmp_path}/rolling.csv",
    ]
    assert [(one.ok, "can be read" in one.detail) for one in found] == [(True, True)] * 5, found


def test_a_model_that_is_not_watched_has_no_such_findings(world):
    house = world.house
    assert list(doctor_production.sources(house, house.setup("churn"), (), reached=True)) == []


@pytest.mark.parametrize(
    ("made", "said", "advice"),
    [
        (lambda at: SourceSpec("folder", str(at / "gone")), "there is no folder", "mkdir -p"),
        (lambda at: replace(folder(at), labels=str(at / "late"), id="id"), "there is no folder", "late"),
        (lambda at: SourceSpec("sql", database(at), query="SELECT nothing FROM q"), "was not answered", "monitor"),
        (lambda at: SourceSpec("sql", database(at), query="SELECT f1 FROM q"), "returns no column", "Give the column"),
        (lambda at: SourceSpec("sql", f"sqlite:///{at}/none.db", query=QUERY), "unable to open", "monitor.sources"),
        (lambda _: SourceSpec("mlflow", "prud"), "does not exist", "did you mean 'prod'?"),
        (lambda _: SourceSpec("mlflow", "zzz"), "does not exist", "monitoring run"),
        (lambda at: SourceSpec("csv", str(at / "no.csv")), "cannot be read", "monitor.sources"),
        (lambda _: SourceSpec("prometheus", "http://127.0.0.1:9", query="x"), "cannot be read", "monitor.sources"),
        (lambda at: replace(folder(at), label="Gone"), "nothing that is new can be used; 2025-09-01.csv", "correct it"),
    ],
)
def test_a_source_that_cannot_be_read_is_one_finding_with_advice_and_the_others_are_looked_at(
    world, tmp_path, made, said, advice
):
    world.registry.add_run(Run("p1", "p1", "prod", status="FINISHED", metrics={"f1": 0.8}))
    bad, good = made(tmp_path), csv(tmp_path)
    first, second = [one for one in Watched(world, bad, good).found() if one.name != "churn: experiment exp"]
    assert (first.ok, second.ok) == (False, True)
    assert said in first.detail
    assert advice in first.advice


def test_a_prometheus_that_refuses_is_told_with_what_it_says(world, prometheus):
    address, says, _ = prometheus
    says["code"] = 503
    found = Watched(world, SourceSpec("prometheus", address, query="x", token="t0ken-value")).only()
    assert (found.ok, "it answers 503" in found.detail) == (False, True)
    assert "t0ken-value" not in str(found)


def test_what_is_known_is_asked_for_again_so_that_a_prometheus_that_is_away_does_not_seem_to_answer(world, prometheus):
    address, says, asked = prometheus
    says["values"] = [[world.clock.now().timestamp() // 86_400 * 86_400, "0.8"]]
    watched = Watched(world, SourceSpec("prometheus", address, query="churn_f1"))
    world.train("first", 400)
    world.look()
    monitor(watched.house, watched.house.setup("churn"), dry_run=False, actor="test")
    asked.clear()
    found = watched.only()
    assert (found.ok, "nothing new since" in found.detail, len(asked)) == (True, True, 1)
    says["code"] = 500
    assert watched.only().ok is False


def test_an_empty_source_is_worth_knowing_and_no_failure(world, tmp_path):
    (tmp_path / "batches").mkdir()
    found = Watched(world, SourceSpec("folder", str(tmp_path / "batches"))).only()
    assert (found.ok, found.detail) == (None, "can be read, but nothing is in it yet")
    assert found.advice


def test_a_password_is_shown_nowhere(world):
    bad = SourceSpec("sql", "postgresql://reader:hunter2@127.0.0.1:9/q", query="SELECT 1", timeout=1.0)
    found = Watched(world, bad).only()
    assert found.ok is False
    assert "hunter2" not in str(found)


def test_a_source_that_hangs_costs_its_own_timeout_and_stops_no_other(world, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor_production, "SLACK", 0.0)
    let_go = threading.Event()

    class Hanging:
        def batches(self, seen, since, until):
            let_go.wait(60.0)
            yield from ()

    watched = Watched(world, SourceSpec("folder", str(tmp_path), timeout=0.05), csv(tmp_path))
    real = watched.opened
    watched.opened = lambda spec, metric: Hanging() if spec.kind == "folder" else real(spec, metric)
    first, second = [one for one in watched.found() if one.name != "churn: experiment exp"]
    let_go.set()
    assert (first.ok, first.detail) == (False, "it does not answer within 0.05 s")
    assert "timeout" in first.advice
    assert second.ok is True


def test_a_bug_in_one_source_is_its_finding(world, tmp_path):
    watched = Watched(world, csv(tmp_path), folder(tmp_path))
    real = watched.opened
    watched.opened = lambda spec, metric: 1 / 0 if spec.kind == "csv" else real(spec, metric)
    first, second = [one for one in watched.found() if one.name != "churn: experiment exp"]
    assert (first.ok, "ZeroDivisionError" in first.detail) == (False, True)
    assert second.ok is True


def test_nothing_is_measured_or_remembered(world, tmp_path):
    watched = Watched(world, csv(tmp_path), folder(tmp_path))
    world.train("first", 400)
    world.look()
    before = (kept_health(watched.house, "churn"), world.store.entries())
    assert [one.ok for one in watched.found() if "exp" not in one.name] == [True, True]
    assert (kept_health(watched.house, "churn"), world.store.entries()) == before
    told = monitor(watched.house, watched.house.setup("churn"), dry_run=True, actor="test")
    assert told.news


def batches(*usable):
    at = datetime.fromisoformat("2025-09-01T00:00+00:00")
    made = [
        Batch(f"b{n}", at, at, metrics={"f1": 0.8}, rows=9) if good else Unusable(f"b{n}", "broken", later=good is None)
        for n, good in enumerate(usable)
    ]
    return MemoryProduction(made)


@pytest.mark.parametrize(
    ("usable", "ok", "said"),
    [
        ((False, True), True, "b1 is new; b0: broken"),
        ((False, False), False, "nothing that is new can be used; b0: broken"),
        ((None, None), None, "nothing that is new can be used; b0: broken"),
        ((None, False), False, "nothing that is new can be used"),
    ],
)
def test_batches_that_cannot_be_used_are_named_and_fail_only_where_none_can(world, tmp_path, usable, ok, said):
    watched = Watched(world, SourceSpec("folder", str(tmp_path)))
    watched.opened = lambda spec, metric: batches(*usable)
    found = watched.only()
    assert found.ok is ok
    assert said in found.detail


def test_no_more_is_read_than_is_needed(world, tmp_path):
    watched = Watched(world, SourceSpec("folder", str(tmp_path)))
    good, bad = batches(*[True] * 3), batches(*[False] * 50)
    watched.opened = lambda spec, metric: good
    watched.only()
    assert good.read == ["b0"]
    watched.opened = lambda spec, metric: bad
    watched.only()
    assert len(bad.read) == 20


def test_without_mlflow_the_other_sources_are_looked_at(world, tmp_path, monkeypatch):
    def away():
        raise MlflowUnreachableError("MLflow does not answer.")

    monkeypatch.setattr(world.registry, "check", away)
    experiment, file = Watched(world, SourceSpec("mlflow", "prod"), csv(tmp_path)).found()
    assert (experiment.ok, file.ok) == (None, True)
    assert "MLflow does not answer" in experiment.detail


def test_the_newest_known_time_bounds_what_is_read(world, tmp_path):
    class Kept:
        def __init__(self):
            self.asked = []

        def batches(self, seen, since, until):
            self.asked.append((set(seen), since, until))
            yield from ()

    kept = Kept()
    watched = Watched(world, csv(tmp_path))
    world.train("first", 400)
    world.look()
    world.clock.advance(timedelta(days=1).total_seconds())
    monitor(watched.house, watched.house.setup("churn"), dry_run=False, actor="test")
    watched.opened = lambda spec, metric: kept
    assert watched.only().ok is True
    first = datetime.fromisoformat("2025-09-01T00:00+00:00")
    assert kept.asked == [({first.isoformat()}, first, world.clock.now())]
