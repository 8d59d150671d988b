"""The scorers that come with lineside, and how a declaration becomes a scorer."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isclose
from types import ModuleType
from typing import Any, Protocol

import orjson

from lineside.core import Invalid, did_you_mean, plugins
from lineside.evals.patterns import check_pattern, matcher
from lineside.evals.scorer import NamedScorer, Score, Scorer, ScorerContext
from lineside.gateway import Form, show

Files = Mapping[str, bytes]


class Declared(Protocol):
    """What a manifest says of one scorer; `lineside.usecases.ScorerDeclaration` is one."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...


def exact(*, name: str, fields: Sequence[str] | None = None) -> Scorer:
    """1 when every field that the case expects (or each of `fields`) is exactly right, else 0."""

    def score(context: ScorerContext) -> Score:
        names = list(context.expected) if fields is None else fields
        names = [field for field in names if field in context.expected]
        if not names:
            return Score(name, None, explanation="the case expects nothing of these fields")
        pairs = [(field, context.output.get(field), context.expected[field]) for field in names]
        wrong = [
            f"`{field}` is {show(read)}, expected {show(wanted)}"
            for field, read, wanted in pairs
            if not _same(read, wanted)
        ]
        return Score(name, 0.0 if wrong else 1.0, explanation="; ".join(wrong) or None)

    return score


def contains(*, name: str, field: str, text: str | None = None, ignore_case: bool = True) -> Scorer:
    """1 when the field holds the text, or the text that the case expects of the field; else 0."""

    def score(context: ScorerContext) -> Score:
        wanted = context.expected.get(field) if text is None else text
        if wanted is None:
            return Score(name, None, explanation=f"the case expects nothing of `{field}`")
        parts = [str(part) for part in wanted] if isinstance(wanted, list) else [str(wanted)]
        whole = _text(context, field)
        folded = whole.casefold() if ignore_case else whole
        missing = [p for p in parts if (p.casefold() if ignore_case else p) not in folded]
        said = f"`{field}` does not hold {', '.join(map(show, missing))}" if missing else None
        return Score(name, 0.0 if missing else 1.0, explanation=said)

    return score


def regex(
    *, name: str, field: str, pattern: str, ignore_case: bool = False, must_match: bool = True
) -> Scorer:
    """1 when the pattern is found in the field (or, with `must_match: false`, is not); else 0."""
    check_pattern(pattern, name=name)
    flags = int(re.IGNORECASE) if ignore_case else 0

    def score(context: ScorerContext) -> Score:
        found = matcher.search(pattern, _text(context, field), flags=flags)
        if (found is not None) == must_match:
            return Score(name, 1.0)
        read = "the pattern was not found" if found is None else f"found {show(found)}"
        return Score(name, 0.0, explanation=f"`{field}`: {read}")

    return score


def json_schema(*, name: str, schema: Mapping[str, Any], field: str | None = None) -> Scorer:
    """1 when the output (or one field that holds an object) fits the schema; else 0."""
    form = Form(schema)

    def score(context: ScorerContext) -> Score:
        value = context.output if field is None else context.output.get(field)
        if not isinstance(value, Mapping):
            return Score(name, 0.0, explanation=f"read {show(value)}, expected an object")
        wrong = form.problems(value)
        return Score(name, 0.0 if wrong else 1.0, explanation="; ".join(wrong[:3]) or None)

    return score


def numeric(*, name: str, field: str, absolute: float = 0.0, relative: float = 0.0) -> Scorer:
    """1 when the number is off by no more than the larger of both tolerances; else 0.

    `relative` is a share of the expected number.
    """

    def score(context: ScorerContext) -> Score:
        wanted, read = context.expected.get(field), context.output.get(field)
        if wanted is None:
            return Score(name, None, explanation=f"the case expects nothing of `{field}`")
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
            return Score(name, None, explanation=f"the case expects nothing of `{field}`")
        if not isinstance(read, list):
            return Score(name, 0.0, explanation=f"`{field}` is {show(read)}, expected a list")
        right, given = _as_set(wanted), _as_set(read)
        if not right and not given:
            return Score(name, 1.0)
        value = 2 * len(right & given) / (len(right) + len(given))
        missing, extra = len(right - given), len(given - right)
        said = f"{missing} missing, {extra} too many" if missing or extra else None
        return Score(name, value, explanation=said)

    return score


def latency_ms(*, name: str) -> Scorer:
    """How long the answer took, in milliseconds."""
    return lambda context: Score(name, context.latency_ms)


def cost_usd(*, name: str) -> Scorer:
    """What the answer cost, in US dollars; missing where nobody knows."""
    return lambda context: Score(name, context.cost_usd)


