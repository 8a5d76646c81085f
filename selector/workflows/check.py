"""What does looking at one thing come to: fine, to be mended, or worth knowing?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        ok: True: fine; False: has to be mended; None: worth knowing, or not looked at.
        advice: the way out; empty where nothing is wrong.

    """

    name: str
    ok: bool | None
    detail: str
    advice: str = ""
