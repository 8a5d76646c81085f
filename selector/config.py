"""What did the operator configure: find the file, read it, check all of it, and hand it over as frozen values."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import Field, PrivateAttr, ValidationError

from selector.config_alerts import AlertSettings
from selector.config_errors import nearest, problems_of, told
from selector.config_export import clashes
from selector.config_http import HttpSettings, SocketSettings, WebhookSettings
from selector.config_models import AliasSettings, HoldoutSettings, MetricSettings, ModelSettings
from selector.config_notify import NotifySettings
from selector.config_secrets import Expansion, expand
from selector.config_section import Section, nothing_given
from selector.config_sections import (
    LoggingSettings,
    MlflowSettings,
    ScoringSettings,
    StagingSettings,
    StateSettings,
)
from selector.config_values import ModelName, absolute_uri
from selector.config_watch import WatchSettings
from selector.config_yaml import Location, Problem, parse, read_text
from selector.errors import ConfigurationError

__all__ = [
    "Configuration",
    "find",
    "load",
    "AliasSettings",
    "HoldoutSettings",
    "LoggingSettings",
    "MetricSettings",
    "MlflowSettings",
    "ModelSettings",
    "NotifySettings",
    "ScoringSettings",
    "StagingSettings",
    "StateSettings",
    "WatchSettings",
]

_PLACE = re.compile(r"\{[^{}]*\}")
"""A place for a value in the name of a family."""

FILE_NAME = "selector.yaml"
VARIABLE = "MLFLOW_SELECTOR_CONFIG"
SYSTEM_FILE = Path("/etc/mlflow-selector/selector.yaml")


class Configuration(Section):
    """Everything that the operator configured; paths and sqlite addresses are absolute."""

    mlflow: MlflowSettings = Field(
        default_factory=nothing_given, description="The MLflow server that is watched and written to."
    )
    models: dict[ModelName, ModelSettings] = Field(
        default_factory=dict, description="The registered models, each by its name."
    )
    staging: tuple[StagingSettings, ...] = Field(
        default=(), description="Folders where finished model files arrive; each becomes a finished run."
    )
    notify: tuple[NotifySettings, ...] = Field(default=(), description="Who is told.")
    alerts: AlertSettings = Field(
        default_factory=nothing_given, description="How often people are told of the same alert."
    )
    watch: WatchSettings = Field(default_factory=nothing_given, description="How often the service looks at MLflow.")
    http: HttpSettings | None = Field(
        default=None, description="Health, metrics and state over HTTP, read-only. Default: off."
    )
    webhook: WebhookSettings | None = Field(
        default=None, description="MLflow may say here that something changed. Default: off."
    )
    socket: SocketSettings = Field(
        default_factory=nothing_given, description="Where programs on this computer say that it is time to look."
    )
    state: StateSettings = Field(
        default_factory=nothing_given, description="Where decisions are kept: a folder, or the keys below."
    )
    scoring: ScoringSettings = Field(
        default_factory=nothing_given, description="Where models are scored, and how much each may use."
    )
    logging: LoggingSettings = Field(default_factory=nothing_given, description="What is written to stderr.")
    _path: Path | None = PrivateAttr(default=None)
    _folder: Path = PrivateAttr(default_factory=Path.cwd)
    _secrets: frozenset[str] = PrivateAttr(default_factory=frozenset)
    _tracking_from: str = PrivateAttr(default="default")
    _absent: frozenset[Location] = PrivateAttr(default_factory=frozenset)

    @property
    def path(self) -> Path | None:
        """The file it was read from; None for the defaults."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self._folder

    @property
    def secrets(self) -> frozenset[str]:
        """The values that references stood for; they must never be shown."""
        return self._secrets

    @property
    def absent(self) -> tuple[Location, ...]:
        """Where credentials are missing that only the service has."""
        return tuple(sorted(self._absent, key=str))

    @property
    def channels(self) -> tuple[NotifySettings, ...]:
        """Who can be told from here: all of `notify` but what needs a credential that only the service has."""
        return tuple(n for i, n in enumerate(self.notify) if not any(a[:2] == ("notify", i) for a in self._absent))

    @property
    def tracking_from(self) -> str:
        """Where the tracking address comes from: "file", "MLFLOW_TRACKING_URI" or "default"."""
        return self._tracking_from

    def masked(self) -> dict[str, Any]:
        """Return all that holds as plain JSON values that may be shown to anybody."""
        found: dict[str, Any] = _masked(self)
        return found

    @staticmethod
    def defaults(cwd: Path | None = None) -> Configuration:
        """Return what holds without any file: no models, paths relative to `cwd`."""
        return _assemble({}, (cwd or Path.cwd()).absolute(), os.environ)


