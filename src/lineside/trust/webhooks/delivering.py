"""Delivers what lies in the outbox: each message by one process, again and again for days."""

import asyncio
import logging
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from lineside.core import Conflict, LinesideError, NotFound, Record, new_id, now
from lineside.store import Store
from lineside.trust.scope import Scope
from lineside.trust.webhooks import queries
from lineside.trust.webhooks.sending import MessageSender, Sent
from lineside.trust.webhooks.webhook import find_webhook, secret_of

RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""How long after each failure it is tried again; after the last one a message has failed."""

DISABLED_AFTER = timedelta(days=5)
_KEPT = timedelta(days=30)
_CLAIM = timedelta(minutes=10)
_CLAIMED_MAX = 20
_LOOK_SECONDS = 1.0
_TIDY_SECONDS = 3_600.0
_DOWN_SECONDS = 10.0
_LISTED_MAX = 500

_log = logging.getLogger("lineside.trust")


class Delivery(Record):
    """One message to one webhook.

    Attributes:
        id: The same at every attempt and for every webhook, so that a receiver knows it again.
        status: `waiting` for the next attempt, `delivered`, or `failed` for good.
        next_at: When it is tried next, where it waits.
        said: What came of the last attempt.
    """

    id: str
    webhook_id: str
    type: str
    status: str
    attempts: int
    created_at: datetime
    next_at: datetime
    ended_at: datetime | None
    said: str | None
    payload: dict[str, Any]


class Deliverer:
    """Delivers the messages of all workspaces. One per process; several share the work.

    A message is claimed before it is sent. A process that dies lets go of what it claimed within
    minutes, and the message is sent again: at least once, and with the same id.
    """

    def __init__(
        self,
        store: Store,
        *,
        retry_seconds: Sequence[float] = RETRY_SECONDS,
        sender: MessageSender | None = None,
    ) -> None:
        self._store = store
        self._retry_seconds = retry_seconds
        self._sender = sender or MessageSender(store.settings)

    async def keep_delivering(self) -> None:
        """Deliver what is due, until cancelled."""
        tidied = asyncio.get_running_loop().time() - _TIDY_SECONDS
        while True:
            try:
                while await self.deliver_due():
                    pass
                if asyncio.get_running_loop().time() - tidied >= _TIDY_SECONDS:
                    tidied = asyncio.get_running_loop().time()
                    await asyncio.to_thread(self._tidy)
            except Exception:  # noqa: BLE001 # the database may be away; what waits is not lost
                _log.warning("Webhooks were not delivered", exc_info=True)
            await asyncio.sleep(_LOOK_SECONDS)

    async def deliver_due(self) -> int:
        """Try once what is due now, each webhook's messages in their order; returns how many."""
        claimed = await asyncio.to_thread(self._claim)
        by_webhook = groupby(
            sorted(claimed, key=lambda row: (row["webhook_id"], row["id"])),
            key=lambda row: row["webhook_id"],
        )
        await asyncio.gather(*(self._deliver(list(rows)) for _, rows in by_webhook))
        return len(claimed)

    async def _deliver(self, rows: list[queries.Row]) -> None:
        for at, row in enumerate(rows):
            sent = await self._send(row)
            await asyncio.to_thread(self._settle, row, sent)
            if sent.status is None or sent.status == 410:
                # Nobody is there: the others would only wait for the same.
                await asyncio.to_thread(self._put_off, rows[at + 1 :])
                return

    async def _send(self, row: queries.Row) -> Sent:
        try:
            secret = await asyncio.to_thread(
                secret_of, self._store, row["workspace"], row["webhook_id"]
            )
        except LinesideError as error:
            return Sent(None, error.message)
        return await self._sender.send(row["url"], secret, row["id"], row["payload"], at=now())

    def _claim(self) -> list[queries.Row]:
        at = now()
        with self._store.records.read() as connection:
            if not queries.is_due(connection, at=at):
                return []
        with self._store.records.write() as connection:
            return queries.claim(connection, at=at, until=at + _CLAIM, limit=_CLAIMED_MAX)

    def _settle(self, row: queries.Row, sent: Sent) -> None:
        """Write down what came of an attempt, of the message and of its webhook."""
        at, attempts = now(), row["attempts"] + 1
        values: dict[str, Any] = {"attempts": attempts, "said": sent.said, "claimed_until": None}
        if sent.is_delivered:
            values |= {"status": "delivered", "ended_at": at}
        elif attempts > len(self._retry_seconds):
            values |= {"status": "failed", "ended_at": at}
        else:
            seconds = self._retry_seconds[attempts - 1] * random.uniform(0.9, 1.1)  # noqa: S311 # spreads calls
            seconds = max(seconds, min(sent.retry_after_s or 0, self._retry_seconds[-1]))
            values["next_at"] = at + timedelta(seconds=seconds)
        with self._store.records.write() as connection:
            queries.update_message(connection, row["webhook_id"], row["id"], **values)
            webhook = queries.find_webhook(connection, row["webhook_id"])
            changed = None if webhook is None else _changed(webhook, sent, at)
            if changed:
                queries.update_webhook(connection, row["webhook_id"], **changed)

    def _put_off(self, rows: list[queries.Row]) -> None:
        next_at = now() + timedelta(seconds=min([_DOWN_SECONDS, *self._retry_seconds]))
        with self._store.records.write() as connection:
            for row in rows:
                queries.update_message(
                    connection, row["webhook_id"], row["id"], claimed_until=None, next_at=next_at
                )

    def _tidy(self) -> None:
        with self._store.records.write() as connection:
            queries.delete_ended(connection, before=now() - _KEPT)


