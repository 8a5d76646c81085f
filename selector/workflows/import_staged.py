"""Which staged models are complete, and what did they become?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from selector.errors import SelectorError
from selector.ports import Entry
from selector.workflows.house import House, Staging


@dataclass(frozen=True, slots=True)
class Imported:
    """What one staged model became.

    Attributes:
        status: imported, already, failed or ignored.

    """

    model: str
    name: str
    status: str
    reason: str = ""
    run_id: str | None = None


class StagedFolders:
    """Remembers what lies in the staging folders between turns."""

    @property
    def next_at(self) -> float | None:
        """Return when it is worth looking again although no hint comes; None where a hint will tell."""
        return None

    def take(self, house: House, now: float) -> Iterator[tuple[str, Imported | SelectorError]]:
        """Import what is complete by now; yield what came of each staged model, and the trouble of each folder."""
        del now
        for staging in house.staging:
            try:
                yield from self._folder(house, staging)
            except SelectorError as error:
                yield str(staging.folder), error

    def _folder(self, house: House, staging: Staging) -> Iterator[tuple[str, Imported]]:
        if house.importer is None or not staging.folder.is_dir():
            return
        with house.lease.hold():
            outcomes = house.importer.import_folder(staging.folder, staging.model, staging.experiment)
            made = [o for o in outcomes if o.status == "imported"]
            if made:
                reason = f"{len(made)} models imported into experiment {staging.experiment}"
                entry = Entry(house.clock.now(), staging.model, "imported", actor="daemon", reason=reason)
                house.store.append((entry,))
        for outcome in made:
            yield staging.model, Imported(staging.model, outcome.name, outcome.status, outcome.reason, outcome.run_id)
