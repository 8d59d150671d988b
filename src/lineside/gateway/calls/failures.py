"""How a call can fail at its provider, and which failures may pass."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy

from lineside.core import Denied, Invalid, LinesideError, Unavailable, now
from lineside.gateway.keys import without_keys
from lineside.gateway.output import shorten
from lineside.gateway.retry import read_retry_after

_RETRIED = {408, 409, 429}
_NO_ANSWER = " did not answer"
_OF_ITS_KEY = ("model_key_missing", "model_key_unusable", "model_denied")
_log = logging.getLogger(__name__)
_TOO_LONG = re.compile(
    r"context[_ ](?:length|size)|context window|too many tokens|prompt is too long"
    r"|maximum.{0,20}tokens",
    re.IGNORECASE,
)
_READ_ON_IT = re.compile(r":?\s*(?:\\n|\n)|: b['\"]")


class Passing(Unavailable):
    """A failure that may pass, so that asking again or asking another makes sense.

    Attributes:
        asked_s: Seconds that the provider asks to wait.
    """

    def __init__(
        self, code: str, message: str, *, hint: str | None = None, asked_s: float | None = None
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.asked_s = asked_s


def given_up(error: Passing, *, tries: int, seconds: float, wait_max_s: float) -> Passing:
    """The failure that ended it, with how often was asked, or how long the provider wants quiet."""
    asked_s = error.asked_s
    message, hint = error.message, error.hint
    if asked_s is not None and asked_s > wait_max_s and error.code != "breaker_open":
        message = f"{message}; it asks to wait {asked_s:.0f} s"
        hint = f"Try again in {asked_s:.0f} s; lineside itself waits up to {wait_max_s:.0f} s."
    elif tries > 1:
        message = f"{message} (asked {tries} times in {seconds:.1f} s)"
    given = Passing(error.code, message, hint=hint, asked_s=asked_s)
    given.private = error.private
    return given


@contextmanager
def marking(provider: str, *, base_url: str | None, variable: str | None) -> Iterator[None]:
    """Mark in each error what only whoever runs lineside should read.

    Args:
        provider: What callers read in place of its address.
        variable: Name of the environment variable that holds its key.
    """
    try:
        yield
    except LinesideError as error:
        words = ((base_url, f"`{provider}`"), (variable, "…"))
        error.private = tuple((word, instead) for word, instead in words if word)
        raise


def for_callers(error: LinesideError) -> LinesideError:
    """The error as callers with a key of lineside may read it.

    Where a provider is and what the variable with its key is called are its operator's; the trace
    and the log have the whole error.
    """
    if not error.private:
        return error
    _log.warning("%s: %s", error.code, error.message)
    message, hint = error.message, error.hint
    if error.code in _OF_ITS_KEY:
        message = "lineside cannot ask this model's provider: the provider's key is not in order"
        hint = "Whoever runs lineside finds why in the trace of this call."
    elif error.code == "model_down":
        tried = message.partition(" (asked ")
        message = message.partition(_NO_ANSWER)[0] + _NO_ANSWER + "".join(tried[1:])
        hint = "Try again in a moment."
    for word, instead in error.private:
        message = message.replace(word, instead)
        hint = hint.replace(word, instead) if hint else None
    told = copy(error)
    told.__dict__.update(error.__dict__, message=message, hint=hint, private=())
    told.args = (message,)
    return told


def slow(where: str, seconds: float, what: str) -> Passing:
    """The provider did not answer in time."""
    return Passing(
        "model_slow",
        f"{where} gave no {what} within {seconds:g} s",
        hint="Try again, or allow it more time.",
    )


def why_broken(error: Exception) -> str:
    """Why a connection failed, without what was read on it: that may be words of an answer."""
    message = getattr(error, "message", None)
    said = message if isinstance(message, str) and message else str(error)
    return _READ_ON_IT.split(said)[0] or type(error).__name__


def down(where: str, reason: str) -> Passing:
    """The provider cannot be reached, or hung up."""
    return Passing(
        "model_down",
        f"{where}{_NO_ANSWER}: {without_keys(reason)}",
        hint="Check that the endpoint runs and can be reached, then try again.",
    )


def refused(
    status: int,
    headers: Mapping[str, str],
    error: tuple[str, str],
    *,
    where: str,
    key_from: str | None,
) -> LinesideError:
    """What a status other than 200 means; the text must hold no key any more.

    Args:
        error: The provider's own code and words.
        key_from: Name of the environment variable that the key came from, if one was sent.
    """
    code, text = error
    text = text or "no reason given"
    if status in (401, 403):
        return _denied(status, where=where, key_from=key_from)
    if code == "insufficient_quota":
        return Unavailable(
            "model_quota_used_up",
            f"{where} says that its quota is used up: {text}",
            hint="Raise the quota at the provider, or use another model.",
        )
    if status in _RETRIED or status >= 500:
        return Passing(
            "model_rate_limited" if status == 429 else "model_failed",
            f"{where} failed with status {status}: {text}",
            hint="Try again in a moment.",
            asked_s=read_retry_after(headers.get("retry-after"), moment=now()),
        )
    if status == 404:
        return Invalid(
            "model_not_found",
            f"{where} is not there (status 404): {text}",
            hint="Check the model's name and the provider's address, which goes up to its version.",
        )
    if status in (400, 413, 422) and (_TOO_LONG.search(text) or code == "context_length_exceeded"):
        return Invalid(
            "context_too_long",
            f"{where} cannot read that much at once (status {status}): {text}",
            hint="Send less, or ask a model with a longer context.",
        )
    return Invalid(
        "model_refused_request",
        f"{where} did not take the request (status {status}): {shorten(text, 1000)}",
        hint="Correct what it names.",
    )


def _denied(status: int, *, where: str, key_from: str | None) -> Denied:
    if key_from is None:
        return Denied(
            "model_denied",
            f"{where} refused a call without a key (status {status})",
            hint="Name the environment variable that holds one as `api_key_env`.",
        )
    return Denied(
        "model_denied",
        f"{where} refused the key in the environment variable `{key_from}` (status {status})",
        hint=f"Put a valid key into `{key_from}`, or name another variable with `api_key_env`.",
    )


FALL_BACK_ON = ("model_rate_limited", "model_failed", "model_slow", "model_down", "breaker_open")
"""Codes after which a route goes on to its next target, unless it says otherwise."""
