"""What there is to say of each guard: what it takes and does, and what was measured of it."""

import inspect
from typing import Any, NamedTuple

from lineside.guardrails import build
from lineside.guardrails.guard import DEADLINE_MS
from lineside.traces import privacy
from lineside.usecases import guards as declarations

MEASURED = {
    "mask_pii": (
        "False alarms of mail addresses, also in plain words (`name at host dot com`): 0 in 78,999 "
        "fields of six public sets; of cards and accounts 0, of IPs 2 in 66,719 (XSTest and "
        "Banking77). Recall was not measured: names and addresses of streets have no pattern."
    ),
    "no_secrets": (
        "False alarms: 0 in 66,719 fields of XSTest and Banking77. Recall was not measured."
    ),
    "no_injection": (
        "435 of 666 jailbreaks from the wild were seen (65 %). False alarms: 0 of 450 prompts of "
        "XSTest, 0 of 13,083 bank messages (Banking77), 5 of 337 plain requests (PyRIT). Not "
        "measured on attacks that know the rules."
    ),
    "presidio": (
        "68 of 80 names in sentences were masked, 42 of 80 in small letters. False alarms: in "
        "1,000 bank messages (Banking77) 9 persons and 22 places. 15 to 170 ms of CPU a text."
    ),
}
"""Recall and false alarms, by kind; how they were measured stands in the guide of guards."""

_EXACT = ("length", "banned_phrases", "matches_schema", "no_long_quotes", "provenance", "python")
_TOLD = "Nothing to measure, it finds what it is told and nothing else."
_NOT_MEASURED = "Not yet; try it on texts of your own before it denies."


class Setting(NamedTuple):
    """One setting of a guard; `default` in words."""

    name: str
    takes: str
    default: str


class GuardReference(NamedTuple):
    """One kind of guard.

    Attributes:
        points: Where it may stand.
        action: What it does with what it finds, unless the manifest says otherwise.
        stream: How much of a stream it holds back.
        kept: Whether what it holds back may be kept in a trace.
        finds: Each thing it can look for, in words, where it has such kinds.
    """

    name: str
    told: str
    points: tuple[str, ...]
    action: str
    stream: str
    kept: bool
    settings: tuple[Setting, ...]
    finds: tuple[tuple[str, str], ...]
    example: str
    measured: str


def guard_references() -> list[GuardReference]:
    """Every guard that comes with lineside, in the order in which manifests know them."""
    told = build.guard_kinds()
    return [_reference(name, told[name]) for name in declarations.GUARD_KINDS]


def _reference(name: str, told: str) -> GuardReference:
    made = build.kind_of(name)
    defaults: dict[str, Any] = dict(made.defaults) if made else {}
    is_for_output = declarations.declared_as(_minimal(name)).is_for_output
    points = declarations.GUARD_POINTS
    return GuardReference(
        name=name,
        told=told,
        points=points[2:] if is_for_output else points,
        action=str(defaults.get("action", "deny")),
        stream=_stream(name, defaults),
        kept=not defaults.get("hides_text", False),
        settings=(*_own_settings(name, made), *_common_settings(defaults)),
        finds=_finds(name, made),
        example=_example(name),
        measured=MEASURED.get(name, _TOLD if name in _EXACT else _NOT_MEASURED),
    )


def _minimal(name: str) -> object:
    takes = declarations.arguments_of(name)
    if not takes.needs:
        return name
    ((_, given),) = _read(takes.example).items()
    return {name: given}


def _example(name: str) -> str:
    example = declarations.arguments_of(name).example
    return example or name


def _read(example: str) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(example)
    return found


def _stream(name: str, defaults: dict[str, Any]) -> str:
    if name == "banned_phrases":
        return "as many characters as the longest phrase has"
    held = defaults.get("hold_back")
    return f"the last {held} characters" if held else "the whole answer"


def _own_settings(name: str, made: build.GuardKind | None) -> list[Setting]:
    takes = declarations.arguments_of(name)
    named = inspect.signature(made.make).parameters if made else {}
    found = []
    for word, kind in takes.takes.items():
        default = named[word].default if word in named else inspect.Parameter.empty
        if word in takes.needs:
            said = "must be given"
        elif default in (None, inspect.Parameter.empty, ()):
            said = "none"
        else:
            said = _in_words(default)
        found.append(Setting(word, kind, said))
    return found


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _common_settings(defaults: dict[str, Any]) -> list[Setting]:
    return [
        Setting(
            "action", "`warn`, `transform`, `escalate` or `deny`", _said(defaults, "action", "deny")
        ),
        Setting("limit", "a score from which on it counts", _said(defaults, "limit", 0)),
        Setting("deadline_ms", "milliseconds", _said(defaults, "deadline_ms", DEADLINE_MS)),
        Setting("on_error", "what happens where it fails or is late", "`deny`"),
    ]


def _said(defaults: dict[str, Any], word: str, usual: object) -> str:
    value = defaults.get(word, usual)
    return f"`{value:g}`" if isinstance(value, int | float) else f"`{value}`"


def _finds(name: str, made: build.GuardKind | None) -> tuple[tuple[str, str], ...]:
    if made is None or "kinds" not in declarations.arguments_of(name).takes:
        return ()
    patterns = privacy.built_in_patterns()
    kinds = inspect.signature(made.make).parameters["kinds"].default
    return tuple((kind, patterns[kind]) for kind in kinds)
