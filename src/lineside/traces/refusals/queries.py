"""Refusals in the lake: one row for each reason, as often as it was met about a moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from lineside.store import LakeTable
from lineside.store import intake as intakes

REFUSALS = LakeTable(
    "refusals",
    {
        "workspace": "VARCHAR",
        "use_case": "VARCHAR",
        "sender": "VARCHAR",
        "door": "VARCHAR",
        "unit": "VARCHAR",
        "status": "SMALLINT",
        "code": "VARCHAR",
        "reason": "VARCHAR",
        "count": "BIGINT",
        "refused_at": "TIMESTAMP",
    },
    sorted_by=("refused_at",),
)

# Parameters: the workspace, since when, the use case, how many.
BY_DAY = """
WITH chosen AS (
    SELECT * FROM {refusals} WHERE workspace = ?1 AND refused_at >= ?2
      AND (?3::VARCHAR IS NULL OR use_case = ?3)
), days AS (
    SELECT use_case, sender, door, unit, status, code, refused_at::DATE AS day,
        sum(count)::BIGINT AS count, max(refused_at) AS last_at,
        arg_max(reason, refused_at) AS reason
    FROM chosen GROUP BY ALL
)
SELECT use_case, sender, door, unit, status, code, arg_max(reason, last_at) AS reason,
    sum(count)::BIGINT AS count, max(last_at) AS last_at,
    list({'day': day, 'count': count} ORDER BY day) AS days
FROM days GROUP BY use_case, sender, door, unit, status, code
ORDER BY count DESC, last_at DESC, code LIMIT ?4
"""

IS_ANY_OLD = "SELECT 1 FROM {refusals} WHERE refused_at < ? LIMIT 1"
FORGET_OLD = f"DELETE FROM lake.{REFUSALS.name} WHERE refused_at < ?"

_TOLD_BY = ("workspace", "use_case", "sender", "door", "unit", "status", "code", "reason")


@dataclass(frozen=True)
class RefusalsIntake:
    """Rows of refusals; those of one batch that say the same become one."""

    name: str = REFUSALS.name

    @property
    def tables(self) -> Sequence[LakeTable]:
        return (REFUSALS,)

    def read_ahead(self, envelopes: Sequence[intakes.Envelope]) -> None:
        """There is nothing to do."""

    def prepare(
        self,
        envelopes: Sequence[intakes.Envelope],
        *,
        ask: intakes.Ask,  # noqa: ARG002 # every refusal is one of its own
        keeps: bool,  # noqa: ARG002 # the same either way
    ) -> intakes.Prepared:
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for envelope in envelopes:
            for row in orjson.loads(envelope.payload):
                minute = row["refused_at"][:16]
                key = (minute, *(row[name] for name in _TOLD_BY))
                if key in found:
                    found[key]["count"] += row["count"]
                else:
                    found[key] = row
        return intakes.Prepared({REFUSALS.name: [orjson.dumps(list(found.values()))]})
