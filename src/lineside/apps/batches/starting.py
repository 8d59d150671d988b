"""Begins batches and goes on with them."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from lineside.apps.app import SERVABLE_KINDS
from lineside.apps.batches import queries
from lineside.apps.batches.batch import JOB, Batch, batch_from, get_batch, load_batch
from lineside.apps.batches.intake import take_rows
from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.open_releases import nothing_live
from lineside.apps.release import Release, load_release, load_releases, pick_release
from lineside.apps.rollout import load_rollouts
from lineside.core import Conflict, Denied, Invalid, did_you_mean, new_id, now
from lineside.evals import plan
from lineside.trust import Scope

CONCURRENCY_MAX = 64
"""Rows of one batch that may be asked at once: live calls need room beside it."""


def start_batch(
    scope: Scope,
    use_case: str,
    path: Path,
    *,
    name: str | None = None,
    release: str | None = None,
    mapping: Mapping[str, str] | None = None,
    limits: plan.RunLimits | None = None,
    rows_max: int | None = None,
    fresh: bool = False,
    told: Callable[[int], None] = lambda _rows: None,
) -> Batch:
    """Have every row of a file answered by one release, in this process or in one that takes over.

    All rows are taken into the store first; the file is not read again. The same rows for the same
    release are not paid for twice: a batch of them that is under way, was stopped or is done is
    returned, and goes on where it can, unless `fresh` is set.

    Args:
        name: The file's name as the person knows it, where that is not the path's.
        release: As `get_release` takes it; without it what most callers get now.
        mapping: Input field to the column that it is read from, where the names differ.
        rows_max: Only so many rows from the beginning.
        told: Gets the number of rows read so far, while the file is read.

    Raises:
        Invalid: The file cannot be read, lacks a column, or a limit is none.
        NotFound: No such use case or release, or nothing is live.
        Denied: The actor may not call the use case, or the release was refused by its gate.
    """
    scope.require("run", use_case)
    limits = _checked(limits or plan.RunLimits())
    if rows_max is not None and rows_max < 1:
        raise Invalid("bad_limit", f"The limit is {rows_max:,} rows, expected at least 1")
    mapping = dict(mapping or {})
    # PostgreSQL keeps no text with a null character.
    name = (name or path.name).replace("\0", "")
    chosen = _release(scope, use_case, release)
    folder = folder_of(scope.store, get_candidate(scope.store, scope.workspace, chosen.digest))
    schema = folder.input_schema
    taken = take_rows(
        scope.store,
        path,
        name,
        limit=rows_max,
        check=lambda columns: _check_columns(name, schema, columns, mapping),
        told=told,
    )
    batch = Batch(
        id=new_id("batch"),
        workspace=scope.workspace,
        use_case=use_case,
        file=name,
        key=_key(taken.digest, taken.columns, mapping, chosen.id, fresh=fresh),
        release_id=chosen.id,
        release=chosen.label,
        knobs=_operator_knobs(scope, use_case, {knob.name for knob in folder.manifest.knobs}),
        columns=taken.columns,
        mapping=mapping,
        limits=limits,
        status="running",
        rows_total=taken.rows,
        actor=scope.actor,
        team=scope.team,
        started_at=now(),
    )
    found = _known_or_added(scope, batch, taken.chunks)
    if found.is_reused and found.status in ("stopped", "cancelled"):
        more = _gone_on_with(scope, found, failed=False, limits=limits)
        return more.model_copy(update={"is_reused": True})
    _ensure(scope, found)
    return found


def resume_batch(
    scope: Scope, batch_id: str, *, failed: bool = False, limits: plan.RunLimits | None = None
) -> Batch:
    """Go on with a batch: with what was not asked yet, and with `failed` also with what failed.

    One that says it is under way though its process died goes on as well. No row with a kept
    answer is asked again.

    Args:
        limits: In place of those it had, each that is given; what was spent stays counted.

    Raises:
        Conflict: Nothing is left to ask.
        Denied: As `get_batch`, or the actor may not call the use case.
    """
    batch = get_batch(scope, batch_id)
    scope.require("run", batch.use_case)
    return _gone_on_with(scope, batch, failed=failed, limits=limits)


def _gone_on_with(
    scope: Scope, batch: Batch, *, failed: bool, limits: plan.RunLimits | None
) -> Batch:
    if batch.status != "running":
        given = (limits or plan.RunLimits()).model_dump(exclude_none=True)
        batch = _begun_again(scope, batch, failed=failed, limits=batch.limits.model_dump() | given)
    _ensure(scope, batch)
    return load_batch(scope, batch.id)


def wait_for_batch(
    scope: Scope, batch: Batch, *, progress: Callable[[Batch], None] = lambda _batch: None
) -> Batch:
    """Wait until a batch is no longer under way; whatever broke it is raised here."""
    return scope.store.jobs.follow(
        _job_of(batch), batch, load=lambda: load_batch(scope, batch.id), progress=progress
    )


def _ensure(scope: Scope, batch: Batch) -> None:
    """Have somebody work on a batch that is under way."""
    if batch.status == "running":
        payload = {"workspace": batch.workspace, "batch_id": batch.id, "attempt": batch.attempt}
        scope.store.jobs.ensure(JOB, _job_of(batch), payload)


def _job_of(batch: Batch) -> str:
    """Name of the job that works on a batch; each start has one of its own."""
    return f"{batch.id}-{batch.attempt}"


def _begun_again(scope: Scope, batch: Batch, *, failed: bool, limits: dict[str, Any]) -> Batch:
    left = batch.rows_total - batch.rows_answered - (0 if failed else batch.rows_failed)
    if left <= 0:
        hint = f"`lineside batch resume {batch.id} --failed` asks those again that failed."
        raise Conflict(
            "batch_done",
            f"`{batch.id}` has asked all of its {batch.rows_total:,} rows",
            hint=hint if batch.rows_failed else None,
        )
    changed: dict[str, Any] = {
        "status": "running",
        "stopped_by": None,
        "reason": None,
        "finished_at": None,
        "attempt": batch.attempt + 1,
        "limits": _checked(plan.RunLimits.model_validate(limits)).model_dump(),
        "actor": scope.actor.model_dump(),
        "team": scope.team,
    }
    if failed:
        changed = {**changed, "rows_failed": 0, "failures": {}}
    with scope.store.records.write() as connection:
        # Of two who do this at once, one does it.
        is_first = queries.update_batch(connection, batch.id, only=[batch.status], **changed)
        if is_first and failed:
            queries.delete_failed(connection, batch.id)
    return load_batch(scope, batch.id)


def _known_or_added(scope: Scope, batch: Batch, chunks: list[queries.Row]) -> Batch:
    row = {name: value for name, value in batch.model_dump().items() if name != "is_reused"}
    with scope.store.records.write() as connection:
        known = queries.same_batch_row(connection, workspace=batch.workspace, key=batch.key)
        if known is None and queries.insert_batch(connection, row):
            queries.insert_chunks(connection, [{**one, "batch_id": batch.id} for one in chunks])
            return batch
        known = known or queries.same_batch_row(
            connection, workspace=batch.workspace, key=batch.key
        )
    assert known is not None  # noqa: S101 # what stood in the way of adding it
    return batch_from(known).model_copy(update={"is_reused": True})


def _checked(limits: plan.RunLimits) -> plan.RunLimits:
    limits.check()
    if (limits.concurrency_max or 1) > CONCURRENCY_MAX:
        raise Invalid(
            "bad_limit",
            f"{limits.concurrency_max:,} rows at once are too many, at most {CONCURRENCY_MAX}",
            hint="Live calls need room beside a batch.",
        )
    return limits


def _release(scope: Scope, use_case: str, reference: str | None) -> Release:
    if reference is None:
        standing = load_rollouts(scope, use_case, limit=1)
        if not standing:
            raise nothing_live(scope, use_case)
        release = load_release(scope, standing[0].live.release_id)
    else:
        release = pick_release(load_releases(scope, use_case), use_case, reference)
    if release.status == "refused":
        raise Denied(
            "release_refused",
            f"`{release.label}` was refused by its gate: {release.gate.verdict.sentence}",
            hint="Name a release that was let through.",
        )
    if release.kind not in SERVABLE_KINDS:
        raise Denied("kind_cannot_serve", f"Apps of kind `{release.kind}` cannot be served yet")
    return release


def _operator_knobs(scope: Scope, use_case: str, known: set[str]) -> dict[str, Any]:
    standing = load_rollouts(scope, use_case, limit=1)
    kept = standing[0].knobs if standing else {}
    return {name: value for name, value in kept.items() if name in known}


def _check_columns(
    name: str, schema: Mapping[str, Any], columns: list[str], mapping: Mapping[str, str]
) -> None:
    fields = list(schema.get("properties", {}))
    for field, column in mapping.items():
        for word, kind, there in ((field, "input field", fields), (column, "column", columns)):
            if word not in there:
                near = did_you_mean(word, there)
                raise Invalid(
                    "batch_mapping",
                    f"`{field}={column}`: there is no {kind} `{word[:80]}`",
                    hint=f"Did you mean `{near}`?" if near else f"There are: {_listed(there)}.",
                )
    missing = [
        field for field in schema.get("required", []) if mapping.get(field, field) not in columns
    ]
    if missing:
        raise Invalid(
            "batch_columns",
            f"`{name}` has no column for {_listed(missing)}; its columns: {_listed(columns)}",
            hint=f"Say which it is, as in `--map {missing[0]}=COLUMN`, or rename it.",
        )


def _listed(words: list[str]) -> str:
    shown = ", ".join(f"`{word[:60]}`" for word in words[:10])
    return shown + (f" and {len(words) - 10} more" if len(words) > 10 else "") or "none"


def _key(
    digest: str, columns: list[str], mapping: dict[str, str], release_id: str, *, fresh: bool
) -> str:
    """The same for the same rows, columns and release; of its own where it is to be fresh."""
    parts = [digest, columns, sorted(mapping.items()), release_id, new_id("batch") if fresh else ""]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
