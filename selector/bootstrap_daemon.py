"""Which object goes where in the daemon?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from selector.adapters.clock_system import SystemClock
from selector.adapters.events_database import DatabaseEvents, database_files
from selector.adapters.events_folder import FolderEvents
from selector.adapters.events_schedule import Schedule, Schedules
from selector.adapters.heartbeat_file import HeartbeatFile
from selector.adapters.lock_file import FileLease
from selector.adapters.lock_postgres import PostgresLease
from selector.adapters.supervisor_systemd import SystemdSupervisor
from selector.bootstrap import open_house
from selector.bootstrap_listeners import Listeners
from selector.bootstrap_notices import deliveries
from selector.config import Configuration, load
from selector.daemon import LONGEST_STEP, Daemon, Parts
from selector.daemon_prune import Pruning
from selector.ports import Clock, Lease, WakeUps
from selector.workflows.cycle import Cycle
from selector.workflows.import_staged import StagedFolders
from selector.workflows.production_watch import ProductionWatch

DAEMON_LOCK = "daemon.lock"
SCORING_SLACK = 30.0


def daemon(
    config: Configuration,
    *,
    standby: bool | None = None,
    once: bool = False,
    allow_unconfined: bool = False,
    upgrade_database: bool = False,
) -> Daemon:
    """Return the daemon for this configuration, wired, not running.

    Args:
        config: what holds at the start; its file is read again at each reload.
        standby: wait where another daemon is at work. None: only where the state lies in PostgreSQL, which several
            computers can share.
        once: end after the first turn.
        allow_unconfined: score models even where they cannot be confined.
        upgrade_database: let MLflow upgrade the schema of an older database.

    """
    first = [config]

    def again() -> Configuration:
        return first.pop() if first else load(config.path, service=True) if config.path else config

    @contextmanager
    def wired(current: Configuration, running: Daemon) -> Iterator[Parts]:
        with (
            ExitStack() as stack,
            open_house(
                current,
                writable=True,
                allow_unconfined=allow_unconfined,
                upgrade_database=upgrade_database,
                progress=running.progress,
                patience=0.0,
            ) as house,
            nullcontext(()) if once else listeners.open(current, house) as listening,
        ):
            sending = deliveries(current, house, listeners)
            running.observers.append(sending.observe)
            stack.callback(running.observers.remove, sending.observe)
            yield Parts(
                house,
                Cycle(
                    house,
                    StagedFolders(sleep=time.sleep if once else None),
                    production=ProductionWatch(current.watch.production),
                ),
                _daemon_lease(current, house.clock),
                (*_sources(current), *listening, sending, Pruning(house)),
                poll=current.watch.poll,
                thorough=current.watch.thorough,
                longest=_longest(current),
            )

    on_postgres = bool(config.state.database and config.state.database.startswith("postgres"))
    made = Daemon(
        again,
        wired,
        SystemdSupervisor(),
        SystemClock(),
        standby=on_postgres if standby is None else standby,
        once=once,
    )
    listeners = Listeners(made)
    heartbeat = HeartbeatFile(config.state.folder, made.clock)
    made.pulse.others.append(lambda: heartbeat.write(made.keeper.state))
    made.observers.append(lambda state, _turn, _seconds: heartbeat.write(state))
    made.at_end.append(lambda: heartbeat.write(made.keeper.state))
    return made


def _sources(config: Configuration) -> tuple[WakeUps, ...]:
    """Return who gives hints, besides who listens and the look at MLflow every `watch.poll` seconds."""
    timed = {n: Schedule(m.schedule.times, m.schedule.timezone) for n, m in config.models.items() if m.schedule}
    files = database_files((config.mlflow.tracking_uri, config.mlflow.registry_uri))
    written = (DatabaseEvents(files),) if files and config.watch.database_events else ()
    staged = (FolderEvents({s.folder: s.observer for s in config.staging}),) if config.staging else ()
    return (*written, *staged, *((Schedules(timed),) if timed else ()))


def _longest(config: Configuration) -> float:
    """Return how many seconds one step may take before the daemon counts as hung."""
    return max(LONGEST_STEP, config.scoring.timeout + SCORING_SLACK)


def _daemon_lease(config: Configuration, clock: Clock) -> Lease:
    """Return the right to be the one daemon on this state; single writes are guarded by another lease."""
    database = config.state.database
    if database is not None and database.startswith("postgres"):
        return PostgresLease(database, "daemon")
    return FileLease(Path(config.state.folder), clock, name=DAEMON_LOCK)
