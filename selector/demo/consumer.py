"""What does an application do: load whoever is champion and predict. Run as a script; it knows nothing of us.

Each line on stdin asks for one prediction of the whole table; one JSON line answers.
"""

from __future__ import annotations

import json
import sys

import mlflow
import pandas as pd


def main(tracking_uri: str, model: str, table: str, target: str) -> None:
    """Answer until stdin ends."""
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    rows = pd.read_csv(table).drop(columns=target)
    for _ in sys.stdin:
        version = int(mlflow.MlflowClient().get_model_version_by_alias(model, "champion").version)
        champion = mlflow.pyfunc.load_model(f"models:/{model}@champion")
        leaving = int((champion.predict(rows) == 1).sum())
        print(json.dumps({"version": version, "rows": len(rows), "leaving": leaving}), flush=True)  # noqa: T201 - a script's answer


if __name__ == "__main__":
    main(*sys.argv[1:])
