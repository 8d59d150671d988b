"""A run: one dataset judged once by one candidate."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import orjson
from pydantic import Field

from lineside.core import Invalid, LinesideError, NotFound, Record, did_you_mean, new_id, now
from lineside.evals import queries
from lineside.evals.dataset import Dataset, DatasetVersion, stored_dataset
from lineside.evals.datasets.held_out import refuse_held_out
from lineside.evals.plan import RunLook, RunPlan, RunSpent
from lineside.evals.scorers import Declared, build_scorers, files_named
from lineside.store import Store, digest_of
from lineside.trust import Scope
from lineside.usecases import GateRule, ScorerDeclaration, parse_rule

JOB = "evals.run"
REPETITIONS_MAX = 100
NOT_ASKED = "not_asked"
CONFIDENCE = 0.95

_OUTSIDE = ("unavailable:", "denied:", "error:", NOT_ASKED)
"""How error codes begin that say nothing of the candidate: asked again, it may well answer."""


class RunScorer(Record):
    """A scorer as the run declares it; see `lineside.usecases.ScorerDeclaration`."""

    name: str
    kind: str
    arguments: dict[str, Any]


class RunFailure(Record):
    """How many cases failed for one reason, and what one of them said."""

    cases: int
    message: str


class Run(Record):
    """One dataset judged once by one candidate.

    Attributes:
        subject: Digest of the candidate that answers.
        scorers: Every scorer of the run; the first one judges whether an answer is right.
        scorer_files: Path to digest of the files that scorers and judges come from.
        repetitions: How often each case is asked; a case counts once for each in the numbers below.
        status: `stopped` means that it cannot go on; `failures` says why.
        failures: By error code, such as `unavailable:model_down`; `limit:` and `stopped:` say why a
            run ended before its end.
        looks: What the gate's rules said on the way, where the plan has rules.
        sheet: Digest of what every case scored, in columns; only of done runs.
        judges: What its judges did, once it has ended; read it with `judge_summaries`.
        is_reused: Whether `start_run` found it done instead of starting it.
    """

    id: str
    workspace: str
    use_case: str
    subject: str
    dataset_name: str
    dataset_digest: str
    scorers: list[RunScorer]
    scorer_files: dict[str, str]
    scorers_digest: str
    repetitions: int
    status: Literal["running", "done", "stopped"]
    cases_total: int
    cases_done: int
    cases_failed: int
    failures: dict[str, RunFailure]
    plan: RunPlan = RunPlan()
    spent: RunSpent = RunSpent()
    looks: list[RunLook] = Field(default_factory=list)
    sheet: str | None = None
    judges: dict[str, Any] | None = Field(default=None, exclude=True)
    started_at: datetime
    finished_at: datetime | None = None
    created_by: str
    is_reused: bool = False

    @property
    def main_score(self) -> str | None:
        """The score that says whether an answer is right: the first that is no time or cost."""
        names = [item.name for item in self.scorers if item.kind not in ("latency_ms", "cost_usd")]
        return names[0] if names else None

    @property
    def compares(self) -> tuple[str, str] | None:
        """Ids of baseline and candidate, where a judge compares the answers of two runs."""
        if not self.subject.startswith(queries.PAIR_MARK):
            return None
        baseline, _, candidate = self.subject.removeprefix(queries.PAIR_MARK).partition(":")
        return baseline, candidate

    @property
    def is_settled(self) -> bool:
        """Whether it was ended on purpose: its rules were settled before all cases were asked."""
        return self.status == "done" and self.cases_done < self.cases_total

    @property
    def judged_in_words(self) -> str:
        """How much of the dataset was judged, such as `600 of 2,000 cases`."""
        cases = self.cases_total // self.repetitions
        whole = f"{cases:,} case{'' if cases == 1 else 's'}"
        if self.cases_done < self.cases_total and self.repetitions == 1:
            return f"{self.cases_done:,} of {whole}"
        if self.repetitions == 1:
            return whole
        done = f"{self.cases_done:,} of " if self.cases_done < self.cases_total else ""
        return f"{done}{self.cases_total:,} answers to {whole}"

    @property
    def confidence(self) -> float:
        """The level at which an interval holds 95 times in 100, looks on the way counted."""
        return self.looks[-1].confidence if self.plan.stops_early and self.looks else CONFIDENCE


def start_run(
    scope: Scope,
    *,
    use_case: str,
    subject: str,
    dataset: DatasetVersion,
    scorers: Sequence[Declared] = (),
    scorer_files: Mapping[str, bytes] | None = None,
    output_schema: Mapping[str, Any] | None = None,
    repetitions: int = 1,
    plan: RunPlan | None = None,
    fresh: bool = False,
) -> Run:
    """Have a candidate judged over a dataset: start, go on, or return the run when it is done.

    A done run over the same candidate, cases and scorers is returned again (`is_reused`), unless
    some cases failed for reasons outside the candidate, or `fresh` is set. One that is under way,
    or was when its process died, goes on; no case that has a result is judged again. What an
    earlier run of the same candidate answered is judged again without being asked again, repetition
    by repetition, unless `fresh` is set.

    Args:
        subject: Digest of the candidate; `open_target` of `register_runner` finds it by that.
        scorer_files: Python files that scorers may come from, and files that judges read, by path.
        output_schema: What `json_schema` and `schema_share` hold answers against if they name none.

    Raises:
        Invalid: A scorer cannot be used, or a rule of the plan is about none of them.
        Denied: The actor may not test the use case, or cases of the dataset are held out.
    """
    scope.require("test", use_case)
    opened = refuse_held_out(scope, dataset)
    if not 1 <= repetitions <= REPETITIONS_MAX:
        raise Invalid(
            "bad_repetitions", f"Repetitions is {repetitions}, expected 1 to {REPETITIONS_MAX}"
        )
    plan = (plan or RunPlan()).model_copy(update={"recalls": not fresh, "held_out": opened})
    plan.limits.check()
    plan.target.require_answers(repetitions)
    chosen = _chosen(scorers, output_schema)
    files = _used(chosen, scorer_files or {})
    chosen = _with_models(chosen, files)
    rules = [parse_rule(text) for text in plan.rules]
    require_rules(rules, chosen)
    require_slices(rules, stored_dataset(scope.store, dataset.digest, name=dataset.name))
    run = Run(
        id=new_id("run"),
        workspace=scope.workspace,
        use_case=use_case,
        subject=subject,
        dataset_name=dataset.name,
        dataset_digest=dataset.digest,
        scorers=chosen,
        scorer_files={path: scope.store.blobs.put(content) for path, content in files.items()},
        scorers_digest=_digest(chosen, files),
        repetitions=repetitions,
        status="running",
        cases_total=dataset.cases * repetitions,
        cases_done=0,
        cases_failed=0,
        failures={},
        plan=plan,
        started_at=now(),
        created_by=scope.actor.name,
    )
    found = _known_or_added(scope, run, fresh=fresh)
    if found.status == "running":
        ensure_job(scope, found)
        found = get_run(scope, found.id)
    return found


def require_rules(rules: Sequence[GateRule], scorers: Sequence[Declared]) -> None:
    """Go on only if these scorers can answer the rules: known before anything is asked, and paid.

    Raises:
        Invalid: `bad_gate_rule` for a score that is not measured, or a number that it cannot reach.
    """
    kinds = {item.name: item.kind for item in _chosen(scorers, None)}
    for rule in rules:
        rule.require_fit(kinds)


def require_slices(rules: Sequence[GateRule], dataset: Dataset) -> None:
    """Go on only if a dataset has the slices that rules are about.

    Raises:
        Invalid: `unknown_slice` names those there are.
    """
    wanted = {rule.slice or "": rule for rule in rules if rule.kind == "slice_gap"}
    known: set[str] = set()
    for case in dataset if wanted else ():
        known.update(case.slices)
        if known >= wanted.keys():
            return
    for name, rule in wanted.items():
        if name not in known:
            raise unknown_slice(rule, dataset.name, known)


def unknown_slice(rule: GateRule, dataset: str, known: Collection[str]) -> Invalid:
    """That no case of a dataset has the slice of a rule."""
    near = did_you_mean(rule.slice or "", known)
    return Invalid(
        "unknown_slice",
        f"Rule `{rule.text}`: no case of `{dataset}` has a slice `{rule.slice}`",
        hint=f"Did you mean `{near}`?"
        if near
        else f"The cases have: {', '.join(sorted(known)) or 'no slices'}.",
    )


def get_run(scope: Scope, run_id: str) -> Run:
    """A run as it stands now; cheap enough to ask several times a second.

    Raises:
        NotFound: The workspace has no such run.
    """
    with scope.store.records.read() as connection:
        row = queries.run_row(connection, workspace=scope.workspace, run_id=run_id)
    if row is None:
        raise NotFound(
            "unknown_run",
            f"There is no run `{run_id[:64]}`",
            hint="Run `lineside evals ls` to see them all.",
        )
    run = run_from(row)
    scope.require("read", run.use_case)
    return run


def list_runs(scope: Scope, *, use_case: str | None = None, limit: int = 200) -> list[Run]:
    """Runs, newest first."""
    scope.require("read", use_case)
    with scope.store.records.read() as connection:
        rows = queries.run_rows(
            connection, workspace=scope.workspace, use_case=use_case, limit=limit
        )
    return [run_from(row) for row in rows]


def run_from(row: Mapping[str, Any]) -> Run:
    return Run.model_validate(dict(row))


def stop_run(store: Store, run: Run, error: Exception) -> None:
    """Say in the run itself why it cannot go on."""
    code = error.code if isinstance(error, LinesideError) else type(error).__name__
    reason = RunFailure(cases=0, message=str(error)[:500])
    with store.records.write() as connection:
        queries.update_run(
            connection,
            run.id,
            status="stopped",
            finished_at=now(),
            failures={f"stopped:{code}": reason.model_dump()},
        )


def ensure_job(scope: Scope, run: Run) -> None:
    """Have somebody work on a run that is under way."""
    payload = {"workspace": run.workspace, "run_id": run.id}
    scope.store.jobs.ensure(JOB, run.id, payload)


def _known_or_added(scope: Scope, run: Run, *, fresh: bool) -> Run:
    key = run.model_dump()
    with scope.store.records.write() as connection:
        if not fresh and run.plan.target.is_fixed:
            for row in queries.same_runs(connection, key, status="done"):
                known = run_from(row)
                if _counts_again(known, run.plan):
                    return known.model_copy(update={"is_reused": True})
        row = {name: value for name, value in key.items() if name != "is_reused"}
        if queries.insert_run(connection, row):
            return run
        rows = queries.same_runs(connection, key, status="running")
    under_way = run_from(rows[0]) if rows else None
    # It may have ended in between, or its job may have: then nothing stands in the way any more.
    if under_way is None or _is_abandoned(scope, under_way):
        return _known_or_added(scope, run, fresh=fresh)
    return under_way


def _counts_again(known: Run, plan: RunPlan) -> bool:
    """Whether a done run is as good as one that would be started now."""
    is_whole = not known.is_settled or (plan.stops_early and _is_same_question(plan, known.plan))
    return is_whole and not any(code.startswith(_OUTSIDE) for code in known.failures)


def _is_same_question(plan: RunPlan, other: RunPlan) -> bool:
    return (plan.rules, plan.baseline_run_id) == (other.rules, other.baseline_run_id)


def _is_abandoned(scope: Scope, run: Run) -> bool:
    """Whether a run says it is under way though its job has ended, and if so, stop it."""
    if not scope.store.jobs.is_done(run.id):
        return False
    reason = RunFailure(cases=0, message="Its job ended before the run was done")
    with scope.store.records.write() as connection:
        queries.update_run(
            connection,
            run.id,
            status="stopped",
            finished_at=now(),
            failures={"job_ended": reason.model_dump()},
        )
    return True


def _chosen(
    scorers: Sequence[Declared], output_schema: Mapping[str, Any] | None
) -> list[RunScorer]:
    chosen = []
    for item in scorers:
        arguments = dict(item.arguments)
        takes_schema = item.kind in ("json_schema", "schema_share")
        if takes_schema and not arguments and output_schema is not None:
            arguments["schema"] = dict(output_schema)
        chosen.append(RunScorer(name=item.name, kind=item.kind, arguments=arguments))
    names = [item.name for item in chosen]
    for name in names:
        if names.count(name) > 1:
            raise Invalid("bad_scorer", f"Two scorers are called `{name}`", hint="Rename one.")
    if not chosen:
        chosen.append(RunScorer(name="accuracy", kind="exact", arguments={}))
    chosen += [
        RunScorer(name=kind, kind=kind, arguments={})
        for kind in ("latency_ms", "cost_usd")
        if kind not in names
    ]
    return chosen


def _with_models(scorers: list[RunScorer], files: Mapping[str, bytes]) -> list[RunScorer]:
    """The scorers, checked; one's own function that asks a model says which, as far as is known.

    It is part of the run, so that no older run stands in that took it for no judge.
    """
    asked = {item.name: item.asked for item in build_scorers(scorers, files=files) if item.asked}
    return [
        item.model_copy(
            update={
                "arguments": {
                    "model": asked[item.name].model or ScorerDeclaration.UNKNOWN_MODEL,
                    **item.arguments,
                }
            }
        )
        if item.name in asked
        else item
        for item in scorers
    ]


def _used(scorers: Sequence[RunScorer], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that scorers name; an unused one must not make the run another run."""
    named = {path for item in scorers for path in files_named(item)}
    return {path: content for path, content in files.items() if path in named}


def _digest(scorers: Sequence[RunScorer], files: Mapping[str, bytes]) -> str:
    content = {
        "scorers": [item.model_dump() for item in scorers],
        "files": {path: digest_of(data) for path, data in files.items()},
    }
    return digest_of(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
