"""Who sends telemetry: the paths and keys of other products, so that they change a host only."""

import base64
import binascii
import time
from collections.abc import Iterator
from dataclasses import replace

from starlette.datastructures import Headers

from lineside.core import Denied
from lineside.trust import Scope, list_keys, scope_for_key
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
        self._keys_asked_at: float | None = None
        self._has_keys = False

    def scope(self, headers: Headers) -> Scope:
        """The scope of the key that came along, or that of the owner of this machine.

        What a key of another product opens is that product's business. As long as nobody made a key
        for senders here, it counts as none, so that a program that sent elsewhere yesterday changes
        a host and nothing else. From then on whoever brings a key must bring a good one, since
        what is sent with a wrong one would be kept as if the owner of this machine had sent it.

        Raises:
            Denied: The key is expired or revoked, or none of ours where there are such.
        """
        secret = secret_of(headers)
        if secret is None:
            return self._local
        if secret.startswith(_OWN_KEY):
            return scope_for_key(self._local.store, secret)
        if not self._demands_own_keys():
            return self._local
        raise Denied(
            "bad_key",
            "The key that came along is none of lineside's: those begin with `lsk_`",
            hint="Put one from `lineside keys create NAME --right ingest` in its place. Keys of "
            "other products count as none only until the first such key is made.",
        )

    def known(self, headers: Headers) -> Scope:
        """The scope of the key that came along as far as it is one, else that of the owner."""
        try:
            return self.scope(headers)
        except Denied:
            return self._local

    def _demands_own_keys(self) -> bool:
        """Whether a key for senders was ever made here, as it was a few seconds ago at most."""
        asked_at = self._keys_asked_at
        if not self._has_keys and (
            asked_at is None or time.monotonic() - asked_at > _NAMES_SECONDS
        ):
            # One that was revoked counts as well: to take a key back must not open a door.
            self._has_keys = any("ingest" in key.rights for key in list_keys(self._local))
            self._keys_asked_at = time.monotonic()
        return self._has_keys

    def use_cases(self, scope: Scope) -> frozenset[str]:
        """Names of the workspace's use cases, a few seconds old at most."""
        asked_at, names = self._names.get(scope.workspace, (0.0, frozenset[str]()))
        if not asked_at or time.monotonic() - asked_at > _NAMES_SECONDS:
            # The sender need not see the use cases for its spans to find theirs.
            looking = replace(scope, rights=frozenset({"read"}), use_cases=None)
            names = frozenset(use_case.name for use_case in list_use_cases(looking))
            self._names[scope.workspace] = (time.monotonic(), names)
        return names


def brings_key(headers: Headers) -> bool:
    """Whether a key came along at all, good or not."""
    return any(name in headers for name in ("authorization", *_KEY_HEADERS))


def secret_of(headers: Headers) -> str | None:
    """The key that came along, in whichever way the sender's own product has it; ours if one is.

    Raises:
        Denied: The header Authorization is meant to be `Basic` and is not.
    """
    found = [one for one in _secrets(headers) if one]
    return next((one for one in found if one.startswith(_OWN_KEY)), found[0] if found else None)


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
