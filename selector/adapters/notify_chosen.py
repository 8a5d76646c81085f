"""Which notices does a channel take?"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from selector.ports import Notice


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a channel was configured for.

    Attributes:
        on: kinds; empty for all.
        models: names or globs of registered models; empty for all.

    """

    on: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()

    def takes(self, notice: Notice) -> bool:
        """Tell whether the channel takes it; the end of an alert has the alert's own kind. Tests are for everybody."""
        if notice.kind == "test":
            return True
        of_kind = not self.on or notice.kind in self.on
        # What concerns the service itself concerns every model.
        of_model = (
            not self.models or notice.model == "*" or any(fnmatch.fnmatchcase(notice.model, m) for m in self.models)
        )
        return of_kind and of_model
