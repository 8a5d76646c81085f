"""What does each candidate answer for the holdout's rows: from the cache, else from the confined worker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selector.domain.model import Candidate, Predictions, Unscorable
from selector.domain.model_facts import ModelFacts
from selector.errors import MlflowUnreachableError, SelectorError
from selector.ports import Features, ScoreJob
from selector.workflows.fingerprint import ModelBytes, model_bytes
from selector.workflows.house import House
from selector.workflows.model_facts import model_facts

Answer = Predictions | Unscorable


@dataclass(slots=True)
class Evaluation:
    """The answers of one look.

    Attributes:
        bytes: the digests of each candidate's files, by URI; missing where they could not be read.
        answers: what each candidate answered, or why it did not, by URI.
        scored: how many models were really scored, that is, not found in the cache.
        facts: what each candidate's folder tells, by URI; only where it is asked for.

    """

    bytes: dict[str, ModelBytes] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    scored: int = 0
    facts: dict[str, ModelFacts] = field(default_factory=dict)


def evaluate(
    house: House,
    candidates: Sequence[Candidate],
    holdout_digest: str,
    features: Features,
    *,
    timed: bool = False,
    facts: bool = False,
) -> Evaluation:
    """Score each distinct model once; one model that cannot be read or scored costs only itself.

    Args:
        house: the ports.
        candidates: what is to be scored.
        holdout_digest: identifies the rows.
        features: the rows.
        timed: single calls are to be timed too; a model whose calls nobody timed yet is scored once more.
        facts: what the folders tell is wanted too; a folder that nobody looked at yet is fetched once more.

    Raises:
        MlflowUnreachableError: MLflow does not answer; nothing is concluded from that.
        ScoringError: models would not be confined, and nobody allowed that.

    """
    uris = list(dict.fromkeys(c.uri for c in candidates if c.uri and c.ready))
    work = _Round(house, rows_key(holdout_digest, house.scorer.revision), Evaluation(), timed=timed)
    known = house.store.digests(uris)
    work.evaluation.bytes.update({uri: ModelBytes.parse(text) for uri, text in known.items()})
    if facts:
        work.evaluation.facts.update(house.store.facts(uris))
    missing = [
        uri
        for uri in uris
        if uri not in known
        or not work.cached(work.evaluation.bytes[uri].content)
        or (facts and uri not in work.evaluation.facts)
    ]
    if missing:
        work.score(missing, features)
    for uri, found in work.evaluation.bytes.items():
        if found.content in work.by_content:
            work.evaluation.answers[uri] = work.by_content[found.content]
    return work.evaluation


def rows_key(holdout_digest: str, revision: str) -> str:
    """Return what answers are kept under, beside the model: the rows, and the libraries that gave the answers."""
    return f"{holdout_digest}+{revision}"


@dataclass(slots=True)
class _Round:
    """One round of scoring: what is known so far, by the digest of the models' content.

    Attributes:
        untimed: kept answers without timings, for the case that they cannot be had now.

    """

    house: House
    holdout: str
    evaluation: Evaluation
    by_content: dict[str, Answer] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)
    untimed: dict[str, Answer] = field(default_factory=dict)
    timed: bool = False

    def cached(self, content: str) -> bool:
        """Tell whether this model's answers are known, after looking into the cache."""
        if content not in self.by_content:
            found = self.house.store.predictions(content, self.holdout)
            if found is None:
                return False
            if self.timed and isinstance(found, Predictions) and found.timings is None:
                self.untimed[content] = found
                return False
            self.by_content[content] = found
        return True

    def score(self, uris: Sequence[str], features: Features) -> None:
        """Score these models, each in its turn, and keep what they answered."""
        self.house.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self.house.spool, prefix="models-") as spool:
            for scored in self.house.scorer.score(self._jobs(uris, Path(spool)), features):
                for_now = isinstance(scored.result, Unscorable) and scored.result.transient
                self.by_content[scored.key] = self.untimed.get(scored.key, scored.result) if for_now else scored.result
                self.evaluation.scored += 1
                if not for_now:
                    self.house.store.remember_predictions(scored.key, self.holdout, scored.result)
                shutil.rmtree(self.folders.pop(scored.key), ignore_errors=True)

    def _jobs(self, uris: Sequence[str], spool: Path) -> Iterator[ScoreJob]:
        """Fetch models one at a time, as the scorer asks for them, and hand on those not answered yet."""
        handed: set[str] = set()
        for done, uri in enumerate(uris):
            self.house.progress("scoring models", done, len(uris))
            into = Path(tempfile.mkdtemp(dir=spool))
            folder = self._fetched(uri, into)
            content = self.evaluation.bytes[uri].content if folder else ""
            if folder is None or content in handed or self.cached(content):
                shutil.rmtree(into, ignore_errors=True)
                continue
            handed.add(content)
            self.folders[content] = into
            yield ScoreJob(key=content, folder=folder, timed=self.timed)
        self.house.progress("scoring models", len(uris), len(uris))

    def _fetched(self, uri: str, into: Path) -> Path | None:
        """Fetch one model and take its digests; None where its files cannot be read, which is noted."""
        try:
            folder = self.house.registry.fetch(uri, into)
            found, facts = model_bytes(folder), model_facts(folder)
        except MlflowUnreachableError:
            raise
        except (SelectorError, OSError) as error:
            self.evaluation.answers[uri] = Unscorable(f"its files cannot be read: {error}", transient=True)
            return None
        self.evaluation.bytes[uri] = found
        self.house.store.remember_digest(uri, str(found))
        self.evaluation.facts[uri] = facts
        self.house.store.remember_facts(uri, facts)
        return folder
