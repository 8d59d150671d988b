"""Answers that earlier runs paid for, to be judged again instead of asked again."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from lineside.evals import queries
from lineside.evals.dataset import Case, Dataset
from lineside.evals.plan import RunPlan
from lineside.evals.run import Run, RunScorer
from lineside.evals.scorer import Score
from lineside.evals.scorers.judges import KINDS
from lineside.evals.target import RECALLED, Answered
from lineside.gateway import ModelReply
from lineside.store import Store
from lineside.trust import Scope

ToAsk = tuple[int, int, Case]
"""Position, repetition and case."""

CASES_AT_ONCE = 400
_LIMITS = ("usd_max", "timeout_s")


class Memory:
    """What earlier runs of the same subject answered.

    An answer is found by case and input, subject and repetition. The second repetition of a case
    never gets the answer to the first one, so that repetitions differ as much as they really do.
    With it comes what the same judge said of it, where the case expects the same.

    Args:
        earlier: Id and scorers of each run.
        judges: Those of the run that recalls.
    """

    def __init__(
        self, store: Store, earlier: Sequence[queries.Row], judges: Sequence[RunScorer] = ()
    ) -> None:
        self._store = store
        self._runs = [run["id"] for run in earlier]
        wanted = [_identity(item.model_dump()) for item in judges]
        self._judges = {
            run["id"]: [item["name"] for item in run["scorers"] if _identity(item) in wanted]
            for run in earlier
        }
        self._has_judges = any(self._judges.values())

    @classmethod
    def of(cls, store: Store, run: Run) -> "Memory":
        """What a run may recall."""
        key = {"workspace": run.workspace, "use_case": run.use_case, "subject": run.subject}
        judges = [item for item in run.scorers if item.kind in KINDS]
        return cls(store, _earlier(store, key, run.plan, before=run.id), judges)

    def recall(self, asked: Sequence[ToAsk]) -> Iterator[tuple[ToAsk, Answered | None]]:
        """Each with its answer, or with nothing where it must be asked."""
        found: dict[tuple[str, int], queries.Row] = {}
        for repetition in sorted({repetition for _, repetition, _ in asked}) if self._runs else ():
            case_ids = [case.id for _, other, case in asked if other == repetition]
            with self._store.records.read() as connection:
                rows = queries.answered_rows(
                    connection,
                    self._runs,
                    repetition=repetition,
                    case_ids=case_ids,
                    with_scores=self._has_judges,
                )
            # Ids of runs rise with time, and the newest answer is to win.
            for row in sorted(rows, key=lambda row: row["run_id"]):
                found[row["case_id"], repetition] = row
        for one in asked:
            _, repetition, case = one
            known = found.get((case.id, repetition))
            is_same = known is not None and known["input"] == case.input
            yield one, self._answered(one, known) if known is not None and is_same else None

    def _answered(self, asked: ToAsk, row: queries.Row) -> Answered:
        answered = _answered(asked, row)
        if not self._has_judges or row["expected"] != asked[2].expected:
            return answered
        said = {name: row["scores"].get(name) for name in self._judges[row["run_id"]]}
        verdicts = {
            name: Score(**{**score, "detail": {RECALLED: row["run_id"], **score["detail"]}})
            for name, score in said.items()
            if score and score.get("value") is not None and score.get("detail")
        }
        return answered._replace(verdicts=verdicts)


def _identity(scorer: Mapping[str, Any]) -> bytes:
    """What of a judge's declaration changes what it is asked and how often."""
    arguments = {key: value for key, value in scorer["arguments"].items() if key not in _LIMITS}
    return orjson.dumps({**scorer, "arguments": arguments}, option=orjson.OPT_SORT_KEYS)


class Recallable(NamedTuple):
    """What is known already.

    Attributes:
        verdicts: How many, by the name of the score and the digest of its judge.
    """

    answers: int
    verdicts: Mapping[tuple[str, str], int]


def recallable(
    scope: Scope,
    *,
    use_case: str,
    subject: str,
    plan: RunPlan,
    dataset: Dataset,
    repetitions: int,
    judges: Sequence[RunScorer] = (),
) -> Recallable:
    """How many answers and verdicts of a run that would be started now are known already."""
    key = {"workspace": scope.workspace, "use_case": use_case, "subject": subject}
    earlier = _earlier(scope.store, key, plan, before="")
    if not earlier:
        return Recallable(0, {})
    memory, waiting = Memory(scope.store, earlier, judges), list[ToAsk]()
    answers, verdicts = 0, Counter[tuple[str, str]]()
    for position, case in enumerate(dataset):
        waiting += [(position, repetition, case) for repetition in range(repetitions)]
        if len(waiting) >= CASES_AT_ONCE or position == len(dataset) - 1:
            for answered in filter(None, (answered for _, answered in memory.recall(waiting))):
                answers += 1
                for name, score in (answered.verdicts or {}).items():
                    verdicts[name, str((score.detail or {}).get("judge_digest"))] += 1
            waiting = []
    return Recallable(answers, verdicts)


def _earlier(store: Store, key: dict[str, str], plan: RunPlan, *, before: str) -> list[queries.Row]:
    if not (plan.recalls and plan.target.is_fixed):
        return []
    with store.records.read() as connection:
        return queries.earlier_runs(connection, **key, before=before)


def _answered(asked: ToAsk, row: queries.Row) -> Answered:
    position, repetition, case = asked
    reply = ModelReply(
        output=row["output"],
        model=row["model"] or "",
        confidence=row["confidence"],
        tokens_in=row["tokens_in"],
        tokens_out=row["tokens_out"],
        cost_usd=row["cost_usd"],
    )
    origin = row["recalled_from"] or row["run_id"]
    return Answered(position, repetition, case, reply, None, row["latency_ms"], origin)
