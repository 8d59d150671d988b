import asyncio

import pytest

from lineside.apps import Call, Serving, deploy, proving, release_folder
from lineside.core import Denied, Invalid, NotFound
from lineside.traces import get_trace, latest_calls
from lineside.trust import Scope
from lineside.usecases import read_folder


@pytest.fixture
def serving(scope: Scope, make_folder) -> Serving:
    release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")
    return Serving(scope.store)


async def test_an_answer_is_typed_and_says_who_gave_it(scope: Scope, serving: Serving) -> None:
    answer = await serving.call(scope, "triage", Call(input={"message": "message 1"}))

    assert answer.output == {"topic": "card", "confidence": 0.9}
    assert (answer.release, answer.arm, answer.hand_off) == ("v1", "live", False)
    assert answer.knobs == {"autonomy": "suggest", "hand_off_below": 0.6}


async def test_each_call_is_a_trace_by_the_time_it_is_answered(
    scope: Scope, serving: Serving
) -> None:
    call = Call(input={"message": "message 1"}, session="s1", user="u1")
    answer = await serving.call(scope, "triage", call)

    app, model = sorted(get_trace(scope, answer.trace_id), key=lambda span: span.kind)
    assert (app.kind, app.release, app.arm, app.session_id) == (
        "app",
        answer.release_id,
        "live",
        "s1",
    )
    assert (app.input, app.output) == ({"message": "message 1"}, answer.output)
    assert (model.kind, model.parent_span_id) == ("model", app.span_id)


async def test_an_unsure_answer_is_handed_to_a_person(scope: Scope, serving: Serving) -> None:
    answer = await serving.call(scope, "triage", Call(input={"message": "never seen"}))

    assert answer.hand_off
    assert answer.hand_off_reason == "confidence 0.40 is below the 0.6 set by `hand_off_below`"


async def test_a_call_turns_only_the_users_knobs_and_only_to_what_was_tested(
    scope: Scope, serving: Serving
) -> None:
    call = Call(input={"message": "message 1"}, knobs={"autonomy": "act"})
    by_ann = call.model_copy(update={"user": "ann"})
    for asked in (call, by_ann):
        with pytest.raises(Denied, match="Nobody has tested v1 with `autonomy` at `act`; offered"):
            await serving.call(scope, "triage", asked)
    default = call.model_copy(update={"knobs": {"autonomy": "suggest"}})
    assert (await serving.call(scope, "triage", default)).knobs["autonomy"] == "suggest"

    await asyncio.to_thread(proving.prove_knob, scope, "triage", "autonomy", "act")
    await serving.knobs.turn(scope, "triage", "autonomy", "act", user="bob")  # looks again

    assert (await serving.call(scope, "triage", call)).knobs["autonomy"] == "act"
    by_bob = call.model_copy(update={"knobs": {}, "user": "bob"})
    assert (await serving.call(scope, "triage", by_bob)).knobs["autonomy"] == "act"
    back = by_bob.model_copy(update={"knobs": {"autonomy": "suggest"}})
    assert (await serving.call(scope, "triage", back)).knobs["autonomy"] == "suggest"

    with pytest.raises(Denied, match="is turned by the operator"):
        await serving.call(
            scope, "triage", Call(input={"message": "x"}, knobs={"hand_off_below": 0})
        )


async def test_an_input_that_does_not_fit_is_named_and_traced(
    scope: Scope, serving: Serving
) -> None:
    with pytest.raises(
        Invalid,
        match="`message` is missing; `mesage` is not a field",
    ) as caught:
        await serving.call(scope, "triage", Call(input={"mesage": "x"}))

    assert caught.value.hint == "This app takes an object with `message`."
    (call,) = latest_calls(scope, use_case="triage")
    assert (call.status, call.error and call.error.startswith("input_misfit")) == ("error", True)


async def test_nothing_live_and_unknown_names_say_what_to_do(
    scope: Scope, serving: Serving
) -> None:
    with pytest.raises(NotFound, match="no use case `triag`") as caught:
        await serving.call(scope, "triag", Call(input={}))
    assert caught.value.hint == "Did you mean `triage`?"


async def test_a_deploy_counts_within_a_second(scope: Scope, serving: Serving, make_folder) -> None:
    await serving.call(scope, "triage", Call(input={"message": "message 1"}))
    await asyncio.to_thread(release_folder, scope, read_folder(make_folder(note="second")))
    await asyncio.to_thread(deploy, scope, "triage")
    await asyncio.sleep(0.5)

    answer = await serving.call(scope, "triage", Call(input={"message": "message 1"}))

    assert answer.release == "v2"


async def test_a_canary_caller_stays_in_its_arm(
    scope: Scope, serving: Serving, make_folder
) -> None:
    second = read_folder(make_folder(note="second"))
    await asyncio.to_thread(release_folder, scope, second)
    await asyncio.to_thread(deploy, scope, "triage", percent=50)
    calls = [Call(input={"message": "message 1"}, session=f"s{n % 10}") for n in range(30)]

    answers = [await serving.call(scope, "triage", call) for call in calls]

    arms = {answer.arm for answer in answers}
    by_session = {(call.session, answer.arm) for call, answer in zip(calls, answers, strict=True)}
    assert (arms, len(by_session)) == ({"live", "canary"}, 10)
