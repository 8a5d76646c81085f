"""How do registered models come along: versions under their numbers, stages, aliases, descriptions?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import quote

from migrations.stores.addresses import address_of
from migrations.stores.meta import PROMPT_TAG, is_prompt, moment
from migrations.stores.model import (
    LeftOut,
    SourceRegistered,
    SourceStore,
    SourceVersion,
    Status,
    StoreOutcome,
    VersionOutcome,
)
from selector.domain.model import BATCH_TAG, SOURCE_TAG, ModelVersion, RegisteredModel
from selector.errors import MlflowRefusedError
from selector.ports import Registry
from selector.ports_store import CARRYING_TAG, SOURCE_CREATED_TAG, SOURCE_RUN_TAG, SOURCE_VERSION_TAG, StoreWriter

STAGES: Final = frozenset({"Staging", "Production", "Archived"})
MOST_GAP: Final = 1000
"""So many numbers of deleted versions are used up to keep the numbers of the others."""

PROMPT_TEXT_TAG: Final = "mlflow.prompt.text"
PROMPT_SOURCE: Final = "selector:/prompt"
"""What stands for the files of a prompt, which has none; a server refuses MLflow's own word until it is a prompt."""

SOURCE_ADDRESS_TAG: Final = "selector.source_address"

OBJECT_STORES: Final = frozenset(
    {"s3", "gs", "r2", "b2", "wasb", "wasbs", "abfs", "abfss", "hdfs", "viewfs", "dbfs", "ftp", "sftp"}
)
"""Addresses that mean the same from every machine; MLflow takes them as the source of a version."""
_FORBIDDEN = re.compile(r"[/:]")


class Arrived(Protocol):
    """What is in MLflow already, by the ids of the store."""

    run_ids: dict[str, str]
    model_ids: dict[str, str]


