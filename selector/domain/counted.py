"""Which leads do logged counts show where no rows are shared, all tries counted?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from selector.domain.gates import GateResult, at_least
from selector.domain.logged import NotLogged, logged_value
from selector.domain.metric import Metric
from selector.domain.policy import Policy
from selector.domain.ranking import Ranking, Standing
from selector.domain.snapshot import Snapshot
from selector.domain.tables import NoTable, Table, rebuild
from selector.domain.unpaired import Unpaired, unpaired
from selector.domain.verdict import Luck

_TRY = "logged "


def counted(ranking: Ranking, snapshot: Snapshot, policy: Policy, metric: Metric) -> tuple[Ranking, Luck]:
    """Add what the counts say of each challenger's lead, and how many tries they have to allow for.

    Only challengers whose metrics speak of the champion's data are compared. Without shared rows nothing tells how much
    alike challengers are, so each distinct one counts in full (Bonferroni).
    """
    alpha = 1.0 - policy.confidence
    champion = next((s for s in ranking if s.champion and s.score is not None), None)
    incumbent = _table(champion, metric) if champion else None
    if champion is None or incumbent is None or policy.rule != "proven":
        return ranking, Luck(alpha=alpha)
    tables = {
        id(s): table
        for s in same_data(ranking, champion, policy)
        if (table := _table(s, metric)) is not None and unpaired(table, incumbent, metric, policy.confidence, 1)
    }
    judged = {_key(s) for s in ranking if id(s) in tables}
    if not judged:
        return ranking, Luck(alpha=alpha)
    before = len({refused for refused in snapshot.refused if is_logged_try(refused)} - judged)
    luck = Luck(judged=len(judged), effective=float(len(judged)), refused_before=before, alpha=alpha)

    def compared(standing: Standing, table: Table) -> Standing:
        found = unpaired(table, incumbent, metric, policy.confidence, luck.count)
        return _shown(standing, found, policy, table, incumbent) if found else standing

    return tuple(compared(s, tables[id(s)]) if id(s) in tables else s for s in ranking), luck


def same_data(ranking: Sequence[Standing], champion: Standing, policy: Policy) -> list[Standing]:
    """Return the challengers whose logged values speak of the champion's data, or are trusted to."""
    return [
        s
        for s in ranking
        if s.eligible
        and s.score is not None
        and not s.champion
        and (policy.trust_logged or s.candidate.datasets & champion.candidate.datasets)
    ]


def leading_by_logged(same: Sequence[Standing], champion: Standing, policy: Policy, metric: Metric) -> list[Standing]:
    """Return who leads by enough, best first: as logged counts show, else as the policy lets logged values tell.

    Where a challenger's counts leave its lead open, no smaller lead without counts is taken instead.
    """
    gain = max(policy.minimum_gain, 1e-300)
    ahead = [s for s in same if metric.lead(s.score or 0.0, champion.score or 0.0) >= gain]
    doubted = next((i for i, s in enumerate(ahead) if s.counted and not s.leads), len(ahead))
    if policy.without_proof == "keep":
        doubted = 0
    return [s for i, s in enumerate(ahead) if (s.leads if s.counted else i < doubted)]


def tries(ranking: Sequence[Standing]) -> list[str]:
    """Return what identifies each challenger that was judged by its counts: its model and the value it logged."""
    return sorted({_key(s) for s in ranking if s.counted is not None})


def is_logged_try(refused: str) -> bool:
    """Tell whether a refused challenger was judged by its counts, and not by its answers for shared rows."""
    return refused.startswith(_TRY)


def _key(standing: Standing) -> str:
    return f"{_TRY}{standing.digest or standing.candidate.uri} {standing.score!r}"


def _table(standing: Standing, metric: Metric) -> Table | None:
    metrics = standing.candidate.metrics
    logged = logged_value(metric, metrics)
    found = NoTable(logged.reason) if isinstance(logged, NotLogged) else rebuild(metric, metrics, logged.key)
    return None if isinstance(found, NoTable) else found


def _shown(standing: Standing, found: Unpaired, policy: Policy, *tables: Table) -> Standing:
    notes = "; ".join(sorted({table.note for table in tables}))
    gates = (
        replace(at_least("lead over the champion", found.lead, policy.minimum_gain), of_lead=True),
        GateResult(
            "lead that logged counts show, all tries counted",
            "passed" if found.low > 0 else "failed",
            found.low,
            0.0,
            found.low,
            notes,
            of_lead=True,
        ),
    )
    bar = max(found.needed, policy.minimum_gain)
    return replace(standing, counted=found, gates=gates, bar=bar, leads=not any(gate.stops for gate in gates))
