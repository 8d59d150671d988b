"""The order of a route's targets, without a network: what is measured, drawn and refused."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from lineside.core import Invalid
from lineside.gateway import calls, canonical
from lineside.gateway.calls.hedge import hedged
from lineside.gateway.calls.latency import Latency
from lineside.gateway.calls.order import estimated_tokens, rank
from lineside.gateway.calls.route import ModelRoute, ModelTarget

NOBODY: Any = None


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def asking(text: str = "Hello", **more: Any) -> canonical.ModelRequest:
    turn = canonical.Turn(role="user", parts=(canonical.TextPart(text=text),))
    return canonical.ModelRequest(wire="chat", model="route", turns=(turn,), **more)


def first_of(route: ModelRoute, subject: str | None, draws: random.Random | None = None) -> str:
    targets = [ModelTarget(*name.split("/"), NOBODY) for name in route.names]
    chance = draws.random if draws else random.random
    ranked = rank(route, targets, asking(), subject=subject, price=lambda *_: None, chance=chance)
    return ranked.targets[0].name


def weighted(**weights: float) -> ModelRoute:
    targets = [{"model": f"p/{name}", "weight": weight} for name, weight in weights.items()]
    return ModelRoute.model_validate({"targets": targets, "order": "weighted", "sticky": "session"})


def test_targets_come_first_as_often_as_their_weights_say() -> None:
    route, draws = weighted(a=6, b=3, c=1, d=0), random.Random(7)  # noqa: S311 # alike every time
    drawn = [first_of(route, None, draws) for _ in range(5_000)]
    sticky = [first_of(route, f"session {at}") for at in range(5_000)]

    for firsts in (drawn, sticky):
        shares = {name: firsts.count(f"p/{name}") / len(firsts) for name in "abcd"}
        assert shares == pytest.approx({"a": 0.6, "b": 0.3, "c": 0.1, "d": 0}, abs=0.03)


def test_a_target_that_goes_moves_only_its_own_sessions() -> None:
    before, after = weighted(a=1, b=1, c=1), weighted(a=1, c=1)
    moved = {
        first_of(before, session)
        for session in map(str, range(300))
        if first_of(before, session) != first_of(after, session)
    }

    assert moved == {"p/b"}


def test_a_latency_decays_is_forgotten_and_hears_of_those_who_left() -> None:
    clock = Clock()
    latency = Latency(clock=clock)
    assert latency.seconds(is_stream=True) is None
    for seconds in (1.0, 2.0):
        latency.answered(seconds, is_stream=True)
    assert latency.seconds(is_stream=True) == pytest.approx(1.3)
    assert latency.seconds(is_stream=False) is None
    latency.left(0.1, is_stream=True)
    assert latency.seconds(is_stream=True) == pytest.approx(1.3)
    latency.left(2.3, is_stream=True)
    assert latency.seconds(is_stream=True) == pytest.approx(1.6)
    clock.now = 301
    assert latency.seconds(is_stream=True) is None


def test_what_fails_comes_last_and_what_is_being_measured_is_not_measured_twice() -> None:
    route = ModelRoute.model_validate({"targets": ["p/a", "p/b", "p/c"], "order": "least_latency"})
    clock = Clock()
    a, b, c = (Latency(clock=clock) for _ in range(3))
    targets = [
        ModelTarget("p", name, NOBODY, None, latency)
        for name, latency in zip("abc", (a, b, c), strict=True)
    ]

    def ranked() -> str:
        found = rank(route, targets, asking(), subject=None, price=lambda *_: None)
        return "".join(target.model for target in found.targets)

    assert [ranked(), ranked(), ranked()] == ["abc", "bca", "cab"]
    a.answered(0.5, is_stream=False)
    b.answered(0.2, is_stream=False)
    c.failed()
    assert ranked() == "bac"
    clock.now = 31
    assert ranked() == "cba"


def test_media_count_by_the_piece_and_not_by_their_bytes() -> None:
    picture = canonical.MediaPart(medium="image", mime_type="image/png", data="A" * 400_000)
    turn = canonical.Turn(role="user", parts=(picture,))
    seen = canonical.ModelRequest(wire="chat", model="m", turns=(turn,))

    assert 80 < estimated_tokens(asking("word " * 60)) < 140
    assert 1_500 < estimated_tokens(seen) < 1_600


async def test_of_two_that_begin_at_once_one_is_given_and_the_other_ended() -> None:
    gate, dropped = asyncio.Event(), []

    async def begin(name: str) -> str:
        await gate.wait()
        return name

    async def drop(name: str) -> None:
        dropped.append(name)

    def begin_second() -> Any:
        gate.set()
        return begin("second")

    won = await hedged(
        lambda: begin("first"), begin_second, after_s=0.01, is_final=lambda _: False, drop=drop
    )

    assert {won, *dropped} == {"first", "second"}


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ({"targets": [{"model": "p/a", "weight": 2}]}, "a `weight` counts only with"),
        ({"targets": ["p/a"], "sticky": "user"}, "`sticky` counts only with"),
        ({"targets": ["p/a"], "hedge_after_s": 1}, "needs a second target"),
        ({"targets": ["p/a", "p/a"]}, "named twice"),
        ({"targets": [{"model": "p/a", "wieght": 2}]}, "routes.mine.targets.0.wieght"),
        ({"targets": ["p/a"], "order": "fastest"}, "routes.mine.order"),
    ],
)
def test_what_would_not_be_heeded_is_refused_when_the_file_is_read(
    tmp_path: Path, route: dict[str, Any], words: str
) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(json.dumps({"routes": {"mine": route}}))

    with pytest.raises(Invalid) as refused:
        calls.Gateway(path)
    assert words in refused.value.message
