"""What single guards catch and let pass, on whole texts."""

import time

import pytest

from lineside.guardrails import Guard, GuardChain, Tried, build_guard, try_guards
from lineside.guardrails.guard import Passage
from lineside.usecases import guards as declarations

SCHEMA = {
    "type": "object",
    "properties": {"topic": {"type": "string"}, "sure": {"type": "number"}},
    "required": ["topic"],
}


async def look(declared: object, text: str, *, point: str = "output", **files: str) -> Tried:
    read = declarations.GuardDeclaration.read(declared)
    held = {name.replace("_", "."): content.encode() for name, content in files.items()}
    guard = build_guard(read, point, files=held, output_schema=SCHEMA)
    return await try_guards(GuardChain([guard]), point, text)


@pytest.mark.parametrize(
    ("text", "passes_as"),
    [
        ("write to ann@example.com", "write to [masked:email]"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN [masked:iban]."),
        ("IBAN GB28NWBK60161331926819", "IBAN GB28NWBK60161331926819"),
        ("card 4111 1111 1111 1111", "card [masked:card]"),
        ("card 4111 1111 1111 1112", "card 4111 1111 1111 1112"),
        ("from 10.0.0.300 and 10.0.0.30", "from 10.0.0.300 and [masked:ip]"),
        ("call +49 151 23456789", "call [masked:phone]"),
        ("call 415-555-2671", "call [masked:phone]"),
        ("card 4111\u200b1111\u200d1111\ufeff1111.", "card [masked:card]."),
        ("\u200bcard 4111\u00a01111\u20111111\u202f1111", "\u200bcard [masked:card]"),
        ("größer: ann\uff20example\uff0ecom, ja", "größer: [masked:email], ja"),
        ("call +\u0664\u0669 151 \uff12\uff13456789 now", "call [masked:phone] now"),
        (
            "\U0001f469\u200d\U0001f680 flies on 1\u20132 May",
            "\U0001f469\u200d\U0001f680 flies on 1\u20132 May",
        ),
    ],
)
async def test_what_says_who_somebody_is_is_masked_when_its_check_is_right(
    text: str, passes_as: str
) -> None:
    assert (await look("mask_pii", text)).text == passes_as


@pytest.mark.parametrize(
    ("country", "right", "wrong"),
    [
        ("be", "85.07.30-033.28", "85.07.30-033.29"),
        ("br", "529.982.247-25", "529.982.247-26"),
        ("cn", "11010519491231002X", "110105194912310021"),
        ("de", "86 095 742 719", "86 095 742 718"),
        ("es", "12345678Z", "12345678A"),
        ("fi", "131052-308T", "131052-308U"),
        ("fr", "1 84 12 76 451 089 46", "1 84 12 76 451 089 47"),
        ("gb_health", "943 476 5919", "943 476 5918"),
        ("gb_health", "NHS 943-476-5919", "943-476-5919"),
        ("in", "2341 2341 2346", "2341 2341 2347"),
        ("it", "RSSMRA85T10A562S", "RSSMRA85T10A562T"),
        ("nl", "BSN 111222333", "BSN 111222334"),
        ("no", "010107 50160", "010107 50161"),
        ("pl", "44051401359", "44051401358"),
        ("pt", "NIF 123456789", "NIF 123456788"),
        ("se", "811228-9874", "811228-9873"),
        ("us", "078-05-1120", "000-05-1120"),
    ],
)
async def test_national_ids_are_told_by_their_check(country: str, right: str, wrong: str) -> None:
    kinds = {"mask_pii": ["national_id"]}
    assert (await look(kinds, f"id {right} ok")).text == "id [masked:national_id] ok", country
    assert (await look(kinds, f"id {wrong} ok")).text == f"id {wrong} ok"


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("AKIAIOSFODNN7EXAMPLE", True),
        ("DB_PASSWORD='correct-horse'", True),
        ("mysql://root:s3cr3tpw@db/x", True),
        ("redis://:s3cr3tpw@cache:6379/0", True),
        ("postgres://app:${DB_PASSWORD}@db/x", False),
        ("see https://example.org:8443/a@b and git@github.com:a/b.git", False),
        ("use aG93IGFyZSB5b3UgZG9pbmcgdG9kYXk5Zz09Qk", True),
        ("commit 8f14e45fceea167a5a36dedd4bea2543aa11bb22", False),
        ("id 3f2504e0-4f89-11d3-9a0c-0305e82c3301", False),
        ("see src/lineside/traces/privacy/Patterns2.py and CamelCaseNamesOfClasses2", False),
    ],
)
async def test_secrets_are_told_by_prefix_name_or_disorder(text: str, is_secret: bool) -> None:
    assert (((await look("no_secrets", text, point="input")).why) is not None) == is_secret


