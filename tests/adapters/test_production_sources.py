"""Do all sources of production metrics give what is new, oldest first, and does a bad batch cost only itself?"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from selector.adapters.metrics_batches import BatchFolder
from selector.adapters.metrics_mlflow import MlflowProduction
from selector.adapters.metrics_prometheus import PrometheusProduction
from selector.adapters.metrics_rolling_csv import RollingCsv
from selector.adapters.metrics_sql import SqlProduction
from selector.adapters.production import open_production
from selector.adapters.production_memory import MemoryProduction
from selector.adapters.registry_memory import MemoryRegistry
from selector.adapters.registry_mlflow import MlflowRegistry
from selector.domain.metric import metric
from selector.domain.model import Run
from selector.errors import ProductionError
from selector.ports_production import Batch, SourceSpec, Unusable

F1 = metric("f1", average="binary")
DAYS = [datetime(2025, 9, day, tzinfo=UTC) for day in (1, 2, 3)]
NOW = datetime(2025, 9, 20, tzinfo=UTC)
VALUES = (0.8, 0.7, 0.6)


class Made:
    """A source with three days, to which more days and one broken batch can be added."""

    def __init__(self, source, add, damage=None):
        self.source, self.add, self.damage = source, add, damage

    def read(self, seen=(), since=None):
        return list(self.source.batches(seen, since, NOW))


def memory(tmp_path, request):
    source = MemoryProduction()

    def add(day, value):
        source.given.insert(0, Batch(f"{day:%Y-%m-%d}", day, day, metrics={"f1": value}, rows=200))

    return Made(source, add, lambda: source.given.append(Unusable("bad", "it is broken")))


def folder(tmp_path, request):
    place = tmp_path / "batches"
    place.mkdir()

    def add(day, value):
        said = ["Yes"] * round(value * 10) + ["No"] * (10 - round(value * 10))
        pd.DataFrame({"Churn": ["Yes"] * 10, "said": said}).to_csv(place / f"{day:%Y-%m-%d}.csv", index=False)

    spec = SourceSpec("folder", str(place), label="Churn", prediction="said")
    return Made(BatchFolder(spec), add, lambda: (place / "2025-09-02b.csv").write_bytes(b"\x00\xff\n,,\n"))


def parquet(tmp_path, request):
    place = tmp_path / "batches"
    place.mkdir()

    def add(day, value):
        pd.DataFrame({"Churn": [1] * 10, "age": [value] * 10}).to_parquet(place / f"{day:%Y%m%d}.parquet")

    spec = SourceSpec("folder", str(place), label="Churn")
    return Made(BatchFolder(spec), add, lambda: (place / "20250904.parquet").write_bytes(b"PAR1 cut off"))


def rolling(tmp_path, request):
    path = tmp_path / "rolling_metrics.csv"
    path.write_text("date,f1_score,n\n")

    def write(line):
        with path.open("a") as file:
            file.write(f"{line}\n")

    spec = SourceSpec("csv", str(path))
    return Made(
        RollingCsv(spec), lambda day, value: write(f"{day:%Y-%m-%d},{value},200"), lambda: write("yesterday,0.5,200")
    )


def sql(url):
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE quality (day TIMESTAMP, f1 FLOAT, n INTEGER)"))

    def add(day, value):
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO quality VALUES (:d, :v, 200)"), {"d": day.replace(tzinfo=None), "v": value}
            )

    query = "SELECT day, f1, n FROM quality WHERE day > :since ORDER BY day"
    return Made(SqlProduction(SourceSpec("sql", url, query=query)), add)


def sqlite_database(tmp_path, request):
    return sql(f"sqlite:///{tmp_path / 'quality.db'}")


def postgres_database(tmp_path, request):
    return sql(request.getfixturevalue("postgres_database"))


def mlflow_in_memory(tmp_path, request):
    registry = MemoryRegistry()

    def add(day, value):
        run = Run(
            f"r{day.day}", f"r{day.day}", "prod", "FINISHED", day, day, metrics={"f1": value, "example_count": 200}
        )
        registry.add_run(run)

    return Made(MlflowProduction(SourceSpec("mlflow", "prod"), F1, registry), add)


def mlflow_for_real(tmp_path, request):
    from mlflow import MlflowClient  # noqa: PLC0415 - only this one needs it

    uri = request.getfixturevalue("mlflow_sqlite")
    client = MlflowClient(uri)
    experiment = client.create_experiment("prod")
    run = client.create_run(experiment).info.run_id

    def add(day, value):
        client.log_metric(run, "f1_score", value, timestamp=int(day.timestamp() * 1000), step=day.day)

    return Made(MlflowProduction(SourceSpec("mlflow", "prod"), F1, MlflowRegistry(uri)), add)


class FakePrometheus:
    """Answers query_range as Prometheus documents it."""

    def __init__(self):
        self.points, self.asked, self.answer = {}, [], None
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked = {key: value[0] for key, value in parse_qs(body).items()}
                fake.asked.append((self.path, asked, self.headers.get("Authorization")))
                if fake.answer is not None:
                    fake.answer(self)
                    return
                points = [
                    [at, str(value)]
                    for at, value in sorted(fake.points.items())
                    if float(asked["start"]) <= at <= float(asked["end"])
                ]
                result = [{"metric": {}, "values": points}] if points else []
                self.reply(200, {"status": "success", "data": {"resultType": "matrix", "result": result}})

            def reply(self, code, document):
                content = json.dumps(document).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *words):
                """Stay silent."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def prometheus():
    server = FakePrometheus()
    yield server
    server.server.shutdown()
    server.server.server_close()


