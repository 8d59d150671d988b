"""Arguments of what a manifest declares by its kind: which there are, and what they may be."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lineside.core import did_you_mean
from lineside.usecases.document import Misread, quoted
from lineside.usecases.scorer_kinds import TYPES


class Arguments(NamedTuple):
    """What one kind of guard takes: names with the kind of value, and which it needs."""

    takes: dict[str, str]
    needs: tuple[str, ...] = ()
    example: str = ""


def shown(value: object) -> str:
    """A value as an error speaks of it."""
    if isinstance(value, dict):
        return "a mapping" if len(value) == 1 else f"a mapping of {len(value)} names"
    return "a list" if isinstance(value, list) else "nothing" if value is None else f"`{value}`"


def read_arguments(
    kind: str, given: object, arguments: Arguments, *, hint: str, code: str
) -> dict[str, Any]:
    """Check arguments in their long form against what the kind takes; raises `Misread`."""

    def misread(read: str, expected: str, *, said: str = hint) -> Misread:
        return Misread(read, expected, hint=said, code=code)

    allowed = ", ".join(f"`{word}`" for word in arguments.takes) or "none"
    if not isinstance(given, dict):
        raise misread(shown(given), f"the arguments of `{kind}` ({allowed})")
    for word, value in given.items():
        if word not in arguments.takes:
            near = did_you_mean(word, arguments.takes)
            raise misread(
                quoted(word),
                f"an argument of `{kind}` ({allowed})",
                said=f"Did you mean `{near}`?" if near else hint,
            )
        wanted = arguments.takes[word]
        if not _fits(value, wanted):
            raise misread(f"{shown(value)} for `{word}`", wanted)
        if isinstance(value, int | float) and value < 0:
            raise misread(f"{shown(value)} for `{word}`", "0 or more")
    for word in arguments.needs:
        if word not in given:
            example = arguments.example
            raise misread(f"`{kind}` without `{word}`", "it", said=f"Write `- {example}`.")
    return given


def _fits(value: Any, wanted: str) -> bool:
    is_bool = isinstance(value, bool) and wanted != "true or false"
    if is_bool or value in ("", []) or not isinstance(value, TYPES[wanted]):
        return False
    return not isinstance(value, list) or all(isinstance(item, str) for item in value)


def as_mapping(value: object) -> Mapping[str, Any]:
    """Arguments of a plugin: a mapping as it is, one value under `value`, nothing as none."""
    if isinstance(value, dict):
        return value
    return {} if value is None else {"value": value}
