"""What a run has spent, and whether it may ask for more."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from lineside.core import now
from lineside.evals.plan import JudgesSpent, RunLimits, RunSpent
from lineside.evals.target import RECALLED, Answered, Failure, finite
from lineside.gateway import ModelReply
from lineside.store import Store
from lineside.traces import prices

_ROUNDING = 1 + 1e-9


class Costs:
    """What new answers have cost; begins with what was spent before."""

    __slots__ = ("cost_unknown", "cost_usd", "judges", "recalled", "tokens")

    def __init__(self, spent: RunSpent) -> None:
        self.cost_usd = spent.cost_usd
        self.cost_unknown = spent.cost_unknown
        self.tokens = spent.tokens
        self.recalled = spent.recalled
        self.judges = spent.judges

    def add(self, answered: Answered) -> None:
        """Count one answer and its judges; what an earlier run paid for costs nothing."""
        self.judges = _with_judges(self.judges, answered)
        if answered.recalled_from is not None:
            self.recalled += 1
        elif answered.reply is not None:
            cost_usd = finite(answered.reply.cost_usd)
            self.cost_usd += cost_usd or 0.0
            self.cost_unknown += cost_usd is None
            self.tokens += tokens_of(answered)


class Budget:
    """Counts what answers take and says when a limit is reached.

    What is under way counts as much as the dearest answer so far, so that many calls at once do not
    overrun a limit together. Only the first few, before any cost is known, can.

    Args:
        spent: What the run took before, perhaps in another process.
    """

    def __init__(self, limits: RunLimits, spent: RunSpent) -> None:
        self._limits = limits
        self._spent = Costs(spent)
        self._seconds_before = spent.seconds
        self._began = time.monotonic()
        self._under_way = 0
        self._dearest_usd = 0.0
        self._most_tokens = 0

    @property
    def seconds(self) -> float:
        return self._seconds_before + time.monotonic() - self._began

    @property
    def is_waiting(self) -> bool:
        """Whether calls are under way whose cost is only reckoned with so far."""
        return self._under_way > 0

    def begin(self) -> Failure | None:
        """Count a call as under way, or say which limit stands against it."""
        reached = self._reached()
        if reached is None:
            self._under_way += 1
        return reached

    def end(self, answered: Answered) -> None:
        """Count what the call took."""
        self._under_way -= 1
        self._spent.add(answered)
        judges = _with_judges(JudgesSpent(), answered)
        is_new = answered.reply is not None and answered.recalled_from is None
        cost_usd = finite(answered.reply.cost_usd) if answered.reply and is_new else None
        self._dearest_usd = max(self._dearest_usd, (cost_usd or 0.0) + judges.cost_usd)
        tokens = tokens_of(answered) if is_new else 0
        self._most_tokens = max(self._most_tokens, tokens + judges.tokens)

    def _reached(self) -> Failure | None:
        limits, spent = self._limits, self._spent
        if limits.seconds_max is not None and self.seconds >= limits.seconds_max:
            return _limit("seconds", f"the time of {limits.seconds_max:g} s is over")
        if limits.tokens_max is not None:
            # The next call counts too: a limit is not to be passed, not even by one answer.
            tokens = spent.tokens + spent.judges.tokens
            expected = tokens + self._most_tokens * (self._under_way + 1)
            if expected > limits.tokens_max or tokens >= limits.tokens_max:
                used = f"{tokens:,} of {limits.tokens_max:,} tokens are used up"
                return _limit("tokens", f"{used}, too few are left for the next case")
        if limits.cost_usd_max is not None:
            return self._reached_usd(limits.cost_usd_max)
        return None

    def _reached_usd(self, most_usd: float) -> Failure | None:
        spent = self._spent
        if spent.cost_unknown or spent.judges.cost_unknown:
            model = "the model" if spent.cost_unknown else "the model of a judge"
            return _limit(
                "cost_unknown",
                f"The limit of {most_usd:g} USD cannot be kept: nobody knows what "
                f"{model} costs; set it with `lineside prices set`",
            )
        cost_usd = spent.cost_usd + spent.judges.cost_usd
        expected_usd = cost_usd + self._dearest_usd * (self._under_way + 1)
        if expected_usd > most_usd * _ROUNDING or cost_usd >= most_usd:
            used = f"{cost_usd:.4g} of {most_usd:g} USD are spent"
            if spent.judges.calls:
                used += f", {spent.judges.cost_usd:.4g} of them on judges"
            return _limit("cost_usd", f"{used}, too little is left for the next case")
        return None


def pricing(store: Store, workspace: str) -> Callable[[ModelReply], float | None]:
    """What replies cost by the workspace's price table, where the model does not say it."""
    tables = prices.PriceTables(store)

    def price(reply: ModelReply) -> float | None:
        if reply.tokens_in is None and reply.tokens_out is None:
            return None
        usage = prices.Usage(reply.provider, reply.model, now(), reply.tokens_in, reply.tokens_out)
        priced = tables.of(workspace).price(usage)
        return priced.usd if isinstance(priced, prices.Priced) else None

    return price


def tokens_of(answered: Answered) -> int:
    reply = answered.reply
    return 0 if reply is None else (reply.tokens_in or 0) + (reply.tokens_out or 0)


def _with_judges(spent: JudgesSpent, answered: Answered) -> JudgesSpent:
    """What judges took before and for this answer."""
    bills = [score.detail or {} for score in (answered.verdicts or {}).values()]
    new = [bill for bill in bills if "calls" in bill and RECALLED not in bill]
    for bill in new:
        spent = with_bill(spent, bill)
    return spent.model_copy(update={"answers": spent.answers + 1}) if new else spent


def with_bill(spent: JudgesSpent, bill: Mapping[str, Any]) -> JudgesSpent:
    """What judges took, with one verdict more; its detail says what that took."""
    cost_usd = finite(bill.get("cost_usd"))
    return JudgesSpent(
        answers=spent.answers,
        calls=spent.calls + bill.get("calls", 0),
        cost_usd=spent.cost_usd + (cost_usd or 0.0),
        cost_unknown=spent.cost_unknown + (cost_usd is None),
        tokens=spent.tokens + (bill.get("tokens_in") or 0) + (bill.get("tokens_out") or 0),
    )


def _limit(name: str, message: str) -> Failure:
    return Failure(f"limit:{name}", f"{message}; a larger limit goes on from here")
