"""From what was received to rows of the lake: read, mapped, each span once, summed up by trace."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

from lineside.store import LakeTable
from lineside.store import intake as intakes
from lineside.traces import clocks, queries
from lineside.traces.arrivals import SpanKey, arrived, span_key, steps_above
from lineside.traces.beside import BESIDE, read_beside
from lineside.traces.logs.queries import SPAN_EVENTS
from lineside.traces.mapping import moment_of
from lineside.traces.parts import by_part, indexed
from lineside.traces.payloads import set_apart
from lineside.traces.prices import PriceTables, price_row
from lineside.traces.receive import OTLP, spans_in
from lineside.traces.rollup import PAID_KINDS, call_row, roll_up
from lineside.traces.row import span_row
from lineside.traces.scores.answers import placed
from lineside.traces.scores.arriving import scores_of_spans
from lineside.traces.scores.queries import SCORES
from lineside.traces.scores.steps import on_steps
from lineside.traces.strays import strays_of
from lineside.traces.strays.queries import STRAYS
from lineside.traces.sums.queries import TRACE_SUMS
from lineside.traces.unclaimed.routes import ServiceRoutes

_ROWS_AT_ONCE = 500
_EMPTY = dict.fromkeys(queries.SPANS.columns)
_REMEMBERED_BYTES_MAX = 16 * 1024 * 1024

Row = dict[str, Any]


class TracesIntake:
    """Spans of our own calls and of other programs, and the roll-up of their traces."""

    name = queries.SPANS.name

    def __init__(
        self,
        tables: PriceTables,
        routes: ServiceRoutes,
        keep_apart: Callable[[Iterable[bytes]], object],
    ) -> None:
        self._prices = tables
        self._routes = routes
        self._keep_apart = keep_apart
        self._remembered: OrderedDict[int, tuple[int, list[Row]]] = OrderedDict()
        self._remembered_bytes = 0
        self._ahead: dict[int, list[Row]] = {}

    @property
    def tables(self) -> Sequence[LakeTable]:
        return (
            *(queries.SPANS, queries.TRACES, queries.MODEL_CALLS),
            *(SCORES, SPAN_EVENTS, TRACE_SUMS, STRAYS),
        )

    def read_ahead(self, envelopes: Sequence[intakes.Envelope]) -> None:
        """Read their spans; see `Intake`."""
        self._ahead = {
            envelope.id: self._read(envelope)
            for envelope in envelopes
            if envelope.id is not None and envelope.form not in BESIDE
        }

    def prepare(
        self, envelopes: Sequence[intakes.Envelope], *, ask: intakes.Ask, keeps: bool
    ) -> intakes.Prepared:
        """Rows of spans that the lake has not, of their traces, and the words in them."""
        beside = [one for one in envelopes if one.form in BESIDE]
        came_rows = [
            row
            for envelope in envelopes
            if envelope.form not in BESIDE
            for row in self._spans_of(envelope, remembers=not keeps)
        ]
        self._routes.apply(came_rows)
        spans: dict[SpanKey, Row] = {}
        for row in came_rows:
            spans.setdefault(span_key(row), row)
        before = arrived(spans.values(), ask)
        fresh = [row for key, row in spans.items() if not before.has(key, beside=spans)]
        found = by_part(fresh, lambda lost: steps_above(lost, before, ask))
        traces = [
            roll_up(rows, use_case=part[2], is_more=part in before.parts)
            for part, rows in found.items()
        ]
        calls = [
            call_row(row, use_case=part[2])
            for part, rows in found.items()
            for row in rows
            if row["kind"] in PAID_KINDS
        ]
        came = read_beside(beside)
        scores = placed([*came.scores, *scores_of_spans(fresh)], fresh, ask)
        scores = on_steps(scores, found, ask)
        texts = [indexed(*one) for one in found.items()]
        strays: list[Row] = []
        if keeps:
            strays = strays_of(found, before, ask)
            fresh = set_apart(fresh, self._keep_apart)
        return intakes.Prepared(
            {
                queries.SPANS.name: list(_packed(fresh)),
                queries.TRACES.name: list(_packed(traces)),
                queries.MODEL_CALLS.name: list(_packed(calls)),
                SCORES.name: list(_packed(scores)),
                SPAN_EVENTS.name: list(_packed(came.events)),
                STRAYS.name: list(_packed(strays)),
            },
            [*texts, *came.texts],
        )

    def _spans_of(self, envelope: intakes.Envelope, *, remembers: bool) -> list[Row]:
        """Rows of one envelope; what a reader looked at is kept for the next look."""
        if envelope.id is not None and envelope.id in self._remembered:
            self._remembered.move_to_end(envelope.id)
            return self._remembered[envelope.id][1]
        if envelope.id is not None and not remembers and envelope.id in self._ahead:
            return self._ahead.pop(envelope.id)
        rows = self._read(envelope)
        if remembers and envelope.id is not None:
            size = len(envelope.payload)
            self._remembered[envelope.id] = (size, rows)
            self._remembered_bytes += size
            while self._remembered_bytes > _REMEMBERED_BYTES_MAX:
                self._remembered_bytes -= self._remembered.popitem(last=False)[1][0]
        return rows

    def _read(self, envelope: intakes.Envelope) -> list[Row]:
        rows: list[Row]
        if envelope.form == OTLP:
            fields = spans_in(envelope.payload, envelope.about)
            rows = [span_row(envelope.workspace, one) for one in fields]
            arrived_at = clocks.written(moment_of(envelope.about["received_ns"]))
            for row in rows:
                row["arrived_at"] = arrived_at
        else:
            # What an older version has received says less.
            rows = [_EMPTY | row for row in orjson.loads(envelope.payload)]
        table = self._prices.of(envelope.workspace)
        for row in rows:
            price_row(row, table)
        return rows


def _packed(rows: list[Row]) -> Iterator[bytes]:
    """JSON arrays of a moderate length, which is what DuckDB reads quickest."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield orjson.dumps(rows[start : start + _ROWS_AT_ONCE])
