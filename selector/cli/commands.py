"""Which commands are there, in which order does the help show them, and where is the code of each?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listed:
    """One command as the help lists it; its module is imported only when it is used.

    Attributes:
        target: "module:attribute".
        help: one line.

    """

    name: str
    target: str
    help: str


COMMANDS: dict[str, tuple[Listed, ...]] = {
    "Start": (
        Listed("demo", "selector.cli.demo:demo", "Play a model's life on made-up customers, in about a minute."),
        Listed("init", "selector.cli.init:init", "Write a commented selector.yaml and its folders."),
        Listed("doctor", "selector.cli.doctor:doctor", "Check everything that is needed; say how to fix what is not."),
    ),
    "Look (changes nothing)": (
        Listed("plan", "selector.cli.select:plan", "Show what select would decide now, and why."),
        Listed("status", "selector.cli.look:status", "Show champion, challenger and last decision of each model."),
        Listed("candidates", "selector.cli.look:candidates", "Rank everything that was considered, with reasons."),
        Listed("compare", "selector.cli.compare:compare", "Compare versions side by side on the same rows."),
        Listed("explain", "selector.cli.look:explain", "Explain a decision, and what would have changed it."),
        Listed("backtest", "selector.cli.backtest:backtest", "Replay history under a policy: who would have won."),
        Listed("heartbeat", "selector.cli.heartbeat:heartbeat", "Tell from outside whether the service is alive."),
        Listed("history", "selector.cli.look:history", "List what was decided and done, and by whom."),
        Listed("report", "selector.cli.report:report", "Print the path of a decision's report, or open it."),
    ),
    "Act": (
        Listed("select", "selector.cli.select:select", "Look now: decide, carry out, report."),
        Listed("monitor", "selector.cli.monitor:monitor", "Measure production now; act where it degraded."),
        Listed("approve", "selector.cli.approval:approve", "Approve a decision that awaits a person; promote."),
        Listed("reject", "selector.cli.approval:reject", "Reject the candidate of a decision."),
        Listed("promote", "selector.cli.by_hand:promote", "Make a version champion, through the same gates."),
        Listed("rollback", "selector.cli.by_hand:rollback", "Go back to the previous good champion."),
        Listed("archive", "selector.cli.by_hand:archive", "Put a version aside as archived."),
        Listed("restore", "selector.cli.by_hand:restore", "Take a version out of the archive."),
        Listed("quarantine", "selector.cli.by_hand:quarantine", "Keep a version from ever being promoted."),
        Listed("clear", "selector.cli.by_hand:clear", "Take a version out of quarantine."),
        Listed("pause", "selector.cli.by_hand:pause", "Go on deciding and reporting, but write nothing."),
        Listed("resume", "selector.cli.by_hand:resume", "Undo pause."),
        Listed("alerts", "selector.cli.alerts:alerts", "List alerts, acknowledge them, silence a model."),
        Listed("wake", "selector.cli.wake:wake", "Tell the running service to look now."),
        Listed("run", "selector.cli.run:run", "Run the service: watch, import, select, report."),
    ),
    "Move in": (Listed("migrate", "selector.cli.migrate:migrate", "Bring models stored without MLflow into MLflow."),),
    "Set up": (
        Listed("config", "selector.cli.config:config", "Validate and show the configuration, its schema, an example."),
        Listed("notify", "selector.cli.notify:notify", "Try the channels through which people are told."),
        Listed("completion", "selector.cli.completion:completion", "Print the completion script of a shell."),
    ),
}
