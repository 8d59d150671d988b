"""Whom a rollout is for, read from a sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lineside.usecases import check_folder
from lineside.usecases.audiences import Audience
from lineside.usecases.document import Misread

Make = Callable[..., Path]


@pytest.mark.parametrize(
    ("rule", "inside", "outside"),
    [
        ("country = CH", {"country": "ch"}, {"country": "DE"}),
        ("country != US", {"country": "DE"}, {"country": "us"}),
        ("plan in [pro, team]", {"plan": "Team"}, {"plan": "free"}),
        ("beta = true", {"beta": True}, {"beta": "no"}),
        ("age = 3", {"age": 3.0}, {"age": 4}),
        ('city = "New York"', {"city": "new york"}, {"city": "York"}),
        (
            "plan in [pro] and country = CH",
            {"plan": "pro", "country": "CH"},
            {"plan": "pro", "country": "DE"},
        ),
    ],
)
def test_who_is_in_an_audience(rule: str, inside: dict[str, Any], outside: dict[str, Any]) -> None:
    audience = Audience.read(rule)

    assert str(audience) == rule
    assert audience.includes(inside)
    assert not audience.includes(outside)
    assert not audience.includes({})  # of whom nothing is known


@pytest.mark.parametrize(
    ("rule", "read"),
    [
        ("country", "`country`"),
        ("country == CH", "`country == CH`"),
        ("country = CH or plan = pro", "`or plan = pro`"),
        ("country = CH and", "`the end`"),
        ("plan in []", "`plan in []`"),
        ("", "``"),
        (7, "no text"),
    ],
)
def test_what_is_no_audience_is_named(rule: object, read: str) -> None:
    with pytest.raises(Misread) as wrong:
        Audience.read(rule)
    assert wrong.value.read == read
    assert "An audience looks like `country = CH`" in wrong.value.hint


def test_an_audience_of_a_manifest_is_checked_with_its_line(make: Make) -> None:
    plan = "rollout:\n  audience: {}\n  stop_if: [solved < 0.5]\n  margins: {}\n"
    [unread] = check_folder(make(add=plan.format("country CH", "{latency: 10%}")))
    [beside] = check_folder(make(add=plan.format("country = CH", "{solved: 0.1}")))

    assert (unread.line, unread.read) == (19, "`country CH`")
    assert (beside.line, beside.read) == (21, "`solved`")
    assert check_folder(make(add=plan.format("country = CH", "{latency: 10%}"))) == []
