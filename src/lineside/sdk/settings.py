"""What application code may set, in `lineside.init(…)` or in the environment."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from lineside.core import Invalid, Settings

Mask = Callable[[str], str]
"""Takes each text that would leave the process and returns the text that may."""

_TRACES_PATH = "/v1/traces"


@dataclass(frozen=True)
class SdkSettings:
    """Where an application sends its traces, and how much it may spend on that.

    Each is an argument of `lineside.init` or, where that is not given, read from `LINESIDE_` and
    its name in capitals.
    """

    endpoint: str = ""
    """Address of the server; empty means this machine, at `LINESIDE_PORT`."""

    key: str = ""
    """Key `lsk_…` with the right `ingest`; none is needed on the server's own machine."""

    use_case: str = ""
    """Use case that the spans belong to, unless a context or the span itself says another."""

    service: str = ""
    """Name of the program; empty means `OTEL_SERVICE_NAME`. A provider set before keeps its own."""

    release: str = ""
    """Release of the application, stamped on every span."""

    queue_max: int = 4096
    """Spans that may wait for the server; further ones are dropped and counted."""

    payload_characters_max: int = 65_536
    """Longest input or output that a step records; the rest is cut."""

    exit_seconds: float = 5.0
    """How long the end of the program may be held up to send what waits, in seconds."""

    instrument: str = ""
    """`auto`, or names with commas between: instrumentation packages that are switched on."""


def read_settings(
    given: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> SdkSettings:
    """The arguments, over what stands in the environment, over the defaults.

    Raises:
        Invalid: One of them cannot be used; says which.
    """
    source = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for field in fields(SdkSettings):
        value = given.get(field.name)
        if value is None:
            value = source.get(f"LINESIDE_{field.name.upper()}") or None
        if value is not None:
            values[field.name] = _number(field.name, value, type(field.default))
    endpoint = values.get("endpoint") or local_endpoint()
    return SdkSettings(**values | {"endpoint": checked_endpoint(endpoint)})


def local_endpoint() -> str:
    """Where a server on this machine listens, as far as the environment tells."""
    settings = Settings.from_environment()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def checked_endpoint(endpoint: str) -> str:
    """The server's address without what callers tend to leave at its end."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid(
            "bad_endpoint",
            f"The endpoint is `{endpoint[:200]}`",
            hint="Give the address of a server, such as `http://127.0.0.1:7710`.",
        )
    return endpoint.rstrip("/").removesuffix(_TRACES_PATH)


def _number(name: str, value: Any, kind: type) -> Any:
    if kind is str:
        return str(value)
    try:
        number = kind(value)
    except (TypeError, ValueError):
        number = -1
    if number < (1 if kind is int else 0):
        raise Invalid("bad_setting", f"`{name}` is `{value}`, expected a positive number")
    return number
