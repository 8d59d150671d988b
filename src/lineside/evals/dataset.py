"""Test material: cases with what they expect, by content address and by version."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from typing import Any

import orjson

from lineside.core import Conflict, Invalid, NotFound, Record, new_id, now
from lineside.evals import queries
from lineside.store import Store, digest_of
from lineside.trust import Scope

_TRIES = 5
_NAMED_MAX = 5


@dataclass(frozen=True, slots=True)
class Case:
    """One input, what is expected of its answer, and where it comes from.

    Attributes:
        expected: Output fields and their right values; may name only some of the fields.
        slices: Name of a slice to the case's value in it, such as `channel` to `mail`.
        source: Where the case was taken from, such as a trace id or a file.
        cluster: Cases with the same key are related, such as turns of one conversation, and count
            as such in every interval.
        split: The part of the dataset that the case belongs to, such as `train` or `test`.
    """

    id: str
    input: dict[str, Any]
    expected: dict[str, Any] = field(default_factory=dict)
    slices: dict[str, str] = field(default_factory=dict)
    source: str | None = None
    cluster: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Cases in their order. The digest is that of the cases, whatever file format they came in.

    Attributes:
        name: File name without folder and suffix.
        content: One case a line as canonical JSON; cases are made from it when they are read, so
            that a large dataset takes little more memory than its file.
    """

    name: str
    digest: str
    cases_total: int
    content: bytes = field(repr=False)

    def __len__(self) -> int:
        return self.cases_total

    def __iter__(self) -> Iterator[Case]:
        start, end = 0, 0
        while start < len(self.content):
            end = self.content.index(b"\n", start)
            yield Case(**orjson.loads(memoryview(self.content)[start:end]))
            start = end + 1


class DatasetVersion(Record):
    """A dataset that was kept: the same name gets a new version when its cases change.

    Attributes:
        version: Counts from 1 within workspace, use case and name.
        cases: Number of cases.
    """

    id: str
    workspace: str
    use_case: str
    name: str
    digest: str
    version: int
    cases: int
    created_at: datetime


def canonical(case: Case) -> bytes:
    """One case as the line of canonical JSON that its dataset's digest is made from."""
    fields = {
        "id": case.id,
        "input": case.input,
        "expected": case.expected,
        "slices": case.slices,
        "source": case.source,
        "cluster": case.cluster,
        "split": case.split,
    }
    kept = {name: value for name, value in fields.items() if value or name == "input"}
    return orjson.dumps(kept, option=orjson.OPT_SORT_KEYS) + b"\n"


def dataset_of(name: str, cases: Iterable[Case]) -> Dataset:
    """Make a dataset of cases that were checked already."""
    content, count = BytesIO(), 0
    for case in cases:
        content.write(canonical(case))
        count += 1
    return dataset_from(name, content.getvalue(), cases_total=count)


def dataset_from(name: str, content: bytes, *, cases_total: int | None = None) -> Dataset:
    """Make a dataset of its canonical JSON lines."""
    total = content.count(b"\n") if cases_total is None else cases_total
    return Dataset(name, digest_of(content), total, content)


def id_from_content(case: Case, *, repeat: int) -> str:
    """Name a case that has no id by what it holds; equal cases are told apart by their count."""
    body = orjson.dumps([case.input, case.expected], option=orjson.OPT_SORT_KEYS)
    name = f"case-{sha256(body).hexdigest()[:16]}"
    return name if repeat == 0 else f"{name}-{repeat + 1}"


def unknown_cases(unknown: Sequence[str], *, labelled: int, place: str, hint: str) -> Invalid:
    """The error for labels of cases that are not there; `place` is a run or a review."""
    named = ", ".join(f"`{case_id[:40]}`" for case_id in unknown[:_NAMED_MAX])
    more = f" and {len(unknown) - _NAMED_MAX:,} more" if len(unknown) > _NAMED_MAX else ""
    return Invalid(
        "unknown_cases",
        f"{len(unknown):,} of {labelled:,} labels are for cases that {place} does not have: "
        f"{named}{more}; none was taken",
        hint=hint,
    )


def keep_dataset(
    scope: Scope, use_case: str, dataset: Dataset, *, after: int | None = None
) -> DatasetVersion:
    """Keep a dataset of a use case; cases that were kept under this name before are not kept again.

    Args:
        after: The version that this one was made from, 0 for none; given, no other may be newer.

    Raises:
        Conflict: Another version came in between.
        Denied: The actor may not test the use case.
    """
    scope.require("test", use_case)
    key = {"workspace": scope.workspace, "use_case": use_case, "name": dataset.name}
    scope.store.blobs.put(dataset.content)
    for _ in range(_TRIES):
        with scope.store.records.write() as connection:
            known = queries.dataset_row(connection, **key, digest=dataset.digest)
            if known is not None:
                return DatasetVersion.model_validate(dict(known))
            newest = queries.newest_version(connection, **key)
            if after is not None and newest != after:
                break
            version = DatasetVersion(
                id=new_id("ds"),
                **key,
                digest=dataset.digest,
                version=newest + 1,
                cases=len(dataset),
                created_at=now(),
            )
            if queries.insert_dataset(connection, version.model_dump()):
                return version
    raise Conflict(
        "dataset_busy",
        f"Dataset `{dataset.name}` of `{use_case}` is being changed by others right now",
        hint="Try again.",
    )


def load_dataset(scope: Scope, digest: str, *, name: str = "") -> Dataset:
    """Read the cases of a dataset that was kept in this workspace.

    Raises:
        NotFound: No dataset of this workspace has the digest.
    """
    with scope.store.records.read() as connection:
        if not queries.dataset_is_kept(connection, workspace=scope.workspace, digest=digest):
            raise NotFound("unknown_dataset", f"There is no dataset `{digest[:80]}`")
    return stored_dataset(scope.store, digest, name=name)


def stored_dataset(store: Store, digest: str, *, name: str) -> Dataset:
    """Read a dataset for work that was allowed when it was started."""
    return dataset_from(name, store.blobs.get(digest))
