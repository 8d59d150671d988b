"""Who sends telemetry: the paths and keys of other products, so that they change a host only."""

import base64
import binascii
import time
from collections.abc import Iterator
from dataclasses import replace

from starlette.datastructures import Headers

from lineside.core import Denied
from lineside.trust import Scope, scope_for_key
from lineside.usecases import list_use_cases

PATHS = (
    "/v1/traces",  # OpenTelemetry, Phoenix, MLflow, Confident AI
    "/otel/v1/traces",  # Braintrust, LangSmith, Weave
    "/api/v1/otel/v1/traces",  # LangSmith on one's own machines
    "/api/public/otel/v1/traces",  # Langfuse
    "/api/v1/private/otel/v1/traces",  # Opik
    "/opik/api/v1/private/otel/v1/traces",  # Opik as Comet hosts it
)

_KEY_HEADERS = ("x-api-key", "api_key", "api-key", "wandb-api-key", "x-confident-api-key")
_OWN_KEY = "lsk_"
_NAMES_SECONDS = 5.0


class Senders:
    """Tells for whom a sender acts, and which use cases its spans may mean."""

    def __init__(self, local: Scope) -> None:
        self._local = local
        self._names: dict[str, tuple[float, frozenset[str]]] = {}

    def scope(self, headers: Headers) -> Scope:
        """The scope of the key that came along, or that of the owner of this machine.

        Raises:
            Denied: The key is none of ours, expired or revoked.
        """
        secret = secret_of(headers)
        return self._local if secret is None else scope_for_key(self._local.store, secret)

    def use_cases(self, scope: Scope) -> frozenset[str]:
        """Names of the workspace's use cases, a few seconds old at most."""
        asked_at, names = self._names.get(scope.workspace, (0.0, frozenset[str]()))
        if not asked_at or time.monotonic() - asked_at > _NAMES_SECONDS:
            # The sender need not see the use cases for its spans to find theirs.
            looking = replace(scope, rights=frozenset({"read"}), use_cases=None)
            names = frozenset(use_case.name for use_case in list_use_cases(looking))
            self._names[scope.workspace] = (time.monotonic(), names)
        return names


def secret_of(headers: Headers) -> str | None:
    """The key of ours that came along, in whichever way the sender's own product has it.

    What the key of another product opens is that product's business; here it counts as no key, so
    that a program that sent elsewhere yesterday changes a host and nothing else.

    Raises:
        Denied: The header Authorization is meant to be `Basic` and is not.
    """
    return next((one for one in _secrets(headers) if one.startswith(_OWN_KEY)), None)


def _secrets(headers: Headers) -> Iterator[str]:
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        yield _password(rest)
    else:
        yield rest.strip() if rest else scheme
    yield from (headers[name].strip() for name in _KEY_HEADERS if name in headers)


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        raise Denied(
            "bad_key",
            "The Authorization header is not `Basic` with base64",
            hint="Send `Basic` and base64 of `public:secret`; the secret is the key `lsk_…`.",
        ) from None
