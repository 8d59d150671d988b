"""What a run would take, before a cent is spent."""

from collections.abc import Mapping, Sequence
from itertools import islice
from math import ceil
from typing import Any, TypeVar

from lineside.core import Record, now
from lineside.evals import queries
from lineside.evals.budget import with_bill
from lineside.evals.dataset import Dataset
from lineside.evals.plan import JudgesSpent, RunPlan
from lineside.evals.recall import Recallable, recallable
from lineside.evals.run import RunScorer, require_rules
from lineside.evals.scorers import Declared, build_scorers, files_named
from lineside.evals.scorers.judges import KINDS
from lineside.stats import wilson
from lineside.traces import prices
from lineside.trust import Scope
from lineside.usecases import parse_rule

_CHARACTERS_PER_TOKEN = 4
_SAMPLE_MAX = 500
_RUNS_MAX = 20
_SHARE_PRESUMED = 0.5

_Amount = TypeVar("_Amount", int, float)


class JudgesForecast(Record):
    """What the judges of a run would take.

    Attributes:
        cost_usd: By what their calls took in earlier runs; nothing while one of them is unknown.
        unknown: Names of the scores whose judge has no known cost yet.
    """

    calls: int
    cost_usd: float | None
    tokens: int | None
    unknown: list[str]


class Forecast(Record):
    """What a run would take.

    Attributes:
        answers: Cases times repetitions; `recalled` of them are known from earlier runs.
        cost_usd: Of those to ask; nothing means unknown, never free. Judges come on top.
        seconds: At the planned concurrency; nothing means unknown.
        based_on: Where cost and time come from, in words.
        half_width: How exact the share of right answers would be known, in points to either side.
        exceeds: Limits of the plan that would end the run early.
        judges: What the models that judge would take; nothing where there are none.
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
    judges: JudgesForecast | None = None


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
    scorers: Sequence[Declared] = (),
    scorer_files: Mapping[str, bytes] | None = None,
) -> Forecast:
    """Say what a run would cost and how long it would take; nothing is asked or kept.

    From what earlier runs of the use case took for each answer; without any, from the model's price
    and the length of the cases, four characters a token, which is right within a third for English.

    Args:
        model: Its name in the price table, for want of earlier runs.
        prompt_characters: What is sent with each case beside its input.
        scorers: As of the run; what its judges cost a call is known from earlier runs.
    """
    scope.require("test", use_case)
    plan = plan or RunPlan()
    plan.target.require_answers(repetitions)
    require_rules([parse_rule(text) for text in plan.rules], scorers)
    answers = len(dataset) * repetitions
    declared = [
        RunScorer(name=item.name, kind=item.kind, arguments=dict(item.arguments))
        for item in scorers
        if item.kind in KINDS
    ]
    known_already = Recallable(0, {}) if fresh else recallable(
        scope, use_case=use_case, subject=subject, plan=plan, dataset=dataset,
        repetitions=repetitions, judges=declared,
    )  # fmt: skip
    recalled = known_already.answers
    asked = answers - recalled
    known = _usual_answer(scope, use_case, subject)
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
    judges = _judges(scope, use_case, answers, declared, scorer_files or {}, known_already)
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
        exceeds=_exceeded(
            plan,
            (cost or 0.0) + (judges.cost_usd or 0.0 if judges else 0.0),
            (tokens or 0) + (judges.tokens or 0 if judges else 0),
            seconds,
        ),
        judges=judges,
    )


def _usual_answer(scope: Scope, use_case: str, subject: str) -> queries.UsualAnswer | None:
    """What an answer takes; those that two runs have already take nothing."""
    if subject.startswith(queries.PAIR_MARK):
        return queries.UsualAnswer(0, 0.0, 0.0, None)
    with scope.store.records.read() as connection:
        return queries.usual_answer(
            connection, workspace=scope.workspace, use_case=use_case, subject=subject
        )


def add_up(forecasts: Sequence[Forecast]) -> Forecast:
    """What several runs over the same cases would take together; unknown where one is unknown.

    Limits are each run's own, so that `exceeds` names those that would end any of them.
    """
    first = forecasts[0]
    judges = [one.judges for one in forecasts if one.judges is not None]
    return first.model_copy(
        update={
            "answers": sum(one.answers for one in forecasts),
            "recalled": sum(one.recalled for one in forecasts),
            "cost_usd": _sum([one.cost_usd for one in forecasts]),
            "tokens": _sum([one.tokens for one in forecasts]),
            "seconds": _sum([one.seconds for one in forecasts]),
            "based_on": "; ".join(dict.fromkeys(one.based_on for one in forecasts)),
            "exceeds": list(dict.fromkeys(name for one in forecasts for name in one.exceeds)),
            "judges": JudgesForecast(
                calls=sum(one.calls for one in judges),
                cost_usd=_sum([one.cost_usd for one in judges]),
                tokens=_sum([one.tokens for one in judges]),
                unknown=list(dict.fromkeys(name for one in judges for name in one.unknown)),
            )
            if judges
            else None,
        }
    )


def _judges(
    scope: Scope,
    use_case: str,
    answers: int,
    declared: Sequence[RunScorer],
    files: Mapping[str, bytes],
    known_already: Recallable,
) -> JudgesForecast | None:
    if not declared:
        return None
    named = {path: files[path] for item in declared for path in files_named(item) if path in files}
    juries = {item.name: item.jury for item in build_scorers(declared, files=named) if item.jury}
    orders = {item.name: 2 if item.kind == "judge_pairwise" else 1 for item in declared}
    known = _calls_before(scope, use_case, {name: jury.digest for name, jury in juries.items()})
    calls_all, cost, tokens, unknown = 0, 0.0, 0.0, list[str]()
    for name, jury in juries.items():
        each = len(jury.setup.models) * jury.setup.repeats * orders[name]
        calls = (answers - known_already.verdicts.get((name, jury.digest), 0)) * each
        calls_all += calls
        before = known.get(name)
        if before is None or before.cost_unknown:
            unknown.append(name)
        if before is not None:
            cost += calls * before.cost_usd / before.calls
            tokens += calls * before.tokens / before.calls
    return JudgesForecast(
        calls=calls_all,
        cost_usd=None if unknown else cost,
        tokens=ceil(tokens) or None,
        unknown=unknown,
    )


def _calls_before(
    scope: Scope, use_case: str, digests: Mapping[str, str]
) -> dict[str, JudgesSpent]:
    """What some calls of the same judges took in the newest run that has each."""
    # Comparing two runs is forecast as well, so that this cannot be imported before.
    from lineside.evals.pairwise.queries import pair_rows

    known: dict[str, JudgesSpent] = {}
    with scope.store.records.read() as connection:
        which: dict[str, Any] = {
            "workspace": scope.workspace,
            "use_case": use_case,
            "limit": _RUNS_MAX,
        }
        rows = [*queries.run_rows(connection, **which), *pair_rows(connection, **which)]
        for run in rows:
            names = {item["name"] for item in run["scorers"]} & (digests.keys() - known.keys())
            if not names:
                continue
            sample = queries.judged_rows(connection, run["id"], with_input=False)
            for row in islice(sample, _SAMPLE_MAX):
                for name in names:
                    bill = row.scores.get(name, {}).get("detail") or {}
                    if bill.get("judge_digest") == digests[name] and bill.get("calls"):
                        known[name] = with_bill(known.get(name, JudgesSpent()), bill)
    return known


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


def _sum(amounts: Sequence[_Amount | None]) -> _Amount | None:
    total = None
    for amount in amounts:
        if amount is None:
            return None
        total = amount if total is None else total + amount
    return total


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
