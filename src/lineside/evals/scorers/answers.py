"""What scorers read of an answer and of what its case expects."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import orjson

from lineside.evals.scorer import Score, ScorerContext

WORD = re.compile(r"\w+(?:['’]\w+)*")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def text_of(context: ScorerContext, field: str) -> str:
    """The field as text; nothing reads as an empty text, what is no text as JSON."""
    return as_text(context.output.get(field))


def as_text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def wanted_texts(context: ScorerContext, field: str) -> list[str]:
    """The texts that count as right; a list means that any of them does."""
    wanted = context.expected.get(field)
    if wanted is None:
        return []
    return [as_text(item) for item in wanted] if isinstance(wanted, list) else [as_text(wanted)]


def nothing_expected(name: str, field: str) -> Score:
    """The score of a case that says nothing of the field: it is missing, and no failure."""
    return Score(name, None, explanation=f"the case expects nothing of `{field}`")


def normalised(text: str, *, articles: bool = False) -> str:
    """The text without case, punctuation and spare blanks, and without a, an and the.

    The order is that of the evaluation script of SQuAD; here all of Unicode's punctuation goes.
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(sign for sign in folded if not unicodedata.category(sign).startswith("P"))
    return " ".join((kept if articles else _ARTICLES.sub(" ", kept)).split())


def same(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def alternatives(read: Any, wanted: Any) -> list[Any]:
    """The values that count as right: of two or more for an answer that is no list, each of them.

    So it is for texts, see `wanted_texts`. An answer that is a list itself must be that very list.
    """
    plain = (str, int, float)
    is_choice = isinstance(wanted, list) and len(wanted) > 1 and isinstance(read, plain)
    if is_choice and all(isinstance(item, plain) for item in wanted):
        return list(wanted)
    return [wanted]


def f1(matched: float, *, given: int, wanted: int) -> float:
    """The harmonic mean of precision and recall; two empty sides match fully."""
    return 2 * matched / (given + wanted) if given + wanted else 1.0


def objects_in(given: Any, *, what: str) -> list[Mapping[str, Any]]:
    """A list of objects, or `ValueError`: what has another form cannot be judged."""
    if not isinstance(given, list) or not all(isinstance(item, Mapping) for item in given):
        raise ValueError(f"{what} must be a list of objects, read `{as_text(given)[:80]}`")
    return given