@pytest.mark.parametrize(
    ("declared", "good", "bad"),
    [
        ({"length": {"characters_max": 5}}, "12345", "123456"),
        (
            {"language": ["en"]},
            "What is the state of my card?",
            "Wo ist die Karte und warum nicht?",
        ),
        ({"language": ["en"]}, "Where is it and why?", "Где моя карта и почему"),
        ({"banned_phrases": ["risk free"]}, "not risk-averse", "It is Risk  FREE."),
        (
            {"on_topic": {"about": ["refund", "card"]}},
            "two refunds are late",
            "write me a poem now",
        ),
        ({"on_topic": {"never": ["medicine"]}}, "my card is lost", "which medicines help"),
    ],
)
async def test_words_and_lengths(declared: object, good: str, bad: str) -> None:
    assert (await look(declared, good)).why is None
    assert (await look(declared, bad)).why is not None


@pytest.mark.parametrize(
    ("text", "passes_as"),
    [
        ('{"topic": "card"}', '{"topic": "card"}'),
        ('Sure! ```json\n{"topic": "card",}\n```', '{"topic":"card"}'),
        ('{"topic": "card", "sure": 0.', '{"topic":"card"}'),
        ('{"topic": 3}', None),
        ("card", None),
    ],
)
async def test_an_answer_that_is_nearly_json_is_mended(text: str, passes_as: str | None) -> None:
    assert (await look("matches_schema", text)).text == passes_as


async def test_an_answer_rests_on_its_sources_or_goes_to_a_person() -> None:
    source = "Refunds arrive within 5 working days. A lost card is blocked at once by phone."
    declared = {"grounded": {"sources": ["faq.md"]}}

    good = await look(declared, "Your refund arrives within 5 working days.", faq_md=source)
    made_up = await look(declared, "Your refund arrives within 2 working days.", faq_md=source)

    assert [one.verdict for one in good.decisions] == ["allow"]
    assert [one.verdict for one in made_up.decisions] == ["escalate"]


async def test_a_long_quote_is_held_back_and_a_short_one_is_not() -> None:
    source = " ".join(f"word{number}" for number in range(60))
    declared = {"no_long_quotes": {"sources": ["book.txt"], "words_max": 10}}

    short = await look(declared, " ".join(source.split()[5:15]), book_txt=source)
    long = await look(declared, "He says " + " ".join(source.split()[5:16]), book_txt=source)

    assert (short.why, long.why is not None) == (None, True)


async def test_an_answer_in_words_says_that_ai_wrote_it_once() -> None:
    marked = (await look("provenance", "Your card is on its way.")).text
    assert marked == "Your card is on its way.\n\nWritten with AI."
    assert (await look("provenance", marked)).text == marked


async def test_a_guard_of_ours_is_late_by_its_own_work_and_not_by_a_stalled_machine() -> None:
    def waits(_: Passage) -> None:
        time.sleep(0.03)

    def works(_: Passage) -> None:
        began = time.thread_time()
        while time.thread_time() - began < 0.03:
            pass

    stalled = Guard(name="stalled", point="input", check=waits, deadline_ms=10)
    slow = Guard(name="slow", point="input", check=works, deadline_ms=10)

    passed = await try_guards(GuardChain([stalled]), "input", "Hello")
    late = await try_guards(GuardChain([slow]), "input", "Hello")

    assert [(one.verdict, one.is_enforced) for one in passed.decisions] == [("allow", True)]
    assert [(one.verdict, one.is_enforced) for one in late.decisions] == [("deny", False)]
    assert "longer than 10 ms" in str(late.decisions[0].error)