@dataclass(slots=True)
class _Model:
    """One registered model on its way.

    Attributes:
        name: in MLflow.
        keeps: the numbers of the store can be kept, for the model is made by this import or an earlier one of it.
        fresh: stages, aliases and descriptions are still to be set.
        numbers: number in MLflow by number in the store.
        aliases: as they are in MLflow.

    """

    source: SourceRegistered
    name: str
    keeps: bool
    fresh: bool
    last: int = 0
    numbers: dict[int, int] = field(default_factory=dict)
    aliases: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class CarryVersions:
    """Carries the registered models of one store, after its runs.

    Attributes:
        numbers: name and number in MLflow of each version that is there, by those in the store.

    """

    source: SourceStore
    writer: StoreWriter
    registry: Registry
    batch: str
    dry_run: bool = False
    numbers: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)

    def carry(self, runs: Arrived, outcome: StoreOutcome) -> None:
        """Carry all registered models; what cannot be carried is noted with its reason."""
        for source in self.source.registered():
            outcome.registered += 1
            try:
                if not (source.prompt and self._there(source, outcome)):
                    self._model(source, runs, outcome)
            except MlflowRefusedError as error:
                outcome.left_out.append(LeftOut("model", source.name, error.message, failed=True))
                done = {o.source.version for o in outcome.versions if o.name == source.name}
                rest = [version for version in source.versions if version.version not in done]
                outcome.versions += [VersionOutcome(source.name, v, "failed", error.message) for v in rest]

    def _there(self, source: SourceRegistered, outcome: StoreOutcome) -> bool:
        """Tell whether MLflow has a prompt of that name, and name its versions: MLflow's client adds nothing to it."""
        name = name_in_mlflow(source.name)
        there = self.writer.prompt(name)
        if there is None or not is_prompt(there.tags):
            return False
        for version in source.versions:
            number = next((one.version for one in there.versions if self._is_that(one, version)), None)
            status: Status = "already" if number else "failed"
            reason = "" if number else "MLflow has a prompt of that name, which nothing is added to"
            outcome.versions.append(VersionOutcome(name, version, status, reason, number))
        return True

    def _is_that(self, one: ModelVersion, version: SourceVersion) -> bool:
        """Tell whether a version in MLflow came from this store, or from a copy of it."""
        same = one.tags.get(PROMPT_TEXT_TAG) == version.tags.get(PROMPT_TEXT_TAG)
        ours = same or one.tags.get(SOURCE_TAG) == self.source.path
        return ours and one.tags.get(SOURCE_VERSION_TAG) == str(version.version)

    def _model(self, source: SourceRegistered, runs: Arrived, outcome: StoreOutcome) -> None:
        model = self._prepared(source, runs, outcome)
        for version in source.versions:
            made = self._version(model, version, runs, outcome)
            if made.version is not None:
                model.numbers[version.version] = made.version
                self.numbers[source.name, version.version] = model.name, made.version
            outcome.versions.append(made)
        if self.dry_run:
            return
        if model.keeps and model.fresh:
            self._fill(model, source.last + 1)
        self._aliases(model, outcome)
        self.registry.set_model_tag(model.name, CARRYING_TAG, "no")
        if source.prompt:
            self.registry.set_model_tag(model.name, PROMPT_TAG, "true")

    def _prepared(self, source: SourceRegistered, runs: Arrived, outcome: StoreOutcome) -> _Model:
        """Find or make the registered model, and clear away what an interrupted import left."""
        name = name_in_mlflow(source.name)
        if name != source.name:
            outcome.left_out.append(
                LeftOut("name", source.name, f"the model is called {name!r}, for MLflow allows no / or :")
            )
        present = self.writer.prompt(name) if source.prompt else self.registry.registered_model(name)
        # A kill right after the model was made leaves it without our tag; an empty one is as good as a new one.
        ours = present is None or not present.versions or present.tags.get(SOURCE_TAG) == self.source.path
        interrupted = present is not None and present.tags.get(CARRYING_TAG) != "no"
        model = _Model(source, name, keeps=ours, fresh=present is None or (ours and interrupted))
        if present is not None:
            model.aliases = present.aliases
            self._earlier(model, present, runs)
        if self.dry_run:
            return model
        self.registry.create_registered_model(name)
        if ours and (present is None or present.tags.get(SOURCE_TAG) != self.source.path):
            self.registry.set_model_tag(name, SOURCE_TAG, self.source.path)
            if source.created:
                self.registry.set_model_tag(name, SOURCE_CREATED_TAG, moment(source.created))
        self.registry.set_model_tag(name, CARRYING_TAG, "yes")
        if model.fresh:
            if source.description:
                self.writer.describe(name, None, source.description)
            for key, value in source.tags.items():
                if key != PROMPT_TAG and (present is None or key not in present.tags):
                    self.registry.set_model_tag(name, key, value)
        return model

    def _earlier(self, model: _Model, present: RegisteredModel, runs: Arrived) -> None:
        """Recognise the versions that an earlier import made."""
        model.stages = {version.version: version.stage for version in present.versions}
        model.last = max(model.stages, default=0)
        by_number = {version.version: version for version in model.source.versions}
        for version in present.versions:
            told = version.tags.get(SOURCE_VERSION_TAG, "")
            number = int(told) if told.isdecimal() else 0
            source = by_number.get(number)
            own = version.tags.get(SOURCE_TAG) == self.source.path
            moved = source is not None and version.run_id and runs.run_ids.get(source.run_id) == version.run_id
            if not number or not (own or moved):
                continue
            if model.keeps and model.fresh and version.version < number:
                # It was to take up a number, and the import was killed before it went away again.
                if not self.dry_run:
                    self.registry.delete_version(model.name, version.version)
                continue
            model.numbers[number] = version.version

    def _version(self, model: _Model, source: SourceVersion, runs: Arrived, outcome: StoreOutcome) -> VersionOutcome:
        aliases = tuple(sorted(alias for alias, number in model.source.aliases.items() if number == source.version))
        known = model.numbers.get(source.version)
        if known is not None:
            if model.fresh and not self.dry_run:
                self._dress(model, source, known)
            return VersionOutcome(model.name, source, "already", "", known, runs.run_ids.get(source.run_id), aliases)
        if self.dry_run:
            return VersionOutcome(model.name, source, "new", "", None, runs.run_ids.get(source.run_id), aliases)
        try:
            if model.source.prompt:
                address, run_id, reason = PROMPT_SOURCE, None, ""
            else:
                address, run_id, reason = self.address(source, runs)
                address = address or unknown_address(source)
            tags = dict(source.tags) | {
                SOURCE_VERSION_TAG: str(source.version),
                SOURCE_TAG: self.source.path,
                SOURCE_ADDRESS_TAG: source.source,
                BATCH_TAG: self.batch,
                **source.facts,
            }
            tags.pop(PROMPT_TAG, None)  # MLflow's client refuses to make a version with it, and to change one after it
            if source.created:
                tags[SOURCE_CREATED_TAG] = moment(source.created)
            if source.run_id and run_id is None:
                tags[SOURCE_RUN_TAG] = source.run_id
            number = self._numbered(model, source.version, address, run_id, tags)
            self._dress(model, source, number)
        except MlflowRefusedError as error:
            outcome.left_out.append(LeftOut("version", f"{model.name} {source.version}", error.message, failed=True))
            return VersionOutcome(model.name, source, "failed", error.message, aliases=aliases)
        if number != source.version:
            reason = "; ".join(filter(None, (f"version {source.version} became version {number}", reason)))
        if reason:
            outcome.left_out.append(LeftOut("version", f"{model.name} {source.version}", reason))
        return VersionOutcome(model.name, source, "imported", reason, number, run_id, aliases)

    def _numbered(self, model: _Model, number: int, address: str, run_id: str | None, tags: Mapping[str, str]) -> int:
        """Make the version under its number where that is free; numbers before it are used up."""
        keeps = model.keeps and number - model.last <= MOST_GAP
        while True:
            model.last = self.registry.create_version(model.name, address, run_id, tags)
            if not keeps or model.last >= number:
                return model.last
            self.registry.delete_version(model.name, model.last)

    def _fill(self, model: _Model, following: int) -> None:
        """Use up the numbers of versions that were deleted last, so that no new version gets one of them."""
        while model.last + 1 < following <= model.last + MOST_GAP:
            tags = {SOURCE_VERSION_TAG: str(following), SOURCE_TAG: self.source.path}
            model.last = self.registry.create_version(model.name, "selector:/deleted", None, tags)
            self.registry.delete_version(model.name, model.last)

    def _dress(self, model: _Model, source: SourceVersion, number: int) -> None:
        """Set what a version cannot be made with; setting it again changes nothing."""
        if source.description:
            self.writer.describe(model.name, number, source.description)
        if source.stage in STAGES and model.stages.get(number, "None") == "None":
            self.registry.set_stage(model.name, number, source.stage)
        if model.source.prompt:
            self.registry.set_version_tag(model.name, number, PROMPT_TAG, "true")

    def _aliases(self, model: _Model, outcome: StoreOutcome) -> None:
        for alias, number in sorted(model.source.aliases.items()):
            target = model.numbers.get(number)
            named = f"{model.name}@{alias}"
            if target is None:
                reason = f"it points at version {number or '(none)'}, which is not there"
                outcome.left_out.append(LeftOut("alias", named, reason))
            elif model.aliases.get(alias, target) != target:
                reason = f"it points at version {model.aliases[alias]} in MLflow already and was not moved to {target}"
                outcome.left_out.append(LeftOut("alias", named, reason))
            elif alias not in model.aliases and (model.fresh or self._new(model, number, outcome)):
                try:
                    self.registry.set_alias(model.name, alias, target)
                except MlflowRefusedError as error:
                    outcome.left_out.append(LeftOut("alias", named, error.message, failed=True))

    def _new(self, model: _Model, number: int, outcome: StoreOutcome) -> bool:
        """Tell whether this import made the version; an alias that somebody removed later is not set again."""
        made = {o.source.version for o in outcome.versions if o.name == model.name and o.status == "imported"}
        return number in made

    def address(self, version: SourceVersion, runs: Arrived) -> tuple[str, str | None, str]:
        """Return source and run of the new version, and what is missing of it; no source where none can be told."""
        run_id = runs.run_ids.get(version.run_id)
        gone = "" if run_id or not version.run_id else f"its run {version.run_id} is not there, nor are its files"
        if version.model_id in runs.model_ids:
            return f"models:/{runs.model_ids[version.model_id]}", run_id, gone
        for text in (version.source, version.storage):
            address, holder, missing = self._resolved(text, runs)
            if address:
                return address, run_id or holder, "; ".join(filter(None, (gone, missing)))
        return "", run_id, gone or f"its files cannot be told from {version.source!r}"

    def _resolved(self, text: str, runs: Arrived) -> tuple[str, str | None, str]:
        """Return the new address of what a source names, the run that holds the files, and what is missing."""
        found = address_of(text)
        model_id = found.name if found.kind == "model" else self.source.model_named(found.name, found.rest)
        if model_id in runs.model_ids:
            return f"models:/{runs.model_ids[model_id]}", None, ""
        if found.kind == "run" and found.name in runs.run_ids:
            holder = runs.run_ids[found.name]
            # Another store may have brought the run: then nothing is known here of its files.
            there = self.source.has_files(found.name, found.rest)
            if there is False and text.partition(":")[0] in OBJECT_STORES:
                return text, holder, ""
            root = self.writer.artifact_uri(holder).rstrip("/")
            missing = "its files are not in the store" if there is False else ""
            return "/".join(filter(None, (root, found.rest))), holder, missing
        other = self.numbers.get((found.name, int(found.rest))) if found.kind == "version" else None
        return (f"models:/{other[0]}/{other[1]}" if other else ""), None, ""


def unknown_address(version: SourceVersion) -> str:
    """Return a source for a version without files; a server refuses paths and addresses of its own artifacts."""
    if version.source.partition(":")[0] in OBJECT_STORES:
        return version.source
    return f"selector:/missing/{quote(version.source, safe='')}"


def name_in_mlflow(name: str) -> str:
    """Return what a registered model is called in MLflow, which allows no / or :."""
    return _FORBIDDEN.sub("-", name).strip() or "model"