def prometheus_server(tmp_path, request):
    server = request.getfixturevalue("prometheus")
    spec = SourceSpec("prometheus", server.url, query="model_f1", timeout=5.0)
    source = PrometheusProduction(spec, F1)

    def damage():
        server.points[DAYS[0].timestamp() - 86_400] = "NaN"

    return Made(source, lambda day, value: server.points.__setitem__(day.timestamp(), value), damage)


SOURCES = {
    "memory": memory,
    "folder": folder,
    "parquet": parquet,
    "csv": rolling,
    "sqlite": sqlite_database,
    "postgres": postgres_database,
    "mlflow in memory": mlflow_in_memory,
    "mlflow": mlflow_for_real,
    "prometheus": prometheus_server,
}
LISTED = [pytest.param(n, marks=pytest.mark.postgres) if n == "postgres" else n for n in SOURCES]


HALF_BROKEN = ["memory", "folder", "parquet", "csv", "prometheus"]
"""Sources that can hold a broken batch beside good ones."""


@pytest.fixture(params=LISTED)
def made(request, tmp_path):
    return with_three_days(request, tmp_path)


@pytest.fixture(params=HALF_BROKEN)
def breakable(request, tmp_path):
    return with_three_days(request, tmp_path)


def with_three_days(request, tmp_path):
    one = SOURCES[request.param](tmp_path, request)
    for day, value in zip(reversed(DAYS), reversed(VALUES), strict=True):
        one.add(day, value)
    return one


def test_a_source_gives_all_batches_oldest_first_with_times_in_utc(made):
    found = made.read()
    assert [b.at for b in found] == DAYS
    assert all(b.at.utcoffset() == timedelta(0) and b.arrived.tzinfo for b in found)
    assert len({b.id for b in found}) == 3


def test_a_source_gives_the_metric_or_the_rows_it_follows_from(made):
    for batch, value in zip(made.read(), VALUES, strict=True):
        if batch.metrics:
            assert next(v for k, v in batch.metrics.items() if k.startswith("f1")) == value
        elif batch.predictions is not None:
            assert np.mean(batch.labels == batch.predictions.labels) == pytest.approx(value)
        else:
            (piece,) = batch.features.batches()
            assert pa.ipc.open_stream(piece).read_all().to_pydict() == {"age": [value] * 10}


def test_what_was_seen_is_not_given_again_and_what_is_new_is(made):
    first = made.read()
    seen, since = {b.id for b in first}, first[-1].at
    assert made.read(seen, since) == []
    made.add(DAYS[-1] + timedelta(days=1), 0.5)
    (new,) = made.read(seen, since)
    assert new.at == DAYS[-1] + timedelta(days=1)


