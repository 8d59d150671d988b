"""Answers that plain models gave before: whose they are, how many are kept, and for how long."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from lineside.apps import Serving, model_calls
from lineside.core import Invalid, now
from lineside.gateway import cache, calls, canonical
from lineside.gateway.cache import queries
from lineside.traces import privacy
from lineside.trust import Scope

FIRST = "Where can I find the address that my parcel is delivered to?"
SECOND = "Where do I find the address that my parcel is delivered to?"


def settings(path: Path, **route: object) -> Path:
    line = {"when": {"default": True}, "output": {"text": "At 12 Canal Street."}}
    (path / "play.jsonl").write_text(json.dumps(line))
    routes = {"kept": {"targets": ["play/m"], **route}}
    told = {"scripted": {"play": {"file": "play.jsonl"}}, "routes": routes}
    (path / "gateway.yaml").write_text(json.dumps(told))
    return path / "gateway.yaml"


@pytest.fixture
def ask(scope: Scope, tmp_path: Path) -> Callable[..., str]:
    """Asks a route with a semantic cache; gives what the cache said."""
    path = settings(tmp_path, cache_s=3600, semantic_cache=True)
    door = model_calls.ModelCalls(Serving(scope.store), calls.Gateway(path))

    async def asked(words: str, workspace: str, cache_s: int | None) -> str:
        caller = model_calls.ModelCaller(
            scope=dataclasses.replace(scope, workspace=workspace),
            place=model_calls.CallPlace.read(None),
            cache_s=cache_s,
        )
        turn = canonical.Turn(role="user", parts=(canonical.TextPart(text=words),))
        request = canonical.ModelRequest(wire="chat", model="kept", turns=(turn,))
        opened = await door.open(caller, request)
        await opened.whole()
        return str(opened.call.served.attributes[cache.CACHED])

    return lambda words, workspace="default", cache_s=None: asyncio.run(
        asked(words, workspace, cache_s)
    )


def test_a_workspace_hears_nothing_of_what_another_asked(ask: Callable[..., str]) -> None:
    assert (ask(FIRST), ask(SECOND)) == ("miss", "semantic")
    assert (ask(SECOND, "other"), ask(FIRST, "other")) == ("miss", "semantic")


def test_what_is_over_is_like_nothing_any_more(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(FIRST)
    later = now() + timedelta(hours=2)
    monkeypatch.setattr("lineside.gateway.cache.finding.now", lambda: later)
    assert ask(SECOND) == "miss"


def test_nobody_gets_an_older_answer_than_they_take_however_long_another_had_it_kept(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(FIRST, cache_s=604_800) == "miss"
    later = now() + timedelta(hours=2)
    monkeypatch.setattr("lineside.gateway.cache.finding.now", lambda: later)
    assert ask(FIRST, cache_s=604_800) == "hit"
    assert ask(SECOND) == "miss"
    assert ask(FIRST) == "miss"


def test_calls_that_keep_answers_at_once_do_not_wait_for_one_another_in_a_circle(
    scope: Scope,
) -> None:
    at = now()

    def keep(number: int) -> None:
        for round_ in range(20):
            row = {
                "workspace": "default",
                "digest": f"digest {(number + round_) % 5}",
                "trace_id": "t",
                "kept_at": at,
                "expires_at": at,  # over at once, so that everybody finds some to forget
                "answer": b"{}",
            }
            with scope.store.records.write() as connection:
                queries.keep_answer(connection, row, None, at=at, rows_max=10)

    with ThreadPoolExecutor(5) as pool:
        list(pool.map(keep, range(5)))


def test_the_oldest_make_room_for_the_newest(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lineside.gateway.cache.keeping._ANSWERS_MAX", 2)
    for words in (FIRST, "How long is the shop open?", "Who mends a flat tyre there?"):
        assert ask(words) == "miss"
    assert ask(SECOND) == "miss"
    assert ask("Who mends a flat tyre there?") == "hit"


@pytest.mark.parametrize("pattern", ["Canal Street", "my parcel"])
def test_what_a_rule_would_mask_is_not_kept(
    ask: Callable[..., str], scope: Scope, pattern: str
) -> None:
    privacy.mask(scope, "address", pattern=pattern)
    assert (ask(FIRST), ask(SECOND), ask(FIRST)) == ("miss", "miss", "miss")

    privacy.unmask(scope, "address")
    assert (ask(FIRST), ask(SECOND)) == ("miss", "semantic")


def test_a_semantic_cache_that_keeps_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="`semantic_cache` needs `cache_s`"):
        calls.Gateway(settings(tmp_path, semantic_cache=True))
    with pytest.raises(Invalid, match="semantic_similarity_min"):
        calls.Gateway(settings(tmp_path, cache_s=9, semantic_similarity_min=0.5))
