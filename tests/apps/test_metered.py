"""Calls of use cases count for budgets, whichever way they come in."""

import asyncio

import pytest

from lineside.apps import Call, Serving, deploy, release_folder
from lineside.apps.guarded import GuardedAnswer
from lineside.apps.metered import Metered, payer_of
from lineside.core import Denied, Invalid
from lineside.gateway import ModelReply, budgets
from lineside.guardrails import chain_of
from lineside.trust import Scope
from lineside.usecases import read_folder


@pytest.fixture
def folder(scope: Scope, make_folder):
    folder = read_folder(make_folder())
    release_folder(scope, folder)
    deploy(scope, "triage")
    return folder


async def test_a_use_case_is_called_no_more_often_than_its_limit(scope: Scope, folder) -> None:
    budgets.set_cap(scope, "use_case", "triage", measure="requests", amount=5, every="ever")
    budgets.set_cap(scope, "use_case", "*", measure="usd", amount=1, every="day")
    serving = Serving(scope.store)
    asked = [
        serving.call(scope, "triage", Call(input={"message": f"message {at}"})) for at in range(20)
    ]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    with pytest.raises(Invalid, match="does not fit"):
        await serving.call(scope, "triage", Call(input={}))
    await serving.close()

    refused = [one for one in outcomes if isinstance(one, budgets.BudgetExceeded)]
    assert len(refused) == 15
    uses = {use.cap.measure: (use.spent, use.reserved) for use in budgets.cap_uses(scope)}
    assert uses == {"requests": (5, 0), "usd": (0, 0)}


async def test_a_release_without_a_longest_answer_is_refused_under_a_limit_of_money(
    scope: Scope, folder
) -> None:
    from lineside.apps.metered import bound_of
    from lineside.core import now
    from lineside.traces import prices

    def bound(**options: object) -> budgets.Bound:
        app = folder.manifest.app.model_copy(
            update={"model": "openai:gpt-4o-mini", "options": options}
        )
        manifest = folder.manifest.model_copy(update={"app": app})
        setup = type(folder)(**{**vars(folder), "manifest": manifest})
        return bound_of(setup, {"message": "Hello"}, {}, prices.price_table(scope), now())

    assert "names no longest answer" in str(bound().endless)
    told = bound(max_tokens=100)
    assert told.endless is None
    assert told.tokens_out == 200  # what does not fit is asked for once more
    assert told.nano_usd(200) > 200 * 600


async def test_a_model_of_a_local_file_counts_tokens_and_no_money(scope: Scope, folder) -> None:
    from lineside.apps.metered import bound_of
    from lineside.core import now
    from lineside.traces import prices

    options = {"context_tokens": 1024}
    app = folder.manifest.app.model_copy(update={"model": "gguf:small.gguf", "options": options})
    manifest = folder.manifest.model_copy(update={"app": app})
    setup = type(folder)(**{**vars(folder), "manifest": manifest})
    told = bound_of(setup, {"message": "Hello"}, {}, prices.price_table(scope), now())

    assert (told.endless, told.tokens_out) == (None, 2048)
    assert told.nano_usd(2048) == 0


def paid_for(folder):
    """The same use case, asking a model that costs money."""
    options = {"max_tokens": 100}
    app = folder.manifest.app.model_copy(update={"model": "openai:gpt-4o-mini", "options": options})
    manifest = folder.manifest.model_copy(update={"app": app})
    return type(folder)(**{**vars(folder), "manifest": manifest})


async def test_an_answer_that_a_guard_holds_back_is_counted_all_the_same(
    scope: Scope, folder
) -> None:
    budgets.set_cap(scope, "use_case", "triage", measure="tokens", amount=9_000, every="ever")
    guarded = GuardedAnswer(chain_of({}).begin())

    async def held_back() -> ModelReply:
        guarded.reply = ModelReply(output={}, model="gpt-4o-mini", tokens_in=70, tokens_out=7)
        raise Denied("guard_denied", "Held back")

    meter = budgets.Meter(scope.store)
    call = Metered(paid_for(folder), {"message": "Hello"}, {}, guarded)
    with pytest.raises(Denied):
        await call.answer(meter, payer_of(scope, use_case="triage"), held_back, None)
    await meter.close()

    [use] = budgets.cap_uses(scope)
    assert (use.spent, use.reserved) == (77, 0)


@pytest.mark.parametrize("is_paid", [False, True])
async def test_a_failure_after_the_model_answered_counts_as_all_that_was_held(
    scope: Scope, folder, is_paid: bool
) -> None:
    budgets.set_cap(scope, "use_case", "triage", measure="tokens", amount=9_000, every="ever")
    meter = budgets.Meter(scope.store)

    async def cut_off() -> ModelReply:
        error = Invalid("answer_cut_off", "The answer stopped in its middle")
        error.is_paid = is_paid
        raise error

    guarded = GuardedAnswer(chain_of({}).begin())
    call = Metered(paid_for(folder), {"message": "Hello"}, {}, guarded)
    with pytest.raises(Invalid):
        await call.answer(meter, payer_of(scope, use_case="triage"), cut_off, None)
    await meter.close()

    [use] = budgets.cap_uses(scope)
    assert (use.spent > 2_000) is is_paid
    assert use.reserved == 0
