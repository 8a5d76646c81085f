"""Where do monitoring systems and MLflow's webhooks find the daemon: nowhere, unless it is asked for?"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from selector.config_section import MASK, Section, Words
from selector.config_values import FilePath, Word

SOCKET = "daemon.sock"
LOCALHOST = "127.0.0.1"
_HIGHEST_PORT = 65_535
SHORTEST_SECRET = 16


class _Listening(Section):
    """An address to listen at; `bind` alone as a text is enough for one on this computer."""

    shorthand: ClassVar[str | None] = "bind"
    bind: Word = Field(description="IP address and port to listen at.", examples=["127.0.0.1:9470"])
    expose: bool = Field(
        default=False,
        description="Allow an address that other computers reach. There is no encryption and no password; put a reverse"
        " proxy before it.",
        examples=[False],
    )

    @field_validator("bind")
    @classmethod
    def _is_an_address(cls, text: str) -> str:
        address(text)
        return text

    @model_validator(mode="after")
    def _is_meant_so(self) -> _Listening:
        if not self.expose and not ipaddress.ip_address(self.address[0]).is_loopback:
            raise ValueError(f"bind: other computers reach {self.bind!r}; write 127.0.0.1:PORT, or expose: true")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """IP address and port."""
        return address(self.bind)


class HttpSettings(_Listening):
    """Health, metrics and state over HTTP, read-only; off unless it is here."""

    hosts: Words = Field(
        default=(),
        description="Names by which the address may be called besides its own, for example behind a reverse proxy.",
        examples=[["selector.example.org"]],
    )


class WebhookSettings(_Listening):
    """MLflow may say here that something changed; off unless it is here."""

    bind: Word = Field(description="IP address and port to listen at.", examples=["127.0.0.1:9471"])
    secret: str = Field(
        min_length=SHORTEST_SECRET,
        description="The secret that was given to MLflow with the webhook; keep it out of this file: ${env:NAME}.",
        examples=["a-secret-of-16-or-more"],
    )
    shorthand: ClassVar[str | None] = None

    def shown(self, name: str) -> Any:
        """Return the value of one key as it may be shown to anybody; the secret never is."""
        if name == "secret" and not self.referred(name):
            return MASK
        return super().shown(name)


class SocketSettings(Section):
    """The UNIX socket through which programs on this computer say "look now"."""

    shorthand: ClassVar[str | None] = "path"
    path: FilePath | None = Field(
        default=None,
        description="Where it is. Default: daemon.sock in $RUNTIME_DIRECTORY, which systemd sets, else in the state"
        " folder.",
        examples=["/run/mlflow-selector/daemon.sock"],
    )
    group: Word | None = Field(
        default=None,
        description="A group whose members may use it. Default: only the daemon's own user and root.",
        examples=["mlflow-selector"],
    )

    def known_at(self, state: Path) -> Path:
        """Return where programs find it, given the state folder; under systemd a link there leads to it."""
        return self.path or state / SOCKET


def address(text: str) -> tuple[str, int]:
    """Return IP address and port from "127.0.0.1:9470", "[::1]:9470" or "localhost:9470".

    Raises:
        ValueError: not such a text.

    """
    host, colon, port = text.strip().rpartition(":")
    host = LOCALHOST if host.lower() == "localhost" else host
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        colon = ""
    try:
        found = str(ipaddress.ip_address(host))
    except ValueError:
        colon = ""
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _HIGHEST_PORT:
        raise ValueError(f"{text!r} is no IP address with a port; write it as 127.0.0.1:9470")
    return found, int(port)
