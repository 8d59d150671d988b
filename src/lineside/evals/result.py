"""What became of one case in a run."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from lineside.core import Invalid, Record
from lineside.evals import queries
from lineside.evals.run import get_run
from lineside.evals.scorer import Score
from lineside.trust import Scope

Only = Literal["all", "wrong", "failed", "fine"]

_STANDINGS = {
    "all": (queries.FAILED, queries.WRONG, queries.FINE),
    "wrong": (queries.WRONG,),
    "failed": (queries.FAILED,),
    "fine": (queries.FINE,),
}
LIMIT_MAX = 10_000
CASE_IDS_MAX = 1_000


class Result(Record):
    """What became of one case in a run: an answer with its scores, or why there is none.

    Attributes:
        standing: `failed` (no answer, or the main scorer failed), `wrong` (the main score is below
            1) or `fine`.
        error_code: Kind and code of the failure, such as `unavailable:model_down`.
        latency_ms: Of the try that was answered.
        cost_usd: Nothing means unknown, never free.
        recalled_from: The earlier run whose answer this is; nothing where it was asked for anew.
        cursor: Where the list goes on after this result; see `results_of`.
    """

    run_id: str
    case_id: str
    repetition: int
    position: int
    standing: Literal["failed", "wrong", "fine"]
    input: dict[str, Any]
    expected: dict[str, Any]
    output: dict[str, Any] | None = None
    scores: dict[str, Score]
    slices: dict[str, str]
    source: str | None = None
    cluster: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    latency_ms: float | None = None
    cost_usd: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    confidence: float | None = None
    model: str | None = None
    finished_at: datetime
    recalled_from: str | None = None
    cursor: str

    @property
    def lacks(self) -> str:
        """That an answer has none of the fields that are expected, in words; else empty."""
        if self.output is None or not self.expected or self.output.keys() & self.expected.keys():
            return ""
        return f"no {', '.join(self.expected)}, but {', '.join(self.output) or 'nothing'}"


def results_of(
    scope: Scope,
    run_id: str,
    *,
    only: Only = "all",
    in_slice: tuple[str, str] | None = None,
    case_ids: Sequence[str] | None = None,
    limit: int = 100,
    after: str | None = None,
) -> list[Result]:
    """Results of a run: failures first, then wrong answers, then the rest, each in dataset order.

    Args:
        in_slice: Name and value of a slice, such as `("channel", "mail")`.
        case_ids: Only these cases; at most 1,000.
        after: `cursor` of the last result that was seen.

    Raises:
        NotFound: The workspace has no such run.
        Invalid: `bad_cursor`.
    """
    get_run(scope, run_id)
    with scope.store.records.read() as connection:
        rows = queries.result_rows(
            connection,
            run_id,
            standings=_STANDINGS[only],
            after=_place(after) if after else None,
            in_slice=in_slice,
            case_ids=None if case_ids is None else case_ids[:CASE_IDS_MAX],
            limit=max(1, min(limit, LIMIT_MAX)),
        )
    return [result_from(row) for row in rows]


def result_from(row: queries.Row) -> Result:
    values = {name: value for name, value in row.items() if name != "workspace"}
    values["cursor"] = f"{row['standing']}.{row['position']}.{row['repetition']}"
    values["standing"] = ("failed", "wrong", "fine")[row["standing"]]
    return Result.model_validate(values)


def _place(cursor: str) -> tuple[int, int, int]:
    parts = cursor.split(".")
    if len(parts) == 3 and all(part.isdecimal() and len(part) < 10 for part in parts):
        return int(parts[0]), int(parts[1]), int(parts[2])
    raise Invalid(
        "bad_cursor",
        f"Results cannot go on after `{cursor[:40]}`",
        hint="Give the `cursor` of the last result you saw.",
    )