def list_deliveries(
    scope: Scope, *, webhook_id: str | None = None, status: str | None = None, limit: int = 50
) -> list[Delivery]:
    """Messages of the last 30 days, newest first."""
    if webhook_id is not None:
        find_webhook(scope, webhook_id)
    else:
        scope.require("webhooks")
    with scope.store.records.read() as connection:
        rows = queries.select_messages(
            connection,
            scope.workspace,
            webhook_id=webhook_id,
            status=status,
            limit=max(0, min(limit, _LISTED_MAX)),
        )
    return [_delivery(row) for row in rows]


def redeliver(scope: Scope, message_id: str, *, webhook_id: str | None = None) -> list[Delivery]:
    """Have a message sent again, under its old id: to one webhook, or to all that it was for.

    Raises:
        NotFound: The workspace has no such message.
    """
    with scope.store.records.write() as connection:
        found = [
            row
            for row in queries.find_messages(connection, scope.workspace, message_id)
            if webhook_id in (None, row["webhook_id"])
        ]
        if not found:
            raise NotFound(
                "unknown_message",
                f"There is no message `{message_id[:64]}`",
                hint="Run `lineside webhooks deliveries` to see the last ones.",
            )
        for row in found:
            find_webhook(scope, row["webhook_id"])
            again = {"status": "waiting", "attempts": 0, "next_at": now(), "claimed_until": None}
            queries.update_message(
                connection, row["webhook_id"], message_id, ended_at=None, **again
            )
        rows = queries.find_messages(connection, scope.workspace, message_id)
    return [_delivery(row) for row in rows if webhook_id in (None, row["webhook_id"])]


async def send_test(scope: Scope, webhook_id: str) -> Delivery:
    """Send a message of the type `webhook.test` at once, and say what came of it.

    Raises:
        Conflict: The webhook is disabled.
    """
    webhook = await asyncio.to_thread(find_webhook, scope, webhook_id)
    if webhook.disabled_at is not None:
        raise Conflict(
            "webhook_disabled",
            f"`{webhook.id}` is disabled: {webhook.disabled_why}",
            hint=f"Enable it first: `lineside webhooks enable {webhook.id}`.",
        )
    at = now()
    row: dict[str, Any] = {
        "webhook_id": webhook.id,
        "id": new_id("msg"),
        "workspace": webhook.workspace,
        "type": "webhook.test",
        "payload": {
            "type": "webhook.test",
            "timestamp": at.isoformat().replace("+00:00", "Z"),
            "data": {
                "workspace": webhook.workspace,
                "use_case": webhook.use_case,
                "subject": webhook.id,
                "sentence": f"{scope.actor.name}: a test of this webhook",
                "link": "/webhooks",
            },
        },
        "status": "waiting",
        "attempts": 0,
        "next_at": at,
        "claimed_until": at + _CLAIM,
        "created_at": at,
    }

    def kept() -> None:
        with scope.store.records.write() as connection:
            queries.insert_message(connection, row)

    await asyncio.to_thread(kept)
    deliverer = Deliverer(scope.store, retry_seconds=())
    await deliverer._deliver([{**row, "url": webhook.url}])
    found = await asyncio.to_thread(list_deliveries, scope, webhook_id=webhook.id, limit=20)
    return next(one for one in found if one.id == row["id"])


def _changed(webhook: queries.Row, sent: Sent, at: datetime) -> dict[str, Any]:
    """What an attempt says of a webhook itself."""
    if sent.is_delivered:
        return {"failing_since": None} if webhook["failing_since"] else {}
    since = webhook["failing_since"] or at
    changed: dict[str, Any] = {"failing_since": since}
    if sent.status == 410:
        changed |= {"disabled_at": at, "disabled_why": "It said 410 Gone: it wants no more"}
    elif at - since >= DISABLED_AFTER:
        why = f"Nothing got through for {DISABLED_AFTER.days} days: {sent.said}"
        changed |= {"disabled_at": at, "disabled_why": why}
    return changed


def _delivery(row: queries.Row) -> Delivery:
    return Delivery(**{name: row[name] for name in Delivery.model_fields})