def find(option: Path | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """Return the configuration file: the option, else $MLFLOW_SELECTOR_CONFIG, ./selector.yaml, the one under /etc.

    Raises:
        ConfigurationError: none was named and none of the usual ones is there.

    """
    environment = os.environ if environment is None else environment
    if option is not None:
        return option
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    for path in (Path.cwd() / FILE_NAME, SYSTEM_FILE):
        if os.path.lexists(path):
            return path
    raise ConfigurationError(
        f"no configuration file: neither {Path.cwd() / FILE_NAME} nor {SYSTEM_FILE} exists",
        advice=f"mlflow-selector init, or give --config FILE or set {VARIABLE}",
    )


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    service: bool = False,
    offline: bool = False,
) -> Configuration:
    """Read and check a configuration file.

    Args:
        path: the file; None looks in the usual places, see `find`.
        environment: for ${env:…} and MLFLOW_TRACKING_URI; the process's own where it is None.
        service: who reads is the service, which needs every credential; others do without those of its channels.
        offline: who reads talks to nobody, and does without any credential.

    Raises:
        ConfigurationError: missing, unreadable or wrong; all that is wrong at once, with line and column.

    """
    environment = os.environ if environment is None else environment
    path = find(path, environment).expanduser()
    document = parse(path, read_text(path))
    folder = path.absolute().parent
    expansion = expand(document.data, folder, environment, service=service, offline=offline)
    problems = [*document.problems, *expansion.problems]
    configuration: Configuration | None = None
    try:
        configuration = _assemble(expansion.data, folder, environment)
    except ValidationError as error:
        hidden = {p.location for p in problems}
        problems += [p for p in problems_of(error, document, Configuration) if p.location not in hidden]
    problems += _across(document.data)
    if configuration is not None:
        exports = {name: (settings.export, settings.split_by) for name, settings in configuration.models.items()}
        found = clashes(exports, [s.folder for s in configuration.staging])
        problems += [Problem(("models", name, "export"), text) for name, text in found]
    if problems or configuration is None:
        raise told(problems, document)
    return _remember(configuration, path.absolute(), expansion)


