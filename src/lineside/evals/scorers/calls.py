"""Which tools an answer called, held against the calls that the case expects.

A call is an object with `name` and `arguments`, in the order they were made.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from lineside.evals.scorer import Score, Scorer, ScorerContext
from lineside.evals.scorers.answers import as_text, f1, nothing_expected, objects_in, same
from lineside.gateway import Form

Call = Mapping[str, Any]
Alike = Callable[[Call, Call], bool]

CALLS_MAX = 500
_NAMES_MAX = 8


def tool_calls(
    *, name: str, field: str = "tool_calls", order: str = "any_order", arguments: str = "exact"
) -> Scorer:
    """1 when the calls are those that the case expects, else 0.

    `any_order`: the same calls, whatever their order. `exact`: the same calls in the same order.
    `in_order`: the expected calls in their order, others may stand between. `superset`: all
    expected calls in any order, and others. `subset`: only expected calls, perhaps not all.

    Arguments are compared `exact`; as `listed` (those that the case names, others are free); by
    the `schema` that the expected call carries; or are `ignored`.
    """
    alike = _alike(arguments)

    def score(context: ScorerContext) -> Score:
        if field not in context.expected:
            return nothing_expected(name, field)
        made, wanted = _calls(context, field)
        if order == "exact":
            fits = len(made) == len(wanted) and all(map(alike, made, wanted))
        elif order == "in_order":
            fits = _in_order(made, wanted, alike)
        else:
            pairs = _pairs(made, wanted, alike)
            all_wanted, all_made = pairs == len(wanted), pairs == len(made)
            fits = {"subset": all_made, "superset": all_wanted}.get(order, all_made and all_wanted)
        said = None if fits else f"called {_named(made)}, expected {_named(wanted)} ({order})"
        return Score(name, float(fits), explanation=said)

    return score


def tool_call_f1(*, name: str, field: str = "tool_calls", arguments: str = "exact") -> Scorer:
    """How many calls are right: 1 is all and no others, 0 is none. Order does not count.

    The harmonic mean of precision and recall over calls; `arguments` as for `tool_calls`.
    """
    alike = _alike(arguments)

    def score(context: ScorerContext) -> Score:
        if field not in context.expected:
            return nothing_expected(name, field)
        made, wanted = _calls(context, field)
        pairs = _pairs(made, wanted, alike)
        missing, extra = len(wanted) - pairs, len(made) - pairs
        said = f"{missing} missing, {extra} too many" if missing or extra else None
        detail = {
            "precision": pairs / len(made) if made else None,
            "recall": pairs / len(wanted) if wanted else None,
        }
        value = f1(pairs, given=len(made), wanted=len(wanted))
        return Score(name, value, explanation=said, detail=detail)

    return score


def _calls(context: ScorerContext, field: str) -> tuple[Sequence[Call], Sequence[Call]]:
    made = objects_in(context.output.get(field) or [], what=f"`{field}`")
    wanted = objects_in(context.expected[field] or [], what=f"expected `{field}`")
    if max(len(made), len(wanted)) > CALLS_MAX:
        raise ValueError(f"`{field}` has more than {CALLS_MAX} calls")
    return made, wanted


def _alike(arguments: str) -> Alike:
    """Whether a call that was made, given first, is the expected one."""
    forms: dict[bytes, Form] = {}

    def fit(made: Mapping[str, Any], wanted: Call) -> bool:
        if "schema" not in wanted:
            raise ValueError(f"the expected call of `{wanted.get('name')}` has no `schema`")
        key = orjson.dumps(wanted["schema"])
        form = forms.get(key) or forms.setdefault(key, Form(wanted["schema"]))
        return not form.problems(made)

    def alike(made: Call, wanted: Call) -> bool:
        if made.get("name") != wanted.get("name"):
            return False
        given, right = _arguments(made), _arguments(wanted)
        if arguments == "exact":
            return same(given, right)
        if arguments == "listed":
            return all(word in given and same(given[word], right[word]) for word in right)
        return arguments == "ignored" or fit(given, wanted)

    return alike


def _arguments(call: Call) -> dict[str, Any]:
    given = call.get("arguments") or {}
    # Many models write the arguments as the text of a JSON object.
    read = orjson.loads(given) if isinstance(given, str) else given
    if not isinstance(read, Mapping):
        raise ValueError(f"the arguments of `{call.get('name')}` are no object: `{as_text(given)}`")
    return dict(read)


def _in_order(made: Sequence[Call], wanted: Sequence[Call], alike: Alike) -> bool:
    # Taking the first call that fits never spoils a later one.
    at = iter(made)
    return all(any(alike(call, expected) for call in at) for expected in wanted)


def _pairs(made: Sequence[Call], wanted: Sequence[Call], alike: Alike) -> int:
    """The most pairs of alike calls, each call in one pair: a matching, not first come."""
    near = [[at for at, call in enumerate(made) if alike(call, item)] for item in wanted]
    taken: dict[int, int] = {}

    def find(expected: int, tried: set[int]) -> bool:
        for at in near[expected]:
            if at in tried:
                continue
            tried.add(at)
            if at not in taken or find(taken[at], tried):
                taken[at] = expected
                return True
        return False

    return sum(find(expected, set()) for expected in range(len(wanted)))


def _named(calls: Sequence[Call]) -> str:
    shown = [f"`{call.get('name')}`" for call in calls[:_NAMES_MAX]]
    more = [f"{len(calls) - _NAMES_MAX} more"] if len(calls) > _NAMES_MAX else []
    return ", ".join([*shown, *more]) or "nothing"
