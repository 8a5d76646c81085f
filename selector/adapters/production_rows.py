"""How do columns of labelled rows become batches: rows that cannot be used left out, one batch per model version?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from selector.adapters.production_values import number, whole
from selector.domain.model import Predictions
from selector.ports import Features
from selector.ports_production import Batch, SourceSpec, Unusable

Columns = Mapping[str, npt.NDArray[Any]]
"""Text per row, None where a value is missing."""

FeaturesOf = Callable[[npt.NDArray[np.bool_]], Features]


def answered(
    batch: str,
    spec: SourceSpec,
    columns: Columns,
    *,
    at: datetime,
    arrived: datetime,
    notes: tuple[str, ...] = (),
    features: FeaturesOf | None = None,
) -> Iterator[Batch | Unusable]:
    """Yield the batches of rows that carry label and answer; rows that lack one are left out and counted.

    Args:
        batch: id; where rows of several model versions are mixed, each has a batch of its own.
        spec: which columns hold what.
        columns: by name; all that `spec` names have to be there.
        at: the time that the rows speak of.
        arrived: when they came.
        notes: what was left out before.
        features: gives the features of some of the rows; None where there are none.

    """
    labels = columns[spec.label]
    usable = np.array([v is not None for v in labels], dtype=np.bool_)
    said = [f"{int((~usable).sum())} of {len(labels)} rows have no label"] if not usable.all() else []
    if spec.prediction:
        there = np.array([v is not None for v in columns[spec.prediction]], dtype=np.bool_)
        if lost := int((usable & ~there).sum()):
            said.append(f"{lost} of {len(labels)} rows have no prediction")
        usable &= there
    probability = _probability(columns, spec)
    if probability is not None:
        there = np.isfinite(probability) & (probability >= 0.0) & (probability <= 1.0)
        if lost := int((usable & ~there).sum()):
            said.append(f"{lost} of {len(labels)} rows have no probability between 0 and 1")
        usable &= there
    if not usable.any():
        yield Unusable(batch, "; ".join(said) or "it has no rows")
        return
    for version, mask in _by_version(columns, spec, usable):
        yield Batch(
            id=batch if not spec.version else f"{batch}#{'?' if version is None else version}",
            at=at,
            arrived=arrived,
            labels=labels[mask],
            predictions=Predictions(
                columns[spec.prediction][mask].astype(str) if spec.prediction else None,
                None if probability is None else probability[mask],
            ),
            features=features(mask) if features else None,
            slices={name: columns[name][mask] for name in spec.slices if name in columns},
            rows=int(mask.sum()),
            version=version,
            notes=(*notes, *said),
        )


def without_versions(seen: Any) -> set[str]:
    """Return the ids with what names a version cut off."""
    return {str(one).rpartition("#")[0] or str(one) for one in seen}


def _probability(columns: Columns, spec: SourceSpec) -> npt.NDArray[np.float64] | None:
    if not spec.probability:
        return None
    values = [number(value) for value in columns[spec.probability]]
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _by_version(
    columns: Columns, spec: SourceSpec, usable: npt.NDArray[np.bool_]
) -> Iterator[tuple[int | None, npt.NDArray[np.bool_]]]:
    if not spec.version or spec.version not in columns:
        yield None, usable
        return
    versions = np.array([-1 if (v := whole(value)) is None else v for value in columns[spec.version]], dtype=np.int64)
    for version in np.unique(versions[usable]):
        yield (int(version) if version >= 0 else None), usable & (versions == version)
