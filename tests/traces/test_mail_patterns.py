"""Mail addresses that are written so that no program reads them."""

import csv
import gzip
import os
import time
from pathlib import Path

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


SPELT = [
    "anna at acme dot com",
    "anna dot smith at acme dot co dot uk",
    "J.Roe AT mail DOT example DOT org",
    "anna at gmail.com",
    "jane@example dot org",
    "jane [at] example dot com",
]


@pytest.mark.parametrize("address", SPELT)
def test_an_address_in_plain_words_is_one(address: str) -> None:
    text = f"You reach me at {address}, please"
    assert [text[start:stop] for start, stop, _ in privacy.found_in(text, ["email"])] == [address]


@pytest.mark.parametrize(
    "text",
    [
        "Find us at acme dot com",
        "I work at acme dot net, and look at the dot in the corner",
        "She stared at polka dot dress",
        "Meet at noon dot",
        "Arrive at ten dot it is",
        "We meet at gmail",
        "multiply a at b dot c",
    ],
)
def test_words_of_a_sentence_are_no_address(text: str) -> None:
    assert privacy.found_in(text, ["email"]) == []


def test_what_follows_a_real_address_stays() -> None:
    text = "to jane@example.com dot by dot"
    assert [text[start:stop] for start, stop, _ in privacy.found_in(text, ["email"])] == [
        "jane@example.com"
    ]


SHARED = os.environ.get("LINESIDE_SHARED") or Path(__file__).parents[3] / "shared"
DATA = Path(SHARED) / "data"
TEXTS = [
    *("xstest/prompts", "xstest/completions_labelled", "banking77/banking77"),
    *("pyrit_scorer_evals/harm", "pyrit_scorer_evals/refusal", "pyrit_scorer_evals/objective"),
]


@pytest.mark.skipif(not DATA.is_dir(), reason="the public sets are not beside the checkout")
def test_plain_words_raise_no_false_alarm_in_public_sets() -> None:
    """None of 79,000 fields; every address that is found in them has its `@`."""
    csv.field_size_limit(10**9)
    looked, found = 0, list[str]()
    for name in TEXTS:
        with gzip.open(DATA / f"{name}.csv.gz", "rt", errors="replace") as file:
            for text in (field for row in csv.reader(file) for field in row):
                looked += 1
                found += [text[a:b] for a, b, _ in privacy.found_in(text, ["email"])]

    assert looked > 70_000
    assert len(found) > 50
    assert [one for one in found if "@" not in one] == []


def test_a_long_text_of_near_misses_takes_no_longer_than_a_plain_one() -> None:
    for near in ("look at the dot ", "see a at b dot cc ", "x@y dot z "):
        text = near * 10_000
        began = time.process_time()
        assert privacy.found_in(text, ["email"]) == []
        assert time.process_time() - began < 2
