"""What is known about a model without loading it: how large it is, which files it has, what it wants as input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class InputColumn:
    """One input of an MLflow signature.

    Attributes:
        name: as the signature has it; "#0", "#1" … for inputs without names.
        type: MLflow's word ("double", "string"), or "tensor(float64, -1, 3)".
        required: False where a caller may leave it out.

    """

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a model's folder tells.

    Attributes:
        size: bytes of all files together.
        files: names relative to the folder, sorted, with "/" between folders.
        inputs: the signature's inputs; None where the model has no signature.

    """

    size: int
    files: tuple[str, ...] = ()
    inputs: tuple[InputColumn, ...] | None = None

    def record(self) -> dict[str, Any]:
        """Return plain JSON values; `of_record` reads them back."""
        return {
            "size": self.size,
            "files": list(self.files),
            "inputs": None if self.inputs is None else [asdict(column) for column in self.inputs],
        }

    @staticmethod
    def of_record(record: Mapping[str, Any]) -> ModelFacts:
        """Return the facts that `record` wrote down.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another kind.

        """
        inputs = record["inputs"]
        columns = None if inputs is None else tuple(InputColumn(**column) for column in inputs)
        return ModelFacts(record["size"], tuple(record["files"]), columns)
