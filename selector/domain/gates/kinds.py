"""Which kinds of gates can a policy have? A closed list, so that a recorded policy can be read back."""

from __future__ import annotations

from selector.domain.gates.bounds import MetricBound, VersusChampion
from selector.domain.gates.files import Artifacts, CompatibleSignature, Size
from selector.domain.gates.latency import Latency
from selector.domain.gates.parts import PartRegression
from selector.domain.gates.runs import Freshness, Required

AnyGate = (
    MetricBound
    | VersusChampion
    | PartRegression
    | Latency
    | Size
    | Artifacts
    | CompatibleSignature
    | Required
    | Freshness
)
