"""Where does the demo write: into a folder of its own, never over anything that is not its own?"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from selector.errors import SelectorError, UsageError

DEFAULT = Path("mlflow-selector-demo")
MARK = ".mlflow-selector-demo"
CONFIGURATION = "selector.yaml"
TRAIN = "train.csv"
HOLDOUT = "holdout.csv"
STAGING = Path("models") / "staging"
PRODUCTION = "production"
KEY = "webhook-secret"
OURS = (
    MARK,
    CONFIGURATION,
    TRAIN,
    HOLDOUT,
    "models",
    PRODUCTION,
    KEY,
    "mlflow.db",
    "mlflow.db-wal",
    "mlflow.db-shm",
    "mlflow.db-journal",
    "mlartifacts",
    ".mlflow-selector",
    "service.log",
)
"""All that a demo leaves in its folder; nothing else in there is ever removed."""

RECEIVER = "http://127.0.0.1:PORT"
"""Stands in `YAML` for where the demo's receiver listens, which differs each time."""

YAML = """\
# Written by mlflow-selector demo. The customers are made up.
mlflow:
  tracking_uri: sqlite:///mlflow.db      # or http://localhost:5000

models:
  churn:                                 # name of the registered model
    experiments: [churn_monitoring]      # finished runs in here are candidates
    metric: f1
    holdout: {data: holdout.csv, target: Churn, positive: "Yes"}
    monitor:                             # watch the champion where it works
      sources: production                # one file of labelled customers a day
      on_degraded: rollback

staging:                                 # models from before MLflow
  - {folder: models/staging, model: churn, experiment: churn_monitoring}

notify:                                  # who is told; this receiver ends with the demo
  - webhook: http://127.0.0.1:PORT
    secret: ${file:webhook-secret}       # or ${env:NAME}; never in here

watch: {production: 1s}                  # a demo has no time; a minute is the default
"""


def configuration(receiver: str) -> str:
    """Return the text of the demo's configuration.

    Args:
        receiver: the address of who is told.

    """
    return YAML.replace(RECEIVER, receiver)


def check(folder: Path, *, again: bool) -> None:
    """Refuse a folder that the demo must not write into.

    Raises:
        UsageError: it is no folder, holds something else, or an earlier demo without `again`.

    """
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise UsageError(f"{folder} is there and is no folder", advice="mlflow-selector demo OTHER_DIR")
    if (folder / MARK).is_file():
        if not again:
            advice = f"mlflow-selector demo {shlex.quote(str(folder))} --again"
            raise UsageError(f"{folder} holds an earlier demo; it stays unless you ask for a new one", advice=advice)
    elif any(folder.iterdir()):
        raise UsageError(
            f"{folder} is not empty and no earlier demo; nothing was written", advice="mlflow-selector demo OTHER_DIR"
        )


def prepare(folder: Path, *, again: bool) -> None:
    """Make an empty folder, or take what an earlier demo wrote out of its folder.

    Raises:
        UsageError: see `check`.
        SelectorError: it cannot be written.

    """
    check(folder, again=again)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in OURS[1:]:
            _remove(folder / name)
        (folder / MARK).write_text("mlflow-selector demo wrote this folder and may write it again.\n")
    except OSError as error:
        text = f"cannot write {error.filename or folder}: {error.strerror}"
        raise SelectorError(text, advice="mlflow-selector demo OTHER_DIR") from None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
