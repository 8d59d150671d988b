"""A batch: every row of a file, answered by one release."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from lineside.apps.batches import queries
from lineside.core import Actor, Conflict, NotFound, Record, now
from lineside.evals import plan
from lineside.trust import Scope

JOB = "apps.batch"
_LISTED_MAX = 500

StoppedBy = Literal["money", "time", "budget", "failing", "error"]


class BatchFailure(Record):
    """How many rows failed for one reason, what one of them said, and the lines of the first.

    Attributes:
        lines: Of the file; of Parquet the numbers of the rows, counted from 1.
    """

    rows: int
    message: str
    lines: list[int]


class Batch(Record):
    """Every row of a file, answered by one release.

    Attributes:
        file: Name of the file that the rows came from.
        release_id: What answers, the same for every row, also when another goes live meanwhile.
        release: What people call it, such as `v2`.
        knobs: What the operator had set when the batch began; every row is answered with that.
        columns: Of the file, in order.
        mapping: Input field to the column that it is read from, where the names differ.
        limits: Of all the work, that of earlier starts counted in.
        status: `done` also where rows failed; `stopped` says in `stopped_by` and `reason` why.
        rows_answered: Rows with an answer that is kept.
        rows_failed: Rows without one, with the reason kept.
        failures: By error code, such as `unavailable:model_down`.
        spent: What it took so far; `seconds` of work, over all starts.
        attempt: How often it was started.
        actor: Whose it is; its calls count for their budgets.
        is_reused: Whether it was there already when the same file was given again.
    """

    id: str
    workspace: str
    use_case: str
    file: str
    key: str
    release_id: str
    release: str
    knobs: dict[str, Any]
    columns: list[str]
    mapping: dict[str, str]
    limits: plan.RunLimits
    status: Literal["running", "done", "stopped", "cancelled"]
    stopped_by: StoppedBy | None = None
    reason: str | None = None
    rows_total: int
    rows_answered: int = 0
    rows_failed: int = 0
    failures: dict[str, BatchFailure] = {}  # noqa: RUF012 # pydantic copies it
    spent: plan.RunSpent = plan.RunSpent()
    attempt: int = 1
    actor: Actor
    team: str | None = None
    started_at: datetime
    finished_at: datetime | None = None
    is_reused: bool = False

    @property
    def rows_done(self) -> int:
        """Rows that are answered or have failed."""
        return self.rows_answered + self.rows_failed

    @property
    def state(self) -> str:
        """Its status as people read it, such as `stopped: money`."""
        return f"stopped: {self.stopped_by}" if self.status == "stopped" else self.status

    @property
    def rows_per_second(self) -> float | None:
        """Over all the work so far; nothing where there is too little to tell."""
        return self.rows_done / self.spent.seconds if self.spent.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """What the rest will take at the rate so far; nothing where nothing is under way."""
        rate = self.rows_per_second
        if self.status != "running" or not rate:
            return None
        return (self.rows_total - self.rows_done) / rate

    @property
    def forecast_usd(self) -> float | None:
        """What all rows will have cost at the cost so far; nothing where that is not known."""
        if not self.rows_done or self.spent.cost_unknown:
            return None
        return self.spent.cost_usd / self.rows_done * self.rows_total


class BatchState(Record):
    """A batch with what follows from its figures, as programs get it.

    Attributes:
        state: As people read it, such as `stopped: money`.
        forecast_usd: What all rows will have cost at the cost so far.
    """

    batch: Batch
    state: str
    rows_left: int
    rows_per_second: float | None
    seconds_left: float | None
    forecast_usd: float | None


def state_of(batch: Batch) -> BatchState:
    """How a batch stands, for programs."""
    return BatchState(
        batch=batch,
        state=batch.state,
        rows_left=batch.rows_total - batch.rows_done,
        rows_per_second=batch.rows_per_second,
        seconds_left=batch.seconds_left,
        forecast_usd=batch.forecast_usd,
    )


def get_batch(scope: Scope, batch_id: str) -> Batch:
    """A batch as it stands now; cheap enough to ask several times a second.

    Raises:
        NotFound: The workspace has no such batch.
        Denied: The actor may neither read the use case nor began the batch.
    """
    batch = load_batch(scope, batch_id)
    if not _is_own(scope, batch):
        scope.require("read", batch.use_case)
    return batch


def list_batches(scope: Scope, *, use_case: str | None = None, limit: int = 100) -> list[Batch]:
    """Batches, newest first."""
    scope.require("read", use_case)
    with scope.store.records.read() as connection:
        rows = queries.batch_rows(
            connection,
            workspace=scope.workspace,
            use_case=use_case,
            limit=max(0, min(limit, _LISTED_MAX)),
        )
    return [batch_from(row) for row in rows]


def cancel_batch(scope: Scope, batch_id: str) -> Batch:
    """Ask no further row; what is under way is kept, and `resume_batch` goes on.

    Raises:
        Conflict: It is not under way.
        Denied: As `get_batch`, or the actor may not call the use case.
    """
    batch = get_batch(scope, batch_id)
    scope.require("run", batch.use_case)
    with scope.store.records.write() as connection:
        ended = {"status": "cancelled", "finished_at": now()}
        if not queries.update_batch(connection, batch.id, only=["running"], **ended):
            raise Conflict("batch_ended", f"`{batch.id}` is {batch.state}, not under way")
    return load_batch(scope, batch_id)


def remove_batch(scope: Scope, batch_id: str) -> Batch:
    """Forget a batch: its rows, as they came and as they were answered. Its traces stay.

    Raises:
        Conflict: It is under way.
        Denied: As `get_batch`, or the actor may not call the use case.
    """
    batch = get_batch(scope, batch_id)
    scope.require("run", batch.use_case)
    if batch.status == "running":
        raise Conflict(
            "batch_under_way",
            f"`{batch.id}` is under way",
            hint=f"Cancel it first: `lineside batch cancel {batch.id}`.",
        )
    with scope.store.records.write() as connection:
        unused = queries.delete_batch(connection, batch.id)
    scope.store.payloads.remove(unused)
    return batch


def load_batch(scope: Scope, batch_id: str) -> Batch:
    """The same as `get_batch` for the room's own work, which has its own right to ask for."""
    with scope.store.records.read() as connection:
        row = queries.batch_row(connection, workspace=scope.workspace, batch_id=batch_id)
    if row is None:
        raise NotFound(
            "unknown_batch",
            f"There is no batch `{batch_id[:64]}`",
            hint="Run `lineside batch list` to see them all.",
        )
    return batch_from(row)


def batch_from(row: Mapping[str, Any]) -> Batch:
    return Batch.model_validate(dict(row))


def _is_own(scope: Scope, batch: Batch) -> bool:
    may_run = "run" in scope.rights and (
        scope.use_cases is None or batch.use_case in scope.use_cases
    )
    return may_run and scope.actor.id == batch.actor.id
