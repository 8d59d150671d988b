"""What is left of the caps on a call, and the refusal when it is too little, in words and headers.

The header names are OpenAI's; money, which it has none for, is told in the same way.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from lineside.core import Denied
from lineside.gateway.budgets.cap import Cap

_SOON_SECONDS = 2
# Stock clients wait and try again by themselves; beyond this the wait is the person's business.
_RETRY_SECONDS_MAX = 60
_PERIODS = {"ever": "in all", "minute": "a minute", "hour": "an hour"}
_SUBJECTS = {"use_case": "use case", "key": "API key"}


class Standing(NamedTuple):
    """A cap as it stands for one call: what others took, and when it counts anew."""

    cap: Cap
    spent: int
    reserved: int
    renews_at: datetime | None

    @property
    def room(self) -> int:
        """What may still be reserved, in the cap's units."""
        return self.cap.units - self.spent - self.reserved


class BudgetExceeded(Denied):
    """A limit leaves no room for the call, which reached no model.

    Attributes:
        headers: What the answer should say beside the words: when to come back, what is left.
        cap: The limit, and `renews_at` when it counts anew.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
        cap: Cap | None = None,
        renews_at: datetime | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.headers = dict(headers or {})
        self.cap, self.renews_at = cap, renews_at


def refusal(standing: Standing, need: int, *, at: datetime, headers: dict[str, str]) -> Denied:
    """Say which limit has no room for what is needed of it."""
    cap = standing.cap
    who = _SUBJECTS.get(cap.about, cap.about)
    whose = "this workspace" if cap.about == "workspace" else f"this {who}"
    taken = f"{cap.said(standing.spent)} spent"
    if standing.reserved:
        taken += f", {cap.said(standing.reserved)} held by calls under way"
    period = _PERIODS.get(cap.every, f"a {cap.every}")
    message = (
        f"The limit of {cap.said(cap.units)} {period} for {whose} has no room for this call: "
        f"{taken}, and the call needs up to {cap.said(need)}"
    )
    seconds = _wait_seconds(standing, need, at)
    told = headers | {"retry-after": str(seconds)} if seconds is not None else dict(headers)
    if seconds is None or seconds > _RETRY_SECONDS_MAX:
        told["x-should-retry"] = "false"
    return BudgetExceeded(
        "budget_exceeded",
        message,
        hint=_hint(standing, need, seconds),
        headers=told,
        cap=cap,
        renews_at=standing.renews_at,
    )


def headers_of(standings: Iterable[Standing], *, at: datetime) -> dict[str, str]:
    """`x-ratelimit-…` of the tightest cap of each measure, after this call's own reservation."""
    tightest: dict[str, Standing] = {}
    for one in standings:
        known = tightest.get(one.cap.measure)
        if known is None or one.room < known.room:
            tightest[one.cap.measure] = one
    found: dict[str, str] = {}
    for measure, one in tightest.items():
        found[f"x-ratelimit-limit-{measure}"] = _figure(one.cap.shown(one.cap.units))
        found[f"x-ratelimit-remaining-{measure}"] = _figure(one.cap.shown(max(0, one.room)))
        if one.renews_at is not None:
            left_s = max(0, (one.renews_at - at).total_seconds())
            found[f"x-ratelimit-reset-{measure}"] = _duration(left_s)
    return found


def _wait_seconds(standing: Standing, need: int, at: datetime) -> int | None:
    """When to come back: soon where only calls under way stand in the way; nothing for never."""
    if standing.spent + need <= standing.cap.units:
        return _SOON_SECONDS
    if need > standing.cap.units or standing.renews_at is None:
        return None
    return max(1, round((standing.renews_at - at).total_seconds()) + 1)


def _hint(standing: Standing, need: int, seconds: int | None) -> str:
    if seconds == _SOON_SECONDS and standing.spent + need <= standing.cap.units:
        return "Try again when other calls have ended; what they do not use comes back."
    if standing.renews_at is not None and need <= standing.cap.units:
        return f"It counts anew at {standing.renews_at:%Y-%m-%d %H:%M} UTC."
    return (
        "Ask for less (a shorter text, a lower `max_tokens`), or have the limit raised: "
        "`lineside budgets set`."
    )


def _figure(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _duration(seconds: float) -> str:
    """As OpenAI writes it, such as `6m0s`."""
    whole = int(seconds) + 1
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{left}s"
