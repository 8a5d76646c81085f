"""Which key did the author of a file mean?"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from selector.errors import UsageError


def refuse_unknown(read: Mapping[Any, Any], known: Collection[str], where: str) -> None:
    """Raise UsageError for the first key that is not known, with the nearest one that is."""
    for key in read:
        if key not in known:
            near = difflib.get_close_matches(str(key), list(known), n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]}?" if near else f"Known keys: {', '.join(sorted(known))}."
            raise UsageError(f"{where}: there is no key {str(key)!r}.", advice=hint)
