"""Which further metrics are shown beside the one that decides?"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from selector.config_section import Words
from selector.domain.further import further_metric


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        further_metric(name)
    return names


FurtherMetrics = Annotated[Words, AfterValidator(_known)]
"""Names of known metrics; an unknown one is refused with the nearest known one."""
