"""Ids that say what they name and sort by the time they were made."""

import os
import threading
import time

from lineside.core.errors import Invalid

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_RANDOM_BITS = 80
_BODY_LENGTH = 26

PREFIXES = {
    "ws": "workspace",
    "mem": "member",
    "key": "API key",
    "uc": "use case",
    "rel": "release",
    "rol": "rollout",
    "stg": "staged rollout",
    "ds": "dataset",
    "run": "run",
    "cmp": "comparison",
    "fb": "feedback",
    "job": "job",
    "price": "price",
    "cap": "limit of a budget",
    "hold": "reservation of a call",
    "mark": "mark",
    "view": "saved view",
    "rev": "review",
    "lic": "judge licence",
    "batch": "batch",
    "hook": "webhook",
    "msg": "message of a webhook",
}

_lock = threading.Lock()
_last = 0


def new_id(prefix: str) -> str:
    """Make an id such as `run_01k3…`: a prefix, then 48 bits of milliseconds and 80 random bits.

    Ids made by one process are strictly increasing, also within one millisecond, so that a list
    sorted by id is a list sorted by time.
    """
    if prefix not in PREFIXES:
        raise AssertionError(f"unknown id prefix {prefix!r}; add it to PREFIXES")
    global _last
    with _lock:
        fresh = (time.time_ns() // 1_000_000 << _RANDOM_BITS) | int.from_bytes(os.urandom(10))
        _last = fresh if fresh > _last else _last + 1
        number = _last
    return f"{prefix}_{_encode(number)}"


def check_id(text: str, prefix: str) -> str:
    """Return the id unchanged if it names the expected kind of thing."""
    head, _, body = text.partition("_")
    if head == prefix and len(body) == _BODY_LENGTH and set(body) <= set(_ALPHABET):
        return text
    raise Invalid(
        "bad_id",
        f"Not the id of a {PREFIXES[prefix]}: `{text[:80]}`",
        hint=f"It looks like `{prefix}_` and {_BODY_LENGTH} letters and digits.",
    )


def _encode(number: int) -> str:
    pairs = []
    for _ in range(_BODY_LENGTH // 2):
        number, pair = divmod(number, 1_024)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))
