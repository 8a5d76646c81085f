"""Which legacy layouts are known: one file each, asked in this order, then those that other packages add.

A package adds a layout with an entry point in the group `mlflow_selector.layouts` whose value is an object with the
two members of `Layout`. Layouts of other packages are asked before the last one, which takes bare model files.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from migrations.layouts import (
    autogluon_folder,
    bare_files,
    dated_folder,
    dvc_files,
    mlflow_model,
    model_folder,
    named_metrics,
    registry_file,
    staging_folder,
    stem_pairs,
)
from migrations.layouts.layout import Layout, Reading
from migrations.layouts.mapping import load_mapping
from selector.errors import UsageError

__all__ = ["ENTRY_POINT_GROUP", "Layout", "Reading", "layouts"]

ENTRY_POINT_GROUP: Final = "mlflow_selector.layouts"
BUILT_IN: Final[tuple[Layout, ...]] = (
    staging_folder.LAYOUT,
    dated_folder.LAYOUT,
    mlflow_model.LAYOUT,
    autogluon_folder.LAYOUT,
    registry_file.LAYOUT,
    dvc_files.LAYOUT,
    stem_pairs.LAYOUT,
    named_metrics.LAYOUT,
    model_folder.LAYOUT,
)
LAST: Final[Layout] = bare_files.LAYOUT

_log = logging.getLogger(__name__)


def layouts(only: str | None = None) -> Sequence[Layout]:
    """Return all layouts in the order in which they are asked.

    Args:
        only: the name of the single layout to use, or a YAML file that describes one.

    Raises:
        UsageError: no layout has this name, or the file describes none.

    """
    known = (*BUILT_IN, *_added(), LAST)
    if only is None:
        return known
    if only.lower().endswith((".yaml", ".yml")):
        return (load_mapping(Path(only)),)
    chosen = [layout for layout in known if layout.name == only]
    if not chosen:
        names = ", ".join(layout.name for layout in known)
        raise UsageError(f"There is no layout named {only!r}.", advice=f"Known layouts: {names}; or give a YAML file.")
    return chosen


def _added() -> list[Layout]:
    """Load layouts of other packages; one that cannot be loaded is reported and left out."""
    found: list[Layout] = []
    for point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name):
        try:
            loaded = point.load()
        except (ImportError, AttributeError) as error:
            _log.warning("layout %s cannot be loaded and is left out: %s", point.name, error)
            continue
        found.append(loaded)
    return found
