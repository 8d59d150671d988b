"""`/api/datasets`: the kept versions of test cases, what changed, and what is held out."""

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.evals import datasets as kept

router = APIRouter(tags=["datasets"])

_CASES_AT_ONCE_MAX = 1_000


class DatasetPage(Record):
    """A version with what its cases are made of, as far as they may be seen right now."""

    dataset: kept.DatasetVersion
    makeup: kept.DatasetMakeup
    held_out: list[kept.held_out.HeldOutPart]


class NumberedCase(Record):
    """A case with its place in the dataset, which a page goes on behind."""

    place: int
    case: kept.Case


class TracesWish(Record):
    """Traces that cases are to be made of; without `use_case`, for that of the first one."""

    trace_ids: list[str]
    use_case: str | None = None
    name: str = kept.from_traces.FROM_TRACES


class SplitWish(Record):
    """A split of a version, such as `test`."""

    split: str


class UnlockWish(Record):
    """What is to be opened, what for, and for how long."""

    use_case: str
    name: str
    split: str
    reason: str
    hours: float = 24.0


@router.get("/datasets")
def datasets(
    scope: Caller, use_case: str | None = None, name: str | None = None, limit: int = 100
) -> list[kept.DatasetVersion]:
    """Kept versions, newest first."""
    return kept.list_datasets(scope, use_case=use_case, name=name, limit=max(0, min(limit, 1_000)))


@router.post("/datasets/from-traces")
def add_traces(scope: Caller, wish: TracesWish) -> kept.from_traces.TracesAdded:
    """Make a case of each trace, once, and keep them as the dataset's next version."""
    return kept.from_traces.add_traces(
        scope, wish.trace_ids, use_case=wish.use_case, name=wish.name
    )


@router.post("/datasets/unlock")
def unlock(scope: Caller, wish: UnlockWish) -> kept.held_out.HeldOutPart:
    """Open a part that is held out; only a person may, and the ledger keeps who and why."""
    return kept.held_out.unlock(
        scope,
        use_case=wish.use_case,
        name=wish.name,
        split=wish.split,
        reason=wish.reason,
        hours=wish.hours,
    )


@router.get("/datasets/{dataset_id}")
def dataset(scope: Caller, dataset_id: str) -> DatasetPage:
    """One version: its cases by split and slice, and what of the use case is held out."""
    version = kept.find_dataset(scope, dataset_id)
    return DatasetPage(
        dataset=version,
        makeup=kept.makeup_of(kept.kept_cases(scope, version)),
        held_out=kept.held_out.held_out_parts(scope, version.use_case),
    )


@router.get("/datasets/{dataset_id}/cases")
def cases(
    scope: Caller,
    dataset_id: str,
    split: str | None = None,
    slice: str | None = None,  # noqa: A002 # the name in the address
    after: int = 0,
    limit: int = 100,
) -> list[NumberedCase]:
    """Cases in order, those that are held out left out; `slice` is `name=value`."""
    version = kept.find_dataset(scope, dataset_id)
    name, _, value = (slice or "").partition("=")
    found = kept.cases_page(
        kept.kept_cases(scope, version),
        split=split,
        in_slice=(name, value) if name else None,
        after=after,
        limit=max(0, min(limit, _CASES_AT_ONCE_MAX)),
    )
    return [NumberedCase(place=place, case=case) for place, case in found]


@router.get("/datasets/{dataset_id}/diff/{other_id}")
def diff(scope: Caller, dataset_id: str, other_id: str) -> kept.DatasetDiff:
    """Which cases were added, removed and changed from the first to the second, and where."""
    first, second = (kept.find_dataset(scope, one) for one in (dataset_id, other_id))
    return kept.diff_datasets(scope, first, second)


@router.get("/datasets/{dataset_id}/duplicates")
def duplicates(scope: Caller, dataset_id: str, at_least: float = 0.8) -> kept.duplicates.Duplicates:
    """Cases that ask the same or nearly; leaks between splits first."""
    return kept.duplicates.find_duplicates(
        scope, kept.find_dataset(scope, dataset_id), at_least=at_least
    )


@router.post("/datasets/{dataset_id}/hold-out")
def hold_out(scope: Caller, dataset_id: str, wish: SplitWish) -> kept.held_out.HeldOutPart:
    """Keep a split for the last exam: no run may have its cases before it is unlocked."""
    return kept.held_out.hold_out(scope, kept.find_dataset(scope, dataset_id), wish.split)
