"""`/api/webhooks`: who is told of what is decided, and what came of telling them."""

from typing import Literal

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.trust import webhooks

router = APIRouter(tags=["webhooks"])


class WebhookWish(Record):
    """An address to be told of events.

    Attributes:
        events: `verdict`, `rollout`, `budget`, `alert`, kinds such as `release.refused`, or `*`.
    """

    url: str
    events: list[str]
    use_case: str | None = None


class WebhookAdded(Record):
    """A webhook with its secret, which is shown only now."""

    webhook: webhooks.Webhook
    secret: str


@router.get("/webhooks")
def webhook_list(scope: Caller) -> list[webhooks.Webhook]:
    """Every webhook, with how it stands."""
    return webhooks.list_webhooks(scope)


@router.post("/webhooks", status_code=201)
def add_webhook(scope: Caller, wish: WebhookWish) -> WebhookAdded:
    """Have an address told of events; the answer is the only place of its secret."""
    webhook, secret = webhooks.add_webhook(scope, wish.url, wish.events, use_case=wish.use_case)
    return WebhookAdded(webhook=webhook, secret=secret)


@router.get("/webhooks/deliveries")
def deliveries(
    scope: Caller,
    webhook: str | None = None,
    status: Literal["waiting", "delivered", "failed"] | None = None,
    limit: int = 50,
) -> list[webhooks.Delivery]:
    """The last messages and what came of each, newest first, at most 500."""
    return webhooks.list_deliveries(scope, webhook_id=webhook, status=status, limit=limit)


@router.post("/webhooks/deliveries/{message_id}/redeliver")
def redeliver(
    scope: Caller, message_id: str, webhook: str | None = None
) -> list[webhooks.Delivery]:
    """Have a message sent again under its old id, to one webhook or to all that it was for."""
    return webhooks.redeliver(scope, message_id, webhook_id=webhook)


@router.post("/webhooks/{webhook_id}/test")
async def test_webhook(scope: Caller, webhook_id: str) -> webhooks.Delivery:
    """Send a test message now, and say what came of it."""
    return await webhooks.send_test(scope, webhook_id)


@router.post("/webhooks/{webhook_id}/enable")
def enable_webhook(scope: Caller, webhook_id: str) -> webhooks.Webhook:
    """Tell one again that was given up."""
    return webhooks.enable_webhook(scope, webhook_id)


@router.delete("/webhooks/{webhook_id}")
def remove_webhook(scope: Caller, webhook_id: str) -> webhooks.Webhook:
    """Tell it nothing more."""
    return webhooks.remove_webhook(scope, webhook_id)
