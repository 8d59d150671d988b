"""What judges a result, as the manifest declares it: a name, a kind and its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lineside.core import did_you_mean, plugins
from lineside.usecases.arguments import Arguments, as_mapping, read_arguments, shown
from lineside.usecases.document import Misread, quoted

_KINDS = {
    "exact": Arguments({"fields": "a list of texts"}),
    "contains": Arguments(
        {"field": "a text", "text": "a text", "ignore_case": "true or false"},
        ("field",),
        "{contains: reply}",
    ),
    "regex": Arguments(
        {
            "field": "a text",
            "pattern": "a text",
            "ignore_case": "true or false",
            "must_match": "true or false",
        },
        ("field", "pattern"),
        '{regex: {field: reply, pattern: "[A-Z]{2}[0-9]+"}}',
    ),
    "json_schema": Arguments({}),
    "numeric": Arguments(
        {"field": "a text", "absolute": "a number", "relative": "a number"},
        ("field",),
        "{numeric: {field: amount, tolerance: 0.01}}",
    ),
    "set_f1": Arguments({"field": "a text"}, ("field",), "{set_f1: labels}"),
    "latency_ms": Arguments({}),
    "cost_usd": Arguments({}),
    "python": Arguments({"function": "a text"}, ("function",), "{python: scorers/polite.py:score}"),
}
SCORER_KINDS = tuple(_KINDS)
RATIO_KINDS = frozenset({"exact", "contains", "regex", "json_schema", "numeric", "set_f1"})
"""Kinds whose scores lie between 0 and 1."""

_HINT = "A scorer looks like `- accuracy: {exact: topic}`, or `- valid: json_schema`."


@dataclass(frozen=True)
class ScorerDeclaration:
    """One scorer of the manifest.

    Attributes:
        name: Name of the score it gives, as gate rules use it.
        kind: One of `SCORER_KINDS`, or an installed plugin.
        arguments: By name, as the scorer takes them: `field`, `fields` (output fields), `pattern`,
            `text`, `absolute`, `relative`, `function` of a Python file (`scorers/polite.py:score`);
            for a plugin whatever was declared.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, declared: object) -> Self:
        """Read one item of `tests.scorers`; raises `Misread`."""
        if not isinstance(declared, dict) or len(declared) != 1:
            raise _misread(shown(declared), "one name and what judges it")
        [(name, rest)] = declared.items()
        if isinstance(rest, str):
            kind, given = rest, None
        elif isinstance(rest, dict) and len(rest) == 1:
            [(kind, given)] = rest.items()
        else:
            raise _misread(shown(rest), f"one kind of scorer for `{name}`")
        if kind in SCORER_KINDS:
            return cls(name, kind, _arguments(name, kind, given))
        known = [*SCORER_KINDS, *plugins.plugin_names("scorers")]
        if kind in known:
            return cls(name, kind, as_mapping(given))
        near = did_you_mean(kind, known)
        raise _misread(
            quoted(kind),
            f"a kind of scorer ({', '.join(known)})",
            hint=f"Did you mean `{near}`?" if near else _HINT,
        )

    @property
    def fields(self) -> list[str]:
        """The output fields it looks at by name."""
        one = self.arguments.get("field") if self.kind in SCORER_KINDS else None
        many = self.arguments.get("fields", []) if self.kind in SCORER_KINDS else []
        return [*([one] if one else []), *many]

    @property
    def file(self) -> str | None:
        """The Python file it comes from, relative to the folder."""
        return self.arguments["function"].rpartition(":")[0] if self.kind == "python" else None

    def declared(self) -> dict[str, Any]:
        """The scorer as the manifest writes it; reading that gives the same scorer."""
        arguments = dict(self.arguments)
        return {self.name: {self.kind: arguments} if arguments else self.kind}


DEFAULT_SCORERS = (ScorerDeclaration("accuracy", "exact"),)
ALWAYS_SCORED = (
    ScorerDeclaration("latency_ms", "latency_ms"),
    ScorerDeclaration("cost_usd", "cost_usd"),
)


def _arguments(name: str, kind: str, given: object) -> dict[str, Any]:
    taken = _KINDS[kind]
    named = taken._replace(example=f"{name}: {taken.example}")
    arguments = read_arguments(kind, _long_form(kind, given), named, hint=_HINT, code="bad_scorer")
    if kind == "python":
        file, _, function = arguments["function"].rpartition(":")
        if not file or not function.isidentifier():
            raise _misread(
                quoted(arguments["function"]),
                "a file and a function in it",
                hint=f"Write `- {named.example}`.",
            )
    return arguments


def _long_form(kind: str, given: object) -> object:
    """Spell out the short ways of writing arguments."""
    if given is None:
        return {}
    if isinstance(given, str):
        if kind == "exact":
            return {"fields": [given]}
        return {"function" if kind == "python" else "field": given}
    if kind == "exact":
        if isinstance(given, list) and all(isinstance(item, str) for item in given):
            return {"fields": given}
        if isinstance(given, dict) and isinstance(given.get("field"), str):
            rest = {word: value for word, value in given.items() if word != "field"}
            return {"fields": [given["field"]], **rest}
    if kind == "numeric" and isinstance(given, dict) and "tolerance" in given:
        tolerance = given["tolerance"]
        rest = {word: value for word, value in given.items() if word != "tolerance"}
        if isinstance(tolerance, str) and tolerance.rstrip().endswith("%"):
            try:
                return {**rest, "relative": float(tolerance.rstrip()[:-1]) / 100}
            except ValueError:
                raise _misread(
                    quoted(tolerance), "a number such as `0.01`, or a share such as `1%`"
                ) from None
        return {**rest, "absolute": tolerance}
    return given


def _misread(read: str, expected: str, *, hint: str = _HINT) -> Misread:
    return Misread(read, expected, hint=hint, code="bad_scorer")
