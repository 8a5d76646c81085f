"""What does the configuration say: is it valid, what holds, what could it hold?"""

from __future__ import annotations

import json
from typing import Any

import click

from selector.cli.commands import Listed
from selector.cli.lazy import LazyGroup, verb
from selector.cli.options import as_json
from selector.cli.output import show
from selector.cli.session import session

config = LazyGroup(
    "config",
    help="Validate and show the configuration, print its JSON schema and an example of every key.",
    table={
        "Commands": (
            Listed("validate", "selector.cli.config:validate", "Tell everything that is wrong, with line and column."),
            Listed("show", "selector.cli.config:show_config", "Print what holds, defaults included, secrets masked."),
            Listed("schema", "selector.cli.config:schema", "Print the JSON schema for editors."),
            Listed("example", "selector.cli.config:example", "Print every key with a comment."),
        )
    },
)


@verb("validate", example="mlflow-selector config validate")
@as_json
def validate(*, as_json: bool) -> None:
    """Check the configuration; tell everything that is wrong at once, and exit 78."""
    configuration = session().configuration()
    from selector.config import warnings as worth_knowing  # noqa: PLC0415 - pydantic costs more than all the help

    models = sorted(configuration.models)
    warnings = worth_knowing(configuration)
    text = f"{configuration.path} is valid: {len(models)} model{'s' * (len(models) != 1)} ({', '.join(models)})"
    lines = [text, *(f"warning: {warning}" for warning in warnings)]
    document = {"valid": True, "file": str(configuration.path), "models": models, "warnings": warnings}
    show(document, "\n".join(lines), as_json=as_json)


@verb("show", example="mlflow-selector config show")
@as_json
def show_config(*, as_json: bool) -> None:
    """Print what holds: the file's keys and all defaults, paths absolute, secrets masked."""
    import yaml  # noqa: PLC0415 - costs more than the help

    configuration = session().configuration(needed=False)
    document: dict[str, Any] = {
        "file": str(configuration.path) if configuration.path else None,
        "tracking_uri_from": configuration.tracking_from,
        "configuration": configuration.masked(),
    }
    text = yaml.safe_dump(document["configuration"], sort_keys=False, allow_unicode=True, default_flow_style=False)
    head = f"# file: {document['file'] or 'none, these are the defaults'}\n"
    head += f"# tracking_uri from: {configuration.tracking_from}\n"
    show(document, head + text, as_json=as_json)


@verb("schema", example="mlflow-selector config schema > schema.json")
@click.option("--json", is_flag=True, default=False, expose_value=False, help="It is JSON in any case.")
def schema() -> None:
    """Print the JSON schema of selector.yaml, for editors that complete and check while typing."""
    from selector.config_reference import schema as made  # noqa: PLC0415 - pydantic costs more than all the help

    click.echo(json.dumps(made(), indent=2), file=session().out)


@verb("example", example="mlflow-selector config example > selector.yaml")
@as_json
def example(*, as_json: bool) -> None:
    """Print a selector.yaml with every key and its meaning."""
    from selector.config_reference import example as made  # noqa: PLC0415 - pydantic costs more than all the help

    show({"example": made()}, made(), as_json=as_json)
