"""From what a manifest declares to guards that judge."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from lineside.guardrails import grounding, injection, personal, presidio, wording
from lineside.guardrails.chain import GuardChain
from lineside.guardrails.form import matches_schema
from lineside.guardrails.guard import Check, Guard, GuardPoint
from lineside.guardrails.own import from_file, from_package
from lineside.guardrails.probes import PROBE_GUARDS
from lineside.guardrails.provenance import provenance
from lineside.usecases import UseCaseFolder
from lineside.usecases import guards as declarations

_COMMON = ("action", "limit", "deadline_ms", "on_error")


class GuardKind(NamedTuple):
    """How a kind of guard is made and what it does unless the manifest says otherwise."""

    make: Callable[..., Check]
    defaults: Mapping[str, Any]
    told: str


_WHOLE = {"sees": "whole"}
_KINDS: dict[str, GuardKind] = {
    "mask_pii": GuardKind(
        personal.mask_pii,
        {"action": "transform", "hold_back": personal.WINDOW_CHARACTERS, "hides_text": True},
        "puts marks for mail, phone, accounts, cards, national ids, IPs; the caller sees them back",
    ),
    "no_secrets": GuardKind(
        personal.no_secrets,
        {"hold_back": personal.WINDOW_CHARACTERS, "hides_text": True},
        "holds back keys, tokens and passwords",
    ),
    "no_injection": GuardKind(
        lambda: injection.no_injection,
        {
            "action": "warn",
            "limit": injection.LIMIT,
            "hold_back": injection.WINDOW_CHARACTERS,
        },
        "signals of injection and jailbreak; warns unless told otherwise",
    ),
    "on_topic": GuardKind(wording.on_topic, _WHOLE, "a fence of words around the app's topics"),
    "length": GuardKind(wording.length, _WHOLE, "characters, at least and at most"),
    "language": GuardKind(wording.language, _WHOLE, "languages a message may be in"),
    "banned_phrases": GuardKind(wording.banned_phrases, {}, "phrases nobody may read or say here"),
    "matches_schema": GuardKind(
        matches_schema,
        {"action": "transform", **_WHOLE},
        "the answer fits the output schema; what is nearly JSON is mended",
    ),
    "grounded": GuardKind(
        grounding.grounded,
        {"action": "escalate", "limit": grounding.GROUNDED_LIMIT, **_WHOLE},
        "sentences rest on the sources; a person decides where too many do not",
    ),
    "no_long_quotes": GuardKind(
        grounding.no_long_quotes, _WHOLE, "no more than some words of a source in one piece"
    ),
    "provenance": GuardKind(
        provenance, {"action": "transform", **_WHOLE}, "marks answers as made by AI"
    ),
    "presidio": GuardKind(
        presidio.presidio,
        {
            "action": "transform",
            "is_own": True,
            "hides_text": True,
            "remembers": True,
            "deadline_ms": 2_000.0,
        },
        "English names and places by Presidio, an extra; 15 to 170 ms of CPU a text",
    ),
}


def kind_of(name: str) -> GuardKind | None:
    """How a guard that comes with lineside is made; nothing for a function of one's own."""
    return _KINDS.get(name)


def guard_kinds() -> dict[str, str]:
    """The guards that come with lineside: name to what each does, in a sentence."""
    told = {name: kind.told for name, kind in _KINDS.items()}
    told["python"] = "a function of your own in the folder: message to true, false or a text"
    return {name: told[name] for name in declarations.GUARD_KINDS}


def chain_for(folder: UseCaseFolder) -> GuardChain:
    """The guards of a use case, and before them those that prove they stand on every path.

    Raises:
        Invalid: A guard cannot be made as it is declared.
    """
    return chain_of(
        folder.manifest.guards.by_point, files=folder.files, output_schema=folder.output_schema
    )


def chain_of(
    by_point: Mapping[str, Sequence[declarations.GuardDeclaration]],
    *,
    files: Mapping[str, bytes] | None = None,
    output_schema: Mapping[str, Any] | None = None,
) -> GuardChain:
    """The same of guards that are declared elsewhere."""
    guards: list[Guard] = []
    for point in declarations.GUARD_POINTS:
        where = cast("GuardPoint", point)
        guards.append(PROBE_GUARDS[where])
        guards += [
            build_guard(one, where, files=files or {}, output_schema=output_schema or {})
            for one in by_point.get(point, ())
        ]
    return GuardChain(guards)


def slow_guards(by_point: Mapping[str, Sequence[declarations.GuardDeclaration]]) -> list[str]:
    """Names of guards that may take seconds to make: Presidio, and what other packages bring."""
    kinds = {one.kind: one.name for listed in by_point.values() for one in listed}
    return [
        name
        for kind, name in kinds.items()
        if kind == "presidio" or kind not in declarations.GUARD_KINDS
    ]


def build_guard(
    declared: declarations.GuardDeclaration,
    point: GuardPoint,
    *,
    files: Mapping[str, bytes],
    output_schema: Mapping[str, Any],
) -> Guard:
    """One guard, ready to judge; raises `Invalid`."""
    common = {word: value for word in _COMMON if (value := getattr(declared, word)) is not None}
    if declared.kind not in declarations.GUARD_KINDS:
        check = from_package(declared.kind, declared.arguments)
        return Guard(declared.name, point, check, **{"is_own": True, **common})
    own = {word: value for word, value in declared.arguments.items() if word not in _COMMON}
    if declared.kind == "python":
        check = from_file(own["function"], files=files)
        return Guard(declared.name, point, check, **{"is_own": True, **common})
    kind = _KINDS[declared.kind]
    defaults = dict(kind.defaults)
    if declared.kind == "matches_schema":
        own["schema"] = output_schema
    if declared.kind == "banned_phrases":
        defaults["hold_back"] = wording.longest(own["phrases"])
    if declared.sources:
        own["sources"] = [files[path].decode(errors="replace") for path in declared.sources]
    return Guard(declared.name, point, kind.make(**own), **{**defaults, **common})