def test_a_bad_batch_costs_only_itself_and_says_why(breakable):
    breakable.damage()
    found = breakable.read()
    assert [b.at for b in found if isinstance(b, Batch)] == DAYS
    (bad,) = [b for b in found if isinstance(b, Unusable)]
    assert bad.reason
    assert all(b.id != bad.id for b in breakable.read({bad.id}))


def test_every_kind_of_source_can_be_opened():
    kinds = {"folder": BatchFolder, "sql": SqlProduction, "mlflow": MlflowProduction, "csv": RollingCsv}
    for kind, made in {**kinds, "prometheus": PrometheusProduction}.items():
        assert isinstance(open_production(SourceSpec(kind, "x"), F1, MemoryRegistry()), made)


@pytest.mark.parametrize("kind", ["folder", "sql", "csv", "prometheus"])
def test_a_source_that_is_not_there_is_an_error_with_its_name(tmp_path, kind):
    where = {"sql": f"sqlite:///{tmp_path}/none.db", "prometheus": "http://127.0.0.1:9"}.get(kind, f"{tmp_path}/none")
    source = open_production(SourceSpec(kind, where, query="SELECT 1 AS time", timeout=2.0), F1, MemoryRegistry())
    with pytest.raises(ProductionError, match=r"none|127\.0\.0\.1"):
        list(source.batches((), None, NOW))
    assert not (tmp_path / "none.db").exists()


# Folders


def answered(place: Path, name="2025-09-01.csv", **columns):
    place.mkdir(exist_ok=True)
    frame = pd.DataFrame({"id": ["a", "b", "c"], "Churn": ["Yes", "No", "Yes"], "said": ["Yes", "No", "No"], **columns})
    frame.to_csv(place / name, index=False)


def rows(place, **more):
    spec = SourceSpec("folder", str(place), **({"label": "Churn", "prediction": "said"} | more))
    return list(BatchFolder(spec).batches((), None, NOW))


def test_rows_without_label_or_answer_are_left_out_and_counted(tmp_path):
    answered(tmp_path / "p", Churn=["Yes", None, "Yes"], said=["Yes", "No", None])
    (batch,) = rows(tmp_path / "p")
    assert batch.labels.tolist() == ["Yes"]
    assert batch.notes == ("1 of 3 rows have no label", "1 of 3 rows have no prediction")


def test_lines_with_too_many_fields_are_left_out_and_counted(tmp_path):
    answered(tmp_path)
    with (tmp_path / "2025-09-01.csv").open("a") as file:
        file.write("d,Yes,Yes,too,many\ne,No,No\n")
    (batch,) = rows(tmp_path)
    assert batch.rows == 4
    assert "1 lines do not have as many fields" in batch.notes[0]


@pytest.mark.parametrize("name", [".2025-09-01.csv", "2025-09-01.csv.part", "2025-09-01.txt", "2025-09-01.csv~"])
def test_files_that_are_not_finished_tables_are_left_alone(tmp_path, name):
    answered(tmp_path, name)
    assert rows(tmp_path) == []


def test_a_file_without_the_column_says_which_columns_it_has(tmp_path):
    answered(tmp_path)
    (bad,) = rows(tmp_path, prediction="answer")
    assert bad.reason == "it has no column 'answer'; its columns are id, Churn, said"


def test_rows_of_several_model_versions_are_a_batch_each(tmp_path):
    answered(tmp_path, version=["v3", "3", "4"])
    found = rows(tmp_path, version="version")
    assert [(b.version, b.rows) for b in found] == [(3, 2), (4, 1)]
    spec = SourceSpec("folder", str(tmp_path), label="Churn", prediction="said", version="version")
    assert list(BatchFolder(spec).batches({b.id for b in found}, None, NOW)) == []


def test_probabilities_alone_are_answers_too_and_impossible_ones_are_left_out(tmp_path):
    answered(tmp_path, p=[0.9, 0.2, 1.7])
    (batch,) = rows(tmp_path, prediction="", probability="p")
    assert batch.predictions.labels is None
    assert batch.predictions.probabilities.tolist() == [0.9, 0.2]


