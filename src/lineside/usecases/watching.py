"""Use cases that are only watched: their traces come from elsewhere, nothing was tested here."""

import re

from lineside.core import Invalid, new_id, now
from lineside.traces import unclaimed
from lineside.trust import Scope, record
from lineside.usecases import queries
from lineside.usecases.usecase import UseCase, list_use_cases

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
