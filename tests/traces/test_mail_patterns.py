"""Mail addresses that are written so that no program reads them."""

import pytest

from lineside.traces import privacy

WRITTEN = [
    "jane.roe [at] example [dot] com",
    "jane (at) example.com",
    "jane{AT}mail{dot}example.org",
    "jane@example.com",
]


@pytest.mark.parametrize("address", WRITTEN)
def test_an_address_in_brackets_is_one(address: str) -> None:
    text = f"Write to {address}, please"
    assert [text[start:stop] for start, stop, _ in privacy.found_in(text, ["email"])] == [address]


@pytest.mark.parametrize(
    "text", ["Meet me (at) noon", "Look at example dot com", "see [at] home. Com"]
)
def test_words_in_brackets_alone_are_none(text: str) -> None:
    assert privacy.found_in(text, ["email"]) == []
