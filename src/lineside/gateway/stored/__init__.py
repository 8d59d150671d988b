"""Responses that are kept, with what they were asked: to be read again, and to go on from."""

from lineside.gateway.stored.responses import (
    Chain,
    StoredResponse,
    delete_response,
    find_chain,
    find_response,
    keep_in_order,
    keep_response,
    new_response_id,
)

__all__ = [
    "Chain",
    "StoredResponse",
    "delete_response",
    "find_chain",
    "find_response",
    "keep_in_order",
    "keep_response",
    "new_response_id",
]
