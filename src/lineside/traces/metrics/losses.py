"""What programs say they dropped before it could be sent."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lineside.core import Record, now
from lineside.traces.metrics import queries
from lineside.traces.metrics.point import EXPORTED, PROCESSED
from lineside.trust import Scope

_ROWS_MAX = 10_000
_HOURS_MAX = 24 * 366 * 10
_WEEK_HOURS = 24 * 7.0


class ClientLosses(Record):
    """Spans that one service finished and did not get across.

    Attributes:
        service: Nothing where the program did not say its name.
        sent: Spans that it says were taken.
        dropped: Spans that were not; `reasons` counts them by OpenTelemetry's `error.type`.
        last_at: When it last reported.
    """

    use_case: str | None
    service: str | None
    sent: int
    dropped: int
    reasons: dict[str, int]
    last_at: datetime


def client_losses(
    scope: Scope, *, use_case: str | None = None, hours: float = _WEEK_HOURS
) -> list[ClientLosses]:
    """What each service says it dropped in the last hours, the largest losses first.

    A service that reports nothing is not listed: that it lost nothing is not known.
    """
    scope.require("read", use_case=use_case)
    since = (now() - timedelta(hours=max(0.0, min(hours, _HOURS_MAX)))).replace(tzinfo=None)
    wanted = [scope.workspace, since, [PROCESSED, EXPORTED], use_case, _ROWS_MAX]
    store = scope.store
    name = queries.METRICS.name
    waits = store.inbox.has(name, workspace=scope.workspace)
    if not waits and store.lake.is_untouched:
        return []
    with store.reading(name, workspace=scope.workspace) as (reading, _):
        rows = reading.rows(queries.LOSSES, wanted)
    by_service: dict[tuple[str | None, str | None], list[dict[str, Any]]] = {}
    for row in rows:
        by_service.setdefault((row["use_case"], row["service"]), []).append(row)
    found = [_losses(*key, rows) for key, rows in by_service.items()]
    return sorted(found, key=lambda one: one.dropped, reverse=True)


def _losses(use_case: str | None, service: str | None, rows: list[dict[str, Any]]) -> ClientLosses:
    reasons: dict[str, int] = {}
    sent = 0
    for row in rows:
        if row["error_type"]:
            reasons[row["error_type"]] = reasons.get(row["error_type"], 0) + row["spans"]
        elif row["name"] == EXPORTED:
            sent += row["spans"]
    return ClientLosses(
        use_case=use_case,
        service=service,
        sent=sent,
        dropped=sum(reasons.values()),
        reasons={name: count for name, count in reasons.items() if count},
        last_at=max(row["last_at"] for row in rows).replace(tzinfo=UTC),
    )
