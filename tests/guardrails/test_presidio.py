"""The guard `presidio`, with the real package and its language model where they are installed."""

import socket
from importlib.util import find_spec
from typing import Any

import pytest

from lineside.core import Invalid, Unavailable
from lineside.guardrails import GuardChain, Tried, build_guard, try_guards
from lineside.usecases import guards as declarations

with_presidio = pytest.mark.skipif(
    not find_spec("presidio_analyzer"), reason="needs `pip install lineside[presidio]`"
)


def chain(point: str, **arguments: Any) -> GuardChain:
    named = {"presidio": arguments} if arguments else "presidio"
    declared = declarations.GuardDeclaration.read(named)
    return GuardChain([build_guard(declared, point, files={}, output_schema={})])


async def look(text: str, *, point: str = "input", **arguments: Any) -> Tried:
    return await try_guards(chain(point, **arguments), point, text)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every name that is looked up; none is found."""
    asked: list[Any] = []

    def refuse(host: Any, *_: Any, **__: Any) -> None:
        asked.append(host)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return asked


@pytest.mark.skipif(bool(find_spec("presidio_analyzer")), reason="presidio is here")
async def test_without_the_extra_it_says_what_to_install() -> None:
    with pytest.raises(Unavailable, match="needs Presidio") as caught:
        await look("Ann Miller")

    assert "lineside[presidio]" in str(caught.value.hint)


@with_presidio
@pytest.mark.parametrize(
    ("text", "passes_as"),
    [
        ("Ann Miller lives in Vienna.", "[PERSON_1] lives in [LOCATION_1]."),
        ("Ann Miller wrote, Ann Miller asks.", "[PERSON_1] wrote, [PERSON_1] asks."),
        ("Where is my card?", "Where is my card?"),
        ("6033391 at 2026-01-01", "6033391 at 2026-01-01"),
    ],
)
async def test_names_and_places_are_marked(text: str, passes_as: str) -> None:
    assert (await look(text)).text == passes_as


@with_presidio
async def test_what_goes_out_is_masked_for_good() -> None:
    assert (await look("Ann Miller is here.", point="output")).text == "[masked:person] is here."


@with_presidio
async def test_it_looks_for_what_it_is_told_and_asks_no_network(network: list[Any]) -> None:
    tried = await look(
        "Write to ann@example.co.uk or see https://example.org, Ann Miller",
        entities=["EMAIL_ADDRESS", "URL"],
    )

    assert tried.text == "Write to [EMAIL_ADDRESS_1] or see [URL_1], Ann Miller"
    assert network == []


@with_presidio
@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"entities": ["PERSN"]}, Invalid, "Did you mean `PERSON`?"),
        ({"language": "de"}, Unavailable, "no language model for `de`"),
    ],
)
async def test_what_it_cannot_do_is_said_before_anything_is_served(arguments, kind, words) -> None:
    with pytest.raises(kind) as caught:
        await look("Ann Miller", **arguments)

    assert words in f"{caught.value.message} {caught.value.hint}"


@with_presidio
async def test_a_text_that_it_cannot_read_is_held_back() -> None:
    tried = await look("a" * 1_000_001)

    assert tried.why is not None
    assert "not enforced" in tried.why
