"""Webhooks: others are told of what is decided, signed as Standard Webhooks has it, and durably."""

from lineside.trust.webhooks.delivering import (
    Deliverer,
    Delivery,
    list_deliveries,
    redeliver,
    send_test,
)
from lineside.trust.webhooks.sending import MessageSender
from lineside.trust.webhooks.webhook import (
    Webhook,
    add_webhook,
    enable_webhook,
    find_webhook,
    list_webhooks,
    remove_webhook,
)

__all__ = [
    "Deliverer",
    "Delivery",
    "MessageSender",
    "Webhook",
    "add_webhook",
    "enable_webhook",
    "find_webhook",
    "list_deliveries",
    "list_webhooks",
    "redeliver",
    "remove_webhook",
    "send_test",
]
