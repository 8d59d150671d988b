"""Taking in metrics: those of model calls and of lost spans are kept, all others refused."""

from collections.abc import Collection, Sequence
from typing import Any

import orjson

from lineside.store import LakeTable, intake
from lineside.traces.compression import unpack
from lineside.traces.metrics.point import Point, point_row, unwanted
from lineside.traces.metrics.queries import METRICS
from lineside.traces.metrics.reading import parsed_message, read_json, read_protobuf
from lineside.traces.otlp import Checked, Refusal
from lineside.traces.receive import (
    JSON,
    OTLP,
    PROTOBUF,
    Receipt,
    Route,
    Signal,
    check_items,
    receive_signal,
    use_case_of,
)
from lineside.trust import Scope

_READERS = {PROTOBUF: read_protobuf, JSON: read_json}


def receive_metrics(
    scope: Scope,
    body: bytes,
    *,
    media_type: str,
    encoding: str,
    bytes_max: int,
    use_cases: Collection[str],
) -> Receipt:
    """Keep the data points of one OTLP message that tell of model calls or of lost spans.

    Kept are `gen_ai.client.*` and what an SDK counts of its own spans; every other metric is
    refused and named. A point sent twice counts once.

    Raises:
        As `receive_otlp`.
    """
    return receive_signal(
        scope,
        body,
        Signal(OTLP, METRICS.name, "metrics", "data points", _check, parsed_message),
        media_type=media_type,
        encoding=encoding,
        bytes_max=bytes_max,
        use_cases=use_cases,
    )


class MetricsIntake:
    """Data points of metrics that were received."""

    name = METRICS.name

    @property
    def tables(self) -> Sequence[LakeTable]:
        return (METRICS,)

    def read_ahead(self, envelopes: Sequence[intake.Envelope]) -> None:
        """There is nothing to do."""

    def prepare(
        self,
        envelopes: Sequence[intake.Envelope],
        *,
        ask: intake.Ask,  # noqa: ARG002 # points that came before are told apart by readers
        keeps: bool,  # noqa: ARG002 # the same either way
    ) -> intake.Prepared:
        return intake.Prepared({METRICS.name: [orjson.dumps(_rows(one)) for one in envelopes]})


def _rows(envelope: intake.Envelope) -> list[dict[str, Any]]:
    about = envelope.about
    unpacked = unpack(envelope.payload, about["encoding"], bytes_max=about["bytes_max"])
    route = Route.of(about)
    rows = []
    for point in _READERS[about["media_type"]](unpacked):
        if isinstance(point, Refusal) or unwanted(point) is not None:
            continue  # the sender was told
        use_case = use_case_of(point, route)
        if route.allows(use_case):
            rows.append(point_row(envelope.workspace, use_case, point))
    return rows


def _check(body: bytes, media_type: str, route: Route) -> Checked:
    return check_items(_READERS[media_type](body), route, _refusal)


def _refusal(point: Point, reason: str | None) -> Refusal | None:
    reason = unwanted(point) or reason
    return Refusal(reason, f"`{point.name[:80]}`") if reason else None
