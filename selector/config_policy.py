"""Which policy does a file describe: a whole configuration, or just the keys of one model?"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from selector.config import load
from selector.config_errors import problems_of, told
from selector.config_models import ModelSettings
from selector.config_secrets import expand
from selector.config_yaml import Document, parse, read_text
from selector.domain.policy import Policy
from selector.errors import ConfigurationError


def load_policy(path: Path, model: str, present: ModelSettings, environment: Mapping[str, str] | None = None) -> Policy:
    """Return the policy for this model that a file describes.

    Args:
        path: a selector.yaml that names the model, or a YAML file with keys of one model; keys that such a file leaves
            out have their defaults, and the metric that of the present configuration.
        model: the registered model.
        present: the model's settings in the present configuration.
        environment: for ${env:…}; the process's own where it is None.

    Raises:
        ConfigurationError: missing, unreadable or wrong, or it does not name the model.

    """
    environment = os.environ if environment is None else environment
    path = path.expanduser()
    document = parse(path, read_text(path))
    if "models" in document.data:
        found = load(path, environment).models
        if model not in found:
            known = ", ".join(found)
            raise ConfigurationError(f"{path} does not name the model {model!r}", advice=f"it names: {known}")
        return found[model].policy()
    return _settings(document, present, environment).policy()


def _settings(document: Document, present: ModelSettings, environment: Mapping[str, str]) -> ModelSettings:
    folder = document.path.absolute().parent
    expansion = expand(document.data, folder, environment)
    problems = [*document.problems, *expansion.problems]
    data = dict(expansion.data)
    if "metric" not in data:
        data["metric"] = present.metric.model_dump(exclude_unset=True)
    try:
        settings = ModelSettings.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        problems += problems_of(error, document, ModelSettings)
        raise told(problems, document) from None
    if problems:
        raise told(problems, document)
    return settings
