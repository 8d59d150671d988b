"""Hold a judge against people, and license or refuse it."""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

import orjson

from lineside.core import Conflict, Invalid, NotFound, Record, new_id, now
from lineside.evals.dataset import unknown_cases
from lineside.evals.judge_summary import judge_names, judge_summaries
from lineside.evals.judged import read_judged
from lineside.evals.licences.attempts import Attempt, attempts_before
from lineside.evals.licences.bar import Bar
from lineside.evals.licences.correction import (
    CorrectedScore,
    SaidOfAnswer,
    correct_with_labels,
)
from lineside.evals.licences.labels import (
    LabelColumns,
    LabelledAnswer,
    Row,
    Scale,
    check_rows,
    labels_by_case,
    recorded_answers,
    refuse_unequal_chances,
)
from lineside.evals.licences.licence import Licence, keep_licence
from lineside.evals.licences.measure import measure
from lineside.evals.result import CASE_IDS_MAX, results_of
from lineside.evals.run import Run, RunScorer, get_run, list_runs
from lineside.evals.scorers.answers import as_text
from lineside.evals.scorers.judges import level_values
from lineside.trust import Scope

DAYS = 90
DAYS_MAX = 366
_RUNS_SEARCHED = 200


class RecordedJudge(Record):
    """A judge whose verdicts were recorded elsewhere, as the person who has them states it.

    Attributes:
        model: The model version that answered.
        prompt: What it was told; part of which judge it is.
        family: Name of the data that its licence is for.
    """

    model: str
    family: str
    prompt: str = ""

    @property
    def digest(self) -> str:
        """What makes it this judge."""
        return sha256(orjson.dumps([self.model, self.prompt])).hexdigest()


class _Evidence(NamedTuple):
    """What a licence is decided on."""

    use_case: str | None
    run_id: str | None
    family: str
    judge_digest: str
    models: tuple[str, ...]
    answers: list[LabelledAnswer]
    rest: list[SaidOfAnswer]
    self_agreement: float | None = None
    orders_disagree: float | None = None


def licence_judge(
    scope: Scope,
    judge: str,
    rows: Sequence[Row],
    *,
    columns: LabelColumns | None = None,
    yes: Sequence[str] = (),
    passes_at: float = 1.0,
    bar: Bar | None = None,
    days: int = DAYS,
    run_id: str | None = None,
    use_case: str | None = None,
    recorded: RecordedJudge | None = None,
) -> Licence:
    """Hold a judge against labels of people, and license it where it clears the bar.

    The newest decision on a judge counts, so that new labels can also take a licence away.

    Args:
        judge: Name of the score that it gives.
        rows: One row for each answer, `case` and `label` unless `columns` says otherwise.
        yes: Words that count as a yes, where labels are neither levels of the judge nor yes and no.
        passes_at: From which score on an answer counts as a yes; the best level unless given.
        days: The licence ends after so many.
        run_id: The run whose answers were labelled; else the newest one with that judge.
        use_case: Only runs of this one.
        recorded: Where the rows hold the verdicts too; rows without a label are then corrected for.

    Raises:
        NotFound: No run has such a judge.
        Invalid: The score is no judge's; labels of unknown cases, of one class only, or that cannot
            be read, or that were not drawn with equal chances; a judge without any verdict.
    """
    columns, bar = columns or LabelColumns(), bar or Bar()
    refuse_unequal_chances(rows, columns)
    if not 1 <= days <= DAYS_MAX:
        raise Invalid("bad_days", f"A licence is for 1 to {DAYS_MAX} days: {days}")
    if recorded is None:
        run, scorer = run_with_judge(scope, judge, run_id, use_case)
        scope.require("release", use_case=run.use_case)
        evidence = _from_run(scope, run, scorer, check_rows(rows), columns, yes)
    else:
        scope.require("release", use_case=use_case)
        evidence = _from_file(recorded, use_case, check_rows(rows), columns, yes)
    labels = [
        SaidOfAnswer(item.case_id, item.judge, item.people, item.cluster)
        for item in evidence.answers
        if item.judge is not None and item.people is not None
    ]
    attempt = Attempt(
        use_case=evidence.use_case,
        judge=judge,
        family=evidence.family,
        judge_digest=evidence.judge_digest,
        run_id=evidence.run_id,
        passes_at=passes_at,
        bar=bar,
        labels=labels,
    )
    measured = measure(
        evidence.answers,
        passes_at=passes_at,
        self_agreement=evidence.self_agreement,
        orders_disagree=evidence.orders_disagree,
        attempts=attempts_before(scope, attempt),
    )
    decided_at = now()
    licence = Licence(
        id=new_id("lic"),
        use_case=evidence.use_case,
        judge=judge,
        family=evidence.family,
        judge_digest=evidence.judge_digest,
        models=evidence.models,
        run_id=evidence.run_id,
        passes_at=passes_at,
        bar=bar,
        measured=measured,
        shortfalls=tuple(check.fails for check in bar.checks(measured) if check.fails),
        corrected=_corrected([*labels, *evidence.rest]),
        decided_by=scope.actor.name,
        decided_at=decided_at,
        expires_at=decided_at + timedelta(days=days),
    )
    keep_licence(scope, licence, labels)
    return licence


