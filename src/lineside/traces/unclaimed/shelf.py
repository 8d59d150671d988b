"""Traces that belong to no use case yet, and how a person gives them to one."""

from collections.abc import Collection
from datetime import UTC, datetime

from lineside.core import Invalid, NotFound, Record, did_you_mean, now
from lineside.store import held
from lineside.traces import queries as lake_tables
from lineside.traces import rewriting
from lineside.traces.reading import open_reading
from lineside.traces.scores.queries import SCORES
from lineside.traces.strays.queries import STRAYS
from lineside.traces.sums.queries import EMPTY, TRACE_SUMS
from lineside.traces.unclaimed import queries
from lineside.traces.unclaimed.routes import NAMING, ROUTES_MAX, ServiceRoute
from lineside.trust import Scope, record

SERVICES_MAX = 500
NAME_CHARACTERS_MAX = 500
_CHANGED = (
    *(lake_tables.SPANS, lake_tables.TRACES, lake_tables.MODEL_CALLS),
    *(SCORES, STRAYS, TRACE_SUMS),
)


class UnclaimedService(Record):
    """Traces of one service that no use case has.

    Attributes:
        service: As its programs name it, or `(no service)` where they name none. Those that name a
            use case which there is none of are `lineside.usecase=NAME`, with the name as `named`.
        errors: Of the traces, those that ended in an error.
        first_at: When the first of them began; `last_at` is when the newest did.
        sample_id: The newest of them, `sample_input` the beginning of what was asked in it.
    """

    service: str
    named: str | None = None
    traces: int
    errors: int
    first_at: datetime
    last_at: datetime
    sample_id: str
    sample_name: str
    sample_input: str | None


class Claim(Record):
    """What became of a service's traces.

    Attributes:
        traces_moved: Traces kept before that belong to the use case from now on. What still waits
            for the lake belongs to it as well and is not counted.
    """

    route: ServiceRoute
    traces_moved: int


def list_unclaimed(scope: Scope) -> list[UnclaimedService]:
    """Services whose traces no use case has, those with most traces first; at most 500.

    Raises:
        Denied: The right `read` is missing, or reaches some use cases only.
    """
    scope.require("read")
    with open_reading(scope) as reading:
        rows = reading.rows(queries.SHELF, [scope.workspace, SERVICES_MAX])
    moments = ("first_at", "last_at")
    return [
        UnclaimedService.model_validate(
            row | {name: row[name].replace(tzinfo=UTC) for name in moments}
        )
        for row in rows
    ]


def claim_service(
    scope: Scope, service: str, *, use_case: str, use_cases: Collection[str]
) -> Claim:
    """Give a service's traces to a use case: those to come, and those that no use case has.

    Spans that name a use case themselves, or whose key is limited to one, go where they say. To
    claim a service again changes where its traces to come belong; those that were moved stay.

    Args:
        use_cases: Names of the workspace's use cases.

    Raises:
        NotFound: There is no such use case.
        Invalid: The service is no name, or there are 1,000 rules already.
        Denied: The right `claim` is missing, or reaches some use cases only.
        Unavailable: The lake cannot be written. The rule counts; claim again to move the rest.
    """
    scope.require("claim")
    if use_case not in use_cases:
        near = did_you_mean(use_case, use_cases)
        raise NotFound(
            "unknown_use_case",
            f"There is no use case `{use_case[:80]}`",
            hint=f"Did you mean `{near}`?"
            if near
            else "`lineside usecases ls` lists them; "
            f"`lineside traces claim {service[:80]} --new NAME` watches a new one.",
        )
    check_service(service)
    route = _set_route(scope, service, use_case)
    return Claim(route=route, traces_moved=_move(scope, route))


