"""What callers say in headers of answers that were given before, and what they are told."""

import re
from collections.abc import Mapping

from lineside.apps import kept_answers
from lineside.core import Invalid

SIMILARITY = "x-lineside-cache-similarity"
_CACHE_SECONDS_MAX = 7 * 24 * 3600


def cache_wish(headers: Mapping[str, str]) -> kept_answers.CacheWish:
    """What a caller says of it.

    Raises:
        Invalid: A header is no number, or too large.
    """
    seconds = _cache_seconds(headers.get("x-lineside-cache"))
    return kept_answers.CacheWish(seconds, _similarity(headers.get(SIMILARITY)))


def cache_headers(told: Mapping[str, object]) -> dict[str, str]:
    """Whether the answer was given before, how near the question was, and how old it is."""
    named = {
        "x-lineside-cache": "cache",
        SIMILARITY: "cache_similarity",
        "x-lineside-cache-age": "cache_age_s",
    }
    return {header: str(told[name]) for header, name in named.items() if name in told}


def _cache_seconds(header: str | None) -> int | None:
    if header is None:
        return None
    seconds = int(header) if header.isascii() and header.isdigit() else -1
    if not 0 <= seconds <= _CACHE_SECONDS_MAX:
        raise Invalid(
            "bad_cache_header",
            f"The header x-lineside-cache is `{header[:40]}`",
            hint=f"It takes whole seconds from 0 (ask anew) to {_CACHE_SECONDS_MAX} (a week).",
        )
    return seconds


def _similarity(header: str | None) -> float:
    if header is None:
        return 0.0
    if not re.fullmatch(r"0(\.\d{1,6})?|1(\.0{1,6})?", header):
        raise Invalid(
            "bad_cache_header",
            f"The header {SIMILARITY} is `{header[:40]}`",
            hint="It takes a number from 0 to 1; with 1 only the same question shares an answer.",
        )
    return float(header)
