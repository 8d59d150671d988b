"""`gateway.yaml`: which providers there are, and which names stand for which models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from lineside.core import Invalid, NotFound, Record, Settings
from lineside.gateway.calls.endpoint import Endpoint
from lineside.gateway.calls.gguf import LOCAL, GgufUpstream, LocalModel
from lineside.gateway.calls.litellm import LitellmProvider, LitellmUpstream
from lineside.gateway.calls.route import ModelRoute
from lineside.gateway.calls.scripted import ScriptedUpstream
from lineside.gateway.calls.upstream import HttpUpstream, Upstream

_BYTES_MAX = 1024 * 1024


class Script(Record):
    """A provider that answers from a file beside `gateway.yaml`, for tests and teaching.

    Attributes:
        file: Its name; docs/guides/models.md shows what stands in one.
    """

    file: str


class GatewaySettings(Record):
    """What `gateway.yaml` says.

    Attributes:
        providers: By the word before the slash in `provider/model`; they join the built-in ones.
        scripted: Providers that answer from a file.
        gguf: Model files on this machine, by the name that is called as `gguf/<name>`.
        litellm: Providers of the long tail, asked by the package of that name.
        routes: By the name that a caller gives as `model`.
    """

    providers: dict[str, Endpoint] = Field(default_factory=dict)
    scripted: dict[str, Script] = Field(default_factory=dict)
    gguf: dict[str, LocalModel] = Field(default_factory=dict)
    litellm: dict[str, LitellmProvider] = Field(default_factory=dict)
    routes: dict[str, ModelRoute] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_are_free(self) -> Self:
        # What is called by this name costs nothing, so nothing that is paid for may have it.
        if LOCAL in {*self.providers, *self.scripted, *self.litellm}:
            raise ValueError(f"no provider of one's own may be called `{LOCAL}`")
        return self


BUILT_IN = {
    "openai": Endpoint(base_url="https://api.openai.com/v1", api_key_env="OPENAI_API_KEY"),
    "anthropic": Endpoint(
        wire="messages",
        base_url="https://api.anthropic.com/v1",
        api_key_env="ANTHROPIC_API_KEY",
    ),
    "gemini": Endpoint(
        wire="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        api_key_env="GEMINI_API_KEY",
    ),
}
"""Providers that need no more than a key in the environment."""


def gateway_file(settings: Settings) -> Path:
    """Where `gateway.yaml` is: where the settings say, else in the state folder."""
    return Path(settings.gateway) if settings.gateway else settings.home / "gateway.yaml"


def read_settings(path: Path) -> GatewaySettings:
    """Read the file; one that is not there says nothing.

    Raises:
        Invalid: It does not fit; names the place.
    """
    if not path.exists():
        return GatewaySettings()
    try:
        with path.open("rb") as file:
            raw = yaml.safe_load(file.read(_BYTES_MAX)) or {}
        return GatewaySettings.model_validate(raw)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise _broken(path, reason) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _broken(path, f"`{place}`: {first['msg']}") from None


def open_upstreams(settings: GatewaySettings, folder: Path) -> dict[str, Upstream]:
    """Every provider, ready to be asked; nothing is connected yet."""
    endpoints: Mapping[str, Endpoint] = BUILT_IN | settings.providers
    found: dict[str, Any] = {
        name: HttpUpstream(name, endpoint) for name, endpoint in endpoints.items()
    }
    for name, script in settings.scripted.items():
        found[name] = ScriptedUpstream(_script(folder, script.file))
    for name, provider in settings.litellm.items():
        found[name] = LitellmUpstream(name, provider)
    if settings.gguf:
        found[LOCAL] = GgufUpstream(settings.gguf, folder)
    return found


def _script(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise NotFound(
            "no_such_file",
            f"`gateway.yaml` names the script `{name}`, which cannot be read: {error.strerror}",
            hint="It is looked for beside `gateway.yaml`.",
        ) from None


def _broken(path: Path, reason: str) -> Invalid:
    return Invalid(
        "bad_gateway_settings",
        f"`{path}` does not fit: {reason}",
        hint="docs/guides/models.md shows what it may say.",
    )
