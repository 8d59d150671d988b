"""Answers that earlier runs paid for, to be judged again instead of asked again."""

from collections.abc import Iterator, Sequence

from lineside.evals import queries
from lineside.evals.dataset import Case, Dataset
from lineside.evals.plan import RunPlan
from lineside.evals.run import Run
from lineside.evals.target import Answered
from lineside.gateway import ModelReply
from lineside.store import Store
from lineside.trust import Scope

ToAsk = tuple[int, int, Case]
"""Position, repetition and case."""

CASES_AT_ONCE = 400


class Memory:
    """What earlier runs of the same subject answered.

    An answer is found by case and input, subject and repetition. The second repetition of a case
    never gets the answer to the first one, so that repetitions differ as much as they really do.
    """

    def __init__(self, store: Store, run_ids: Sequence[str]) -> None:
        self._store = store
        self._runs = run_ids

    @classmethod
    def of(cls, store: Store, run: Run) -> "Memory":
        """What a run may recall."""
        key = {"workspace": run.workspace, "use_case": run.use_case, "subject": run.subject}
        return cls(store, _earlier(store, key, run.plan, before=run.id))

    def recall(self, asked: Sequence[ToAsk]) -> Iterator[tuple[ToAsk, Answered | None]]:
        """Each with its answer, or with nothing where it must be asked."""
        found: dict[tuple[str, int], queries.Row] = {}
        for repetition in sorted({repetition for _, repetition, _ in asked}) if self._runs else ():
            case_ids = [case.id for _, other, case in asked if other == repetition]
            with self._store.records.read() as connection:
                rows = queries.answered_rows(
                    connection, self._runs, repetition=repetition, case_ids=case_ids
                )
            # Ids of runs rise with time, and the newest answer is to win.
            for row in sorted(rows, key=lambda row: row["run_id"]):
                found[row["case_id"], repetition] = row
        for one in asked:
            _, repetition, case = one
            known = found.get((case.id, repetition))
            is_same = known is not None and known["input"] == case.input
            yield one, _answered(one, known) if known is not None and is_same else None


def recallable(
    scope: Scope,
    *,
    use_case: str,
    subject: str,
    plan: RunPlan,
    dataset: Dataset,
    repetitions: int,
) -> int:
    """How many answers of a run that would be started now are known already."""
    key = {"workspace": scope.workspace, "use_case": use_case, "subject": subject}
    run_ids = _earlier(scope.store, key, plan, before="")
    if not run_ids:
        return 0
    memory, known, waiting = Memory(scope.store, run_ids), 0, list[ToAsk]()
    for position, case in enumerate(dataset):
        waiting += [(position, repetition, case) for repetition in range(repetitions)]
        if len(waiting) >= CASES_AT_ONCE or position == len(dataset) - 1:
            known += sum(answered is not None for _, answered in memory.recall(waiting))
            waiting = []
    return known


def _earlier(store: Store, key: dict[str, str], plan: RunPlan, *, before: str) -> list[str]:
    if not (plan.recalls and plan.target.is_fixed):
        return []
    with store.records.read() as connection:
        return queries.earlier_run_ids(connection, **key, before=before)


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
