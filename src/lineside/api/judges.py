"""`/api/judges`: LLM judges held against people, and their licences."""

from typing import Any

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.evals import licences

router = APIRouter(tags=["judges"])


class LicenceWish(Record):
    """A judge to be held against labels.

    Attributes:
        judge: Name of the score that it gives.
        labels: One object for each answer, `case` and `label` unless `columns` says otherwise.
        yes: Labels that count as a yes.
        run_id: The run whose answers were labelled; else the newest with that judge.
        recorded: Where the labels hold the verdicts of a judge from elsewhere.
    """

    judge: str
    labels: list[dict[str, Any]]
    columns: licences.LabelColumns = licences.LabelColumns()
    yes: tuple[str, ...] = ()
    passes_at: float = 1.0
    bar: licences.Bar = licences.Bar()
    days: int = 90
    run_id: str | None = None
    use_case: str | None = None
    recorded: licences.RecordedJudge | None = None


@router.get("/judges/licences")
def licence_list(scope: Caller, judge: str | None = None) -> list[licences.LicenceReport]:
    """Licences that were granted or refused, the newest first; at most 1,000."""
    return [licences.LicenceReport.of(one) for one in licences.list_licences(scope, judge=judge)]


@router.get("/judges/licences/{id_or_judge}")
def licence(scope: Caller, id_or_judge: str) -> licences.LicenceReport:
    """One licence by its id, or the newest of a judge by its name."""
    return licences.LicenceReport.of(licences.get_licence(scope, id_or_judge))


@router.post("/judges/licences", status_code=201)
def hold_against_people(scope: Caller, wish: LicenceWish) -> licences.LicenceReport:
    """Hold a judge against labels; `standing` says whether it was licensed or refused."""
    given = licences.licence_judge(
        scope,
        wish.judge,
        wish.labels,
        columns=wish.columns,
        yes=wish.yes,
        passes_at=wish.passes_at,
        bar=wish.bar,
        days=wish.days,
        run_id=wish.run_id,
        use_case=wish.use_case,
        recorded=wish.recorded,
    )
    return licences.LicenceReport.of(given)


@router.get("/judges/{judge}/sample")
def sample(
    scope: Caller,
    judge: str,
    count: int = 60,
    run_id: str | None = None,
    use_case: str | None = None,
) -> licences.LabelSample:
    """Answers of a run for people to label: at random, without the verdict; at most 1,000."""
    return licences.answers_to_label(scope, judge, count=count, run_id=run_id, use_case=use_case)
