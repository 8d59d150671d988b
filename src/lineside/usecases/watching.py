"""Use cases that are only watched: their traces come from elsewhere, nothing was tested here."""

import re

from lineside.core import Conflict, Invalid, Record, new_id, now
from lineside.traces import rewriting, unclaimed
from lineside.trust import Scope, record
from lineside.usecases import queries
from lineside.usecases.usecase import UseCase, get_use_case, list_use_cases

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")


def watch(scope: Scope, name: str) -> UseCase:
    """Make a use case known by its name alone, so that traces can belong to it.

    It has no manifest, no dataset and no release until a folder of this name is tested. One that is
    known already stays as it is. The ledger keeps who began to watch it.

    Raises:
        Invalid: The name cannot be one.
        Denied: The right `claim` is missing, or reaches some use cases only.
    """
    scope.require("claim")
    if not _NAME.fullmatch(name):
        raise Invalid(
            "bad_use_case_name",
            f"Read `{name[:80]}` as the name, expected lower-case letters, digits and hyphens, "
            "at most 60",
            hint="Names look like `support-triage`.",
        )
    with scope.store.records.write() as connection:
        is_new = queries.insert_use_case(
            connection, scope.workspace, new_id=new_id("uc"), name=name, at=now()
        )
        known = queries.find_use_case(connection, scope.workspace, name)
        if is_new:
            record(connection, scope, "usecase.watched", name, {})
    return UseCase.model_validate(known)


class Unwatched(Record):
    """What became of a use case that was only watched.

    Attributes:
        services: Those that had been claimed for it; their traces to come are unclaimed.
        traces_moved: Traces that went back to the unclaimed shelf.
    """

    use_case: str
    services: tuple[str, ...]
    traces_moved: int


def unwatch(scope: Scope, name: str, *, moves_traces: bool = False) -> Unwatched:
    """Forget a use case that is only watched, such as one whose name was mistyped.

    The ledger keeps who did. What still names it, as `lineside.usecase` or by a key that is limited
    to it, names one from then on that there is none of.

    Args:
        moves_traces: Move the traces it has back to the unclaimed shelf. Run it again should it
            have been killed half way.

    Raises:
        NotFound: There is no such use case, and no trace of it.
        Conflict: It was tested and so is more than watched; or it has traces, which were not to be
            moved.
        Denied: The right `claim` is missing, or reaches some use cases only.
        Unavailable: The lake cannot be used.
    """
    scope.require("claim")
    traces = rewriting.traces_of(scope, name)
    if not traces or not moves_traces:
        known = get_use_case(scope, name)
        _check_is_watched(known)
    if traces and not moves_traces:
        raise Conflict(
            "watched_has_traces",
            f"Traces of `{name}`: {traces:,}; they would belong to nothing",
            hint=f"`lineside usecases rm {name} --to-shelf` moves them back to the unclaimed "
            "shelf, where they can be claimed for another.",
        )
    with scope.store.records.write() as connection:
        row = queries.find_use_case(connection, scope.workspace, name)
        if row is not None:
            _check_is_watched(UseCase.model_validate(row))
        queries.delete_watched(connection, scope.workspace, name)
        services = unclaimed.remove_routes_to(scope, name, connection)
        details = {"services": services, "traces": traces}
        record(connection, scope, "usecase.unwatched", name, details)
    moved = rewriting.disown(scope, name) if moves_traces else 0
    return Unwatched(use_case=name, services=tuple(services), traces_moved=moved)


def _check_is_watched(known: UseCase) -> None:
    if known.manifest is not None:
        raise Conflict(
            "not_only_watched",
            f"`{known.name}` was tested here and has a manifest, so that it is more than watched",
            hint="Only use cases that are only watched can be removed.",
        )


def claim_service(
    scope: Scope, service: str, *, use_case: str, is_new: bool = False
) -> unclaimed.Claim:
    """Give a service's traces to a use case: those to come, and those that no use case has.

    Args:
        is_new: Watch a use case of this name where there is none. Otherwise a name that is not
            known is taken for a slip of the pen.

    Raises:
        NotFound: There is no such use case, and none was to be made.
        Invalid: The service is no name, the use case's cannot be one, or there are 1,000 rules.
        Denied: The right `claim` is missing, or reaches some use cases only.
        Unavailable: The lake cannot be written. The rule counts; claim again to move the rest.
    """
    scope.require("claim")
    unclaimed.check_service(service)
    if is_new:
        watch(scope, use_case)
    names = [known.name for known in list_use_cases(scope)]
    return unclaimed.claim_service(scope, service, use_case=use_case, use_cases=names)
