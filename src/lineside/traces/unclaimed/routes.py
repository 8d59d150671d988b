"""Rules that say to which use case the traces of a service belong."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from lineside.core import Record
from lineside.store import Store
from lineside.traces.unclaimed import queries

ROUTES_MAX = 1_000


NO_SERVICE = "(no service)"
"""Stands for what names no service."""

NAMING = "lineside.usecase="
"""What stands before the name of a use case that is named and that nobody knows."""


class ServiceRoute(Record):
    """Spans of a service that name no use case belong to this one.

    Attributes:
        service: As its programs name it, or `(no service)`; or `lineside.usecase=NAME`, for spans
            that name a use case which there is none of.
    """

    service: str
    use_case: str
    set_by: str
    set_at: datetime


class ServiceRoutes:
    """The rules of all workspaces, for whoever moves spans into the lake.

    They are read anew for each batch: whoever sets a rule and then takes the lake's lock knows that
    every batch after it follows the rule.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def apply(self, rows: Collection[dict[str, Any]]) -> None:
        """Give rows of spans that have no use case the one their service belongs to."""
        lost = [row for row in rows if row["use_case"] is None]
        if not lost:
            return
        with self._store.records.read() as connection:
            found = queries.select_routes(connection, {row["workspace"] for row in lost})
        use_cases = {(one["workspace"], one["service"]): one["use_case"] for one in found}
        for row in lost:
            by_service = use_cases.get((row["workspace"], row["service"] or NO_SERVICE))
            named = row["named"]
            by_name = named and use_cases.get((row["workspace"], NAMING + named))
            row["use_case"] = by_name or by_service
