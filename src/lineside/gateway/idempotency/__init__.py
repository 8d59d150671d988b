"""Calls that count once, however often they are sent: by a key that their caller gives."""

from lineside.gateway.idempotency.claims import (
    IdempotencyClaim,
    KeyedCall,
    begin,
    keyed_call,
)

__all__ = ["IdempotencyClaim", "KeyedCall", "begin", "keyed_call"]