def python(*, name: str, function: str, files: Files) -> Scorer:
    """One's own function from a file of the use case folder, as `scorers.py:politeness`.

    It is the person's own code and runs with the rights of the process that judges; only judge
    folders whose code you would run.
    """
    path, _, word = function.rpartition(":")
    content = files.get(path)
    if content is None:
        near = did_you_mean(path, files)
        raise Invalid(
            "scorer_file_missing",
            f"Scorer `{name}` names `{function}`, but there is no file `{path}`",
            hint=f"Did you mean `{near}`?" if near else "Write it as `file.py:function`.",
        )
    module = _loaded(name, path, content)
    found = getattr(module, word, None)
    if not callable(found):
        near = did_you_mean(word, [key for key, item in vars(module).items() if callable(item)])
        raise Invalid(
            "scorer_function_missing",
            f"Scorer `{name}`: `{path}` has no function `{word}`",
            hint=f"Did you mean `{near}`?" if near else "It takes one ScorerContext.",
        )
    function_found: Scorer = found
    return function_found


def _loaded(name: str, path: str, content: bytes) -> ModuleType:
    private = f"lineside_scorer_{sha256(path.encode() + content).hexdigest()[:16]}"
    if private in sys.modules:
        return sys.modules[private]
    module = ModuleType(private)
    module.__file__ = path
    # Dataclasses and typing look their module up by name while the code runs.
    sys.modules[private] = module
    try:
        exec(compile(content, path, "exec"), module.__dict__)  # noqa: S102 # see `python`
    except Exception as error:
        del sys.modules[private]
        raise Invalid(
            "scorer_broken",
            f"Scorer `{name}`: `{path}` failed while it was loaded: "
            f"{type(error).__name__}: {error}",
            hint="Run the file with Python to see where.",
        ) from error
    return module


BUILT_IN: dict[str, Callable[..., Scorer]] = {
    "exact": exact,
    "contains": contains,
    "regex": regex,
    "json_schema": json_schema,
    "numeric": numeric,
    "set_f1": set_f1,
    "latency_ms": latency_ms,
    "cost_usd": cost_usd,
    "python": python,
}


@dataclass(frozen=True)
class _Own:
    name: str
    kind: str
    arguments: Mapping[str, Any]


def build_scorers(declared: Sequence[Declared], *, files: Files) -> list[NamedScorer]:
    """Make the scorers of a run ready.

    Where none is declared, `accuracy` says whether every expected field is exactly right.
    `latency_ms` and `cost_usd` always come along.

    Args:
        files: Content of the Python files that declarations name, by path.

    Raises:
        Invalid: An unknown kind or argument, a pattern or file that cannot be used.
    """
    chosen: list[Declared] = list(declared) or [_Own("accuracy", "exact", {})]
    names = {item.name for item in chosen}
    chosen += [_Own(kind, kind, {}) for kind in ("latency_ms", "cost_usd") if kind not in names]
    return [NamedScorer(item.name, _build(item, files)) for item in chosen]


def _build(item: Declared, files: Files) -> Scorer:
    arguments = dict(item.arguments)
    if item.kind not in BUILT_IN:
        return _from_plugin(item, arguments)
    make = BUILT_IN[item.kind]
    known = set(make.__kwdefaults__ or {}) | set(_required(make))
    for key in arguments:
        if key not in known - {"name", "files"}:
            near = did_you_mean(key, known - {"name", "files"})
            raise Invalid(
                "bad_scorer",
                f"Scorer `{item.name}` ({item.kind}) takes no `{key}`",
                hint=f"Did you mean `{near}`?" if near else f"It takes: {_takes(known)}.",
            )
    missing = [key for key in _required(make) if key not in {"name", "files", *arguments}]
    if missing:
        raise Invalid(
            "bad_scorer",
            f"Scorer `{item.name}` ({item.kind}) needs `{'`, `'.join(missing)}`",
            hint=f"It takes: {_takes(known)}.",
        )
    extra = {"files": files} if item.kind == "python" else {}
    return make(name=item.name, **arguments, **extra)


def _from_plugin(item: Declared, arguments: dict[str, Any]) -> Scorer:
    if item.kind not in plugins.plugin_names("scorers"):
        known = [*BUILT_IN, *plugins.plugin_names("scorers")]
        near = did_you_mean(item.kind, known)
        raise Invalid(
            "unknown_scorer",
            f"Scorer `{item.name}` is of the unknown kind `{item.kind}`",
            hint=f"Did you mean `{near}`?" if near else f"Known: {', '.join(known)}.",
        )
    plugin = plugins.load_plugin("scorers", item.kind)
    return lambda context: plugin(context, **arguments)


def _required(make: Callable[..., Scorer]) -> list[str]:
    code = make.__code__
    names = code.co_varnames[: code.co_kwonlyargcount]
    return [name for name in names if name not in (make.__kwdefaults__ or {})]


def _takes(known: set[str]) -> str:
    return ", ".join(f"`{key}`" for key in sorted(known - {"name", "files"})) or "nothing"


def _text(context: ScorerContext, field: str) -> str:
    value = context.output.get(field)
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _as_set(values: Any) -> set[bytes]:
    items = values if isinstance(values, list) else [values]
    return {orjson.dumps(item, option=orjson.OPT_SORT_KEYS) for item in items}


def _same(first: Any, second: Any) -> bool:
    """Whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)
