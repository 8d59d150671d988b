"""Parts of a dataset kept for the last exam: nobody runs on them before they are opened."""

from datetime import datetime, timedelta
from hashlib import blake2b

import orjson

from lineside.core import Denied, Invalid, NotFound, Record, now
from lineside.evals.dataset import Case, Dataset, DatasetVersion, dataset_of, load_dataset
from lineside.evals.datasets import queries
from lineside.trust import Scope, record

HOURS_OPEN = 24.0
HOURS_OPEN_MAX = 24.0 * 30

_MARK_BYTES = 16
_REASON_MAX = 1000


class HeldOutPart(Record):
    """A split of a dataset that is held out.

    Attributes:
        name: Of the dataset; the part holds in every version, and wherever its inputs turn up.
        cases: Number of different inputs that are held out.
        open_until: It may be run on until then; nothing while it was never opened.
        opened_by: The person who opened it last, and their reason.
    """

    workspace: str
    use_case: str
    name: str
    split: str
    digest: str
    cases: int
    held_by: str
    held_at: datetime
    open_until: datetime | None = None
    opened_by: str | None = None
    reason: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may be run on right now."""
        return self.open_until is not None and now() < self.open_until


def hold_out(scope: Scope, version: DatasetVersion, split: str) -> HeldOutPart:
    """Hold the cases of a split out; from now on no run of the workspace may have one of them.

    Cases are known again by their input, whatever their id, split, dataset or use case is called.
    What was held out under this split before stays held out. A part that was opened is closed
    again.

    Raises:
        Denied: The actor may not test the use case.
        NotFound: The version has no case in the split.
    """
    scope.require("test", version.use_case)
    found = {
        _mark(case)
        for case in load_dataset(scope, version.digest, name=version.name)
        if case.split == split
    }
    if not found:
        raise NotFound(
            "unknown_split",
            f"Version {version.version} of `{version.name}` has no case in `{split[:60]}`",
            hint="`lineside datasets split` divides cases into splits.",
        )
    with scope.store.records.write() as connection:
        rows = queries.held_out_rows(
            connection, workspace=scope.workspace, use_case=version.use_case
        )
        for row in rows:
            if (row["name"], row["split"]) == (version.name, split):
                found |= _marks(scope, row["digest"])
        part = HeldOutPart(
            workspace=scope.workspace,
            use_case=version.use_case,
            name=version.name,
            split=split,
            digest=scope.store.blobs.put(b"".join(sorted(found))),
            cases=len(found),
            held_by=scope.actor.name,
            held_at=now(),
        )
        queries.put_held_out(connection, part.model_dump())
        details = {"dataset": version.name, "split": split, "cases": len(found)}
        record(connection, scope, "dataset.held_out", version.use_case, details)
    return part


def unlock(
    scope: Scope,
    *,
    use_case: str,
    name: str,
    split: str,
    reason: str,
    hours: float = HOURS_OPEN,
) -> HeldOutPart:
    """Open a part that is held out for some hours; who did it and why stands in the ledger.

    Raises:
        Denied: The actor is no person, or may not make releases of the use case.
        Invalid: There is no reason, or the hours are not above 0 and at most 720.
        NotFound: The part is not held out.
    """
    scope.require("release", use_case)
    if scope.actor.kind != "person":
        raise Denied(
            "person_needed",
            f"`{scope.actor.name}` is no person, and only a person opens what is held out",
            hint="Somebody who may make releases opens it on its page or in a terminal.",
        )
    if not reason.strip() or len(reason) > _REASON_MAX:
        raise Invalid(
            "reason_needed",
            f"The reason has {len(reason.strip())} letters, expected 1 to {_REASON_MAX:,}",
            hint="Say what the held-out cases are needed for; the ledger keeps it.",
        )
    if not 0 < hours <= HOURS_OPEN_MAX:
        raise Invalid("bad_hours", f"`hours` is {hours:g}, expected up to {HOURS_OPEN_MAX:g}")
    found = next(
        (one for one in held_out_parts(scope, use_case) if (one.name, one.split) == (name, split)),
        None,
    )
    if found is None:
        raise NotFound(
            "not_held_out", f"Split `{split[:60]}` of `{use_case}/{name[:80]}` is not held out"
        )
    opened = {
        "open_until": now() + timedelta(hours=hours),
        "opened_by": scope.actor.name,
        "reason": reason.strip(),
    }
    part = found.model_copy(update=opened)
    with scope.store.records.write() as connection:
        queries.put_held_out(connection, part.model_dump())
        details = {"dataset": name, "split": split, "cases": part.cases, **opened}
        record(connection, scope, "dataset.unlocked", use_case, details)
    return part


def held_out_parts(scope: Scope, use_case: str) -> list[HeldOutPart]:
    """The parts of a use case's datasets that are held out, open or not."""
    scope.require("read", use_case)
    with scope.store.records.read() as connection:
        rows = queries.held_out_rows(connection, workspace=scope.workspace, use_case=use_case)
    return [HeldOutPart.model_validate(dict(row)) for row in rows]


def without_held_out(scope: Scope, dataset: Dataset) -> Dataset:
    """The cases that may be seen and run on right now; the dataset itself where all may."""
    marks = _closed_marks(scope, _closed(scope))
    if not marks:
        return dataset
    return dataset_of(dataset.name, (case for case in dataset if _mark(case) not in marks))


def refuse_held_out(scope: Scope, version: DatasetVersion) -> None:
    """Go on only if no case of a dataset is held out.

    Raises:
        Denied: Some are; says how many, of which part, and how it is opened.
    """
    closed = _closed(scope)
    if not closed:
        return
    cases = list(load_dataset(scope, version.digest, name=version.name))
    for part in closed:
        marks = _marks(scope, part.digest)
        count = sum(_mark(case) in marks for case in cases)
        if count:
            place = f"{part.use_case}/{part.name}"
            raise Denied(
                "held_out",
                f"{count:,} of {len(cases):,} cases are held out: split `{part.split}` of "
                f"`{place}`, since {part.held_at:%Y-%m-%d} by {part.held_by}",
                hint=f"Test without them: `lineside datasets export {place}` leaves them out. Or a "
                f'person opens them: `lineside datasets unlock {place} {part.split} --reason "…"`.',
            )


def _closed(scope: Scope) -> list[HeldOutPart]:
    """Of every use case: a copy of a dataset under another name holds the same cases."""
    with scope.store.records.read() as connection:
        rows = queries.held_out_rows(connection, workspace=scope.workspace)
    parts = [HeldOutPart.model_validate(dict(row)) for row in rows]
    return [part for part in parts if not part.is_open]


def _closed_marks(scope: Scope, closed: list[HeldOutPart]) -> set[bytes]:
    return {mark for part in closed for mark in _marks(scope, part.digest)}


def _marks(scope: Scope, digest: str) -> set[bytes]:
    content = scope.store.blobs.get(digest)
    return {content[at : at + _MARK_BYTES] for at in range(0, len(content), _MARK_BYTES)}


def _mark(case: Case) -> bytes:
    """What a case is known again by: its input, without a way back to it."""
    content = orjson.dumps(case.input, option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=_MARK_BYTES).digest()
