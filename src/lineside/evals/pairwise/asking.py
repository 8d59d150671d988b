"""Has a judge compare the answers of two runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson

from lineside.core import Conflict, Invalid, did_you_mean
from lineside.evals.compare import met
from lineside.evals.dataset import Case, Dataset, dataset_of, keep_dataset
from lineside.evals.forecast import Forecast, forecast_run
from lineside.evals.judged import read_judged
from lineside.evals.pairwise import queries
from lineside.evals.plan import RunLimits, RunPlan, RunTarget
from lineside.evals.queries import PAIR_MARK
from lineside.evals.run import Run, RunScorer, get_run, run_from, start_run
from lineside.evals.scorers import Declared
from lineside.evals.scorers.answers import as_text
from lineside.trust import Scope

KIND = "judge_pairwise"
PAIRS_MAX = 20_000
_RUNS_MAX = 20
_FIELDS_SHOWN = 10


class PairsToAsk(NamedTuple):
    """Two runs' answers, ready to be shown to a judge.

    Attributes:
        judge: The scorer that compares; `files` are those that it reads.
        dataset: Cases that both runs were asked, each expecting the baseline's answer.
        outputs: The candidate's answers, a line each; a pair that lacks an answer has none.
    """

    baseline: Run
    candidate: Run
    judge: Declared
    files: Mapping[str, bytes]
    dataset: Dataset
    outputs: bytes

    @property
    def subject(self) -> str:
        """What stands for this pair where a release's digest would stand."""
        return subject_of(self.baseline.id, self.candidate.id)


def judges_of(baseline: Run, candidate: Run) -> dict[str, Run]:
    """The judges that either run has to compare answers with, each with the run that has it."""
    return {
        item.name: run for run in (baseline, candidate) for item in run.scorers if item.kind == KIND
    }


def pairs_to_ask(
    scope: Scope,
    baseline_run_id: str,
    candidate_run_id: str,
    *,
    judge: str | None = None,
    scorers: Sequence[Declared] = (),
    scorer_files: Mapping[str, bytes] | None = None,
) -> PairsToAsk:
    """Gather what a judge is to be shown of two runs: the first answer to each case of both.

    A pair of which one side has no answer is not shown, and counts as a failed case. The judge sees
    one field of the answers, that of its declaration.

    Args:
        judge: Name of a `judge_pairwise` among the `scorers`, or else of one of the two runs; may
            be left out where there is one only.
        scorers: Declarations to take the judge from; `scorer_files` are those that they read.

    Raises:
        NotFound: The workspace has no such run.
        Conflict: `run_not_done` while cases are still being judged.
        Invalid: `no_pairwise_judge`, `no_paired_cases`, `unknown_field` or `too_many_pairs`.
    """
    baseline, candidate = get_run(scope, baseline_run_id), get_run(scope, candidate_run_id)
    for run in (baseline, candidate):
        _require_ended(run)
    chosen, files = _judge(scope, baseline, candidate, judge, scorers, scorer_files or {})
    name = str(chosen.arguments.get("field", ""))
    both = _both_answered(scope, baseline, candidate)
    cases, lines, fields = [], [], set[str]()
    for old, new in both:
        texts = [as_text((side.output or {}).get(name)) for side in (old, new)]
        fields |= {*(old.output or {}), *(new.output or {})}
        expected = {name: texts[0]} if all(texts) else {}
        cases.append(Case(new.case_id, new.input, expected, new.slices, new.source, new.cluster))
        if all(texts):
            # Whoever answered was paid in the run that has the answer.
            row = {"id": new.case_id, "output": {name: texts[1]}, "cost_usd": 0.0}
            lines.append(orjson.dumps(row) + b"\n")
    if not lines:
        raise _no_field(name, fields)
    # Pairs without an answer last: a run gives up when its first cases all fail alike.
    cases.sort(key=lambda case: not case.expected)
    dataset = dataset_of(f"{candidate.dataset_name}-pairs", cases)
    return PairsToAsk(baseline, candidate, chosen, files, dataset, b"".join(lines))


def start_pairwise(
    scope: Scope,
    pairs: PairsToAsk,
    *,
    limits: RunLimits | None = None,
    fresh: bool = False,
) -> Run:
    """Have the judge asked about each pair, in both orders, as a durable run.

    The same pair and judge give the same run, as of `start_run`; what was judged before is not
    asked or paid again.

    Raises:
        Invalid, Denied: as `start_run`.
    """
    return start_run(
        scope,
        use_case=pairs.candidate.use_case,
        subject=pairs.subject,
        dataset=keep_dataset(scope, pairs.candidate.use_case, pairs.dataset),
        scorers=[pairs.judge],
        scorer_files=pairs.files,
        plan=_plan(pairs, limits, reference=scope.store.blobs.put(pairs.outputs)),
        fresh=fresh,
    )


