"""Answers that earlier runs paid for, to be judged again instead of asked again."""

from collections.abc import Iterator, Sequence

from lineside.evals import queries
from lineside.evals.dataset import Case
from lineside.evals.run import Run
from lineside.evals.target import Answered
from lineside.gateway import ModelReply
from lineside.store import Store

ToAsk = tuple[int, int, Case]
"""Position, repetition and case."""

CASES_AT_ONCE = 400


class Memory:
    """What earlier runs of the same subject answered.

    An answer is found by case and input, subject and repetition. The second repetition of a case
    never gets the answer to the first one, so that repetitions differ as much as they really do.
    """

    def __init__(self, store: Store, run: Run) -> None:
        self._store = store
        self._runs: list[str] = []
        if run.plan.recalls and run.plan.target.is_fixed:
            with store.records.read() as connection:
                self._runs = queries.earlier_run_ids(
                    connection,
                    workspace=run.workspace,
                    use_case=run.use_case,
                    subject=run.subject,
                    before=run.id,
                )

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
            position, repetition, case = one
            row = found.get((case.id, repetition))
            is_same = row is not None and row["input"] == case.input
            yield one, _answered(one, row) if row is not None and is_same else None


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
