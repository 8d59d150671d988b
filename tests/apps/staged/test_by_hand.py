"""What people, several servers and audiences do to a release that goes up by steps."""

import asyncio
import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.staged.watched import SOON, Call, look, said, shares
from lineside.apps import Call as LiveCall
from lineside.apps import (
    Serving,
    current_rollout,
    deploy,
    roll_back,
    rollout,
    staged,
)
from lineside.apps.rollout import shadow
from lineside.apps.staged import StagedRollout, Watcher, watcher
from lineside.core import Conflict, Invalid
from lineside.trust import Scope, ledger_entries


def test_a_person_may_promote_abort_or_roll_back_at_any_time(scope: Scope, releases) -> None:
    staged.start(scope, "triage", "v2")
    assert staged.promote(scope, "triage").percent == 25
    entry = ledger_entries(scope, kind="deploy")[-1]
    assert entry.details["why"].startswith("Promoted by hand; the verdict was: Hold v2 at 5 %")
    assert staged.abort(scope, "triage").status == "rolled_back"
    assert shares(scope) == {"v1": 100}

    staged.start(scope, "triage", "v2")
    roll_back(scope, "triage")
    ended = staged.current(scope, "triage")
    assert ended
    assert (ended.status, ended.ended_why) == ("rolled_back", "Pulled back by hand")

    staged.start(scope, "triage", "v2")
    deploy(scope, "triage", "v3", percent=10)
    stopped = staged.current(scope, "triage")
    assert stopped
    assert stopped.status == "stopped"
    assert ledger_entries(scope, kind="deploy")[-1].details["ended"] == stopped.id
    with pytest.raises(Conflict, match="No release of `triage` is on its way up"):
        staged.promote(scope, "triage")


def test_a_deploy_of_the_share_it_has_reached_ends_it_there(scope: Scope, releases) -> None:
    staged.start(scope, "triage", "v2", plan={"steps": ["10%", "100%"]})
    deploy(scope, "triage", "v2", percent=10)

    ended = staged.current(scope, "triage")
    assert ended
    assert ended.status == "stopped"
    assert shares(scope) == {"v1": 90, "v2": 10}
    [*_, entry] = ledger_entries(scope, kind="deploy")
    assert entry.details["ended"] == ended.id
    deploy(scope, "triage", "v2", percent=10)  # asked for twice is decided once
    assert ledger_entries(scope, kind="deploy")[-1] == entry


@pytest.mark.parametrize(
    "decide",
    [
        lambda scope: shadow(scope, "triage", "v3"),
        lambda scope: deploy(scope, "triage", "v1", knobs={"hand_off_below": "0.5"}),
    ],
)
def test_what_is_decided_by_hand_does_not_undo_a_rollback_of_that_moment(
    scope: Scope, releases, monkeypatch: pytest.MonkeyPatch, decide: Callable[[Scope], Any]
) -> None:
    staged.start(scope, "triage", "v2")
    whole = rollout.present_rollout

    def outrun(*arguments: Any) -> Any:
        monkeypatch.setattr(rollout, "present_rollout", whole)
        connection, *_ = arguments
        found = whole(*arguments)
        assert found
        back = found.arms[0].model_copy(update={"percent": 100.0})
        rollout.put_rollout(
            connection, scope, "triage", arms=(back,), knobs=found.knobs, reason="rollback"
        )
        return whole(*arguments)

    monkeypatch.setattr(rollout, "present_rollout", outrun)
    with pytest.raises(Conflict, match="changed meanwhile"):
        decide(scope)


def test_at_everybody_the_limits_are_watched_till_the_hold_is_over(
    scope: Scope, releases, calls: Call
) -> None:
    plan = {"steps": ["50%", "100%"], "hold": "1h", "stop_if": ["error_rate > 2%"]}
    staged.start(scope, "triage", "v2", plan=plan)
    staged.promote(scope, "triage")
    assert "is at everybody; its limits are watched" in said(look(scope))
    calls(releases[1], 300, failing=60, arm="live")

    assert look(scope).status == "rolled_back"
    assert shares(scope) == {"v1": 100}