def forecast_pairwise(
    scope: Scope, pairs: PairsToAsk, *, limits: RunLimits | None = None, fresh: bool = False
) -> Forecast:
    """Say what asking the judge would cost; nothing is asked or kept."""
    return forecast_run(
        scope,
        use_case=pairs.candidate.use_case,
        subject=pairs.subject,
        dataset=pairs.dataset,
        plan=_plan(pairs, limits, reference=""),
        fresh=fresh,
        scorers=[pairs.judge],
        scorer_files=pairs.files,
    )


def pairwise_runs(scope: Scope, baseline: Run, candidate: Run) -> list[Run]:
    """The runs in which a judge compared these two, newest first; at most 20."""
    scope.require("read", candidate.use_case)
    with scope.store.records.read() as connection:
        rows = queries.pair_rows(
            connection,
            workspace=scope.workspace,
            use_case=candidate.use_case,
            subject=subject_of(baseline.id, candidate.id),
            limit=_RUNS_MAX,
        )
    return [run_from(row) for row in rows]


def subject_of(baseline_run_id: str, candidate_run_id: str) -> str:
    """The subject of the runs that compare two runs."""
    return f"{PAIR_MARK}{baseline_run_id}:{candidate_run_id}"


def _plan(pairs: PairsToAsk, limits: RunLimits | None, *, reference: str) -> RunPlan:
    target = RunTarget(kind="outputs", reference=reference)
    return RunPlan(target=target, limits=limits or RunLimits(), baseline_run_id=pairs.baseline.id)


def _both_answered(
    scope: Scope, baseline: Run, candidate: Run
) -> list[tuple[queries.FirstAnswer, queries.FirstAnswer]]:
    """The first answers to the cases that both were asked, in the candidate's order."""
    runs = baseline, candidate
    judged = [
        read_judged(scope.store, run, beside=other)
        for run, other in zip(runs, reversed(runs), strict=True)
    ]
    ids = judged[1].sheet.ids
    shared = {ids[place] for place in met(*judged).after.tolist()}
    if not shared or len(shared) > PAIRS_MAX:
        raise _bad_number(len(shared), baseline, candidate)
    with scope.store.records.read() as connection:
        before, after = (
            {one.case_id: one for one in queries.first_answers(connection, run.id)} for run in runs
        )
    return [(before[one], after[one]) for one in after if one in shared and one in before]


def _judge(
    scope: Scope,
    baseline: Run,
    candidate: Run,
    name: str | None,
    scorers: Sequence[Declared],
    files: Mapping[str, bytes],
) -> tuple[Declared, Mapping[str, bytes]]:
    known: dict[str, Run | None] = (
        {item.name: None for item in scorers if item.kind == KIND}
        if scorers
        else dict(judges_of(baseline, candidate))
    )
    if name not in known and not (name is None and len(known) == 1):
        raise _which_judge(name, list(known), is_from_file=bool(scorers))
    chosen = name or next(iter(known))
    run = known[chosen]
    if run is None:
        return next(item for item in scorers if item.name == chosen), files
    kept = {path: scope.store.blobs.get(digest) for path, digest in run.scorer_files.items()}
    found: RunScorer = next(item for item in run.scorers if item.name == chosen)
    return found, kept


def _which_judge(name: str | None, known: list[str], *, is_from_file: bool) -> Invalid:
    nowhere = "The file has no judge" if is_from_file else "Neither run has a judge"
    near = did_you_mean(name or "", known)
    hint = f"Did you mean `{near}`?" if near else None
    if name is not None and known:
        return Invalid(
            "no_pairwise_judge",
            f"{nowhere} `{name[:80]}` that compares answers; there are: {', '.join(known)}",
            hint=hint,
        )
    if known:
        return Invalid(
            "no_pairwise_judge",
            f"There are {len(known)} judges that compare answers: {', '.join(known)}",
            hint="Name one of them.",
        )
    return Invalid(
        "no_pairwise_judge",
        f"{nowhere} of the kind `{KIND}`, which compares two answers",
        hint="Give a YAML list of scorers with one: "
        f"`- better: {{{KIND}: {{field: reply, model: …}}}}`.",
    )


def _bad_number(shared: int, baseline: Run, candidate: Run) -> Invalid:
    if shared:
        return Invalid(
            "too_many_pairs",
            f"The runs share {shared:,} cases, a judge compares at most {PAIRS_MAX:,}",
            hint="Compare runs over a part of the dataset.",
        )
    return Invalid(
        "no_paired_cases",
        f"Runs `{baseline.id}` and `{candidate.id}` share no case with the same input",
        hint="Run both over the same dataset.",
    )


def _no_field(name: str, fields: set[str]) -> Invalid:
    shown = ", ".join(sorted(fields)[:_FIELDS_SHOWN]) or "none, for all cases failed"
    near = did_you_mean(name, sorted(fields))
    return Invalid(
        "unknown_field",
        f"No case has the field `{name}` answered in both runs; answers have: {shown}",
        hint=f"Did you mean `{near}`?" if near else "Name the field that the judge is to see.",
    )


def _require_ended(run: Run) -> None:
    if run.status == "running":
        raise Conflict(
            "run_not_done",
            f"Run `{run.id}` has judged {run.cases_done:,} of {run.cases_total:,} cases",
            hint="Wait until it is done.",
        )