def test_labels_that_arrive_later_are_joined_by_id(tmp_path):
    answered(tmp_path / "said", "2025-09-01.csv")
    (tmp_path / "labels").mkdir()
    labels = tmp_path / "labels" / "2025-10-01.csv"
    labels.write_text("id,Churn\nc,Yes\na,No\nz,No\n")
    (batch,) = rows(tmp_path / "said", labels=str(tmp_path / "labels"), id="id")
    assert batch.id == "2025-10-01.csv"
    assert (batch.labels.tolist(), batch.predictions.labels.tolist()) == (["Yes", "No"], ["No", "Yes"])
    assert batch.notes == ("1 of 3 labels have no prediction",)


def features(batch):
    """The features of a batch as lists, by column."""
    pieces = [pa.ipc.open_stream(piece).read_all() for piece in batch.features.batches()]
    return pa.concat_tables(pieces).to_pydict()


def test_rows_with_answers_bring_their_features_too_where_challengers_ask_for_them(tmp_path):
    answered(tmp_path, tenure=[1, 2, 3], plan=["x", "y", "z"], version=["3", "4", "3"], Churn=["Yes", "No", "Yes"])
    asked = {"version": "version", "features": True, "ignore": ("id",)}
    three, four = rows(tmp_path, **asked)
    assert features(three) == {"tenure": [1, 3], "plan": ["x", "z"]}
    assert features(four) == {"tenure": [2], "plan": ["y"]}
    assert three.predictions.labels.tolist() == ["Yes", "No"]
    assert rows(tmp_path, version="version")[0].features is None


def test_rows_without_a_label_are_left_out_of_the_features_as_well(tmp_path):
    answered(tmp_path, tenure=[1, 2, 3], Churn=["Yes", None, "No"])
    (batch,) = rows(tmp_path, features=True, ignore=("id",))
    assert (batch.labels.tolist(), features(batch)) == (["Yes", "No"], {"tenure": [1, 3]})


def test_features_of_joined_predictions_stand_in_the_order_of_their_labels(tmp_path):
    answered(tmp_path / "said", "2025-09-01.csv", tenure=[1, 2, 3])
    answered(tmp_path / "said", "2025-09-02.csv", id=["d", "e", "f"], tenure=[4, 5, 6])
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "2025-10-01.csv").write_text("id,Churn\nf,Yes\na,No\nz,No\nd,No\nc,\n")
    (batch,) = rows(tmp_path / "said", labels=str(tmp_path / "labels"), id="id", features=True)
    assert batch.labels.tolist() == ["Yes", "No", "No"]
    assert features(batch) == {"tenure": [6, 1, 4]}


def test_files_of_answers_without_any_other_column_have_no_features(tmp_path):
    answered(tmp_path)
    (batch,) = rows(tmp_path, features=True, ignore=("id",))
    assert batch.features is None


def test_labels_whose_predictions_are_not_there_yet_are_tried_again(tmp_path):
    answered(tmp_path / "said")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "2025-10-01.csv").write_text("id,Churn\nz,No\n")
    (waiting,) = rows(tmp_path / "said", labels=str(tmp_path / "labels"), id="id")
    assert waiting.later


def test_predictions_are_read_once_however_many_files_of_labels_are_new(tmp_path, monkeypatch):
    from selector.adapters import metrics_batches  # noqa: PLC0415 - patched here only

    for number in range(4):
        answered(tmp_path / "said", f"2025-09-0{number + 1}.csv", id=[f"{number}{c}" for c in "abc"])
    (tmp_path / "labels").mkdir()
    for number in range(4):
        (tmp_path / "labels" / f"2025-10-0{number + 1}.csv").write_text(f"id,Churn\n{number}a,Yes\n")
    read, really = [], metrics_batches._frame
    monkeypatch.setattr(metrics_batches, "_frame", lambda path, **o: read.append(path.name) or really(path, **o))
    assert len(rows(tmp_path / "said", labels=str(tmp_path / "labels"), id="id")) == 4
    assert len(read) == 8


