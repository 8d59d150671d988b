"""Answers of a run for people to label: at random, in random order, without the verdict."""

import random
from typing import Any

from lineside.core import Invalid, Record
from lineside.evals.judged import read_judged
from lineside.evals.licences.measuring import run_with_judge
from lineside.evals.result import CASE_IDS_MAX, results_of
from lineside.evals.scorers.answers import as_text
from lineside.evals.scorers.judges import level_values
from lineside.trust import Scope

LABELS_PROPOSED = 60


class AnswerToLabel(Record):
    """One answer as its judge saw it, but for the verdict.

    Attributes:
        reference: What the case expects, for judges that see it.
        label: Empty: for a person to fill in.
    """

    case: str
    input: str
    answer: str
    reference: str
    label: str = ""


class LabelSample(Record):
    """Answers of one run to be labelled.

    Attributes:
        levels: Words to label with, from worst to best.
    """

    run_id: str
    levels: list[str]
    answers: list[AnswerToLabel]


def answers_to_label(
    scope: Scope,
    judge: str,
    *,
    count: int = LABELS_PROPOSED,
    run_id: str | None = None,
    use_case: str | None = None,
) -> LabelSample:
    """Draw answers of a run at random; asking again for the same run draws the same ones.

    Args:
        count: At most 1,000.
        run_id: Else the newest run with that judge.

    Raises:
        NotFound: No run has such a judge.
        Invalid: The score is no judge's; the count is out of bounds.
    """
    if not 1 <= count <= CASE_IDS_MAX:
        raise Invalid("bad_count", f"1 to {CASE_IDS_MAX:,} answers can be drawn: {count:,}")
    run, scorer = run_with_judge(scope, judge, run_id, use_case)
    ids = [case.id for case in read_judged(scope.store, run).cases]
    drawn = random.Random(run.id).sample(ids, min(count, len(ids)))  # noqa: S311 # no secret
    results = {
        result.case_id: result
        for result in results_of(scope, run.id, case_ids=drawn, limit=CASE_IDS_MAX)
    }
    field = scorer.arguments.get("field")
    sees_reference = scorer.kind != "judge"

    def shown(side: dict[str, Any]) -> str:
        return as_text(side.get(field) if field else side)

    answers = [
        AnswerToLabel(
            case=case_id,
            input=as_text(results[case_id].input),
            answer=shown(results[case_id].output or {}),
            reference=shown(results[case_id].expected) if sees_reference else "",
        )
        for case_id in drawn
        if results[case_id].output is not None
    ]
    return LabelSample(
        run_id=run.id, levels=list(level_values(scorer.kind, scorer.arguments)), answers=answers
    )
