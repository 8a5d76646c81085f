"""What happens in the demo, in which order, and who is on stage?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from selector.bootstrap import open_house
from selector.config import load
from selector.demo import beginning, better, luck, production, way_back
from selector.demo.application import started
from selector.demo.customers import TARGET, make_customers, split
from selector.demo.folder import CONFIGURATION, HOLDOUT, KEY, PRODUCTION, TRAIN, configuration, prepare
from selector.demo.plain_mlflow import own_mlflow
from selector.demo.receiver import Receiver, new_secret, receiving
from selector.demo.service import Service
from selector.demo.stage import MODEL, Stage, Step, Told
from selector.errors import SelectorError

STEPS: tuple[Step, ...] = (*beginning.STEPS, *luck.STEPS, *better.STEPS, *production.STEPS, *way_back.STEPS)


@dataclass(frozen=True, slots=True)
class Ended:
    """Where everything is when the story is over.

    Attributes:
        report: the page of the promotion of the better model.

    """

    folder: Path
    configuration: Path
    tracking_uri: str
    champion: int | None
    report: Path | None


def play(
    folder: Path,
    *,
    again: bool,
    actor: str,
    allow_unconfined: bool = False,
    before: Callable[[Step], None],
    after: Callable[[Step, Told], None],
) -> Ended:
    """Play the whole story in a folder.

    Args:
        folder: made where it is missing.
        again: it may hold an earlier demo, which is removed.
        actor: who the ledger says did it.
        allow_unconfined: score models even where this machine cannot confine them.
        before: called when a step begins.
        after: called when a step has gone as it should.

    Raises:
        UsageError: the folder is taken.
        SelectorError: a step failed or came to something else than it should; the message names the step.

    """
    prepare(folder, again=again)
    where = folder.absolute()
    with (
        receiving(new_secret(where / KEY)) as receiver,
        _stage(where, actor, receiver, allow_unconfined=allow_unconfined) as stage,
    ):
        for step in STEPS:
            before(step)
            after(step, run_step(step, stage))
        report = stage.house.reports.path(MODEL, stage.promotion) if stage.promotion else None
        return Ended(folder, folder / CONFIGURATION, stage.tracking_uri, stage.champion(), report)


def run_step(step: Step, stage: Stage) -> Told:
    """Run one step; a failure names it and keeps its exit code."""
    try:
        return step.run(stage)
    except SelectorError as error:
        # The class stays, and with it the exit code.
        error.message = f"step {STEPS.index(step) + 1} ({step.title}): {error.message}"
        raise


@contextmanager
def _stage(folder: Path, actor: str, receiver: Receiver, *, allow_unconfined: bool) -> Iterator[Stage]:
    """Write what a user has before us, open the house, and start the application."""
    train, holdout = split(make_customers())
    train.to_csv(folder / TRAIN, index=False)
    holdout.to_csv(folder / HOLDOUT, index=False)
    (folder / PRODUCTION).mkdir()
    (folder / CONFIGURATION).write_text(configuration(receiver.url), encoding="utf-8")
    settings = load(folder / CONFIGURATION)
    uri = settings.mlflow.tracking_uri
    with (
        own_mlflow(uri),
        started(uri, MODEL, folder / HOLDOUT, TARGET) as application,
        open_house(settings, writable=True, allow_unconfined=allow_unconfined) as house,
    ):
        service = Service(folder, house.store, allow_unconfined=allow_unconfined)
        try:
            yield Stage(folder, uri, house, application, service, receiver, actor, train, holdout)
        finally:
            service.stop()
