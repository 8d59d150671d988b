"""Users turn their knobs, to what was tested, and the ledger has it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.apps import Call, Serving, deploy, proving, release_folder
from lineside.core import Denied, Invalid, Settings
from lineside.store import open_store
from lineside.traces import rewriting
from lineside.trust import Scope, keyed_digests, ledger_entries, local_scope
from lineside.usecases import read_folder


async def test_a_user_is_offered_what_was_tested_and_keeps_what_they_turned(
    scope: Scope, make_folder: Callable[..., Path]
) -> None:
    await asyncio.to_thread(release_folder, scope, read_folder(make_folder()))
    await asyncio.to_thread(deploy, scope, "triage")
    serving = Serving(scope.store)
    with pytest.raises(Denied, match=r"Nobody has tested v1 with `autonomy` at `act`"):
        await serving.knobs.turn(scope, "triage", "autonomy", "act", user="ann@example.org")

    proof = await asyncio.to_thread(proving.prove_knob, scope, "triage", "autonomy", "act")
    turned = await serving.knobs.turn(scope, "triage", "autonomy", "act", user="ann@example.org")

    assert proof.decision == "ship"
    assert (turned.knobs[0].value, turned.knobs[0].offered) == ("act", ("suggest", "act"))
    asked = Call(input={"message": "message 1"}, user="ann@example.org")
    assert (await serving.call(scope, "triage", asked)).knobs["autonomy"] == "act"
    other = asked.model_copy(update={"user": "bob"})
    assert (await serving.call(scope, "triage", other)).knobs["autonomy"] == "suggest"
    for value, kind in (("fly", Invalid), (1, Invalid)):
        with pytest.raises(kind, match="expected one of suggest, act"):
            await serving.knobs.turn(scope, "triage", "autonomy", value, user="bob")
    with pytest.raises(Denied, match="turned by the operator"):
        await serving.knobs.turn(scope, "triage", "hand_off_below", 0.1, user="bob")

    entries = [entry for entry in ledger_entries(scope) if entry.kind.startswith("knob.")]
    assert [entry.kind for entry in entries] == ["knob.judged", "knob.turned"]
    assert (entries[1].details["value"], entries[1].details["before"]) == ("act", "suggest")
    assert "ann@example.org" not in str(entries)
    back = await serving.knobs.turn(scope, "triage", "autonomy", None, user="ann@example.org")
    assert (back.knobs[0].value, back.knobs[0].turned_by) == ("suggest", "nobody")


async def test_a_value_its_gate_refuses_is_not_offered_and_a_new_release_earns_anew(
    scope: Scope, make_folder: Callable[..., Path]
) -> None:
    folder = make_folder(gate=["accuracy >= 0.9"])
    await asyncio.to_thread(release_folder, scope, read_folder(folder))
    await asyncio.to_thread(deploy, scope, "triage")
    serving = Serving(scope.store)
    await asyncio.to_thread(proving.prove_knob, scope, "triage", "autonomy", "act")
    await serving.knobs.turn(scope, "triage", "autonomy", "act", user="ann")

    second = read_folder(make_folder(gate=["accuracy >= 0.9"], note="second"))
    await asyncio.to_thread(release_folder, scope, second)
    await asyncio.to_thread(deploy, scope, "triage")
    await asyncio.sleep(0.3)

    now = await serving.knobs.now(scope, "triage", user="ann")
    assert (now.release, now.knobs[0].value, now.knobs[0].offered) == (
        *("v2", "suggest"),
        ("suggest",),
    )


async def test_a_user_who_is_erased_has_turned_nothing_and_others_have(
    scope: Scope, make_folder: Callable[..., Path]
) -> None:
    await asyncio.to_thread(release_folder, scope, read_folder(make_folder()))
    await asyncio.to_thread(deploy, scope, "triage")
    await asyncio.to_thread(proving.prove_knob, scope, "triage", "autonomy", "act")
    serving, elsewhere = Serving(scope.store), Serving(scope.store)
    for user in ("bob", "ann"):
        await serving.knobs.turn(scope, "triage", "autonomy", "act", user=user)
    before = await elsewhere.knobs.now(scope, "triage", user="ann")

    looked = await asyncio.to_thread(rewriting.erase, scope, user="ann", only_look=True)
    erased = await asyncio.to_thread(rewriting.erase, scope, user="ann")
    await serving.knobs.turn(scope, "triage", "autonomy", None, user="bob")
    await serving.knobs.turn(scope, "triage", "autonomy", "act", user="bob")
    await asyncio.sleep(0.3)

    assert (looked.beside["knob settings"], looked.is_nothing) == (1, False)
    assert (erased.beside["knob settings"], erased.traces) == (1, 0)
    for server in (serving, elsewhere):
        ann, bob = [await server.knobs.now(scope, "triage", user=user) for user in ("ann", "bob")]
        assert (ann.knobs[0].turned_by, bob.knobs[0].turned_by) == ("nobody", "user")
        assert ann.marker != before.marker
    assert (await asyncio.to_thread(rewriting.erase, scope, user="ann")).is_nothing
    assert ledger_entries(scope)[-1].details["beside"]["knob settings"] == 0


def test_digests_are_the_installations_own(scope: Scope, tmp_path: Path) -> None:
    mine = keyed_digests.open_digests(scope.store, scope.workspace)
    again = keyed_digests.open_digests(scope.store, scope.workspace)
    other = open_store(Settings(home=tmp_path / "other"))
    theirs = keyed_digests.open_digests(other, local_scope(other).workspace)
    other.close()

    assert mine.of("knobs", "triage", "ann") == again.of("knobs", "triage", "ann")
    found = {mine.of("ann"), theirs.of("ann"), mine.of("a", "nn"), mine.of("an", "n")}
    assert len(found) == 4
