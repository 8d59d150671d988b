"""Figures of traces that no sum has, of however many there are."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from lineside.traces.filters import ATTRIBUTE
from lineside.traces.search import queries as of_rows
from lineside.traces.search.asked import LATEST, earlier, later, values_of
from lineside.traces.search.counted import Counted
from lineside.traces.search.queries import OTHERS, Bound, Named
from lineside.traces.search.streamed import queries

EXACT_MAX = 50_000
"""Percentiles of so many traces are exact; those of more come from histograms."""

_MICROSECOND = timedelta(microseconds=1)
_ALL: Named = ""


class Streamed:
    """Figures of the wanted traces, read in one go and added up while they are.

    Counts and sums are exact; percentiles of more than 50,000 traces are 1 % off at most. Only
    what they add up to stays in memory: as many rows as there are buckets, names and slots.
    """

    def __init__(self, found: Counted) -> None:
        self._found = found
        self._reading = found.reading
        self._by: str | None = None
        self._rows: Bound = ("", [])
        self.is_rounded = False

    def names(self, by: str) -> list[str | None]:
        """By what they are split, the most frequent first."""
        rows, bound = self._read(by)
        sql = of_rows.figures_query(rows, bucketed=False, named="all", only="names")
        return [row["name"] for row in self._reading.rows(sql, bound)]

    def figures(
        self,
        by: str,
        *,
        named: Named,
        names: Sequence[str | None] = (),
        width: timedelta | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of figures, by bucket where they have a width; the last is of all together."""
        rows, bound = self._read(by)
        labels = [[name or "" for name in names if name != OTHERS]] if named == "some" else []
        wide = None if width is None else width // _MICROSECOND
        if self.is_rounded:
            is_bucketed, has_first = wide is not None, by == "model"
            sql = queries.slices_query(rows, width=wide, named=named, has_first=has_first)
            self._reading.rows(sql, [*labels, *bound])
            sql = queries.figures_query(has_first=has_first, is_bucketed=is_bucketed)
            return self._reading.rows(sql)
        sql = of_rows.figures_query(rows, bucketed=wide is not None, named=named)
        figures = self._reading.rows(sql, [*([] if wide is None else [wide]), *labels])
        whole = of_rows.figures_query(rows, bucketed=False, named=_ALL)
        return figures + self._reading.rows(whole)

    def _read(self, by: str) -> Bound:
        """Rows that figures are made of: kept beside where they are few."""
        if self._by != by:
            self._by, self._rows = by, _rows_of(self._found, by)
            rows, bound = self._rows
            kept = self._reading.rows(queries.matched_query(rows, EXACT_MAX + 1), bound)
            self.is_rounded = bool(kept) and kept[0]["Count"] > EXACT_MAX
            if not self.is_rounded:
                self._rows = (queries.MATCHED, [])
        return self._rows


def set_apart(found: Counted) -> None:
    """Keep the keys of traces that meet more than a time, for queries that ask for those."""
    if found.asked.is_choosy:
        rows, bound = _chosen(found, "name")
        sql = queries.set_apart_query(rows, [sql for sql, _ in found.asked.attributes])
        for _, values in found.asked.attributes:
            bound = [*bound, *_around(found), *values]
        found.reading.rows(sql, bound)


def keep_said(found: Counted, by: str) -> None:
    """Keep what steps say of themselves, for queries that name traces so."""
    if by.startswith(ATTRIBUTE):
        sql, bound = of_rows.said_query(by)
        found.reading.rows(sql, [*bound, *_around(found)])


def _rows_of(found: Counted, by: str) -> Bound:
    is_field = by != "model" and not by.startswith(ATTRIBUTE)
    if is_field and found.asked.is_choosy and not found.asked.attributes:
        return _chosen(found, of_rows.column_of(by))
    set_apart(found)
    keep_said(found, by)
    return of_rows.rows_of(by, found.wanted), found.bound * (1 if by == "model" else 2)


def _chosen(found: Counted, column: str) -> Bound:
    """Rows of traces that meet what is asked of them as a whole."""
    asked = found.asked
    of_time = found._replace(asked=asked.of_time)
    of_days = of_time._replace(
        asked=of_time.asked._replace(
            since=earlier(asked.since), until=later(asked.until) if asked.until < LATEST else LATEST
        )
    )
    found.reading.rows(queries.parted_query(of_days.wanted), of_days.bound * 2)
    (parted,) = found.reading.rows(queries.PARTED) or ({"traces": 0},)
    met = values_of(found.conditions)
    sql = queries.chosen_query(
        column,
        within=of_time.wanted,
        around=of_days.wanted,
        conditions=[sql for sql, _ in found.conditions],
        has_parts=parted["traces"] > 0,
    )
    bound = [*of_time.bound, *met]
    if parted["traces"]:
        bound += [*of_days.bound, asked.since, asked.until, *met]
    return sql, bound


def _around(found: Counted) -> list[Any]:
    """Workspace and bounds of the steps of traces that began in some time."""
    return [found.workspace, earlier(found.asked.since), later(found.asked.until)]
