"""A release that gets copies of calls: no caller waits for it, or hears of it."""

import asyncio
import time

import pytest

from lineside.apps import Call, Release, Serving, deploy, release_folder, roll_back
from lineside.apps.rollout import current_rollout, end_shadow, shadow
from lineside.apps.shadow import AT_ONCE_MAX
from lineside.core import Conflict, Invalid
from lineside.traces import Span, get_trace, latest_calls
from lineside.trust import Scope, ledger_entries
from lineside.usecases import read_folder


@pytest.fixture
def releases(scope: Scope, make_folder) -> list[Release]:
    found = [
        release_folder(scope, read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))).release
        for note in ("one", "two")
    ]
    deploy(scope, "triage", "v1")
    return found


async def ask(scope: Scope, serving: Serving, at: int = 1):
    return await serving.call(scope, "triage", Call(input={"message": f"message {at}"}, user="u1"))


def copies(scope: Scope) -> list[Span]:
    calls = latest_calls(scope, use_case="triage", limit=200)
    return [call for call in calls if call.arm == "shadow"]


async def test_a_copy_is_answered_by_the_shadow_and_seen_in_its_own_trace(
    scope: Scope, releases: list[Release]
) -> None:
    shadow(scope, "triage", "v2")
    serving = Serving(scope.store)
    answer = await ask(scope, serving)
    await serving.close()

    assert (answer.release, answer.arm) == ("v1", "live")
    [copy] = copies(scope)
    app = next(span for span in get_trace(scope, copy.trace_id) if span.kind == "app")
    assert (app.release, app.input, app.output) == (
        releases[1].id,
        {"message": "message 1"},
        answer.output,
    )
    assert (app.attributes["copy_of"], app.user_id) == (answer.trace_id, "u1")
    said = [entry.details.get("shadow") for entry in ledger_entries(scope, kind="deploy")]
    assert {"v2": "100 %"} in said


async def test_no_caller_waits_for_a_copy_or_sees_it_fail(
    scope: Scope, releases: list[Release], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lineside.apps.app import App
    from lineside.core import Unavailable

    whole = App.answer

    async def slow_and_broken(self: App, *args: object, **more: object) -> object:
        task = asyncio.current_task()
        if task is None or "Shadows" not in repr(task.get_coro()):
            return await whole(self, *args, **more)  # type: ignore[arg-type]
        await asyncio.sleep(0.5)
        raise Unavailable("model_down", "It is down")

    shadow(scope, "triage", "v2")
    serving = Serving(scope.store)
    monkeypatch.setattr(App, "answer", slow_and_broken)
    await ask(scope, serving)  # opens the apps
    started = time.perf_counter()
    answers = [await ask(scope, serving, at) for at in range(AT_ONCE_MAX + 4)]
    taken = time.perf_counter() - started
    left_out = serving.shadows.left_out
    await serving.close()

    assert {answer.arm for answer in answers} == {"live"}
    if taken < 0.4:  # a machine so slow that copies ended meanwhile proves nothing
        assert left_out >= 4
    assert copies(scope)
    failed = [span.error for copy in copies(scope) for span in get_trace(scope, copy.trace_id)]
    assert set(failed) == {"model_down: It is down"}


async def test_a_share_of_the_calls_is_copied(scope: Scope, releases: list[Release]) -> None:
    shadow(scope, "triage", "v2", percent=30)
    serving = Serving(scope.store)
    for at in range(100):
        await ask(scope, serving, at)
        await asyncio.sleep(0)
    left_out = serving.shadows.left_out
    await serving.close()

    assert 12 <= len(copies(scope)) + left_out <= 50  # 30 expected


def test_it_ends_when_told_when_deployed_and_with_a_rollback(
    scope: Scope, releases: list[Release]
) -> None:
    shadow(scope, "triage", "v2")
    assert end_shadow(scope, "triage").shadow is None
    with pytest.raises(Conflict, match="No release of `triage` is a shadow now"):
        end_shadow(scope, "triage")

    shadow(scope, "triage", "v2")
    assert deploy(scope, "triage", "v2", percent=10).shadow is None
    roll_back(scope, "triage")
    shadow(scope, "triage", "v2")
    deploy(scope, "triage", "v1", knobs={"hand_off_below": "0.5"})
    kept = current_rollout(scope, "triage")
    assert kept
    assert kept.shadow
    deploy(scope, "triage", "v2")
    shadow(scope, "triage", "v1")
    assert roll_back(scope, "triage").shadow is None


def test_what_cannot_be_a_shadow_is_named(scope: Scope, releases: list[Release]) -> None:
    with pytest.raises(Conflict, match="`v1` answers callers already") as refused:
        shadow(scope, "triage", "v1")
    assert "such as `lineside shadow triage v2`" in str(refused.value.hint)
    with pytest.raises(Invalid, match="The share is 0 %"):
        shadow(scope, "triage", "v2", percent=0)


def test_there_are_no_calls_to_copy_where_nothing_is_live(scope: Scope, make_folder) -> None:
    release_folder(scope, read_folder(make_folder()))
    with pytest.raises(Conflict, match="so there are no calls to copy"):
        shadow(scope, "triage")
