"""Does a real MLflow server see any write when we explain, compare or replay?"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from selector.adapters.registry_mlflow import MlflowRegistry
from selector.bootstrap import open_house
from selector.config import load
from selector.ports import NewRun
from selector.workflows.backtest import backtest
from selector.workflows.compare import compare
from selector.workflows.explain import explain
from selector.workflows.select_champion import select

pytestmark = pytest.mark.live


def test_questions_make_no_write_request(counting_proxy, mlflow_server, tmp_path):
    proxy, name = counting_proxy(mlflow_server), f"asked_{uuid.uuid4().hex[:8]}"
    config = tmp_path / "selector.yaml"
    config.write_text(
        f"mlflow: {{tracking_uri: '{proxy.url}'}}\nstate: state\n"
        f"models:\n  {name}: {{experiments: [{name}], metric: f1, trust_logged: true}}\n"
    )
    registry = MlflowRegistry(proxy.url)
    for i, value in enumerate((0.6, 0.7)):
        model = tmp_path / f"model{i}"
        model.mkdir()
        (model / "MLmodel").write_text("flavors: {}\n")
        (model / "weights.bin").write_bytes(bytes([i]) * 100)
        when = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=i)
        registry.write(NewRun(name, f"m{i}", when, when, {"f1": value}, model_folder=model))
        with open_house(load(config), writable=True) as house:
            select(house, [name], dry_run=False, actor="test")
    assert proxy.writes != []
    proxy.reset()
    with open_house(load(config), writable=False) as house:
        decision = house.store.entries(name, kinds=("decision",))[0].decision
        assert explain(house, name, None)["basis"] == "present"
        assert explain(house, name, decision)["basis"] == "replayed"
        assert [one["score"] for one in compare(house, name, ())["versions"]] == [0.7, 0.6]
        found = backtest(house, name)
    assert found["summary"]["policy"]["promotions"] == found["summary"]["recorded"]["promotions"] == 2
    assert proxy.total > 0
    assert proxy.writes == []
