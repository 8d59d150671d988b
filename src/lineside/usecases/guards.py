"""What is checked on every call, as the manifest declares it: a guard and its arguments."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, get_args

from lineside.core import Invalid, did_you_mean, plugins
from lineside.usecases.arguments import Arguments, as_mapping, read_arguments, shown
from lineside.usecases.document import Misread, quoted

GuardVerdict = Literal["allow", "warn", "transform", "escalate", "deny"]
"""What a guard may say of a message: let it pass, pass it and say so, change it, have a person
decide, or hold it back."""

GUARD_POINTS = ("input", "pre_model_call", "post_model_call", "output")
"""Where a manifest may put guards, in the order in which a call passes them."""

_VERDICTS = get_args(GuardVerdict)
_COMMON = {
    "action": "a text",
    "limit": "a number",
    "deadline_ms": "a number",
    "on_error": "a text",
}
_KINDS = {
    "mask_pii": Arguments({"kinds": "a list of texts", "reversible": "true or false"}),
    "no_secrets": Arguments({"kinds": "a list of texts"}),
    "no_injection": Arguments({}),
    "on_topic": Arguments(
        {"about": "a list of texts", "never": "a list of texts"},
        (),
        "on_topic: {about: [parcel, refund], never: [medicine]}",
    ),
    "length": Arguments(
        {"characters_min": "a number", "characters_max": "a number"},
        (),
        "length: {characters_max: 4000}",
    ),
    "language": Arguments({"of": "a list of texts"}, ("of",), "language: [en, de]"),
    "banned_phrases": Arguments(
        {"phrases": "a list of texts"}, ("phrases",), "banned_phrases: [guaranteed returns]"
    ),
    "matches_schema": Arguments({"repair": "true or false"}),
    "grounded": Arguments({"sources": "a list of texts"}),
    "no_long_quotes": Arguments({"words_max": "a number", "sources": "a list of texts"}),
    "provenance": Arguments({"note": "a text"}),
    "presidio": Arguments({"entities": "a list of texts", "language": "a text"}),
    "python": Arguments({"function": "a text"}, ("function",), "python: guards/own.py:is_polite"),
}
GUARD_KINDS = tuple(_KINDS)
_SHORT = {
    "mask_pii": "kinds",
    "no_secrets": "kinds",
    "length": "characters_max",
    "language": "of",
    "banned_phrases": "phrases",
    "on_topic": "about",
    "python": "function",
    "provenance": "note",
}
_SOURCED = ("grounded", "no_long_quotes")
_OUTPUT_ONLY = ("matches_schema", "grounded", "no_long_quotes", "provenance")
_HINT = "A guard looks like `- mask_pii`, or `- banned_phrases: [guaranteed returns]`."


def arguments_of(kind: str) -> Arguments:
    """What a guard that comes with lineside takes beside what all of them take."""
    return _KINDS[kind]


@dataclass(frozen=True)
class GuardDeclaration:
    """One guard of the manifest.

    Attributes:
        kind: One of `GUARD_KINDS`, or an installed plugin.
        arguments: Of that kind of guard; for a plugin whatever was declared.
        action: What to do with what it catches; nothing stands for the kind's own.
        limit: From which score on it counts as caught; nothing stands for the kind's own.
        deadline_ms: How long it may take, in milliseconds; later is an error.
        on_error: What to do where it fails or is late: `deny` unless the manifest says otherwise.
    """

    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    action: GuardVerdict | None = None
    limit: float | None = None
    deadline_ms: float | None = None
    on_error: GuardVerdict = "deny"

    @classmethod
    def read(cls, declared: object) -> Self:
        """Read one item of `guards`; raises `Misread`."""
        if isinstance(declared, str):
            kind, given = declared, None
        elif isinstance(declared, dict) and len(declared) == 1:
            [(kind, given)] = declared.items()
        else:
            raise _misread(shown(declared), "the name of a guard, with its arguments if it has any")
        known = [*GUARD_KINDS, *plugins.plugin_names("guards")]
        if kind not in known:
            near = did_you_mean(kind, known)
            names = ", ".join(f"`{name}`" for name in known)
            hint = f"Did you mean `{near}`?" if near else "Remove it, or install its package."
            raise _misread(quoted(kind), f"a guard that is installed: {names}", hint=hint)
        if given is not None and not isinstance(given, dict) and kind in _SHORT:
            given = {_SHORT[kind]: given}
        common, own = _split(as_mapping(given) if kind not in _KINDS or given is None else given)
        if kind in _KINDS:
            takes = _KINDS[kind]
            arguments = read_arguments(
                kind, own, takes._replace(takes=takes.takes | _COMMON), hint=_HINT, code="bad_guard"
            )
            _check_function(arguments.get("function"))
            _check_patterns(arguments.get("kinds", ()))
        else:
            arguments = own
        read_arguments(kind, common, Arguments(_COMMON), hint=_HINT, code="bad_guard")
        for word, choices in (("action", _VERDICTS[1:]), ("on_error", _VERDICTS)):
            _one_of(word, common.get(word), choices)
        return cls(kind, arguments, **common)

    @property
    def name(self) -> str:
        """How decisions call it: its kind, and for a function its name."""
        if self.kind == "python":
            return str(self.arguments["function"]).rpartition(":")[2]
        return self.kind

    @property
    def file(self) -> str | None:
        """The Python file it comes from, relative to the folder."""
        if self.kind != "python":
            return None
        return str(self.arguments["function"]).rpartition(":")[0]

    @property
    def sources(self) -> tuple[str, ...]:
        """Files that hold what answers must be grounded in, or not quote at length."""
        return tuple(self.arguments.get("sources", ())) if self.kind in _SOURCED else ()

    @property
    def is_for_output(self) -> bool:
        """Whether it judges answers only."""
        return self.kind in _OUTPUT_ONLY

    def declared(self) -> Any:
        """The guard as the manifest writes it; reading that gives the same guard."""
        common = {
            word: getattr(self, word)
            for word in ("action", "limit", "deadline_ms")
            if getattr(self, word) is not None
        }
        if self.on_error != "deny":
            common["on_error"] = self.on_error
        arguments = {**self.arguments, **common}
        return {self.kind: arguments} if arguments else self.kind


def _split(given: object) -> tuple[dict[str, Any], Any]:
    """What every guard takes, and what is its own."""
    if not isinstance(given, Mapping):
        return {}, given
    common = {word: value for word, value in given.items() if word in _COMMON}
    return common, {word: value for word, value in given.items() if word not in _COMMON}


def _check_function(function: str | None) -> None:
    if function is None:
        return
    file, _, name = function.rpartition(":")
    if not file or not name.isidentifier():
        example = _KINDS["python"].example
        raise _misread(
            quoted(function), "a file and a function in it", hint=f"Write `- {example}`."
        )


def _check_patterns(kinds: Iterable[str]) -> None:
    from lineside.traces import privacy  # not needed by manifests without them

    for kind in kinds:
        _one_of("kinds", kind, tuple(privacy.built_in_patterns()))


def _one_of(word: str, value: object, choices: tuple[str, ...]) -> None:
    if value is None or value in choices:
        return
    near = did_you_mean(str(value), choices)
    raise _misread(
        f"{shown(value)} for `{word}`",
        f"one of {', '.join(f'`{choice}`' for choice in choices)}",
        hint=f"Did you mean `{near}`?" if near else _HINT,
    )


def _misread(read: str, expected: str, *, hint: str = _HINT) -> Misread:
    return Misread(read, expected, hint=hint, code="bad_guard")


def declared_as(declared: object) -> GuardDeclaration:
    """The guard that a name declares, or a name with arguments, outside of a manifest.

    Raises:
        Invalid: There is no such guard, or it needs arguments.
    """
    try:
        return GuardDeclaration.read(declared)
    except Misread as wrong:
        message = f"Read {wrong.read}, expected {wrong.expected}"
        raise Invalid(wrong.code, message, hint=wrong.hint) from None
