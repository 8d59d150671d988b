"""Parts of a dataset kept for the last exam: nobody runs on them before they are opened."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

import orjson
from pydantic import Field

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
        use_cases: Those whose runs it stays out of beside its own; nothing means all of them. Told
            to nobody, for who reads the part may not know of them.
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
    use_cases: list[str] | None = Field(default=None, exclude=True)

    @property
    def is_open(self) -> bool:
        """Whether it may be run on right now."""
        return self.open_until is not None and now() < self.open_until

    @property
    def mark(self) -> str:
        """What runs over its cases are known by; says nothing to who may not know of the part."""
        place = orjson.dumps([self.workspace, self.use_case, self.name, self.split])
        return f"held:{blake2b(place, digest_size=_MARK_BYTES).hexdigest()}"

    def reaches(self, use_case: str) -> bool:
        """Whether runs of a use case are kept from it."""
        return use_case == self.use_case or self.use_cases is None or use_case in self.use_cases


def hold_out(scope: Scope, version: DatasetVersion, split: str) -> HeldOutPart:
    """Hold the cases of a split out; from now on no run may have one of them.

    That holds for runs of every use case that the actor may test, for others are not theirs to
    block. Cases are known again by their input, whatever their id, split or dataset is called.
    What was held out under this split before stays held out. A part that was opened is closed
    again.

    Raises:
        Denied: The actor may not test the use case, or would add cases to a part that reaches
            use cases which they may not test.
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
        same = (row for row in rows if (row["name"], row["split"]) == (version.name, split))
        before = next(same, None)
        if before is not None:
            known = _marks(scope, before["digest"])
            if found - known:
                _require_reach(scope, before["use_cases"], split)
            found |= known
        part = HeldOutPart(
            workspace=scope.workspace,
            use_case=version.use_case,
            name=version.name,
            split=split,
            digest=scope.store.blobs.put(b"".join(sorted(found))),
            cases=len(found),
            held_by=scope.actor.name,
            held_at=now(),
            use_cases=_reach(scope, before),
        )
        queries.put_held_out(connection, part.model_dump() | {"use_cases": part.use_cases})
        details = {"dataset": version.name, "split": split, "cases": len(found)}
        record(connection, scope, "dataset.held_out", version.use_case, details)
    return part


def _reach(scope: Scope, before: Mapping[str, Any] | None) -> list[str] | None:
    """The use cases that the actor may test, and those that a part reached before."""
    if scope.use_cases is None or (before is not None and before["use_cases"] is None):
        return None
    return sorted(scope.use_cases.union(before["use_cases"] if before else ()))


def _require_reach(scope: Scope, use_cases: Sequence[str] | None, split: str) -> None:
    if scope.use_cases is None or (use_cases and scope.use_cases.issuperset(use_cases)):
        return
    raise Denied(
        "part_reaches_further",
        f"`{split[:60]}` is held out from runs of use cases that `{scope.actor.name}` may not test",
        hint="Give the new cases a split of another name, or ask somebody who may test them all.",
    )


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


def without_held_out(scope: Scope, use_case: str, dataset: Dataset) -> Dataset:
    """The cases that may be seen and run on right now; the dataset itself where all may."""
    marks = _closed_marks(scope, _closed(scope, use_case))
    if not marks:
        return dataset
    return dataset_of(dataset.name, (case for case in dataset if _mark(case) not in marks))


def refuse_held_out(scope: Scope, version: DatasetVersion) -> list[str]:
    """Go on only if no case of a dataset is held out; returns the marks of open parts it has.

    Raises:
        Denied: Some are; says how many, of which part, and how it is opened.
    """
    parts = _reaching(scope, version.use_case)
    if not parts:
        return []
    cases, opened = [_mark(case) for case in load_dataset(scope, version.digest)], list[str]()
    for part in sorted(parts, key=lambda part: part.is_open):
        marks = _marks(scope, part.digest)
        count = sum(mark in marks for mark in cases)
        if count and part.is_open:
            opened.append(part.mark)
        elif count:
            raise _held_out(scope, part, version, f"{count:,} of {len(cases):,} cases are held out")
    return opened


def _held_out(scope: Scope, part: HeldOutPart, version: DatasetVersion, said: str) -> Denied:
    """What to tell: nothing of another use case to somebody who may not read it."""
    mine, place = f"{version.use_case}/{version.name}", f"{part.use_case}/{part.name}"
    without = f"Test without them: `lineside datasets export {mine}` leaves them out."
    if "read" not in scope.rights or part.use_case not in (scope.use_cases or {part.use_case}):
        return Denied(
            "held_out",
            f"{said} in a use case that `{scope.actor.name}` may not read",
            hint=f"{without} Or a person who may make releases there opens them.",
        )
    return Denied(
        "held_out",
        f"{said}: split `{part.split}` of `{place}`, since {part.held_at:%Y-%m-%d} by "
        f"{part.held_by}",
        hint=f"{without} Or a person opens them: "
        f'`lineside datasets unlock {place} {part.split} --reason "…"`.',
    )


def _closed(scope: Scope, use_case: str) -> list[HeldOutPart]:
    return [part for part in _reaching(scope, use_case) if not part.is_open]


def _reaching(scope: Scope, use_case: str) -> list[HeldOutPart]:
    """Also of other use cases: a copy of a dataset under another name holds the same cases."""
    with scope.store.records.read() as connection:
        rows = queries.held_out_rows(connection, workspace=scope.workspace)
    parts = [HeldOutPart.model_validate(dict(row)) for row in rows]
    return [part for part in parts if part.reaches(use_case)]


def _closed_marks(scope: Scope, closed: list[HeldOutPart]) -> set[bytes]:
    return {mark for part in closed for mark in _marks(scope, part.digest)}


def _marks(scope: Scope, digest: str) -> set[bytes]:
    content = scope.store.blobs.get(digest)
    return {content[at : at + _MARK_BYTES] for at in range(0, len(content), _MARK_BYTES)}


def _mark(case: Case) -> bytes:
    """What a case is known again by: its input, without a way back to it."""
    content = orjson.dumps(case.input, option=orjson.OPT_SORT_KEYS)
    return blake2b(content, digest_size=_MARK_BYTES).digest()
