"""What a run would take, before a cent is spent."""

from collections.abc import Sequence
from math import ceil

from lineside.core import Record, now
from lineside.evals import queries
from lineside.evals.dataset import Dataset
from lineside.evals.plan import RunPlan
from lineside.evals.recall import recallable
from lineside.stats import wilson
from lineside.traces import prices
from lineside.trust import Scope

_CHARACTERS_PER_TOKEN = 4
_SAMPLE_MAX = 500
_SHARE_PRESUMED = 0.5


class Forecast(Record):
    """What a run would take.

    Attributes:
        answers: Cases times repetitions; `recalled` of them are known from earlier runs.
        cost_usd: Of those to ask; nothing means unknown, never free.
        seconds: At the planned concurrency; nothing means unknown.
        based_on: Where cost and time come from, in words.
        half_width: How exact the share of right answers would be known, in points to either side.
        exceeds: Limits of the plan that would end the run early.
    """

    cases: int
    repetitions: int
    answers: int
    recalled: int
    cost_usd: float | None
    tokens: int | None
    seconds: float | None
    concurrency: int
    based_on: str
    half_width: float
    exceeds: list[str]


def forecast_run(
    scope: Scope,
    *,
    use_case: str,
    subject: str,
    dataset: Dataset,
    repetitions: int = 1,
    plan: RunPlan | None = None,
    model: str | None = None,
    prompt_characters: int = 0,
    fresh: bool = False,
) -> Forecast:
    """Say what a run would cost and how long it would take; nothing is asked or kept.

    From what earlier runs of the use case took for each answer; without any, from the model's price
    and the length of the cases, four characters a token, which is right within a third for English.

    Args:
        model: Its name in the price table, for want of earlier runs.
        prompt_characters: What is sent with each case beside its input.
    """
    scope.require("test", use_case)
    plan = plan or RunPlan()
    answers = len(dataset) * repetitions
    recalled = 0 if fresh else recallable(
        scope, use_case=use_case, subject=subject, plan=plan, dataset=dataset,
        repetitions=repetitions,
    )  # fmt: skip
    asked = answers - recalled
    with scope.store.records.read() as connection:
        known = queries.usual_answer(
            connection, workspace=scope.workspace, use_case=use_case, subject=subject
        )
    concurrency = plan.limits.concurrency_max or max(1, scope.store.settings.run_concurrency)
    cost = tokens = seconds = None
    based_on = "nothing: no earlier run, and no model with a price"
    if known is not None:
        based_on = f"{known.answers:,} answers of earlier runs"
        cost = _times(known.cost_usd, asked)
        tokens = _times(known.tokens, asked)
        seconds = (
            None if known.latency_ms is None else known.latency_ms / 1000 * asked / concurrency
        )
    elif model is not None:
        each_in, each_out = _tokens_guessed(dataset, prompt_characters)
        usage = prices.Usage(None, model, now(), each_in, each_out)
        priced = prices.price_table(scope).price(usage)
        tokens = (each_in + each_out) * asked
        if isinstance(priced, prices.Priced):
            cost = priced.usd * asked
            based_on = f"the length of the cases and the price of `{model}` ({priced.source})"
    interval = wilson(round(len(dataset) * _SHARE_PRESUMED), len(dataset))
    return Forecast(
        cases=len(dataset),
        repetitions=repetitions,
        answers=answers,
        recalled=recalled,
        cost_usd=0.0 if asked == 0 else cost,
        tokens=None if tokens is None else ceil(tokens),
        seconds=0.0 if asked == 0 else seconds,
        concurrency=concurrency,
        based_on=based_on,
        half_width=(interval.high - interval.low) / 2,
        exceeds=_exceeded(plan, cost, tokens, seconds),
    )


def _exceeded(
    plan: RunPlan, cost: float | None, tokens: float | None, seconds: float | None
) -> list[str]:
    limits = plan.limits
    pairs: Sequence[tuple[str, float | None, float | None]] = (
        ("cost_usd_max", cost, limits.cost_usd_max),
        ("tokens_max", tokens, limits.tokens_max),
        ("seconds_max", seconds, limits.seconds_max),
    )
    return [name for name, value, most in pairs if value and most and value > most]


def _times(each: float | None, count: int) -> float | None:
    return None if each is None else each * count


def _tokens_guessed(dataset: Dataset, prompt_characters: int) -> tuple[int, int]:
    """Tokens read and written for one case, by the length of the first cases."""
    read = written = count = 0
    for case in dataset:
        read += sum(len(str(value)) for value in case.input.values())
        written += sum(len(name) + len(str(value)) + 6 for name, value in case.expected.items())
        count += 1
        if count == _SAMPLE_MAX:
            break
    count = max(count, 1)
    each_in = (read / count + prompt_characters) / _CHARACTERS_PER_TOKEN
    return ceil(each_in), ceil(max(written / count, 20) / _CHARACTERS_PER_TOKEN)
