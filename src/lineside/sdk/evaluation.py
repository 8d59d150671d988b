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
from typing import TYPE_CHECKING, Any

from lineside.core import Invalid, Settings
from lineside.evals import (
    Result,
    Run,
    compare,
    get_run,
    judge_gate,
    keep_dataset,
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
from lineside.usecases import parse_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_PAGE_RESULTS = 5_000

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

    def _repr_html_(self) -> str:
        return reports.as_fragment(self.report)


def evaluate(
    target: Callable[[Any], Any],
    dataset: given.Rows,
    scorers: given.Scorers = (),
    *,
    gate: Sequence[str] = (),
    baseline: "Evaluation | Callable[[Any], Any] | str | None" = None,
    name: str | None = None,
    version: str | None = None,
    repetitions: int = 1,
    concurrency: int = 8,
    home: str | Path | None = None,
) -> Evaluation:
    """Judge a function over a dataset, and say: ship, hold, or not enough data.

    The run is kept where all others are, so `lineside evals` and the pages show it. A case whose
    call raises is a failed case, counted both ways and never as zero.

    Args:
        target: Takes the input of a case and returns the answer: an object, or a plain value, which
            scorers find in the field `value`. Called in threads unless it is asynchronous.
        dataset: Cases as `{"input": …, "expected": …}`, or a JSONL or CSV file of them.
        scorers: Kinds (`"exact"`), functions of one `ScorerContext`, or both by name:
            `{"accuracy": "exact", "polite": is_polite}`. The first says whether an answer is right;
            without any it is `accuracy`, which asks for each expected field to be exactly right.
        gate: Rules as in a manifest: `accuracy >= 0.85`, `not worse than live by 0.02`, where
            *live* is the baseline.
        baseline: An earlier evaluation, the id of a run, or another function to judge first.
        name: What the runs stand under; by default the function's name.
        version: Names the state of what is judged. The same version over the same cases and scorers
            is not asked again, and what was left unfinished goes on; without one all is asked anew.
        repetitions: How often each case is asked; they count as one case.
        concurrency: How many cases are asked at once.
        home: State folder; by default `LINESIDE_HOME`.

    Raises:
        Invalid: A row, a scorer or a rule cannot be used; `no_baseline` for a rule that compares
            where nothing is given to compare with.
    """
    rules = [parse_rule(rule) for rule in gate]
    work = _Work(dataset, scorers, name or given.name_of(target), repetitions)
    settings = _settings(home, concurrency)

    def judge() -> Evaluation:
        with _scope(settings) as scope:
            before = _baseline(scope, work, baseline)
            running.require_baseline(rules, before)
            run = work.judged(scope, target, version=version)
            outcome = judge_gate(scope, run, rules, baseline_run=before)
            has_both = before is not None and _has_answers(before) and _has_answers(run)
            found = compare(scope, before.id, run.id) if before and has_both else None
            report = reports.report_of(scope, run, outcome, comparison=found)
        return Evaluation(report, settings)

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

    def judged(self, scope: Scope, target: Callable[[Any], Any], *, version: str | None) -> Run:
        bytes_max = scope.store.settings.dataset_bytes_max
        rows, is_plain = given.rows_of(self.dataset, name=self.title, bytes_max=bytes_max)
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
        )
        try:
            if run.status == "running":
                scope.store.jobs.result(run.id)
        finally:
            given.forget(subject)
        return get_run(scope, run.id)


def _baseline(
    scope: Scope, work: _Work, given_baseline: "Evaluation | Callable[[Any], Any] | str | None"
) -> Run | None:
    if given_baseline is None:
        return None
    if isinstance(given_baseline, str):
        return get_run(scope, given_baseline)
    if isinstance(given_baseline, Evaluation):
        return get_run(scope, given_baseline.run.id)
    return work.judged(scope, given_baseline, version=None)


def _has_answers(run: Run) -> bool:
    return run.cases_failed < run.cases_total


def _results(scope: Scope, run_id: str) -> Iterator[Result]:
    after = None
    while page := results_of(scope, run_id, limit=_PAGE_RESULTS, after=after):
        yield from page
        after = page[-1].cursor


def _without_loop(work: Callable[[], Evaluation]) -> Evaluation:
    """Do work that waits: in a notebook, whose thread has a loop, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="lineside-evaluate") as hands:
        return hands.submit(copy_context().run, work).result()


def _settings(home: str | Path | None, concurrency: int) -> Settings:
    if concurrency < 1:
        raise Invalid("bad_concurrency", f"`concurrency` is {concurrency}, expected 1 or more")
    settings = Settings.from_environment()
    place = settings.home if home is None else Path(home)
    return replace(settings, home=place, run_concurrency=concurrency)


@contextmanager
def _scope(settings: Settings) -> Iterator[Scope]:
    with _turn:
        store: Store = open_store(settings)
        try:
            yield local_scope(store)
        finally:
            store.close()