def check_service(service: str) -> None:
    """Go on only if this can be the name of a service.

    Raises:
        Invalid: It is empty or longer than 500 characters.
    """
    if not service.strip() or len(service) > NAME_CHARACTERS_MAX:
        raise Invalid(
            "bad_service",
            f"`{service[:80]}` is no name of a service: it has {len(service):,} characters, "
            f"expected 1 to {NAME_CHARACTERS_MAX}",
            hint="`lineside traces unclaimed` lists the services.",
        )


def list_routes(scope: Scope) -> list[ServiceRoute]:
    """Which service belongs to which use case, by service."""
    scope.require("read")
    with scope.store.records.read() as connection:
        rows = queries.select_routes(connection, [scope.workspace])
    return [_route(row) for row in rows]


def remove_route(scope: Scope, service: str) -> ServiceRoute:
    """Let a service's traces to come be unclaimed again; those that were moved stay.

    Raises:
        NotFound: No rule names this service.
        Denied: The right `claim` is missing, or reaches some use cases only.
    """
    scope.require("claim")
    with scope.store.records.write() as connection:
        queries.lock_routes(connection, scope.workspace)
        rows = queries.select_routes(connection, [scope.workspace])
        route = next((_route(row) for row in rows if row["service"] == service), None)
        if route is None:
            raise NotFound(
                "no_route",
                f"No rule names the service `{service[:80]}`",
                hint="`lineside traces unclaimed` lists the rules.",
            )
        queries.delete_route(connection, scope.workspace, service)
        record(connection, scope, "service.released", service, {"use_case": route.use_case})
    return route


def remove_routes_to(scope: Scope, use_case: str, connection: queries.Connection) -> list[str]:
    """Let nothing more go to a use case by a rule; gives the services that did.

    Args:
        connection: The transaction in which the use case itself goes.

    Raises:
        Denied: The right `claim` is missing, or reaches some use cases only.
    """
    scope.require("claim")
    queries.lock_routes(connection, scope.workspace)
    rows = queries.select_routes(connection, [scope.workspace])
    queries.delete_routes_to(connection, scope.workspace, use_case)
    return [row["service"] for row in rows if row["use_case"] == use_case]


def _set_route(scope: Scope, service: str, use_case: str) -> ServiceRoute:
    route = ServiceRoute(service=service, use_case=use_case, set_by=scope.actor.name, set_at=now())
    with scope.store.records.write() as connection:
        queries.lock_routes(connection, scope.workspace)
        rows = queries.select_routes(connection, [scope.workspace])
        before = next((row["use_case"] for row in rows if row["service"] == service), None)
        if before is None and len(rows) >= ROUTES_MAX:
            raise Invalid(
                "too_many_routes",
                f"There are {len(rows):,} rules for services, the limit is {ROUTES_MAX:,}",
                hint="Let programs name their use case: the attribute `lineside.usecase`.",
            )
        queries.delete_route(connection, scope.workspace, service)
        queries.insert_route(connection, scope.workspace, route.model_dump())
        details = {"use_case": use_case, "before": before}
        record(connection, scope, "service.claimed", service, details)
    return route


def _move(scope: Scope, route: ServiceRoute) -> int:
    """Give what the lake has to the use case; what comes into it later follows the rule."""
    store = scope.store
    if store.lake.is_untouched:
        return 0
    asked = [scope.workspace, route.service]
    sql = queries.claim_queries(is_named=route.service.startswith(NAMING))
    with held(store.lake_lock()):
        (counted,) = store.lake.read(lake_tables.TRACES, sql.counted, asked)
        changes: list[tuple[str, list[str]]] = [(sql.notes_mixed, asked)]
        changes += [(moving, [*asked, route.use_case]) for moving in sql.moves]
        # Sums are made again by the next upkeep.
        changes.append((EMPTY, []))
        store.lake.change(_CHANGED, changes)
    rewriting.place_strays(store)
    return int(counted["traces"])


def _route(row: dict[str, object]) -> ServiceRoute:
    return ServiceRoute.model_validate({name: row[name] for name in ServiceRoute.model_fields})
