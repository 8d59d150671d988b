"""Pieces of a stream that come at once go on as one."""

from collections.abc import Iterator

import pytest

from lineside.core import Unavailable
from lineside.gateway.canonical import AnswerEvent, PartEnded, PartGrew
from lineside.gateway.canonical.events import joined


def test_words_of_one_part_are_joined_and_all_else_stays_as_it_came() -> None:
    came: list[AnswerEvent] = [
        PartGrew(at=0, text="Grüß "),
        PartGrew(at=0, text=""),
        PartGrew(at=0, text="Gott"),
        PartGrew(at=0, text="!", logprobs=({"token": "!"},)),
        PartGrew(at=1, text="a"),
        PartGrew(at=2, text="b"),
        PartEnded(at=2),
    ]

    assert list(joined(came)) == [PartGrew(at=0, text="Grüß Gott", sizes=(5, 0, 4)), *came[3:]]


def test_what_came_before_a_break_is_said_before_it() -> None:
    def breaking() -> Iterator[AnswerEvent]:
        yield PartGrew(at=0, text="some ")
        yield PartGrew(at=0, text="words")
        raise Unavailable("stream_malformed", "It broke")

    said = joined(breaking())

    assert next(said) == PartGrew(at=0, text="some words", sizes=(5, 5))
    with pytest.raises(Unavailable):
        next(said)
