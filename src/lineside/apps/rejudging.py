"""Judging a release again: over its own cases or others, as it was released."""

from typing import Any, NamedTuple

from lineside.apps.candidate import folder_of, get_candidate
from lineside.apps.live_release import live_release
from lineside.apps.release import Release, load_releases, pick_release
from lineside.core import Conflict, NotFound
from lineside.evals import Run, datasets, get_run, plan, start_run
from lineside.trust import Scope
from lineside.usecases import UseCaseFolder

_VERSIONS_MAX = 10_000


class ReleaseFolder(NamedTuple):
    """A release, and the files it was made of."""

    release: Release
    folder: UseCaseFolder

    @property
    def repetitions(self) -> int:
        """How often it asks each case."""
        return self.folder.manifest.tests.repetitions

    def judged(self) -> dict[str, Any]:
        """What a run of it needs, beside the cases."""
        return {
            "subject": self.release.digest,
            "scorers": self.folder.scorers,
            "scorer_files": self.folder.files,
        }


def release_to_judge(scope: Scope, use_case: str, reference: str | None) -> ReleaseFolder:
    """Find a release by number, digest or `latest`; the live one where none is named.

    Raises:
        Denied: The actor may not test the use case.
        Conflict: Nothing is live and no release is named.
        NotFound: No release fits; names those there are.
    """
    scope.require("test", use_case=use_case)
    if reference is None:
        release = live_release(scope, use_case)
    else:
        release = pick_release(load_releases(scope, use_case), use_case, reference)
    if release is None:
        raise Conflict("nothing_live", f"Nothing of `{use_case}` is live", hint="Name a release.")
    candidate = get_candidate(scope.store, scope.workspace, release.digest)
    return ReleaseFolder(release, folder_of(scope.store, candidate))


def own_cases(scope: Scope, judged: Run) -> datasets.DatasetVersion:
    """The very cases that a release was judged by, whatever its folder holds by now."""
    kept = datasets.list_datasets(
        scope, use_case=judged.use_case, name=judged.dataset_name, limit=_VERSIONS_MAX
    )
    for version in kept:
        if version.digest == judged.dataset_digest:
            return version
    raise NotFound("unknown_dataset", f"The cases of run `{judged.id}` are not kept any more")


def start_judging(
    scope: Scope,
    use_case: str,
    *,
    reference: str | None = None,
    dataset: str | None = None,
    repetitions: int | None = None,
    limits: plan.RunLimits | None = None,
    fresh: bool = False,
) -> Run:
    """Have a release judged by its own scorers; a run that is under way, or is done, is given.

    Args:
        dataset: A kept one, as `find_dataset` takes it; else the cases it was released by.
        repetitions: Else as its manifest says.

    Raises:
        Denied, Conflict, NotFound: as `release_to_judge`, or there is no such dataset.
        Invalid: A limit or the number of repetitions cannot be one.
    """
    found = release_to_judge(scope, use_case, reference)
    if dataset is None:
        cases = own_cases(scope, get_run(scope, found.release.run_id))
    else:
        cases = datasets.find_dataset(scope, dataset)
        scope.require("read", use_case=cases.use_case)
    return start_run(
        scope,
        use_case=use_case,
        dataset=cases,
        repetitions=found.repetitions if repetitions is None else repetitions,
        plan=plan.RunPlan(limits=limits or plan.RunLimits()),
        fresh=fresh,
        **found.judged(),
    )
