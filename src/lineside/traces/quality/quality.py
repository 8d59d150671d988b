"""How complete the telemetry of a use case is, so that its figures can be trusted or mended."""

from datetime import timedelta
from math import ceil
from typing import Any

from lineside.core import Invalid, Record, now
from lineside.traces.metrics import client_losses
from lineside.traces.quality import queries
from lineside.traces.reading import open_reading
from lineside.traces.scores.queries import WAITING
from lineside.traces.scores.waiting import STRAY_AFTER
from lineside.traces.search.asked import DAY, plain
from lineside.trust import Scope

DAYS = 7
DAYS_MAX = 366
_PARENTS_SPANS = 500_000
_COUNTS = ("traces", "spans", "model_steps", "counted", "priced", "first_chunks")
_SHARED = ("with_user", "with_session", "with_release", "with_root")
_NOTHING: dict[str, Any] = dict.fromkeys((*_COUNTS, *_SHARED), 0)


class TelemetryQuality(Record):
    """What the spans of one use case say of themselves, as shares from 0 to 1.

    A share of nothing is nothing, and not 0.

    Attributes:
        use_case: Nothing stands for the traces that no use case has.
        model_steps: Steps that cost tokens: those of models, embeddings and rerankers.
        tokens_known: Share of the model steps that state their tokens; `cost_known` of those whose
            cost is known, `first_chunk_known` of those that say when they began to answer, which
            only streamed ones can.
        user_known: Share of the traces that name a user; so for session and release.
        root_found: Share of the traces whose first step is here.
        parent_found: Share of the steps with a parent whose parent is here too.
        parents_looked_for: Steps that `parent_found` was counted over; of very many traces some.
        spans_dropped: Spans that clients say they dropped before sending; nothing where no client
            reports it, which is not to say that none were.
        scores_waiting: Scores of these days whose step, answer or trace is not here;
            `scores_stray` those of them that have waited for more than a day.
        clocks_off: Spans that came in these days and are dated more than 10 minutes after they
            came, or more than 30 days before, as imported history is. They stand where their
            clock says, and may be in no chart of these days.
    """

    use_case: str | None
    traces: int
    spans: int
    model_steps: int
    tokens_known: float | None
    cost_known: float | None
    first_chunk_known: float | None
    user_known: float | None
    session_known: float | None
    release_known: float | None
    root_found: float | None
    parent_found: float | None
    parents_looked_for: int
    spans_dropped: int | None = None
    scores_waiting: int = 0
    scores_stray: int = 0
    clocks_off: int = 0


def telemetry_quality(
    scope: Scope, *, use_case: str | None = None, days: float = DAYS
) -> list[TelemetryQuality]:
    """How complete the traces of the last days are, by use case, the one with most spans first.

    Test runs do not count.

    Raises:
        Invalid: The days are none, or more than 366.
        Denied: The right `read` is missing, here or on the use case that is asked for.
    """
    scope.require("read", use_case=use_case)
    if not 0 < days <= DAYS_MAX:
        raise Invalid(
            "bad_days",
            f"{days:g} days were asked for, expected more than 0 and at most {DAYS_MAX}",
        )
    since = plain(now() - timedelta(days=days))
    with open_reading(scope) as reading:
        rows = reading.rows(queries.BY_USE_CASE, [scope.workspace, since, use_case, use_case])
        one_in = max(1, ceil(sum(row["spans"] for row in rows) / _PARENTS_SPANS))
        asked = [scope.workspace, since - DAY, one_in, since, use_case, use_case]
        stray = plain(now() - STRAY_AFTER)
        waiting = reading.rows(WAITING, [scope.workspace, since, use_case, stray])
        parents = {row["use_case"]: row for row in reading.rows(queries.PARENTS, asked)}
        asked = [scope.workspace, since, use_case, use_case]
        off = {row["use_case"]: row["spans"] for row in reading.rows(queries.CLOCKS_OFF, asked)}
    dropped: dict[str | None, int] = {}
    for losses in client_losses(scope, use_case=use_case, hours=days * 24):
        dropped[losses.use_case] = dropped.get(losses.use_case, 0) + losses.dropped
    lost = {row["use_case"]: row["waiting"] for row in waiting}
    strays = {row["use_case"]: row["strays"] for row in waiting}
    # What began in other days only, by a clock that is off, has no figures but these.
    counted = {row["use_case"] for row in rows}
    rows += [_NOTHING | {"use_case": name} for name in {**lost, **off} if name not in counted]
    return [
        _quality(row, parents.get(row["use_case"]), dropped.get(row["use_case"])).model_copy(
            update={
                "scores_waiting": lost.get(row["use_case"], 0),
                "scores_stray": strays.get(row["use_case"], 0),
                "clocks_off": off.get(row["use_case"], 0),
            }
        )
        for row in rows
    ]


def _quality(
    row: dict[str, Any], parents: dict[str, Any] | None, dropped: int | None
) -> TelemetryQuality:
    traces, model_steps = row["traces"], row["model_steps"]
    children = parents["children"] if parents else 0
    return TelemetryQuality(
        use_case=row["use_case"],
        traces=traces,
        spans=row["spans"],
        model_steps=model_steps,
        tokens_known=_share(row["counted"], model_steps),
        cost_known=_share(row["priced"] or 0, model_steps),
        first_chunk_known=_share(row["first_chunks"], model_steps),
        user_known=_share(row["with_user"], traces),
        session_known=_share(row["with_session"], traces),
        release_known=_share(row["with_release"], traces),
        root_found=_share(row["with_root"], traces),
        parent_found=_share(parents["found"] if parents else 0, children),
        parents_looked_for=children,
        spans_dropped=dropped,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
