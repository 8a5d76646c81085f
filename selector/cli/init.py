"""What does a new installation begin with?"""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from selector.cli.lazy import verb
from selector.cli.options import as_json, dry_run
from selector.cli.output import show
from selector.errors import SelectorError, UsageError

FILE_NAME = "selector.yaml"
FOLDERS = (Path("models") / "staging",)


@verb("init", example="mlflow-selector init\nmlflow-selector init /srv/churn")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@dry_run
@as_json
def init(folder: Path, *, dry_run: bool, as_json: bool) -> None:
    """Write a commented selector.yaml and its folders into DIR (here by default); never overwrite anything."""
    from selector.config_reference import minimal  # noqa: PLC0415 - pydantic costs more than all the help

    target = folder / FILE_NAME
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target} is there already and stays as it is", advice=f"mlflow-selector init {folder}/new")
    made = [str(target), *(f"{folder / part}/" for part in FOLDERS)]
    if not dry_run:
        try:
            for part in FOLDERS:
                (folder / part).mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as stream:
                stream.write(minimal())
        except OSError as error:
            raise SelectorError(
                f"cannot write {error.filename or target}: {error.strerror}", advice="choose another folder"
            ) from None
    following = (
        f"mlflow-selector --config {shlex.quote(str(target))} doctor" if folder != Path() else "mlflow-selector doctor"
    )
    lines = [f"{'would write' if dry_run else 'wrote'} {path}" for path in made]
    lines.append(f"next: edit {target}, then {following}")
    show({"written": made, "dry_run": dry_run, "next": following}, "\n".join(lines), as_json=as_json)
