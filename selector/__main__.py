"""Starts the command line: `python -m selector` is `mlflow-selector`."""

from __future__ import annotations

from selector.cli.app import app


def main() -> None:
    """Run the command line and exit with its code."""
    app(prog_name="mlflow-selector")


if __name__ == "__main__":
    main()
