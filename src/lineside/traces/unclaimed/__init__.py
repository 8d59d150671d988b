"""The shelf of traces that belong to no use case, and the rules that take services off it."""

from lineside.traces.unclaimed.routes import ServiceRoute
from lineside.traces.unclaimed.shelf import (
    Claim,
    UnclaimedService,
    check_service,
    claim_service,
    list_routes,
    list_unclaimed,
    remove_route,
    remove_routes_to,
)

__all__ = [
    "Claim",
    "ServiceRoute",
    "UnclaimedService",
    "check_service",
    "claim_service",
    "list_routes",
    "list_unclaimed",
    "remove_route",
    "remove_routes_to",
]