def run_with_judge(
    scope: Scope, judge: str, run_id: str | None, use_case: str | None
) -> tuple[Run, RunScorer]:
    """The run that is named, or the newest one whose judge gives this score, and that judge.

    Raises:
        NotFound: There is none.
        Conflict: The run has not come to its end.
        Invalid: The score is no judge's, or people cannot label the run case by case.
    """
    if run_id is not None:
        run = get_run(scope, run_id)
    else:
        runs = list_runs(scope, use_case=use_case, limit=_RUNS_SEARCHED)
        found = [one for one in runs if any(item.name == judge for item in one.scorers)]
        if not found:
            raise NotFound(
                "no_run_with_judge",
                f"None of the newest {_RUNS_SEARCHED} runs has a score `{judge[:80]}`",
                hint="Declare the judge under `tests.scorers` and run `lineside test`; or give "
                "the model with --model where the labels hold its verdicts.",
            )
        run = found[0]
    if run.status != "done":
        raise Conflict(
            "run_not_done",
            f"Run `{run.id}` is {run.status} after {run.cases_done:,} of {run.cases_total:,} cases",
            hint="Hold the judge against people on a run that came to its end.",
        )
    known = judge_names(run)
    judges = {item.name: item for item in run.scorers if item.name in known}
    if judge not in judges:
        raise Invalid(
            "no_judge",
            f"`{judge[:80]}` of run `{run.id}` is no score that a model gives",
            hint=f"Its judges: {', '.join(judges)}." if judges else "It has no judge.",
        )
    if run.repetitions > 1:
        raise Invalid(
            "case_answered_twice",
            f"Run `{run.id}` asked each case {run.repetitions} times: a label would not say which "
            "answer it is for",
            hint="Label a run with one repetition.",
        )
    return run, judges[judge]


def _from_run(
    scope: Scope,
    run: Run,
    scorer: RunScorer,
    rows: list[Row],
    columns: LabelColumns,
    yes: Sequence[str],
) -> _Evidence:
    judge = scorer.name
    summary = judge_summaries(scope.store, run)[judge]
    if summary.judge_digest is None:
        raise Invalid(
            "no_verdicts",
            f"The judge `{judge}` gave no verdict on any answer of run `{run.id}`",
            hint=f"See why with `lineside evals show {run.id} --only failed`.",
        )
    if scorer.kind == "python" and not summary.models:
        raise Invalid(
            "model_unknown",
            f"Nobody knows which model `{judge}` asks, so a licence would not end with that model",
            hint=f"State it: `- {judge}: {{python: {{function: "
            f'"{scorer.arguments.get("function", "")}", model: NAME}}}}`, and test again.',
        )
    scale = Scale(levels=level_values(scorer.kind, scorer.arguments), yes=yes)
    labels = labels_by_case(rows, columns, scale)
    answers = _labelled(scope, run, scorer, labels)
    labelled = {item.case_id for item in answers if item.people is not None}
    rest = [
        SaidOfAnswer(case.id, case.scores[judge], None, case.cluster)
        for case in read_judged(scope.store, run).scored(judge)
        if case.id not in labelled
    ]
    return _Evidence(
        use_case=run.use_case,
        run_id=run.id,
        family=run.dataset_name,
        judge_digest=summary.judge_digest,
        models=tuple(summary.models),
        answers=answers,
        rest=rest,
        self_agreement=summary.self_agreement,
        orders_disagree=summary.orders_disagree,
    )


def _labelled(
    scope: Scope,
    run: Run,
    scorer: RunScorer,
    labels: dict[str, tuple[tuple[float | None, ...], float | None]],
) -> list[LabelledAnswer]:
    asked = list(labels)
    results = [
        result
        for at in range(0, len(asked), CASE_IDS_MAX)
        for result in results_of(
            scope, run.id, case_ids=asked[at : at + CASE_IDS_MAX], limit=CASE_IDS_MAX
        )
    ]
    there = {result.case_id for result in results}
    unknown = [case_id for case_id in asked if case_id not in there]
    if unknown:
        raise unknown_cases(
            unknown,
            labelled=len(asked),
            place=f"run `{run.id}`",
            hint="Label answers of that run, or name theirs with --run.",
        )
    field = scorer.arguments.get("field")
    answers = []
    for result in results:
        raters, people = labels[result.case_id]
        output = result.output or {}
        score = result.scores.get(scorer.name)
        answers.append(
            LabelledAnswer(
                case_id=result.case_id,
                people=people,
                raters=raters,
                judge=score.value if score else None,
                cluster=result.cluster,
                characters=len(as_text(output.get(field) if field else output)),
                slices=result.slices,
            )
        )
    return answers


def _from_file(
    recorded: RecordedJudge,
    use_case: str | None,
    rows: list[Row],
    columns: LabelColumns,
    yes: Sequence[str],
) -> _Evidence:
    answers = recorded_answers(rows, columns, Scale(yes=yes))
    rest = [
        SaidOfAnswer(item.case_id, item.judge, None, item.cluster)
        for item in answers
        if item.people is None and item.judge is not None
    ]
    return _Evidence(
        use_case=use_case,
        run_id=None,
        family=recorded.family,
        judge_digest=recorded.digest,
        models=(recorded.model,),
        answers=[item for item in answers if item.is_labelled],
        rest=rest,
    )


def _corrected(said: list[SaidOfAnswer]) -> CorrectedScore | None:
    try:
        return correct_with_labels(said)
    except Invalid as error:
        # Too few labels for an interval is a shortfall of the licence, which says so itself.
        if error.code == "too_few_labels":
            return None
        raise
