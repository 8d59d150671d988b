"""What differs between two traces: their steps side by side, figures and texts. Pure."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, Literal, NamedTuple

import orjson

from lineside.traces.outline import Outline
from lineside.traces.span import Message, Span
from lineside.traces.tree import Step, children_of

TEXT_CHARACTERS_MAX = 20_000
_WORDS_MAX = 3_000
_PARTS = ("input", "output", "messages_in", "messages_out")

Standing = Literal["same", "changed", "added", "removed"]


class StepPair(NamedTuple):
    """A step of the first trace beside its like in the second; one side may be missing.

    Attributes:
        standing: `changed` when what it was told or said, its name, model or outcome differ.
        depth: How deep it stands, in the trace that has it.
        duration_ms: Second minus first, as the others; nothing where a side does not say.
    """

    left: Step[Outline] | None
    right: Step[Outline] | None
    standing: Standing
    depth: int
    duration_ms: float | None
    tokens: int | None
    cost_usd: float | None


class TextPiece(NamedTuple):
    """A run of text that both have, or that only the first or the second has."""

    standing: Literal["same", "added", "removed"]
    text: str


class PartDiff(NamedTuple):
    """Where one part of two steps differs, such as `output`.

    Attributes:
        is_cut: Only the start of the texts was compared.
    """

    part: str
    pieces: list[TextPiece]
    is_cut: bool


def align(
    left: Sequence[Step[Outline]],
    right: Sequence[Step[Outline]],
    *,
    digests: tuple[Mapping[str, int], Mapping[str, int]] = ({}, {}),
) -> list[StepPair]:
    """Put the steps of two traces, each in tree order, side by side.

    Below steps that are alike, those of the same kind and name are alike in the order they came;
    of the rest, those of the same kind. What is below a step that only one trace has, only it has.

    Args:
        digests: What each step of the first and second trace was told and said, as a number.
    """
    pairs: list[StepPair] = []
    waiting: list[tuple[int | None, int | None]] = list(reversed(_matched(left, right, 0, 0)))
    while waiting:
        left_number, right_number = waiting.pop()
        one = left[left_number - 1] if left_number else None
        other = right[right_number - 1] if right_number else None
        pairs.append(_pair(one, other, digests))
        if left_number and right_number:
            below = _matched(left, right, left_number, right_number)
        else:
            side, number = (left, left_number) if left_number else (right, right_number)
            numbers = children_of(side, number or 0)
            below = [(at, None) if left_number else (None, at) for at in numbers]
        waiting += reversed(below)
    return pairs


def part_diffs(left: Span, right: Span) -> list[PartDiff]:
    """Where the payloads of two steps differ, word by word; long ones line by line."""
    found = []
    for part in _PARTS:
        texts = [_text(getattr(span, part)) for span in (left, right)]
        if texts[0] == texts[1]:
            continue
        cut = [text[:TEXT_CHARACTERS_MAX] for text in texts]
        found.append(PartDiff(part, text_diff(*cut), cut != texts))
    return found


def text_diff(left: str, right: str) -> list[TextPiece]:
    """Two texts as one, with what only one of them has marked."""
    words = [re.findall(r"\s+|\S+", text) for text in (left, right)]
    if max(map(len, words)) > _WORDS_MAX:
        words = [text.splitlines(keepends=True) for text in (left, right)]
    if max(map(len, words)) > _WORDS_MAX:
        return [TextPiece("removed", left), TextPiece("added", right)]
    changes: list[list[str]] = [["", "", ""]]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    for sign, start, end, other_start, other_end in matcher.get_opcodes():
        mine, other = "".join(words[0][start:end]), "".join(words[1][other_start:other_end])
        if sign == "equal" and (mine.strip() or changes[-1] == ["", "", ""]):
            changes.append([mine, "", ""])
        else:
            # A blank between two changed words reads better as part of one change.
            changes[-1][1] += mine
            changes[-1][2] += other
    pieces = (
        piece
        for same, removed, added in changes
        for piece in (
            TextPiece("same", same),
            TextPiece("removed", removed),
            TextPiece("added", added),
        )
    )
    return [piece for piece in pieces if piece.text]


def _matched(
    left: Sequence[Step[Outline]], right: Sequence[Step[Outline]], one: int, other: int
) -> list[tuple[int | None, int | None]]:
    """The children of two steps that are alike, in an order in which both can be read."""
    lefts, rights = children_of(left, one), children_of(right, other)
    partner: dict[int, int] = {}
    if not one and len(lefts) == len(rights) == 1:
        partner[lefts[0]] = rights[0]
    for name in (_kind_and_name, _kind):
        free: dict[Any, list[int]] = defaultdict(list)
        taken = set(partner.values())
        for number in reversed(rights):
            if number not in taken:
                free[name(right[number - 1].span)].append(number)
        for number in lefts:
            likes = free.get(name(left[number - 1].span))
            if number not in partner and likes:
                partner[number] = likes.pop()
    alone = [number for number in rights if number not in set(partner.values())]
    merged: list[tuple[int | None, int | None]] = []
    at = 0
    for number in lefts:
        like = partner.get(number)
        while like and at < len(alone) and alone[at] < like:
            merged.append((None, alone[at]))
            at += 1
        merged.append((number, like))
    return merged + [(None, number) for number in alone[at:]]


def _pair(
    left: Step[Outline] | None,
    right: Step[Outline] | None,
    digests: tuple[Mapping[str, int], Mapping[str, int]],
) -> StepPair:
    if left is None or right is None:
        there = left or right
        if there is None:
            raise AssertionError("a pair has at least one side")
        return StepPair(left, right, "removed" if left else "added", there.depth, None, None, None)
    one, other = left.span, right.span
    said = [side.get(span.span_id) for side, span in zip(digests, (one, other), strict=True)]
    alike = (one.kind, one.name, one.model, one.status) == (
        other.kind,
        other.name,
        other.model,
        other.status,
    )
    return StepPair(
        left,
        right,
        "same" if alike and said[0] == said[1] else "changed",
        right.depth,
        other.duration_ms - one.duration_ms,
        _less(_tokens(other), _tokens(one)),
        _less(other.cost_usd, one.cost_usd),
    )


def _kind_and_name(span: Outline) -> tuple[str, str]:
    return span.kind, span.name


def _kind(span: Outline) -> str:
    return span.kind


def _tokens(span: Outline) -> int | None:
    known = [count for count in (span.tokens_in, span.tokens_out) if count is not None]
    return sum(known) if known else None


def _less(left: Any, right: Any) -> Any:
    return None if left is None or right is None else left - right


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[0], Message):
        return "\n\n".join(_spoken(message) for message in value)
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


def _spoken(message: Message) -> str:
    words = [message.role + ":"]
    for part in message.parts:
        content = part.get("content")
        words.append(content if isinstance(content, str) else _text(part))
    return "\n".join(words)
