"""How often a judge was held against people before: asking until it passes must not pay."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from lineside.evals.licences import queries
from lineside.evals.licences.bar import Bar
from lineside.evals.licences.correction import SaidOfAnswer
from lineside.evals.licences.measure import Attempts
from lineside.trust import Scope

_READ_MAX = 100
_MOSTLY = 0.5
_AT_MOST = ("orders_disagree", "length_bias", "slice_gap")


class Attempt(NamedTuple):
    """One that is made now.

    Attributes:
        judge: Name of the score.
        labels: What judge and people said of each answer.
    """

    use_case: str | None
    judge: str
    family: str
    judge_digest: str
    run_id: str | None
    passes_at: float
    bar: Bar
    labels: Sequence[SaidOfAnswer]


def attempts_before(scope: Scope, now: Attempt) -> Attempts:
    """Count the attempts on a judge since a licence of it was last granted by as high a bar.

    Those on the same version and family count, and those on another version by mostly the same
    answers: a prompt that is tried on the same labels until it passes is no other luck. The very
    same labels twice are one attempt.
    """
    with scope.store.records.read() as connection:
        rows = queries.attempt_rows(
            connection,
            scope.workspace,
            use_case=now.use_case,
            judge=now.judge,
            family=now.family,
            limit=_READ_MAX,
        )
    mine = {item.case_id: item for item in now.labels}
    seen, before = (
        {_content(now.judge_digest, now.passes_at, now.labels)},
        dict[str, float | None](),
    )
    for row in rows:
        labels = [SaidOfAnswer(**item) for item in row["labels"]]
        is_same = row["judge_digest"] == now.judge_digest
        shared = sum(item.case_id in mine for item in labels)
        if not is_same and shared < _MOSTLY * len(mine):
            continue
        if is_same and not row["shortfalls"] and _asks_as_much(row["bar"], now.bar):
            break
        seen.add(_content(row["judge_digest"], row["passes_at"], labels))
        for item in labels if row["run_id"] == now.run_id else ():
            before.setdefault(item.case_id, item.people)
    differ = [
        item
        for case_id, item in mine.items()
        if case_id in before and before[case_id] != item.people
    ]
    return Attempts(len(seen), len(differ), sum(item.people == item.judge for item in differ))


def _content(judge_digest: str, passes_at: float, labels: Iterable[SaidOfAnswer]) -> frozenset[Any]:
    """What makes two attempts one: the same word on the same answers, read alike."""
    return frozenset(
        {(judge_digest, passes_at), *((item.case_id, item.judge, item.people) for item in labels)}
    )


def _asks_as_much(before: Any, now: Bar) -> bool:
    return all(
        getattr(now, name) >= value if name in _AT_MOST else getattr(now, name) <= value
        for name, value in Bar.model_validate(before).model_dump().items()
    )
