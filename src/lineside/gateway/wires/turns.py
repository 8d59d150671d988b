"""Bringing a conversation of another wire into the shape that this one asks for."""

from collections.abc import Iterable, Sequence
from typing import Any

from lineside.core import Invalid
from lineside.gateway.canonical.parts import OtherPart, Part, ToolCall, Turn
from lineside.gateway.canonical.request import ModelRequest, ToolOffer

_SYSTEM = ("system", "developer")


def joined(turns: Sequence[Turn]) -> list[Turn]:
    """The turns, neighbours of one role made one: some wires have an item for each part.

    Raises:
        Invalid: One holds what only its own wire knows.
    """
    found: list[Turn] = []
    for turn in turns:
        refuse_other(turn.parts)
        if found and found[-1].role == turn.role:
            found[-1] = Turn(role=turn.role, parts=found[-1].parts + turn.parts)
        else:
            found.append(turn)
    return found


def refuse_other(parts: Iterable[Part]) -> None:
    """Refuse what cannot be said on another wire, rather than leave it out unsaid."""
    for part in parts:
        if isinstance(part, OtherPart):
            name = str(part.content.get("type") or next(iter(part.content), "?"))
            raise Invalid(
                "not_on_this_wire",
                f"A part of kind `{name}` cannot be said to the model that is to answer",
                hint="It belongs to one provider's own wire; ask a model of that provider.",
            )


def without_system(request: ModelRequest) -> tuple[tuple[Part, ...], list[Turn]]:
    """The parts of all that speaks for the operator, and the other turns."""
    system = [turn for turn in request.all_turns if turn.role in _SYSTEM]
    others = [turn for turn in request.turns if turn.role not in _SYSTEM]
    return tuple(part for turn in system for part in turn.parts), others


def tool_names(turns: Iterable[Turn]) -> dict[str, str]:
    """Names of the tools by the ids of their calls; the last call of an id counts."""
    return {
        part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolCall)
    }


def hosted(tool: ToolOffer, *, is_own: bool) -> dict[str, Any]:
    """A tool that runs at its provider, which another provider does not have.

    Raises:
        Invalid: It is of another wire.
    """
    if not is_own:
        raise Invalid(
            "not_on_this_wire",
            f"The tool `{tool.name}` runs at one provider and cannot be offered to another",
            hint="Leave it out, or ask a model of the provider that has it.",
        )
    return dict(tool.hosted or {})
