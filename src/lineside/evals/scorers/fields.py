"""Right or wrong field by field: equality, numbers, lists and schemas."""

from collections.abc import Mapping, Sequence
from math import isclose
from typing import Any

import orjson

from lineside.evals.scorer import Score, Scorer, ScorerContext
from lineside.evals.scorers.answers import alternatives, f1, normalised, nothing_expected, same
from lineside.gateway import Form, show


def exact(*, name: str, fields: Sequence[str] | None = None) -> Scorer:
    """1 when every field that the case expects (or each of `fields`) is exactly right, else 0.

    Of several expected texts or numbers an answer that is no list needs to be any one.
    """

    def score(context: ScorerContext) -> Score:
        names = list(context.expected) if fields is None else fields
        names = [field for field in names if field in context.expected]
        if not names:
            return Score(name, None, explanation="the case expects nothing of these fields")
        pairs = [(field, context.output.get(field), context.expected[field]) for field in names]
        wrong = [
            f"`{field}` is {show(read)}, expected {show(wanted)}"
            for field, read, wanted in pairs
            if not any(same(read, item) for item in alternatives(read, wanted))
        ]
        return Score(name, 0.0 if wrong else 1.0, explanation="; ".join(wrong) or None)

    return score


def numeric(*, name: str, field: str, absolute: float = 0.0, relative: float = 0.0) -> Scorer:
    """1 when the number is off by no more than the larger of both tolerances; else 0.

    `relative` is a share of the expected number.
    """

    def score(context: ScorerContext) -> Score:
        wanted, read = context.expected.get(field), context.output.get(field)
        if wanted is None:
            return nothing_expected(name, field)
        if isinstance(read, bool) or not isinstance(read, int | float):
            return Score(name, 0.0, explanation=f"`{field}` is {show(read)}, expected a number")
        near = isclose(read, wanted, rel_tol=0.0, abs_tol=max(absolute, relative * abs(wanted)))
        said = None if near else f"`{field}` is {read}, expected {wanted}"
        return Score(name, float(near), explanation=said)

    return score


def set_f1(*, name: str, field: str) -> Scorer:
    """How well a list matches the expected one: 1 is all, 0 is nothing in common.

    The harmonic mean of precision and recall. Order and repeats do not count; two empty lists
    match fully.
    """

    def score(context: ScorerContext) -> Score:
        wanted, read = context.expected.get(field), context.output.get(field)
        if wanted is None:
            return nothing_expected(name, field)
        if not isinstance(read, list):
            return Score(name, 0.0, explanation=f"`{field}` is {show(read)}, expected a list")
        right, given = _as_set(wanted), _as_set(read)
        value = f1(len(right & given), given=len(given), wanted=len(right))
        missing, extra = len(right - given), len(given - right)
        said = f"{missing} missing, {extra} too many" if missing or extra else None
        return Score(name, value, explanation=said)

    return score


def field_match(
    *,
    name: str,
    fields: Sequence[str] | None = None,
    normalise: bool = False,
    relative: float = 0.0,
) -> Scorer:
    """Share of the expected fields that are right, 1 is all; the detail says which.

    Fields inside objects count one by one, a list counts as one. With `normalise` texts are
    compared without case, punctuation and articles; `relative` is what a number may be off. Of
    several expected texts or numbers an answer that is no list needs to be any one.
    """

    def right(read: Any, wanted: Any) -> bool:
        if normalise and isinstance(read, str) and isinstance(wanted, str):
            return normalised(read) == normalised(wanted)
        if relative and _is_number(read) and _is_number(wanted):
            return isclose(read, wanted, rel_tol=0.0, abs_tol=relative * abs(wanted))
        return same(read, wanted)

    def score(context: ScorerContext) -> Score:
        wanted = dict(context.expected)
        if fields is not None:
            wanted = {word: wanted[word] for word in fields if word in wanted}
        leaves = _leaves(wanted)
        if not leaves:
            return Score(name, None, explanation="the case expects nothing of these fields")
        shares = {
            ".".join(path): float(any(right(read, item) for item in alternatives(read, value)))
            for path, value in leaves.items()
            for read in [_at(context.output, path)]
        }
        wrong = [word for word, share in shares.items() if not share]
        said = f"wrong: {', '.join(f'`{word}`' for word in wrong[:10])}" if wrong else None
        value = sum(shares.values()) / len(shares)
        return Score(name, value, explanation=said, detail={"fields": shares})

    return score


def json_schema(*, name: str, schema: Mapping[str, Any], field: str | None = None) -> Scorer:
    """1 when the output (or one field that holds an object) fits the schema; else 0.

    Without a schema of its own the app's output is meant. Fields that a schema does not name do not
    fit, unless it says `additionalProperties: true`.
    """
    form = Form(schema)

    def score(context: ScorerContext) -> Score:
        value = context.output if field is None else context.output.get(field)
        if not isinstance(value, Mapping):
            return Score(name, 0.0, explanation=f"read {show(value)}, expected an object")
        wrong = form.problems(value)
        return Score(name, 0.0 if wrong else 1.0, explanation="; ".join(wrong[:3]) or None)

    return score


def schema_share(*, name: str, schema: Mapping[str, Any]) -> Scorer:
    """Share of the fields of the output's schema that fit it, 1 is all; the detail says which.

    A field that may be absent fits where it is absent. A field that the schema does not know
    counts as one more that does not fit.
    """
    parts = schema.get("properties", {})
    required = set(schema.get("required", ()))
    shared = {word: schema[word] for word in ("$defs",) if word in schema}
    forms = {
        word: Form({"properties": {word: part}, "required": [word], **shared})
        for word, part in parts.items()
    }

    def score(context: ScorerContext) -> Score:
        shares = {
            word: float(
                not form.problems({word: context.output[word]})
                if word in context.output
                else word not in required
            )
            for word, form in forms.items()
        }
        if schema.get("additionalProperties", False) is False:
            shares |= {str(word): 0.0 for word in context.output if word not in forms}
        wrong = [word for word, share in shares.items() if not share]
        said = f"not as the schema says: {', '.join(map(show, wrong[:10]))}" if wrong else None
        value = sum(shares.values()) / len(shares) if shares else 1.0
        return Score(name, value, explanation=said, detail={"fields": shares})

    return score


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _leaves(wanted: Mapping[str, Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found: dict[tuple[str, ...], Any] = {}
    for word, value in wanted.items():
        inner = (*path, str(word))
        found |= _leaves(value, inner) if isinstance(value, Mapping) and value else {inner: value}
    return found


def _at(output: Any, path: tuple[str, ...]) -> Any:
    for word in path:
        output = output.get(word) if isinstance(output, Mapping) else None
    return output


def _as_set(values: Any) -> set[bytes]:
    items = values if isinstance(values, list) else [values]
    return {orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in items}