def test_what_cannot_go_up_by_steps_is_named(scope: Scope, releases) -> None:
    with pytest.raises(Conflict, match="`v1` is live already"):
        staged.start(scope, "triage", "v1")
    with pytest.raises(Invalid, match="expected more than 50 %"):
        staged.start(scope, "triage", "v2", plan={"steps": ["50%", "5%"]})
    with pytest.raises(Invalid, match="`hold`: read `soon`, expected a duration"):
        staged.start(scope, "triage", "v2", plan={"hold": "soon"})
    with pytest.raises(Invalid) as wrong:
        staged.start(scope, "triage", "v2", plan={"stop_if": ["eror_rate > 2%"]})
    assert wrong.value.hint == "Did you mean `error_rate`?"
    staged.start(scope, "triage", "v2")
    with pytest.raises(Conflict, match="`v2` is on its way up already"):
        staged.start(scope, "triage", "v3")


def test_of_two_servers_that_decide_at_once_one_does(
    scope: Scope, releases, calls: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged.start(scope, "triage", "v2", plan=SOON)
    calls(releases[0], 400)
    calls(releases[1], 200)
    other = Watcher(scope, every_seconds=0)
    whole = watcher.carry_out

    def outrun(*arguments: Any) -> StagedRollout:
        monkeypatch.setattr(watcher, "carry_out", whole)
        other.watch()  # decides between the look of the first and its decision
        return whole(*arguments)

    monkeypatch.setattr(watcher, "carry_out", outrun)
    look(scope)

    assert shares(scope) == {"v1": 75, "v2": 25}
    steps = [entry for entry in ledger_entries(scope, kind="deploy") if "why" in entry.details]
    assert len(steps) == 1


def test_a_round_falls_to_one_server(scope: Scope, releases) -> None:
    staged.start(scope, "triage", "v2")
    servers = [Watcher(scope, every_seconds=60) for _ in range(3)]

    assert [len(server.watch()) for server in servers] == [1, 0, 0]


@pytest.mark.parametrize("overtaken", ["load_staged", "arms.arm_figures"])
def test_no_server_writes_over_what_another_has_seen(
    scope: Scope, releases, calls: Call, monkeypatch: pytest.MonkeyPatch, overtaken: str
) -> None:
    plan = {"hold": "1d", "stop_if": ["error_rate > 50%"]}
    staged.start(scope, "triage", "v2", plan=plan)
    calls(releases[0], 200)
    calls(releases[1], 60)
    slow, other = (Watcher(scope, every_seconds=0) for _ in range(2))
    seen: list[StagedRollout] = []
    place = f"lineside.apps.staged.watcher.{overtaken}"
    whole = operator.attrgetter(overtaken)(watcher)

    def waits(*arguments: Any, **named: Any) -> Any:
        found = whole(*arguments, **named)
        if not seen:
            monkeypatch.setattr(place, whole)
            seen.extend(other.watch())
            calls(releases[1], 400)
        return found

    monkeypatch.setattr(place, waits)
    slow.watch()

    present = staged.current(scope, "triage")
    assert present
    assert seen[0].looks
    assert present.looks[: len(seen[0].looks)] == seen[0].looks
    # Who has not begun to look yet adds to it; who has done so leaves it at that.
    assert (len(present.looks) > 1) == (overtaken == "load_staged")
    assert present.findings


def test_calls_that_cannot_be_read_hold_a_rollout_and_are_shown(
    scope: Scope, releases, calls: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lineside.core import Unavailable
    from lineside.traces import arms

    def away(*_: Any, **__: Any) -> None:
        raise Unavailable("lake_away", "The lake does not answer")

    staged.start(scope, "triage", "v2", plan=SOON)
    calls(releases[0], 400)
    calls(releases[1], 200)
    with monkeypatch.context() as patched:
        patched.setattr(arms, "arm_sums", away)
        held = look(scope)
    assert held.step == 0
    assert said(held).endswith("it cannot be watched (The lake does not answer)")

    assert look(scope).percent == 25


def test_a_ledger_that_cannot_be_signed_holds_a_rollout_and_is_shown(
    scope: Scope, releases, calls: Call
) -> None:
    staged.start(scope, "triage", "v2", plan=SOON)
    calls(releases[0], 400)
    calls(releases[1], 200)
    keys = scope.store.home / "keys"
    keys.rename(keys.with_name("away"))
    held = look(scope)
    assert (held.step, shares(scope)) == (0, {"v1": 95, "v2": 5})
    assert "it cannot be watched (The ledger" in said(held)

    keys.with_name("away").rename(keys)
    assert look(scope).percent == 25


def test_the_shadow_and_the_knobs_stay_while_it_goes_up(scope: Scope, releases) -> None:
    deploy(scope, "triage", "v1", knobs={"hand_off_below": "0.5"})
    shadow(scope, "triage", "v3", percent=20)
    staged.start(scope, "triage", "v2")
    staged.promote(scope, "triage")

    present = current_rollout(scope, "triage")
    assert present
    assert present.shadow
    assert present.knobs["hand_off_below"] == 0.5


async def test_only_its_audience_gets_a_release_and_decides_on_it(
    scope: Scope, releases, calls: Call
) -> None:
    plan = SOON | {"steps": ["100%"], "audience": "country = CH and plan in [pro, team]"}
    plan |= {"stop_if": ["error_rate > 5%"], "hold": "1h"}
    staged.start(scope, "triage", "v2", plan=plan)
    serving = Serving(scope.store)
    meant = {"country": "ch", "plan": "pro"}
    answers = [
        await serving.call(scope, "triage", LiveCall(input={"message": "x"}, attributes=one))
        for one in (meant, {"country": "CH"}, {"country": "DE", "plan": "pro"}, {})
    ]
    await serving.close()

    assert [answer.release for answer in answers] == ["v2", "v1", "v1", "v1"]
    entry = ledger_entries(scope, kind="deploy")[-1]
    assert entry.details["audience"] == plan["audience"]
    calls(releases[1], 300, failing=300, attributes={"audience": False})
    calls(releases[1], 300, failing=300, attributes={"knobs": {"audience": True}})
    held = await asyncio.to_thread(look, scope)
    assert (held.status, held.seen.canary.calls if held.seen.canary else 0) == ("running", 1)
    assert f"is at everybody with `{plan['audience']}`" in said(held)

    calls(releases[1], 100, failing=50, attributes={"audience": True})
    ended = await asyncio.to_thread(look, scope)
    assert ended.status == "rolled_back"
    assert shares(scope) == {"v1": 100}


def test_a_release_stays_with_its_audience_once_it_is_there(
    scope: Scope, releases, calls: Call
) -> None:
    staged.start(scope, "triage", "v2", plan=SOON | {"steps": ["50%", "100%"], "audience": "a = b"})
    for release in releases[:2]:
        calls(release, 300, attributes={"audience": True})
    assert look(scope).percent == 100
    assert look(scope).status == "done"

    present = current_rollout(scope, "triage")
    assert present
    assert [(arm.label, arm.name, arm.audience) for arm in present.arms] == [
        ("v1", "live", None),
        ("v2", "canary", "a = b"),
    ]


def test_who_may_not_deploy_may_not_send_anything_up(scope: Scope, releases) -> None:
    from lineside.core import Denied

    reader = replace(scope, rights=frozenset({"read"}))
    for move in (staged.start, staged.pause, staged.resume, staged.promote, staged.abort):
        with pytest.raises(Denied, match="lacks the right `deploy`"):
            move(reader, "triage")
