"""`lineside.evaluate(…)`: judge a function of this program, and get a verdict."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, overload

from lineside.core import Invalid, Settings
from lineside.evals import (
    Result,
    Run,
    forecast,
    get_run,
    judge_gate,
    keep_dataset,
    plan,
    register_runner,
    reports,
    results_of,
    running,
    start_run,
)
from lineside.sdk import given, listening
from lineside.stats import Verdict
from lineside.store import Store, open_store
from lineside.trust import Scope, local_scope
from lineside.usecases import GateRule, parse_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_PAGE_RESULTS = 5_000

_Found = TypeVar("_Found")

# One store at a time may do jobs in a process; whoever comes second waits.
_turn = threading.RLock()


class VerdictError(AssertionError):
    """A verdict that is not *ship*; the text holds the verdict and what each rule found."""


@dataclass(frozen=True)
class Evaluation:
    """What `lineside.evaluate(…)` found.

    Attributes:
        report: All of it, as it is written into files.
    """

    report: reports.Report
    _settings: Settings = field(repr=False)

    @property
    def run(self) -> Run:
        """The run, as commands and pages show it."""
        return self.report.run

    @property
    def verdict(self) -> Verdict:
        """`decision` (`ship`, `hold` or `more`), `sentence`, and `findings` rule by rule."""
        return self.report.gate.verdict

    @property
    def scores(self) -> "Mapping[str, Any]":
        """Each score by its name: `interval` (`value`, `low`, `high`) and how many are missing."""
        return self.report.summary.scores

    @cached_property
    def cases(self) -> list[Result]:
        """What became of each case, failed and wrong ones first."""
        with _scope(self._settings) as scope:
            return list(_results(scope, self.run.id))

    def table(self) -> "pa.Table":
        """One row per case, in the order of the dataset, with a column for each score.

        pandas (`.to_pandas()`), polars (`polars.from_arrow`) and DuckDB take it as it is. What is
        nested is JSON as text; a missing score is null.

        Raises:
            Unavailable: pyarrow is not installed.
        """
        from lineside.sdk.cases import table_of

        return table_of(self.cases, scores=list(self.scores))

    def check(self) -> "Evaluation":
        """Go on only where the verdict is *ship*.

        Raises:
            VerdictError: It is not; says what each rule found.
        """
        if self.verdict.decision != "ship":
            raise VerdictError(self.said())
        return self

    def said(self) -> str:
        """The verdict as lines of text, with a plot of what each rule found."""
        rules = reports.text_plot(self.verdict.findings)
        lines = [self.verdict.sentence, rules, *self.report.gate.notes, f"run: {self.run.id}"]
        return "\n".join(line for line in lines if line)

    def save(self, path: str | Path) -> None:
        """Write a report: `.html`, `.md`, `.xml` (JUnit) or `.json`, by the end of the name.

        Raises:
            Invalid: The end is another one, or the file cannot be written.
        """
        reports.write_report(self.report, Path(path))

    def __repr__(self) -> str:
        return f"<Evaluation {self.run.id}: {self.verdict.sentence}>"

    def __str__(self) -> str:
        return self.said()

    def _repr_html_(self) -> str:
        return reports.as_fragment(self.report)


Baseline = Evaluation | Callable[[Any], Any] | str


class _Options(TypedDict, total=False):
    """What `evaluate` takes beside the first three; see there."""

    gate: Sequence[str]
    baseline: Baseline | None
    name: str | None
    version: str | None
    fresh: bool
    repetitions: int
    early_stop: bool
    max_cost: float | None
    max_tokens: int | None
    max_seconds: float | None
    concurrency: int | None
    home: str | Path | None


@overload
def evaluate(
    target: Callable[[Any], Any],
    dataset: given.Rows,
    scorers: given.Scorers = (),
    *,
    dry_run: Literal[False] = False,
    **options: Unpack[_Options],
) -> Evaluation: ...


@overload
def evaluate(
    target: Callable[[Any], Any],
    dataset: given.Rows,
    scorers: given.Scorers = (),
    *,
    dry_run: Literal[True],
    **options: Unpack[_Options],
) -> forecast.Forecast: ...


def evaluate(
    target: Callable[[Any], Any],
    dataset: given.Rows,
    scorers: given.Scorers = (),
    *,
    gate: Sequence[str] = (),
    baseline: Baseline | None = None,
    name: str | None = None,
    version: str | None = None,
    fresh: bool = False,
    repetitions: int = 1,
    early_stop: bool = False,
    max_cost: float | None = None,
    max_tokens: int | None = None,
    max_seconds: float | None = None,
    concurrency: int | None = None,
    dry_run: bool = False,
    home: str | Path | None = None,
) -> Evaluation | forecast.Forecast:
    """Judge a function over a dataset, and say: ship, hold, or not enough data.

    The run is kept where all others are, so `lineside evals` and the pages show it. A case whose
    call raises is a failed case, counted both ways and never as zero. Where a limit is reached the
    run ends there: what was judged stays and is in the evaluation, and the verdict is *not enough
    data* with the limit as its reason. Answers that name no cost (`ModelReply.cost_usd`) and whose
    model has no known price end a run with `max_cost` after the first of them.

    Args:
        target: Takes the input of a case and returns the answer: an object, or a plain value, which
            scorers find in the field `value`. Called in threads unless it is asynchronous.
        dataset: Cases as `{"input": …, "expected": …}`, or a JSONL or CSV file of them.
        scorers: Kinds (`"exact"`), functions of one `ScorerContext`, or both by name:
            `{"accuracy": "exact", "polite": is_polite}`. The first says whether an answer is right;
            without any it is `accuracy`, which asks for each expected field to be exactly right.
        gate: Rules as in a manifest: `accuracy >= 0.85`, `not worse than live by 0.02`, where
            *live* is the baseline.
        baseline: An earlier evaluation, the id of a run, or another function to judge first, in a
            run of its own for which the limits hold again.
        name: What the runs stand under; by default the function's name.
        version: Names the state of what is judged. The same version over the same cases and scorers
            is not asked again, and what was left unfinished goes on; without one all is asked anew.
        fresh: Ask again what earlier runs of this version have answers to.
        repetitions: How often each case is asked; they count as one case.
        early_stop: End as soon as the rules of the gate are settled, at one of up to ten looks.
        max_cost: Stop before the run costs more, in USD, judges included.
        max_tokens: Stop before it takes more, in and out.
        max_seconds: Stop asking after so long.
        concurrency: How many cases are asked at once; else `LINESIDE_RUN_CONCURRENCY`, which is 8.
        dry_run: Only say what the runs would cost and take, as a `Forecast`; nothing is asked or
            kept.
        home: State folder; by default `LINESIDE_HOME`.

    Raises:
        Invalid: A row, a scorer, a rule or a limit cannot be used; `no_baseline` for a rule that
            compares where nothing is given to compare with; `early_stop` has no rule to decide by.
    """
    rules = [parse_rule(rule) for rule in gate]
    if early_stop and not rules:
        raise Invalid("no_rules", "`early_stop` needs at least one rule in `gate` to decide by")
    limits = plan.RunLimits(
        cost_usd_max=max_cost,
        tokens_max=max_tokens,
        seconds_max=max_seconds,
        concurrency_max=concurrency,
    )
    limits.check()
    work = _Work(dataset, scorers, name or given.name_of(target), repetitions, limits, fresh)
    work.require_rules(rules)
    settings = _settings(home)

    def foresee() -> forecast.Forecast:
        with _scope(settings) as scope:
            return work.foreseen(scope, target, version=version, beside=baseline)

    def judge() -> Evaluation:
        with _scope(settings) as scope:
            before = _baseline(scope, work, baseline)
            running.require_baseline(rules, before)
            on_the_way = {
                "rules": [rule.text for rule in rules],
                "baseline_run_id": before.id if before else None,
                "stops_early": early_stop,
            }
            run = work.judged(scope, target, version=version, looks=on_the_way)
            outcome = judge_gate(scope, run, rules, baseline_run=before)
            found = running.compare_answered(scope, before, run)
            report = reports.report_of(scope, run, outcome, comparison=found)
        return Evaluation(report, settings)

    if dry_run:
        return _without_loop(foresee)
    evaluation = _without_loop(judge)
    for tell in listening.heard:
        tell(evaluation)
    return evaluation


@dataclass(frozen=True)
class _Work:
    """What every function of one evaluation is judged over."""

    dataset: given.Rows
    scorers: given.Scorers
    title: str
    repetitions: int
    limits: plan.RunLimits
    fresh: bool

    def require_rules(self, rules: Sequence[GateRule]) -> None:
        """Refuse a rule that no scorer can answer, before even the baseline is asked."""
        nobody = running.subject_of_program(self.title, token_hex(6))
        declared = given.scorers_of(self.scorers, subject=nobody)
        given.forget(nobody)
        running.require_rules(rules, declared)

    def judged(
        self,
        scope: Scope,
        target: Callable[[Any], Any],
        *,
        version: str | None,
        looks: "Mapping[str, Any] | None" = None,
    ) -> Run:
        rows, is_plain = self._rows(scope)
        subject = running.subject_of_program(given.name_of(target), version or token_hex(6))
        declared = given.scorers_of(self.scorers, subject=subject)
        answering = given.GivenTarget(target, is_plain=is_plain)
        register_runner(scope.store, lambda _run: answering)
        running.stop_ended_programs(scope, self.title, except_of=subject)
        run = start_run(
            scope,
            use_case=self.title,
            subject=subject,
            dataset=keep_dataset(scope, self.title, rows),
            scorers=declared,
            scorer_files=dict(item.file for item in declared if item.file),
            repetitions=self.repetitions,
            plan=plan.RunPlan(limits=self.limits, **(looks or {})),
            fresh=self.fresh,
        )
        try:
            return running.wait_for(scope, run)
        finally:
            given.forget(subject)

    def foreseen(
        self,
        scope: Scope,
        target: Callable[[Any], Any],
        *,
        version: str | None,
        beside: Baseline | None,
    ) -> forecast.Forecast:
        """What judging would take, a baseline that is a function included."""
        asked = [(target, version)]
        if callable(beside):
            asked.append((beside, None))
        rows, _ = self._rows(scope)
        found = []
        for function, its_version in asked:
            subject = running.subject_of_program(given.name_of(function), its_version or "")
            declared = given.scorers_of(self.scorers, subject=subject)
            given.forget(subject)
            found.append(
                forecast.forecast_run(
                    scope,
                    use_case=self.title,
                    subject=subject,
                    dataset=rows,
                    repetitions=self.repetitions,
                    plan=plan.RunPlan(limits=self.limits),
                    fresh=self.fresh,
                    scorers=declared,
                    scorer_files=dict(item.file for item in declared if item.file),
                )
            )
        return forecast.add_up(found)

    def _rows(self, scope: Scope) -> tuple[Any, bool]:
        bytes_max = scope.store.settings.dataset_bytes_max
        return given.rows_of(self.dataset, name=self.title, bytes_max=bytes_max)


def _baseline(scope: Scope, work: _Work, given_baseline: Baseline | None) -> Run | None:
    if given_baseline is None:
        return None
    if isinstance(given_baseline, str):
        return get_run(scope, given_baseline)
    if isinstance(given_baseline, Evaluation):
        return get_run(scope, given_baseline.run.id)
    return work.judged(scope, given_baseline, version=None)


def _results(scope: Scope, run_id: str) -> Iterator[Result]:
    after = None
    while page := results_of(scope, run_id, limit=_PAGE_RESULTS, after=after):
        yield from page
        after = page[-1].cursor


def _without_loop(work: Callable[[], _Found]) -> _Found:
    """Do work that waits: in a notebook, whose thread has a loop, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="lineside-evaluate") as hands:
        return hands.submit(copy_context().run, work).result()


def _settings(home: str | Path | None) -> Settings:
    settings = Settings.from_environment()
    return settings if home is None else replace(settings, home=Path(home))


@contextmanager
def _scope(settings: Settings) -> Iterator[Scope]:
    with _turn:
        store: Store = open_store(settings)
        try:
            yield local_scope(store)
        finally:
            store.close()
