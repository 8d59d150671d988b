"""Streams: nothing that a guard would stop leaves before it was seen, however it is cut."""

import random

import pytest

from lineside.core import Denied
from lineside.guardrails import GuardChain, GuardedCall, build_guard, chain_of, probes
from lineside.guardrails.guard import Caught, Guard, Passage
from lineside.usecases import guards as declarations


def chain(**points: object) -> GuardChain:
    return GuardChain(
        [
            build_guard(declarations.GuardDeclaration.read(one), point, files={}, output_schema={})
            for point, declared in points.items()
            for one in (declared if isinstance(declared, list) else [declared])
        ]
    )


async def streamed(call: GuardedCall, text: str, *, sizes: random.Random) -> str:
    stream = call.stream("post_model_call", "output")
    shown, place = [], 0
    while place < len(text):
        size = sizes.randint(1, 9)
        shown.append(await stream.feed(text[place : place + size]))
        place += size
    return "".join([*shown, await stream.finish()])


TEXT = (
    "Dear Ann, we wrote to ann.lee@example.com and called +49 151 23456789 on Monday. The account "
    "DE89 3704 0044 0532 0130 00 is open, the card 4111 1111 1111 1111 is blocked. Your address is "
    "10.1.2.3, 名前は山田さん、連絡先は yamada@example.jp です。 "
    "Nothing else was found, have a nice day!"
)


async def test_a_long_piece_of_which_little_is_held_back_passes() -> None:
    stream = chain(output={"banned_phrases": ["guaranteed returns"]}).begin().stream("output")
    text = "word " * 900_000

    assert await stream.feed(text) + await stream.finish() == text


async def test_no_more_of_an_answer_is_held_back_than_fits() -> None:
    stream = chain(output={"length": {"characters_max": 9_000_000}}).begin().stream("output")

    with pytest.raises(Denied, match="4,000,000 characters of the answer had to be held back"):
        await stream.feed("word " * 900_000)


@pytest.mark.parametrize("seed", range(8))
async def test_a_stream_gives_the_same_as_the_whole_text(seed: int) -> None:
    guards = chain(output="mask_pii")
    [whole] = await guards.begin().texts("output", [TEXT])

    shown = await streamed(guards.begin(), TEXT, sizes=random.Random(seed))  # noqa: S311 # cuts only

    assert shown == whole
    assert "example" not in shown


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_banned_never_leaves_even_in_part(seed: int) -> None:
    call = chain(output={"banned_phrases": ["guaranteed returns"]}).begin()
    text = "This fund has a long record of steady growth. " * 4 + "It has guaranteed  returns, too."
    stream, shown, sizes = call.stream("output"), list[str](), random.Random(seed)  # noqa: S311 # cuts only

    async def all_of_it() -> None:
        place = 0
        while place < len(text):
            size = sizes.randint(1, 9)
            shown.append(await stream.feed(text[place : place + size]))
            place += size
        await stream.finish()

    with pytest.raises(Denied, match="banned_phrases"):
        await all_of_it()

    assert "guaranteed" not in "".join(shown)
    assert "steady growth" in "".join(shown)
    with pytest.raises(Denied, match="has ended"):
        await stream.feed("more")


@pytest.mark.parametrize("seed", range(8))
async def test_names_come_back_also_where_a_mark_is_split(seed: int) -> None:
    call = chain(input="mask_pii", output="mask_pii").begin()
    [asked] = await call.texts("input", ["I am ann@example.com, not bob@example.com [EMAIL_2]"])
    assert asked == "I am [EMAIL_1], not [EMAIL_3] [EMAIL_2]"

    shown = await streamed(
        call,
        "Hello [EMAIL_1] and [EMAIL_3], not [EMAIL_9] or eve@example.com.",
        sizes=random.Random(seed),  # noqa: S311 # cuts only
    )

    assert shown == ("Hello ann@example.com and bob@example.com, not [EMAIL_9] or [masked:email].")


async def test_what_holding_back_costs_is_counted() -> None:
    call = chain(output="mask_pii").begin()
    stream = call.stream("output")
    for word in ("plain words " * 60).split(" "):
        await stream.feed(word + " ")
    await stream.finish()

    cost = stream.cost
    assert 64 <= cost.held_characters_max < 120
    assert cost.first_piece_delay_ms is not None
    assert not cost.is_whole
    [decision] = call.decisions
    assert (decision.guard, decision.verdict) == ("mask_pii", "allow")


async def test_a_guard_of_whole_answers_holds_all_of_it() -> None:
    call = chain(output={"length": {"characters_max": 10}}).begin()
    stream = call.stream("output")

    assert await stream.feed("far too long ") == ""
    with pytest.raises(Denied, match="at most 10"):
        await stream.finish()
    assert stream.cost.is_whole


async def test_a_stream_with_nothing_but_probes_is_not_held_and_a_split_probe_is_stopped() -> None:
    stream = chain_of({}).begin().stream("post_model_call", "output")
    word = probes.probe_word("output")

    assert [await stream.feed(piece) for piece in ("wor", "d li", "near")] == [
        "wor",
        "d li",
        "near",
    ]
    assert await stream.feed(" " + word[:20]) == " "
    with pytest.raises(Denied, match="`probe`"):
        await stream.feed(word[20:] + " ")


async def test_a_guard_that_fails_on_what_goes_on_is_a_no() -> None:
    def check(passage: Passage) -> Caught | None:
        if "one" in passage.text and "two" in passage.text:
            raise ValueError("never both")
        return None

    call = GuardChain([Guard(name="own", point="output", check=check, hold_back=4)]).begin()
    first = call.stream("output")
    assert await first.feed("It is one ") + await first.finish() == "It is one "
    second = call.stream("output", after=first.tail)

    with pytest.raises(Denied, match="not enforced: it failed with ValueError"):
        await second.feed("two and more of it")
    with pytest.raises(Denied, match="nothing more passes"):
        await second.feed("more")
    assert [(one.verdict, one.is_enforced) for one in call.decisions] == [("deny", False)]
