"""What programs measured of their model calls themselves, out of their histograms."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from lineside.core import Record, now
from lineside.traces.metrics import queries
from lineside.traces.metrics.buckets import ValueBucket, exponential_buckets, quantiles
from lineside.trust import Scope

LISTED_MAX = 1_000
_BUCKETS_MAX = 200_000
_HOURS_MAX = 24 * 366 * 10
_WEEK_HOURS = 24 * 7.0
_SHARES = (0.5, 0.95, 0.99)
_GROUP = ("name", "unit", "use_case", "service", "operation", "model", "token_type")

Row = dict[str, Any]


class ClientHistogram(Record):
    """One measurement of one service, by model and operation.

    Attributes:
        name: Such as `gen_ai.client.operation.duration`.
        unit: Of the mean and the percentiles, such as `s`; `{token}` for tokens.
        operation: Such as `chat`; nothing where the program does not say it, `model` likewise.
        token_type: `input` or `output`, of a measurement of tokens.
        count: How many values were measured.
        p50: Half of the values are about at most this; nothing where no buckets were sent.
    """

    name: str
    unit: str
    use_case: str | None
    service: str | None
    operation: str | None
    model: str | None
    token_type: str | None
    count: int
    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


def client_histograms(
    scope: Scope, *, use_case: str | None = None, hours: float = _WEEK_HOURS
) -> list[ClientHistogram]:
    """What services measured in the last hours, by name, most values first; at most 1,000.

    Ordinary and exponential histograms are put together. A series that counts from the start of its
    program is taken less what it had come to before those hours, if it was sent a day before them.
    """
    scope.require("read", use_case=use_case)
    store = scope.store
    name = queries.METRICS.name
    if not store.inbox.has(name, workspace=scope.workspace) and store.lake.is_untouched:
        return []
    since = (now() - timedelta(hours=max(0.0, min(hours, _HOURS_MAX)))).replace(tzinfo=None)
    wanted = [scope.workspace, since, use_case]
    with store.reading(name, workspace=scope.workspace) as (reading, _):
        totals = reading.rows(queries.HISTOGRAMS, [*wanted, LISTED_MAX])
        rows = reading.rows(queries.HISTOGRAM_BUCKETS, [*wanted, _BUCKETS_MAX]) if totals else []
    buckets: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        buckets.setdefault(_group(row), []).append(row)
    return [_histogram(total, buckets.get(_group(total), ())) for total in totals]


def _histogram(total: Row, rows: Iterable[Row]) -> ClientHistogram:
    plain: list[ValueBucket] = []
    exponential: dict[tuple[int, int], int] = {}
    for row in rows:
        if row["scale"] is None:
            plain.append(ValueBucket(row["low"], row["high"], row["count"]))
        else:
            exponential[row["scale"], row["place"]] = row["count"]
    p50, p95, p99 = quantiles([*plain, *exponential_buckets(exponential)], _SHARES)
    count, added = total["count"], total["sum"]
    return ClientHistogram(
        **{name: total[name] for name in _GROUP},
        count=count,
        mean=added / count if count and added is not None else None,
        p50=p50,
        p95=p95,
        p99=p99,
    )


def _group(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _GROUP)
