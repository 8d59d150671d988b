"""A message with all that goes with it, past guards of each kind."""

import pytest

from lineside.core import Denied
from lineside.guardrails import Guard, GuardChain, message
from lineside.guardrails.guard import Caught, Passage

TOOLS = ("Finds a card", "Finds Ann", "the number")


def seen_by(**more: bool) -> tuple[GuardChain, list[str]]:
    """A guard that masks one name, and what it was asked about."""
    seen: list[str] = []

    def check(passage: Passage) -> Caught | None:
        seen.append(passage.text)
        if "Ann" not in passage.text:
            return None
        return Caught("it names Ann", replacement=passage.text.replace("Ann", "[NAME]"))

    return GuardChain([Guard("names", "input", check, action="transform", **more)]), seen


def runs_of(*said: str) -> list[list[message.MessageText]]:
    words = [[message.MessageText(text, is_said=True)] for text in said]
    return words + [[message.MessageText(text, "a tool")] for text in TOOLS]


async def test_what_goes_with_a_message_is_judged_in_one_piece_until_something_is_found() -> None:
    chain, seen = seen_by()
    runs = runs_of("Hello")
    await chain.begin().message("input", runs)

    assert len(seen) == 1 + 1 + len(TOOLS)
    assert [run[0].text for run in runs] == ["Hello", "Finds a card", "Finds [NAME]", "the number"]


async def test_a_guard_that_remembers_judges_a_tool_once_and_what_is_said_always() -> None:
    chain, seen = seen_by(remembers=True)
    for _ in range(3):
        await chain.begin().message("input", runs_of("Hello"))

    assert seen.count("Hello") == 3
    assert (seen.count("Finds a card"), seen.count("the number")) == (1, 1)
    assert seen.count("Finds Ann") == 3


async def test_a_guard_of_the_whole_message_sees_what_is_said_alone() -> None:
    seen: list[str] = []

    def check(passage: Passage) -> Caught | None:
        seen.append(passage.text)
        return None

    chain = GuardChain([Guard("whole", "input", check, sees="whole")])
    await chain.begin().message("input", runs_of("Hello", "World"))

    assert seen == ["Hello\nWorld"]


@pytest.mark.parametrize(
    ("pieces", "passed"),
    [
        (["An", "n is here"], ["[NAME]", " is here"]),
        (["I am A", "n", "n"], ["I am [NAM", "E", "]"]),
        (["Ann, An", "n"], ["[NAME], [NAME", "]"]),
        (["A", "nn", " and B"], ["[NAME", "]", " and B"]),
    ],
)
async def test_a_name_over_several_pieces_becomes_one_mark_and_no_piece_is_empty(
    pieces: list[str], passed: list[str]
) -> None:
    chain, _ = seen_by()
    run = [message.MessageText(piece, is_said=True) for piece in pieces]
    await chain.begin().message("input", [run])

    assert [one.text for one in run] == passed


async def test_what_must_stay_as_it_is_is_held_back_and_the_decision_says_so() -> None:
    chain, _ = seen_by()
    call = chain.begin()
    with pytest.raises(Denied, match="in the name of a tool, where nothing can take its place"):
        await call.message("input", [[message.MessageText("Ann", "the name of a tool", "stay")]])

    assert [one.verdict for one in call.decisions] == ["deny"]
