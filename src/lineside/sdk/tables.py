"""`lineside.traces(…)`: what happened, as a table for dataframes."""

import os
from collections.abc import Sequence
from datetime import datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlencode

from lineside.core import Settings, Unavailable
from lineside.sdk import start, wire
from lineside.sdk.settings import checked_endpoint, read_settings

if TYPE_CHECKING:
    import pyarrow as pa

_REQUEST_SECONDS = 120.0


def traces(
    query: str = "",
    *,
    since: str | datetime | None = None,
    use_case: str | None = None,
    level: Literal["span", "trace"] = "span",
    limit: int = 10_000,
    columns: Sequence[str] | None = None,
    endpoint: str | None = None,
) -> "pa.Table":
    """The newest traces that meet the query, as an Arrow table.

    One row per step, or one per trace; the steps are those of every trace that meets the query.
    pandas (`.to_pandas()`), polars (`polars.from_arrow`) and DuckDB (by the variable's name) take
    the table as it is. A column always has the same type: moments are in UTC, and what is nested
    is JSON as text.

    It is read from the server at `endpoint`, or the one that `init` or `LINESIDE_ENDPOINT` named.
    Where none was named, from a server on this machine, and where none runs, straight from the
    state folder `LINESIDE_HOME`.

    Args:
        query: As in `lineside traces ls --query`.
        since: How long ago (`90m`, `24h`, `7d`) or a moment.
        limit: Rows, at most 1,000,000.
        columns: The wanted ones, in this order.

    Raises:
        Invalid: The query, a column or the endpoint cannot be used.
        Denied: The key lacks the right `read`.
        Unavailable: pyarrow is not installed, here or at the server, or nobody answers.
    """
    moment = since.isoformat() if isinstance(since, datetime) else since
    asked = {
        "q": query,
        "level": level,
        "columns": ",".join(columns) if columns else None,
        "use_case": use_case,
        "since": moment,
        "limit": str(limit),
    }
    running = start.settings()
    settings = running or read_settings({})
    is_named = bool(endpoint or running or os.environ.get("LINESIDE_ENDPOINT"))
    address = checked_endpoint(endpoint) if endpoint else settings.endpoint
    given = {name: value for name, value in asked.items() if value}
    try:
        return _from_server(f"{address}/api/traces.arrow?{urlencode(given)}", settings.key)
    except OSError as error:
        home = Settings.from_environment().home
        if is_named or not home.exists():
            raise Unavailable(
                "server_unreachable",
                f"{address} cannot be reached: {error}",
                hint="Start it with `lineside up`, or set LINESIDE_HOME to its state folder.",
            ) from error
    return _from_folder(query, use_case, moment, level=level, columns=columns, limit=limit)


def _from_server(url: str, key: str) -> "pa.Table":
    from lineside.traces import tables

    pa = tables.arrow()
    headers = wire.authorization(key)
    with wire.opened(url, headers, timeout_seconds=_REQUEST_SECONDS) as response:
        try:
            return pa.ipc.open_stream(response).read_all()
        except (HTTPException, pa.ArrowException) as error:
            raise Unavailable(
                "table_cut_short",
                f"The table ended before it was whole: {type(error).__name__}",
                hint="The server's log says why; ask again, or for fewer rows.",
            ) from error


def _from_folder(
    query: str,
    use_case: str | None,
    since: str | None,
    *,
    level: Literal["span", "trace"],
    columns: Sequence[str] | None,
    limit: int,
) -> "pa.Table":
    from lineside.apps import list_releases, open_line
    from lineside.traces import search, tables
    from lineside.trust import local_scope

    store = open_line(Settings.from_environment())
    try:
        scope = local_scope(store)
        filters = search.read_filters(query, use_case=use_case, since=since)
        labels = {release.id: release.label for release in list_releases(scope, filters.use_case)}
        reader = tables.read_table(
            scope, filters.named(labels), level=level, columns=columns, limit=limit
        )
        return reader.read_all()
    finally:
        store.close()
