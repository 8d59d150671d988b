"""Answers of use cases that are given again: whose, under which release, and when not."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from lineside.apps import (
    Call,
    CallAnswer,
    Serving,
    deploy,
    kept_answers,
    model_calls,
    proving,
    release_folder,
    roll_back,
)
from lineside.apps import rollout as rolling
from lineside.core import Denied, Invalid
from lineside.gateway import budgets, cache, calls, canonical
from lineside.traces import get_trace, search
from lineside.trust import Scope
from lineside.usecases import read_folder

CACHE = "cache: {seconds: 3600}\n"
ALIKE = "cache: {seconds: 3600, semantic: true}\n"


@pytest.fixture
def folder(make_folder) -> Callable[..., Path]:
    def make(told: str = CACHE, *, more: str = "", **changes: Any) -> Path:
        path = make_folder(**{"right": 20, "gate": ["accuracy >= 0.5"], **changes})
        with (path / "usecase.yaml").open("a") as manifest:
            manifest.write(f"\n{told}{more}")
        return path

    return make


async def live(scope: Scope, path: Path) -> Serving:
    await asyncio.to_thread(release_folder, scope, read_folder(path))
    await asyncio.to_thread(deploy, scope, "triage")
    return Serving(scope.store)


async def act_is_proved(scope: Scope, serving: Serving) -> None:
    await asyncio.to_thread(proving.prove_knob, scope, "triage", "autonomy", "act")
    await serving.knobs.turn(scope, "triage", "autonomy", "act", user="bob")  # looks again


async def ask(
    scope: Scope,
    serving: Serving,
    message: str = "message 1",
    *,
    seconds: int | None = None,
    **more: Any,
) -> CallAnswer:
    wish = kept_answers.CacheWish(seconds, more.pop("similarity_min", 0.0))
    return await serving.call(scope, "triage", Call(input={"message": message}, **more), wish=wish)


def said(answer: CallAnswer) -> object:
    return answer.cache.get("cache")


async def test_the_same_input_gets_the_same_answer_free_and_marked(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    budgets.set_cap(scope, "use_case", "triage", measure="requests", amount=2, every="ever")
    serving = await live(scope, folder())
    first = await ask(scope, serving, user="ann")
    again = [await ask(scope, serving, user="bob") for _ in range(3)]
    anew = await ask(scope, serving, seconds=0)
    with pytest.raises(budgets.BudgetExceeded):
        await ask(scope, serving, seconds=0)
    still = await ask(scope, serving)
    await serving.close()

    assert [said(one) for one in (first, *again, still)] == ["miss", "hit", "hit", "hit", "hit"]
    assert said(anew) is None
    assert {orjson.dumps(one.output) for one in (first, *again)} == {orjson.dumps(first.output)}
    assert (again[0].confidence, again[0].tokens_in, again[0].tokens_out) == (0.9, 0, 0)
    [app] = get_trace(scope, again[0].trace_id)  # no model was asked
    assert (app.cost_usd, app.attributes["cache"]) == (0, "hit")
    assert "cache_age_s" in app.attributes


async def test_what_a_guard_holds_back_is_not_kept(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    guards = "guards:\n  output: [{banned_phrases: [card]}]\n"
    serving = await live(scope, folder(more=guards, gate=["accuracy >= 0.1"]))
    for _ in range(2):
        with pytest.raises(Denied, match="held back the answer"):
            await ask(scope, serving)
    await serving.close()

    traces = [get_trace(scope, one.trace_id) for one in search.list_traces(scope).traces]
    said = [span.attributes["cache"] for spans in traces for span in spans if span.kind == "app"]
    assert said == ["miss", "miss"]


async def test_without_a_word_in_the_manifest_every_call_asks_the_model(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    serving = await live(scope, folder(""))
    answers = [await ask(scope, serving, seconds=600) for _ in range(2)]
    await serving.close()

    assert [one.cache for one in answers] == [{}, {}]
    assert all(len(get_trace(scope, one.trace_id)) == 2 for one in answers)


async def test_a_release_a_knob_and_a_workspace_have_answers_of_their_own(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    serving = await live(scope, folder())
    assert [said(await ask(scope, serving)) for _ in range(2)] == ["miss", "hit"]
    await act_is_proved(scope, serving)
    turned = [await ask(scope, serving, knobs={"autonomy": "act"}) for _ in range(2)]
    await serving.close()
    assert [said(one) for one in turned] == ["miss", "hit"]

    serving = await live(scope, folder(note="another release", wrong=5))
    newer = await ask(scope, serving)
    await asyncio.to_thread(roll_back, scope, "triage")
    await serving.close()
    serving = Serving(scope.store)
    older = await ask(scope, serving)
    await serving.close()

    assert (newer.release, said(newer), newer.output["topic"]) == ("v2", "miss", "refund")
    assert (older.release, said(older), older.output["topic"]) == ("v1", "hit", "card")


async def test_a_split_rollout_asks_for_each_call_so_that_nothing_is_compared_with_copies(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    serving = await live(scope, folder())
    assert said(await ask(scope, serving)) == "miss"
    await asyncio.to_thread(release_folder, scope, read_folder(folder(note="second")))
    await asyncio.to_thread(deploy, scope, "triage", percent=50)
    await serving.close()
    serving = Serving(scope.store)
    split = [await ask(scope, serving, session=f"s{at}") for at in range(4)]
    await serving.close()
    await asyncio.to_thread(roll_back, scope, "triage")
    await asyncio.to_thread(rolling.shadow, scope, "triage", "v2")
    serving = Serving(scope.store)
    shadowed = await ask(scope, serving)
    await serving.close()

    assert {said(one) for one in [*split, shadowed]} == {kept_answers.SPLIT}
    app = next(one for one in get_trace(scope, split[0].trace_id) if one.kind == "app")
    assert app.attributes["cache"] == kept_answers.SPLIT


async def test_guards_judge_an_answer_that_is_given_again(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    guards = "guards:\n  input: [mask_pii]\n  output: [{banned_phrases: [nonsense]}]\n"
    serving = await live(scope, folder(more=guards))
    words = "message from {}@example.com"
    first = await ask(scope, serving, words.format("ann"))
    again = await ask(scope, serving, words.format("bob"))
    await serving.close()

    assert (said(first), said(again)) == ("miss", "hit")  # to the model both are alike
    assert [one.guard for one in again.guards] == ["mask_pii", "banned_phrases"]


async def test_a_text_like_another_shares_its_answer_where_the_manifest_takes_the_risk(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    serving = await live(scope, folder(ALIKE))
    first = await ask(scope, serving, "Where can I find the address my parcel is delivered to?")
    like = "Where do I find the address my parcel is delivered to?"
    await act_is_proved(scope, serving)
    knob = await ask(scope, serving, like, knobs={"autonomy": "act"})
    shared = await ask(scope, serving, like)
    only_same = "Where did I find the address my parcel is delivered to?"
    exact = await ask(scope, serving, only_same, similarity_min=1.0)
    await serving.close()

    assert [said(one) for one in (knob, exact)] == ["miss", "miss"]
    assert said(shared) == "semantic"
    assert shared.cache["cache_from"] == first.trace_id
    assert 0.97 <= shared.cache["cache_similarity"] < 1


def test_a_semantic_cache_needs_an_input_of_one_text(folder: Callable[..., Path]) -> None:
    path = folder(ALIKE)
    manifest = path / "usecase.yaml"
    two = manifest.read_text().replace("{message: string}", "{message: string, more: string}")
    manifest.write_text(two)
    (path / "cases.jsonl").write_text(
        '{"id": "c", "input": {"message": "a", "more": "b"}, "expected": {"topic": "card"}}\n'
    )
    with pytest.raises(Invalid, match="asked in one text"):
        read_folder(path)


async def test_a_kept_answer_goes_with_the_trace_it_came_from(
    scope: Scope, folder: Callable[..., Path]
) -> None:
    serving = await live(scope, folder())
    first = await ask(scope, serving, user="ann")
    assert said(await ask(scope, serving)) == "hit"
    forget = scope.store.trace_keepers["cached answers"]
    assert forget(scope.workspace, [first.trace_id], only_look=True) == 1
    await asyncio.to_thread(forget, scope.workspace, [first.trace_id], only_look=False)
    assert said(await ask(scope, serving)) == "miss"
    await serving.close()


async def test_a_run_is_never_answered_from_what_was_kept(
    scope: Scope, folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving = await live(scope, folder())
    for at in range(20):
        await ask(scope, serving, f"message {at}")
    await serving.close()

    def looked(*_: object, **__: object) -> None:
        raise AssertionError("a run looked for kept answers")

    monkeypatch.setattr("lineside.gateway.cache.find_same", looked)
    again = await asyncio.to_thread(release_folder, scope, read_folder(folder(note="again")))
    assert again.release.label == "v2"


@pytest.mark.parametrize("is_stream", [False, True])
async def test_the_doors_of_models_replay_and_mark_it(
    scope: Scope, folder: Callable[..., Path], tmp_path: Path, is_stream: bool
) -> None:
    serving = await live(scope, folder())
    door = model_calls.ModelCalls(serving, calls.Gateway(tmp_path / "none.yaml"))

    async def opened(cache_s: int | None = None) -> tuple[object, str]:
        caller = model_calls.ModelCaller(
            scope=scope, place=model_calls.CallPlace.read(None), cache_s=cache_s
        )
        turn = canonical.Turn(role="user", parts=(canonical.TextPart(text="message 1"),))
        request = canonical.ModelRequest(
            wire="chat", model="triage", turns=(turn,), is_stream=is_stream
        )
        got = await door.open(caller, request)
        words = (await got.whole()).choices[0].turn.text
        return got.call.served.attributes.get(cache.CACHED), words

    first, again, anew = await opened(), await opened(), await opened(0)
    await serving.close()

    assert (first[0], again[0], anew[0]) == ("miss", "hit", None)
    assert first[1] == again[1]