def _assemble(data: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> Configuration:
    """Validate, and fill in the tracking address that MLflow itself would use."""
    mlflow = data.get("mlflow")
    origin = "file" if isinstance(mlflow, dict) and mlflow.get("tracking_uri") is not None else "default"
    variable = environment.get("MLFLOW_TRACKING_URI")
    if origin == "default" and variable and (mlflow is None or isinstance(mlflow, dict)):
        origin = "MLFLOW_TRACKING_URI"
        data = {**data, "mlflow": {**(mlflow or {}), "tracking_uri": absolute_uri(variable, Path.cwd())}}
    data = {key: value for key, value in data.items() if value is not None}
    configuration = Configuration.model_validate(data, context={"folder": folder})
    configuration._folder = folder  # noqa: SLF001 - the constructor of this very class
    configuration._tracking_from = origin  # noqa: SLF001 - the same
    return configuration


def _across(data: dict[str, Any]) -> list[Problem]:
    """Return what is wrong between keys that are each fine: no models, staging for a model that is not there."""
    models = data.get("models")
    if not models:
        text = "is missing; name at least one registered model" if "models" not in data else "must not be empty"
        return [Problem(("models",), text, at_key=True)]
    staging = data.get("staging")
    found = _families(models) if isinstance(models, dict) else []
    if not isinstance(models, dict) or not isinstance(staging, list):
        return found
    for index, item in enumerate(staging):
        name = item.get("model") if isinstance(item, dict) else None
        if isinstance(name, str) and name not in models and "${" not in name:
            text = f"{name!r} is not among the models{nearest(name, models) or '; known: ' + ', '.join(models)}"
            found.append(Problem(("staging", index, "model"), text))
    return found


def _families(models: dict[str, Any]) -> list[Problem]:
    """Return what is wrong with rules for families: a name without the place for the value, or two for one family."""
    found: list[Problem] = []
    first: dict[tuple[str, ...], str] = {}
    for name, settings in models.items():
        key = settings.get("split_by") if isinstance(settings, dict) else None
        if key is None:
            if isinstance(settings, dict) and (place := _PLACE.search(name)):
                text = f"holds {place[0]}, but there is no split_by; add split_by: {place[0][1:-1]}"
                found.append(Problem(("models", name), text, at_key=True))
            continue
        parts = tuple(name.split(f"{{{key}}}"))
        if len(parts) != 2 or _PLACE.search("".join(parts)):  # noqa: PLR2004 - what is before and after the place
            text = f"the model's name needs {{{key}}} once, and no other braces, as in {name.split('{')[0]}{{{key}}}"
            found.append(Problem(("models", name, "split_by"), text))
        elif parts in first:
            text = f"makes the same names as {first[parts]!r}; keep one of them"
            found.append(Problem(("models", name, "split_by"), text))
        first.setdefault(parts, name)
    return found


def _remember(configuration: Configuration, path: Path, expansion: Expansion) -> Configuration:
    """Keep where the values came from, so that what was a reference is never shown."""
    configuration._path = path  # noqa: SLF001 - the loader of this very class
    configuration._absent = frozenset(expansion.absent)  # noqa: SLF001 - the same
    passwords = {unquote(p) for _, _, address in _addresses(configuration) if (p := _password(address))}
    if configuration.webhook is not None:
        passwords.add(configuration.webhook.secret)
    configuration._secrets = frozenset(s for s in expansion.secrets | passwords if s)  # noqa: SLF001 - the same
    for location, text in expansion.origins.items():
        section, key = _owner(configuration, location)
        section._origins[key] = text  # noqa: SLF001 - the same
    return configuration


def _owner(configuration: Configuration, location: Location) -> tuple[Section, str]:
    """Return the group of keys, and the key in it, that a location of the file ended up in."""
    owner, key, value = configuration, "models", configuration  # type: tuple[Section, str, Any]
    for step in location:
        if isinstance(value, Section):
            owner, key = value, getattr(value, "synonyms", {}).get(step, str(step))
            value = getattr(value, key, None)
        elif isinstance(value, dict | tuple):
            value = value[step]  # type: ignore[index]
    if isinstance(value, Section) and value.shorthand:
        return value, value.shorthand
    return owner, key


def _masked(value: Any) -> Any:
    """Return plain values, what came from a reference and passwords in addresses masked."""
    if isinstance(value, Section):
        return {name: _masked(value.shown(name)) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: _masked(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_masked(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def warnings(configuration: Configuration) -> list[str]:
    """Return what is allowed and still worth knowing, one sentence each."""
    found = literal_passwords(configuration)
    found += [f"{'.'.join(map(str, a))}: its credential is only there in the service" for a in configuration.absent]
    return found


def literal_passwords(configuration: Configuration) -> list[str]:
    """Return a warning for each address that holds its password itself instead of a reference to it."""
    found = configuration.webhook
    keys = [("webhook.secret", found.referred("secret"))] if found is not None else []
    keys += [(name, referred) for name, referred, address in _addresses(configuration) if _password(address)]
    return [
        f"{name} holds a password; keep it out of the file: ${{env:NAME}}, ${{file:PATH}} or ${{credential:NAME}}"
        for name, referred in keys
        if not referred
    ]


def _addresses(configuration: Configuration) -> Iterator[tuple[str, bool, str]]:
    """Yield each key that holds an address, whether it came from a reference, and the address."""
    keys: list[tuple[str, Section, str]] = [
        ("mlflow.tracking_uri", configuration.mlflow, "tracking_uri"),
        ("mlflow.registry_uri", configuration.mlflow, "registry_uri"),
        ("state.database", configuration.state, "database"),
        *((f"notify[{index}].url", one, "url") for index, one in enumerate(configuration.notify)),
    ]
    for name, section, key in keys:
        if getattr(section, key) is not None:
            yield name, section.referred(key), getattr(section, key)


def _password(address: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError:
        # An address that only its own library can read, for example with a bracket in the user part.
        return None
