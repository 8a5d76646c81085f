"""What does `notify test` say and return?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from selector.cli.commands import Listed
from selector.cli.lazy import LazyGroup, verb
from selector.cli.options import as_json, dry_run
from selector.cli.output import show
from selector.cli.session import session
from selector.errors import EXIT_FAILED, UsageError

notify = LazyGroup(
    "notify",
    help="Try the channels through which people are told.",
    table={"Commands": (Listed("test", "selector.cli.notify:test", "Send a test message to every channel."),)},
)


@verb("test", example="mlflow-selector notify test")
@dry_run
@as_json
def test(*, dry_run: bool, as_json: bool) -> int:
    """Send a test message through every channel, and say what came of it; exit 1 where one failed."""
    configuration = session().configuration()
    from selector.bootstrap_notify import notifiers  # noqa: PLC0415 - costs more than the help
    from selector.exchange import Delivery, Notice  # noqa: PLC0415 - the same

    channels = notifiers(configuration)
    if not channels:
        why = "only the service can tell them" if configuration.notify else "the configuration names nobody to tell"
        advice = "notify: in the configuration; see docs/notifications.md"
        raise UsageError(f"there is no channel to try: {why}", advice=advice)
    body = "This is a test. If you can read it, notifications of mlflow-selector arrive here."
    message = Notice("test", "*", "test", "mlflow-selector: a test message", body)
    found: list[tuple[str, Delivery | None]] = [(one.name, None) for one in channels]
    if not dry_run:
        with ThreadPoolExecutor(len(channels)) as pool:
            sent = list(pool.map(lambda one: one.send(message), channels))
        found = [(one.name, delivery) for one, delivery in zip(channels, sent, strict=True)]
    lines = [f"{name}: {_said(delivery)}" for name, delivery in found]
    document = {
        "channels": [
            {"name": name, "outcome": d.outcome if d else None, "why": d.why if d else ""} for name, d in found
        ],
        "dry_run": dry_run,
    }
    show(document, "\n".join(lines), as_json=as_json)
    return EXIT_FAILED if any(d is not None and d.outcome != "sent" for _, d in found) else 0


def _said(delivery: object) -> str:
    outcome, why = getattr(delivery, "outcome", None), getattr(delivery, "why", "")
    if outcome is None:
        return "would be told"
    if outcome == "sent":
        return "sent"
    return f"not sent: {why}" + ("" if outcome == "refused" else " (it would be tried again)")
