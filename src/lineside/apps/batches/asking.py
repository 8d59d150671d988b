"""Asks the rows of a batch, each as a live call of its release is asked."""

import asyncio
import time
from dataclasses import dataclass, replace

from lineside.apps.batches.batch import Batch
from lineside.apps.batches.rows import RawRow
from lineside.apps.call import Call
from lineside.apps.call_place import CallPlace
from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.release import load_release
from lineside.apps.rollout import Arm, Rollout
from lineside.apps.serving import Serving
from lineside.apps.turning import Live
from lineside.core import LinesideError
from lineside.evals import dataset, target
from lineside.gateway import Form, ModelReply, budgets, hear_rate_limit
from lineside.store import Store
from lineside.trust import Scope, keys

RowToAsk = tuple[tuple[int, int, dataset.Case], target.Answered | None]
"""A row as it is asked, with its failure where it cannot be read."""

_LOOK_SECONDS = 1.0
_RETRY_SECONDS_MAX = 60
_INBOX_SHARE = 0.5


@dataclass(frozen=True)
class RowReply(target.HeldReply):
    """What became of one row whose model was asked."""

    trace_id: str | None = None
    hand_off: bool = False


class AskedRows:
    """Asks the rows of a batch, each as one live call of its release."""

    def __init__(self, store: Store, serving: Serving, batch: Batch, scope: Scope) -> None:
        self._store, self._serving, self._batch, self._scope = store, serving, batch, scope
        release = load_release(scope, batch.release_id)
        folder = folder_of(store, get_candidate(store, batch.workspace, release.digest))
        fields = folder.input_schema.get("properties", {})
        self._columns = {field: batch.mapping.get(field, field) for field in fields}
        self._form = Form(folder.input_schema)
        self._arm = Arm(name="batch", release_id=release.id, label=release.label, percent=100)
        rollout = Rollout(
            id=batch.id,
            use_case=batch.use_case,
            arms=(self._arm,),
            knobs=batch.knobs,
            reason="deploy",
            created_at=batch.started_at,
            created_by=batch.actor.name,
        )
        self._live = Live(rollout, 0, "")
        self._inbox_looked_at = 0.0

    def row(self, at: int, row: RawRow) -> RowToAsk:
        """A row as it is asked; one that cannot be read comes with its failure."""
        given = {
            field: self._form.read_cell(field, value) if isinstance(value, str) else value
            for field, column in self._columns.items()
            if (value := row.values.get(column)) is not None
        }
        asked = (at, 0, dataset.Case(str(row.line), given))
        if row.problem is None:
            return asked, None
        code, message = row.problem
        return asked, target.Answered(*asked, None, target.Failure(code, message), None)

    async def answer_case(self, case: dataset.Case, _repetition: int) -> ModelReply:
        """Answer one row; where that fails, the reply says why and what it took all the same."""
        await self._wait_for_the_lake()
        place = CallPlace()
        outcome, reply = await self._serving.answer_by(
            self._scope,
            self._arm,
            Call(input=case.input),
            live=self._live,
            place=place,
            about={"batch": self._batch.id, "batch_line": int(case.id)},
        )
        taken = RowReply(
            output={},
            model=reply.model if reply else "",
            tokens_in=reply.tokens_in if reply else None,
            tokens_out=reply.tokens_out if reply else None,
            cost_usd=reply.cost_usd if reply else 0.0,
            trace_id=place.trace_id,
        )
        if isinstance(outcome, LinesideError):
            return replace(taken, failure=_failure(outcome))
        return replace(
            taken,
            output=outcome.output,
            confidence=outcome.confidence,
            hand_off=outcome.hand_off,
        )

    async def close(self) -> None:
        """Nothing: the serving is closed by who opened it."""

    async def _wait_for_the_lake(self) -> None:
        """Ask nothing while so much waits for the lake that an answer's trace would be refused."""
        if time.monotonic() - self._inbox_looked_at < _LOOK_SECONDS:
            return
        self._inbox_looked_at = time.monotonic()
        most = self._store.settings.inbox_rows_max * _INBOX_SHARE
        while await asyncio.to_thread(self._store.inbox.count) > most:  # noqa: ASYNC110 # a database tells nobody
            await asyncio.sleep(_LOOK_SECONDS)


def _failure(error: LinesideError) -> target.Failure:
    """Why a row has no answer; a limit that has room again within a minute is waited for."""
    if isinstance(error, budgets.BudgetExceeded):
        wait = error.headers.get("retry-after", "")
        if wait.isdecimal() and int(wait) <= _RETRY_SECONDS_MAX:
            hear_rate_limit(float(wait))
            return target.Failure("unavailable:rate_limited", error.message)
    return target.failure_of(error)


def scope_of_batch(store: Store, batch: Batch) -> Scope:
    """Whose calls these are, with the one right that is needed.

    Raises:
        Denied: Their key was revoked since, or may no longer call this.
    """
    rights, only = frozenset({"run"}), frozenset({batch.use_case})
    if batch.actor.kind == "key":
        scope = keys.scope_of_key(store, batch.actor.id)
        scope.require("run", batch.use_case)
    return Scope(store, batch.workspace, batch.actor, rights, only, None, batch.team)
