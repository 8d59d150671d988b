"""`/api/batches`: files whose rows a release answers, and what became of each row."""

import asyncio
import tempfile
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse

from lineside.api.caller import Caller
from lineside.apps import batches
from lineside.core import Invalid, Record
from lineside.evals import plan

router = APIRouter(tags=["batches"])


class BatchResume(Record):
    """How to go on with a batch.

    Attributes:
        failed: Ask those again, too, that failed.
        max_cost_usd: In place of the limit it had, of all its work.
    """

    failed: bool = False
    max_cost_usd: float | None = Field(None, gt=0, allow_inf_nan=False)
    max_minutes: float | None = Field(None, gt=0, allow_inf_nan=False)
    concurrency: int | None = Field(None, ge=1)


@router.post("/usecases/{name}/batches", status_code=201)
async def start(
    request: Request,
    scope: Caller,
    name: str,
    file: str = "rows.csv",
    release: str | None = None,
    max_cost_usd: float | None = None,
    max_minutes: float | None = None,
    concurrency: int | None = None,
    limit: int | None = None,
    map: str = "",  # noqa: A002 # the name in the address
    fresh: bool = False,
) -> batches.BatchState:
    """Have every row of the body answered; `file` is its name, whose ending says the format.

    The body is the file as it is: CSV, JSON lines or Parquet, at most `LINESIDE_BATCH_BYTES_MAX`.
    `map` names columns as in `message=text,language=lang`. Sent again, the same rows for the same
    release are the same batch, unless `fresh`.
    """
    scope.require("run", name)
    limits = _limits(max_cost_usd, max_minutes, concurrency)
    with tempfile.TemporaryDirectory(prefix="lineside-batch-") as folder:
        path = Path(folder) / "rows"
        with path.open("wb") as kept:
            async for part in request.stream():
                await asyncio.to_thread(kept.write, part)
        begun = await asyncio.to_thread(
            batches.start_batch,
            scope,
            name,
            path,
            name=file,
            release=release,
            mapping=_mapping(map),
            limits=limits,
            rows_max=limit,
            fresh=fresh,
        )
    return batches.state_of(begun)


@router.get("/batches")
def batch_list(
    scope: Caller, use_case: str | None = None, limit: int = 100
) -> list[batches.BatchState]:
    """Batches, newest first, at most 500."""
    return [
        batches.state_of(one) for one in batches.list_batches(scope, use_case=use_case, limit=limit)
    ]


@router.get("/batches/{batch_id}")
def state(scope: Caller, batch_id: str) -> batches.BatchState:
    """How far a batch is, what it cost, and why rows failed."""
    return batches.state_of(batches.get_batch(scope, batch_id))


@router.get("/batches/{batch_id}/rows")
def rows(
    scope: Caller, batch_id: str, after: int = -1, limit: int = 100
) -> list[batches.BatchResult]:
    """Rows that are answered or have failed, in the order of the file, behind `after`."""
    return batches.batch_results(scope, batch_id, after=after, limit=limit)


@router.get("/batches/{batch_id}/results", response_class=FileResponse)
def results(
    scope: Caller, batch_id: str, form: Literal["csv", "jsonl", "parquet"] = "jsonl"
) -> FileResponse:
    """All that is answered or has failed so far, as one file."""
    found = batches.exported_file(scope, batch_id, form)
    return FileResponse(
        found.path,
        media_type=found.media_type,
        filename=found.path.name,
        background=BackgroundTask(found.remove),
    )


@router.post("/batches/{batch_id}/cancel")
def cancel(scope: Caller, batch_id: str) -> batches.BatchState:
    """Ask no further row; what was answered is kept."""
    return batches.state_of(batches.cancel_batch(scope, batch_id))


@router.post("/batches/{batch_id}/resume")
def resume(scope: Caller, batch_id: str, wish: BatchResume) -> batches.BatchState:
    """Go on with a batch that was stopped or cancelled, with other limits where given."""
    limits = _limits(wish.max_cost_usd, wish.max_minutes, wish.concurrency)
    begun = batches.resume_batch(scope, batch_id, failed=wish.failed, limits=limits)
    return batches.state_of(begun)


@router.delete("/batches/{batch_id}")
def remove(scope: Caller, batch_id: str) -> batches.BatchState:
    """Forget a batch with its rows, as they came and as they were answered; its traces stay."""
    return batches.state_of(batches.remove_batch(scope, batch_id))


def _limits(
    max_cost_usd: float | None, max_minutes: float | None, concurrency: int | None
) -> plan.RunLimits:
    return plan.RunLimits(
        cost_usd_max=max_cost_usd,
        seconds_max=None if max_minutes is None else max_minutes * 60,
        concurrency_max=concurrency,
    )


def _mapping(text: str) -> dict[str, str]:
    found = {}
    for part in filter(None, text.split(",")):
        field, sign, column = part.partition("=")
        if not sign or not column:
            raise Invalid(
                "bad_mapping",
                f"`map={text[:80]}` names no column",
                hint="As in `map=message=text`: input field, then column of the file.",
            )
        found[field.strip()] = column.strip()
    return found
