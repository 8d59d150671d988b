"""`/api/unclaimed` and `/api/quality`: traces without a use case, and how complete traces are."""

from fastapi import APIRouter

from lineside.api.caller import Caller
from lineside.core import Record
from lineside.traces import quality, refusals, unclaimed
from lineside.usecases import watching

router = APIRouter(tags=["unclaimed"])


class ClaimWish(Record):
    """A service whose traces belong to a use case from now on.

    Attributes:
        is_new: Watch a use case of this name where there is none: known by its name, not tested.
    """

    service: str
    use_case: str
    is_new: bool = False


@router.get("/unclaimed")
def unclaimed_list(scope: Caller) -> list[unclaimed.UnclaimedService]:
    """Services whose traces no use case has, those with most traces first."""
    return unclaimed.list_unclaimed(scope)


@router.get("/unclaimed/routes")
def route_list(scope: Caller) -> list[unclaimed.ServiceRoute]:
    """Which service was given to which use case."""
    return unclaimed.list_routes(scope)


@router.post("/unclaimed/routes", status_code=201)
def claim(scope: Caller, wish: ClaimWish) -> unclaimed.Claim:
    """Give a service's traces to a use case: those to come, and those that no use case has."""
    return watching.claim_service(scope, wish.service, use_case=wish.use_case, is_new=wish.is_new)


@router.delete("/unclaimed/routes/{service:path}")
def remove_route(scope: Caller, service: str) -> unclaimed.ServiceRoute:
    """Let a service's traces to come be unclaimed again; those that were moved stay."""
    return unclaimed.remove_route(scope, service)


@router.get("/quality")
def telemetry_quality(
    scope: Caller, use_case: str | None = None, days: float = quality.DAYS
) -> list[quality.TelemetryQuality]:
    """What share of the last days' spans states its tokens, cost, user and the like."""
    return quality.telemetry_quality(scope, use_case=use_case, days=days)


@router.get("/quality/refusals")
def refusal_list(
    scope: Caller, use_case: str | None = None, days: float = quality.DAYS, limit: int = 200
) -> list[refusals.RefusalCount]:
    """What was sent in the last days and not taken, by reason, the most frequent first."""
    return refusals.list_refusals(scope, use_case=use_case, days=days, limit=limit)
