"""Judged cases as an Arrow table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from lineside.evals import Result
from lineside.traces import tables

if TYPE_CHECKING:
    import pyarrow as pa


def table_of(results: Sequence[Result], *, scores: Sequence[str]) -> "pa.Table":
    """One row per result, in the order of the dataset; a column always has the same type.

    A score that is called like a column of ours stands in its place.
    """
    pa = tables.arrow()
    ordered = sorted(results, key=lambda result: (result.position, result.repetition))
    texts: dict[str, list[Any]] = {
        "case_id": [result.case_id for result in ordered],
        "standing": [result.standing for result in ordered],
        "input": [_json(result.input) for result in ordered],
        "expected": [_json(result.expected) for result in ordered],
        "output": [_json(result.output) for result in ordered],
        "slices": [_json(result.slices) for result in ordered],
        "error_code": [result.error_code for result in ordered],
        "error_message": [result.error_message for result in ordered],
    }
    columns = {name: pa.array(values, pa.string()) for name, values in texts.items()}
    columns["repetition"] = pa.array([result.repetition for result in ordered], pa.int32())
    for name in scores:
        found = [result.scores.get(name) for result in ordered]
        values = [None if score is None else score.value for score in found]
        columns[name] = pa.array(values, pa.float64())
    return pa.table(columns)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value, default=str).decode()
