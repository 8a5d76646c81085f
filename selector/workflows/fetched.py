"""How does a model come here to be asked: its files in a private folder, a sign of life before and after?"""

from __future__ import annotations

from pathlib import Path

from selector.domain.model import Unscorable
from selector.ports import Features, ScoreJob
from selector.workflows.fingerprint import model_bytes
from selector.workflows.house import House


def fetch_model(house: House, uri: str, into: Path, whose: str) -> Path:
    """Return the folder that holds the model's MLmodel.

    Args:
        house: the ports.
        uri: of the model.
        into: a folder that only this user can read; made where it is missing.
        whose: for the progress, such as "the champion".

    Raises:
        SelectorError: it cannot be fetched.
        OSError: there is no room for it.

    """
    into.mkdir(mode=0o700, exist_ok=True)
    house.progress(f"fetching {whose}", 0, 1)
    folder = house.registry.fetch(uri, into)
    house.progress(f"asking {whose}", 0, 1)
    return folder


def fetch_job(house: House, uri: str, into: Path, whose: str) -> ScoreJob:
    """Return what a scorer wants, under the digest of the model's files; arguments and errors as for `fetch_model`."""
    folder = fetch_model(house, uri, into, whose)
    return ScoreJob(model_bytes(folder).content, folder)


def why_silent(house: House, folder: Path, features: Features) -> str:
    """Return why a model that was fetched gives no answers, loaded in confinement; "" where it does."""
    for scored in house.scorer.score([ScoreJob("asked", folder)], features):
        return scored.result.reason if isinstance(scored.result, Unscorable) else ""
    return "it was not scored"