def test_batches_are_ordered_by_the_time_in_their_names_not_by_their_arrival(tmp_path):
    for number, name in enumerate(["b_20250903_0130.csv", "b_20250903_0030.csv", "b_20250902.csv"]):
        answered(tmp_path, name)
        os.utime(tmp_path / name, (number, number))
    assert [b.id for b in rows(tmp_path)] == ["b_20250902.csv", "b_20250903_0030.csv", "b_20250903_0130.csv"]


@pytest.mark.parametrize("seed", range(40))
def test_a_file_with_damaged_bytes_is_a_batch_or_a_reason_and_never_an_error(tmp_path, seed):
    random = np.random.default_rng(seed)
    name = ("2025-09-01.csv", "2025-09-01.csv.gz", "2025-09-01.parquet")[seed % 3]
    frame = pd.DataFrame({"Churn": ["Yes", "No"] * 50, "said": ["Yes", "No"] * 50, "age": range(100)})
    frame.to_parquet(tmp_path / name) if name.endswith("parquet") else frame.to_csv(tmp_path / name, index=False)
    content = bytearray((tmp_path / name).read_bytes())
    for place in random.integers(0, len(content), 8):
        content[place] = random.integers(256)
    (tmp_path / name).write_bytes(content[: random.integers(1, len(content) + 1)] if seed % 2 else content)
    for prediction in ("said", ""):
        for one in rows(tmp_path, prediction=prediction):
            if isinstance(one, Unusable):
                assert one.reason
            elif one.features is not None:
                assert sum(pa.ipc.open_stream(p).read_all().num_rows for p in one.features.batches()) == one.rows


def test_columns_of_mixed_values_travel_as_text(tmp_path):
    pd.DataFrame({"Churn": ["Yes", "No", "No"], "age": ["1", "old", None], "empty": [None] * 3}).to_csv(
        tmp_path / "2025-09-01.csv", index=False
    )
    (batch,) = rows(tmp_path, prediction="")
    (piece,) = batch.features.batches()
    assert pa.ipc.open_stream(piece).read_all().to_pydict() == {"age": ["1", "old", None], "empty": [None] * 3}


def test_a_file_that_is_too_large_for_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("selector.adapters.metrics_batches.MOST_BYTES", 10)
    answered(tmp_path)
    (bad,) = rows(tmp_path)
    assert "it is larger than" in bad.reason


# SQL


def test_a_query_cannot_write(tmp_path):
    made = sqlite_database(tmp_path, None)
    made.add(DAYS[0], 0.5)
    path = tmp_path / "quality.db"
    for query in ("DELETE FROM quality RETURNING day", "INSERT INTO quality VALUES (1, 1, 1) RETURNING day"):
        source = SqlProduction(SourceSpec("sql", f"sqlite:///{path}", query=query))
        with pytest.raises(ProductionError, match="readonly"):
            list(source.batches((), None, NOW))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM quality").fetchone() == (1,)


@pytest.mark.postgres
def test_a_query_on_postgresql_cannot_write_and_has_a_deadline(postgres_database):
    for query, said in [("CREATE TABLE t AS SELECT 1", "read-only"), ("SELECT pg_sleep(30)", "timeout")]:
        source = SqlProduction(SourceSpec("sql", postgres_database, query=query, timeout=1.0))
        with pytest.raises(ProductionError, match=said):
            list(source.batches((), None, NOW))


def test_a_query_that_never_ends_is_given_up(tmp_path):
    sqlite_database(tmp_path, None)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) AS time FROM n"
    source = SqlProduction(SourceSpec("sql", f"sqlite:///{tmp_path / 'quality.db'}", query=endless, timeout=0.3))
    began = time.monotonic()
    with pytest.raises(ProductionError, match="within its deadline"):
        list(source.batches((), None, NOW))
    assert time.monotonic() - began < 20


def test_a_password_of_the_database_is_never_shown():
    source = SqlProduction(SourceSpec("sql", "postgresql://me:s3cret@127.0.0.1:9/x", query="SELECT 1", timeout=1.0))
    with pytest.raises(ProductionError) as caught:
        list(source.batches((), None, NOW))
    assert "s3cret" not in str(caught.value)


