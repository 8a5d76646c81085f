"""How does a shell complete commands, options and model names?"""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from selector.cli.lazy import verb
from selector.cli.session import session

VARIABLE = "_MLFLOW_SELECTOR_COMPLETE"


@verb(
    "completion",
    example='eval "$(mlflow-selector completion bash)"\n'
    "mlflow-selector completion fish > ~/.config/fish/completions/mlflow-selector.fish",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"{shell} is not supported by this version of click")
    root = click.get_current_context().find_root().command
    click.echo(made(root, {}, "mlflow-selector", VARIABLE).source(), file=session().out)
