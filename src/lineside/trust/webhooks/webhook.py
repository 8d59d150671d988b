"""Webhooks: who is told of what is decided, and with which secret it is signed."""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lineside.core import Conflict, Invalid, NotFound, Record, did_you_mean, new_id, now
from lineside.store import Store
from lineside.trust.ledger import origin_of, record
from lineside.trust.outbox import GROUPS
from lineside.trust.queries import find_workspace
from lineside.trust.scope import Scope
from lineside.trust.signing import derive_secret, signing_key
from lineside.trust.webhooks import queries
from lineside.trust.webhooks.addresses import Places

WEBHOOKS_MAX = 100
_DERIVED_FOR = b"lineside webhooks v1 "
_SECRET_BYTES = 32
_KIND = re.compile(r"[a-z_]+(\.([a-z_]+|\*))+|\*")
_LONE_KINDS = ("deploy", "rollback")


class Webhook(Record):
    """An address that is told of what is decided.

    Attributes:
        events: What it is told of: groups such as `verdict`, kinds such as `release.refused`,
            `budget.*`, or `*`.
        use_case: The only use case that it is told of, or nothing where there is no such limit.
        failing_since: Since when no message got through, if that is so.
        disabled_at: When it was given up, after days of failures or since it said 410 Gone.
    """

    id: str
    workspace: str
    url: str
    events: list[str]
    use_case: str | None
    created_at: datetime
    created_by: str
    failing_since: datetime | None = None
    disabled_at: datetime | None = None
    disabled_why: str | None = None

    @property
    def state(self) -> str:
        """How it stands, in a word or two."""
        if self.disabled_at is not None:
            return "disabled"
        return "failing" if self.failing_since is not None else "on"


def add_webhook(
    scope: Scope, url: str, events: Sequence[str], *, use_case: str | None = None
) -> tuple[Webhook, str]:
    """Have an address told of events; returns it with the secret, which is shown only now.

    The secret is not in the database: it is derived from the key that signs the ledger.

    Raises:
        Invalid: The address or an event is none.
        Denied: The address is within a network that is not public.
    """
    scope.require("webhooks", use_case)
    Places(scope.store.settings).check_url(url)
    wanted = [_checked(word) for word in dict.fromkeys(events)]
    if not wanted:
        raise Invalid(
            "no_events", "No event was named", hint=f"Name at least one of: {', '.join(GROUPS)}."
        )
    webhook = Webhook(
        id=new_id("hook"),
        workspace=scope.workspace,
        url=url,
        events=wanted,
        use_case=use_case,
        created_at=now(),
        created_by=scope.actor.name,
    )
    with scope.store.records.write() as connection:
        if len(queries.select_webhooks(connection, scope.workspace)) >= WEBHOOKS_MAX:
            raise Invalid(
                "too_many_webhooks",
                f"There are {WEBHOOKS_MAX} webhooks, the most there may be",
                hint="Remove one first: `lineside webhooks rm ID`.",
            )
        queries.insert_webhook(connection, webhook.model_dump())
        record(connection, scope, "webhook.added", webhook.id, _told(webhook))
    return webhook, secret_of(scope.store, webhook.workspace, webhook.id)


def list_webhooks(scope: Scope) -> list[Webhook]:
    """Every webhook of the workspace, in the order they were added."""
    scope.require("webhooks")
    with scope.store.records.read() as connection:
        rows = queries.select_webhooks(connection, scope.workspace)
    return [Webhook.model_validate(row) for row in rows]


def find_webhook(scope: Scope, webhook_id: str) -> Webhook:
    """One webhook.

    Raises:
        NotFound: The workspace has no such webhook.
    """
    with scope.store.records.read() as connection:
        row = queries.find_webhook(connection, webhook_id)
    if row is None or row["workspace"] != scope.workspace:
        raise NotFound(
            "unknown_webhook",
            f"There is no webhook `{webhook_id[:64]}`",
            hint="Run `lineside webhooks ls` to see them all.",
        )
    webhook = Webhook.model_validate(row)
    scope.require("webhooks", webhook.use_case)
    return webhook


def remove_webhook(scope: Scope, webhook_id: str) -> Webhook:
    """Tell it nothing more; what it was not told yet is dropped."""
    webhook = find_webhook(scope, webhook_id)
    with scope.store.records.write() as connection:
        queries.delete_webhook(connection, webhook.id)
        record(connection, scope, "webhook.removed", webhook.id, _told(webhook))
    return webhook


def enable_webhook(scope: Scope, webhook_id: str) -> Webhook:
    """Tell one again that was given up; what waited for it goes out now.

    Raises:
        Conflict: It is not disabled.
    """
    webhook = find_webhook(scope, webhook_id)
    if webhook.disabled_at is None:
        raise Conflict("webhook_enabled", f"`{webhook.id}` is not disabled")
    changed = {"failing_since": None, "disabled_at": None, "disabled_why": None}
    with scope.store.records.write() as connection:
        queries.update_webhook(connection, webhook.id, **changed)
        record(connection, scope, "webhook.enabled", webhook.id, _told(webhook))
    return webhook.model_copy(update=changed)


def secret_of(store: Store, workspace: str, webhook_id: str) -> str:
    """The secret that a webhook's messages are signed with, as `whsec_…`.

    Raises:
        Conflict: The signing key of the installation is missing or another one.
    """
    with store.records.read() as connection:
        found = find_workspace(connection, workspace)
    if found is None:
        raise NotFound("no_workspace", f"There is no workspace `{workspace}`")
    key = signing_key(store.home, origin=origin_of(workspace), expected=found["verifier_key"])
    info = _DERIVED_FOR + webhook_id.encode()
    derived = derive_secret(key, workspace, length=_SECRET_BYTES, info=info)
    return "whsec_" + base64.b64encode(derived).decode()


def _checked(word: str) -> str:
    if word in GROUPS or word in _LONE_KINDS or _KIND.fullmatch(word):
        return word
    known = [*GROUPS, *_LONE_KINDS]
    near = did_you_mean(word, known)
    raise Invalid(
        "unknown_event",
        f"There is no event `{word[:60]}`",
        hint=f"Did you mean `{near}`?"
        if near
        else f"Name {', '.join(GROUPS)}, a kind of the ledger such as `release.refused`, or `*`.",
    )


def _told(webhook: Webhook) -> Mapping[str, Any]:
    # The path of an address may be a secret; the ledger keeps the host alone.
    host = webhook.url.split("/")[2]
    return {"host": host, "events": webhook.events, "use_case": webhook.use_case}
