"""The licence of a judge: for what it was given, on what evidence, and until when."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from lineside.core import NotFound, Record, did_you_mean, now
from lineside.evals.licences import queries
from lineside.evals.licences.bar import Bar, BarCheck
from lineside.evals.licences.correction import CorrectedScore, SaidOfAnswer
from lineside.evals.licences.measure import JudgeMeasure
from lineside.trust import Scope, record

LISTED_MAX = 1_000


class Licence(Record):
    """What was decided about a judge when it was held against people.

    Attributes:
        use_case: Nothing where the judge's verdicts were recorded elsewhere.
        judge: Name of its score.
        family: Name of the dataset that it may be trusted on.
        judge_digest: Its models, prompt, levels and options; another one is another judge.
        models: The model versions that answered.
        run_id: The run whose answers people labelled.
        passes_at: From which score on an answer counts as a yes.
        shortfalls: What it failed of the bar; a licence was granted where there is none.
        corrected: What people would have found over the answers of the run, or of the file.
    """

    id: str
    use_case: str | None
    judge: str
    family: str
    judge_digest: str
    models: tuple[str, ...]
    run_id: str | None
    passes_at: float
    bar: Bar
    measured: JudgeMeasure
    shortfalls: tuple[str, ...]
    corrected: CorrectedScore | None
    decided_by: str
    decided_at: datetime
    expires_at: datetime

    @property
    def is_granted(self) -> bool:
        return not self.shortfalls

    @property
    def standing(self) -> Literal["granted", "refused", "expired"]:
        """How it stands now."""
        if not self.is_granted:
            return "refused"
        return "granted" if now() < self.expires_at else "expired"

    @property
    def sentence(self) -> str:
        """What the judge is worth, and at which attempt that was found; may be empty."""
        said = [self.corrected.sentence] if self.corrected else []
        return "; ".join([*said, *filter(None, [self.measured.attempts_note])])

    @property
    def checks(self) -> list[BarCheck]:
        """What the bar asked, and what was found."""
        return self.bar.checks(self.measured)


class LicenceReport(Record):
    """A licence as programs read it: with how it stands now.

    Attributes:
        sentence: What the judge is worth, such as `true pass rate 86 % ± 3; the judge alone said
            91 %`, empty where too few answers were labelled to say; and the number of the attempt
            where it was refused before.
    """

    licence: Licence
    standing: Literal["granted", "refused", "expired"]
    sentence: str
    checks: list[BarCheck]

    @classmethod
    def of(cls, licence: Licence) -> "LicenceReport":
        """Report on a licence as of now."""
        return cls(
            licence=licence,
            standing=licence.standing,
            sentence=licence.sentence,
            checks=licence.checks,
        )


def list_licences(
    scope: Scope, *, judge: str | None = None, limit: int = LISTED_MAX
) -> list[Licence]:
    """Licences that were granted or refused, the newest first, of use cases the actor may see."""
    scope.require("read", use_case=min(scope.use_cases) if scope.use_cases else None)
    limit = max(1, min(limit, LISTED_MAX))
    with scope.store.records.read() as connection:
        rows = queries.licence_rows(connection, scope.workspace, judge=judge, limit=limit)
    return [
        Licence.model_validate(row)
        for row in rows
        if scope.use_cases is None or row["use_case"] in scope.use_cases
    ]


def get_licence(scope: Scope, id_or_judge: str) -> Licence:
    """A licence by its id, or the newest one of a judge by its name.

    Raises:
        NotFound: There is none; names the nearest.
    """
    with scope.store.records.read() as connection:
        rows = queries.licence_rows(
            connection, scope.workspace, licence_id=id_or_judge, limit=1
        ) or queries.licence_rows(connection, scope.workspace, judge=id_or_judge, limit=1)
    if rows:
        scope.require("read", use_case=rows[0]["use_case"])
        return Licence.model_validate(rows[0])
    known = {item.judge for item in list_licences(scope)}
    near = did_you_mean(id_or_judge, known)
    raise NotFound(
        "no_licence",
        f"No licence has the id, and no judge the name, `{id_or_judge[:80]}`",
        hint=f"Did you mean `{near}`?" if near else "`lineside judges ls` lists them.",
    )


def keep_licence(scope: Scope, licence: Licence, labels: list[SaidOfAnswer]) -> None:
    """Write a licence, or a refusal, down with what it rests on and its ledger entry."""
    kind = "judge.licensed" if licence.is_granted else "judge.refused"
    with scope.store.records.write() as connection:
        row: dict[str, Any] = licence.model_dump(mode="json")
        row |= {"decided_at": licence.decided_at, "expires_at": licence.expires_at}
        labelled = [item._asdict() for item in labels]
        queries.insert_licence(connection, row | {"workspace": scope.workspace, "labels": labelled})
        record(connection, scope, kind, licence.id, _told(licence))


def labels_of(scope: Scope, licence: Licence) -> list[SaidOfAnswer]:
    """What judge and people said of the answers that a licence rests on."""
    with scope.store.records.read() as connection:
        rows = queries.label_rows(connection, licence.id)
    return [SaidOfAnswer(**row) for row in rows]


def _told(licence: Licence) -> Mapping[str, Any]:
    names = {"use_case", "family", "judge_digest", "models", "run_id", "expires_at"}
    said = licence.model_dump(mode="json", include=names | {"bar", "passes_at"})
    found = {check.name: check.found for check in licence.checks}
    why, tried = "; ".join(licence.shortfalls), licence.measured
    attempts = {"attempt": tried.attempts, "changed": tried.changed}
    attempts |= {"changed_to_judge": tried.changed_to_judge}
    return {"name": licence.judge} | said | {"found": found, "why": why} | attempts
