"""Conditions on what was given to a trace and is not part of it: its scores and its tags."""

from lineside.core import Invalid
from lineside.traces.arrivals import trace_key
from lineside.traces.filters import SCORE, TAG, Condition
from lineside.traces.marks import queries as marks
from lineside.traces.parts import may_see
from lineside.traces.reading import open_reading
from lineside.traces.scores import queries as scores
from lineside.traces.search import queries
from lineside.traces.search.queries import Bound
from lineside.trust import Scope

TAGGED_TRACES_MAX = 200_000


def given_condition(scope: Scope, condition: Condition) -> Bound | None:
    """What must hold of a trace's scores or tags; nothing for a condition on something else.

    A trace meets it with each of its rows, or not at all.

    A score holds where some score of that name does, of the trace or of one of its steps; `!=` also
    lets through what has none.

    Raises:
        Invalid: More than 200,000 traces have the tag.
    """
    if condition.field.startswith(SCORE):
        return _score(scope, condition)
    return _tag(scope, condition) if condition.field == TAG else None


def _score(scope: Scope, condition: Condition) -> Bound:
    name, sign, values = condition.field.removeprefix(SCORE), condition.sign, condition.values
    compared, of_score = scores.compared(sign, values)
    has = (sign == "!=") == (values[0] == "")
    bound = [scope.workspace, name, *of_score]
    return scores.scored(compared, has=has), bound * 2


def _tag(scope: Scope, condition: Condition) -> Bound:
    sign, text = condition.sign, str(condition.values[0])
    with scope.store.records.read() as connection:
        found = marks.tagged(
            connection,
            scope.workspace,
            text=text or None,
            is_part=sign == "~",
            limit=TAGGED_TRACES_MAX + 1,
        )
    if len(found) > TAGGED_TRACES_MAX:
        what = f"the tag `{text[:60]}`" if text else "a tag"
        raise Invalid(
            "too_many_tagged",
            f"More than {TAGGED_TRACES_MAX:,} traces have {what}, too many to look through",
            hint="Ask for another tag, or for an attribute that the steps were sent with.",
        )
    has = (sign == "!=") == (not text)
    keys = ((trace_key(id_), use_case) for id_, use_case in found)
    sent, bound = queries.tagged(sign, text, has=has)
    both = f"({marks.among(has=has)} {'OR' if has else 'AND'} {sent})"
    return both, [*marks.bound_among(keys), scope.workspace, *bound]


def tags_sent(scope: Scope, trace_id: str) -> tuple[str, ...]:
    """Tags that the steps of a trace were sent with, as far as the actor may see them."""
    with open_reading(scope) as reading:
        asked = [scope.workspace, trace_key(trace_id), trace_id]
        rows = reading.rows(queries.TAGS_OF_TRACE, asked)
    return tuple(
        sorted({tag for row in rows if may_see(scope, row["use_case"]) for tag in row["tags"]})
    )