def test_labelled_rows_from_sql_are_batches_by_column_and_the_newest_waits(tmp_path):
    url = f"sqlite:///{tmp_path / 'rows.db'}"
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE answers (day TEXT, churn INTEGER, said INTEGER, region TEXT)"))
        for day in ("2025-09-01", "2025-09-02", "2025-09-03"):
            for churn, said in [(1, 1), (0, 1), (None, 0)]:
                connection.execute(
                    text("INSERT INTO answers VALUES (:d, :c, :s, 'n')"), {"d": day, "c": churn, "s": said}
                )
    query = "SELECT * FROM answers ORDER BY day"
    spec = SourceSpec("sql", url, query=query, label="churn", prediction="said", batch="day", slices=("region",))
    found = list(SqlProduction(spec).batches((), None, NOW))
    assert [(b.id, b.at, b.rows) for b in found] == [("2025-09-01", DAYS[0], 2), ("2025-09-02", DAYS[1], 2)]
    assert found[0].labels.tolist() == ["1", "0"]
    assert found[0].slices["region"].tolist() == ["n", "n"]


# Prometheus


def drip(handler):
    handler.send_response(200)
    handler.end_headers()
    with contextlib.suppress(OSError):
        while True:
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda h: h.reply(400, {"status": "error", "error": "parse error at char 3"}), "400: .*parse error"),
        (lambda h: h.reply(200, {"status": "success"}), "no range of values"),
        (lambda h: h.reply(200, {"data": {"result": [{"values": []}, {"values": []}]}}), "returns 2 series"),
        (lambda h: (h.send_response(302), h.send_header("Location", "/other"), h.end_headers()), "302"),
        (drip, "within 1 s"),
        (lambda h: time.sleep(3), "within 1 s"),
    ],
)
def test_a_prometheus_that_goes_wrong_is_an_error_in_time(prometheus, answer, said):
    prometheus.answer = answer
    source = PrometheusProduction(SourceSpec("prometheus", prometheus.url, query="model_f1", timeout=1.0), F1)
    with pytest.raises(ProductionError, match=said):
        list(source.batches((), None, NOW))


def test_prometheus_is_asked_only_for_what_is_new_with_its_token(prometheus):
    spec = SourceSpec("prometheus", prometheus.url, query="model_f1", rows="model_rows", token="t0ken", timeout=5.0)
    prometheus.points[DAYS[2].timestamp()] = 200
    (batch,) = PrometheusProduction(spec, F1).batches((), DAYS[1], NOW)
    assert (batch.metrics, batch.rows) == ({"f1": 200.0}, 200)
    assert [asked["query"] for _, asked, _ in prometheus.asked] == ["model_f1", "model_rows"]
    assert {float(asked["start"]) for _, asked, _ in prometheus.asked} == {DAYS[2].timestamp()}
    assert {token for *_, token in prometheus.asked} == {"Bearer t0ken"}


def test_an_address_that_is_no_web_address_is_refused(tmp_path):
    with pytest.raises(ProductionError, match="neither http"):
        list(PrometheusProduction(SourceSpec("prometheus", "file:///etc", query="x"), F1).batches((), None, NOW))


# CSV and MLflow


def test_a_file_of_metrics_without_a_time_says_so(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("f1,n\n0.5,3\n")
    with pytest.raises(ProductionError, match="no column with a time"):
        list(RollingCsv(SourceSpec("csv", str(path))).batches((), None, NOW))


def test_a_series_of_a_run_gives_its_steps_and_a_single_value_all_that_was_logged_with_it():
    registry = MemoryRegistry()
    counts = {"true_positives": 8.0, "false_positives": 1.0, "false_negatives": 1.0, "true_negatives": 90.0}
    tags = {"model_version": "3"}
    registry.add_run(Run("r", "r", "prod", "FINISHED", DAYS[0], DAYS[0], metrics={"f1": 8 / 9, **counts}, tags=tags))
    (batch,) = MlflowProduction(SourceSpec("mlflow", "prod"), F1, registry).batches((), None, NOW)
    assert (batch.metrics["true_positives"], batch.version) == (8.0, 3)
