"""Finds the kept versions of a dataset."""

from dataclasses import replace
from itertools import islice

from lineside.core import Invalid, NotFound
from lineside.evals import queries
from lineside.evals.dataset import Case, Dataset, DatasetVersion, keep_dataset, load_dataset
from lineside.evals.datasets.held_out import without_held_out
from lineside.trust import Scope
from lineside.usecases import get_use_case

_NAME_MAX = 100


def list_datasets(
    scope: Scope,
    *,
    use_case: str | None = None,
    name: str | None = None,
    only_newest: bool = False,
    limit: int = 100,
) -> list[DatasetVersion]:
    """Versions of datasets in this workspace, newest first; of each dataset only one if asked."""
    scope.require("read", use_case)
    with scope.store.records.read() as connection:
        rows = queries.dataset_rows(
            connection,
            workspace=scope.workspace,
            use_case=use_case,
            name=name,
            only_newest=only_newest,
            limit=max(0, limit),
        )
    return [DatasetVersion.model_validate(dict(row)) for row in rows]


def find_dataset(scope: Scope, reference: str) -> DatasetVersion:
    """Find a version as a person names it: its id, `use-case/name`, or `use-case/name@version`.

    Without a version it is the newest one.

    Raises:
        Invalid: The version is no number.
        NotFound: There is no such version.
    """
    key, _, wanted = reference.partition("@")
    use_case, _, name = key.partition("/")
    if wanted and not (wanted.isascii() and wanted.isdigit() and len(wanted) < 10):
        raise Invalid(
            "bad_version",
            f"The version of `{key[:80]}` is `{wanted[:20]}`, expected a number",
            hint="Name it as `use-case/name@2`.",
        )
    with scope.store.records.read() as connection:
        row = queries.named_dataset_row(
            connection,
            workspace=scope.workspace,
            dataset_id=None if name else reference,
            use_case=use_case,
            name=name,
            version=int(wanted) if wanted else None,
        )
    if row is None:
        raise NotFound(
            "unknown_dataset",
            f"There is no dataset `{reference[:80]}`",
            hint="`lineside datasets ls` lists what was kept, as `use-case/name@version`.",
        )
    version = DatasetVersion.model_validate(dict(row))
    scope.require("read", version.use_case)
    return version


def newest_dataset(scope: Scope, *, use_case: str, name: str) -> DatasetVersion | None:
    """The newest version under a name, where there is one."""
    found = list_datasets(scope, use_case=use_case, name=name, limit=1)
    return found[0] if found else None


def keep_as(scope: Scope, reference: str, dataset: Dataset) -> DatasetVersion:
    """Keep cases under the name of a dataset, as `use-case/name`; its next version if they differ.

    Raises:
        Invalid: It is no name of a dataset.
        NotFound: There is no such use case.
        Denied: The actor may not test the use case.
    """
    use_case, _, name = reference.partition("/")
    check_name(name)
    get_use_case(scope, use_case)
    return keep_dataset(scope, use_case, replace(dataset, name=name))


def check_name(name: str) -> None:
    """Go on only if a dataset may be called so.

    Raises:
        Invalid: It may not.
    """
    if not name or "/" in name or "@" in name or not name.isprintable() or len(name) > _NAME_MAX:
        raise Invalid(
            "bad_name",
            f"`{name[:60]}` cannot be the name of a dataset",
            hint=f"Name it as `use-case/name`: 1 to {_NAME_MAX} letters, without `/` and `@`.",
        )


def kept_cases(scope: Scope, version: DatasetVersion) -> Dataset:
    """Read the cases of a version, without those that are held out right now.

    Raises:
        Denied: The actor may not read the use case.
    """
    scope.require("read", version.use_case)
    dataset = load_dataset(scope, version.digest, name=version.name)
    return without_held_out(scope, version.use_case, dataset)


def cases_page(
    dataset: Dataset,
    *,
    split: str | None = None,
    in_slice: tuple[str, str] | None = None,
    after: int = 0,
    limit: int = 100,
) -> list[tuple[int, Case]]:
    """A page of cases, each with its place from 1 on, in the order of the dataset.

    Args:
        split: Only cases of this one; an empty name is of those without a split.
        in_slice: Only cases with this value in this slice.
        after: Place of the last case seen.
    """
    found = (
        (place, case)
        for place, case in enumerate(dataset, start=1)
        if place > after
        and (split is None or (case.split or "") == split)
        and (in_slice is None or case.slices.get(in_slice[0]) == in_slice[1])
    )
    return list(islice(found, max(0, limit)))
