from collections import Counter

import pytest

from lineside.apps import (
    Release,
    current_rollout,
    deploy,
    release_folder,
    roll_back,
    rollout_history,
)
from lineside.apps.choosing import choose_arm
from lineside.core import Conflict, Invalid, NotFound
from lineside.trust import Scope, ledger_entries
from lineside.usecases import read_folder


@pytest.fixture
def releases(scope: Scope, make_folder) -> list[Release]:
    notes = ("one", "two", "three")
    return [
        release_folder(scope, read_folder(make_folder(note=note, gate=["accuracy >= 0.5"]))).release
        for note in notes
    ]


def test_a_deploy_sends_everyone_to_the_newest_release(scope: Scope, releases) -> None:
    deploy(scope, "triage")

    rollout = current_rollout(scope, "triage")
    assert rollout is not None
    assert [(arm.name, arm.label, arm.percent) for arm in rollout.arms] == [("live", "v3", 100)]
    assert ledger_entries(scope, kind="deploy")[0].subject == releases[2].id


def test_a_canary_takes_its_share_and_keeps_whom_it_has(scope: Scope, releases) -> None:
    deploy(scope, "triage", "v1")
    small = deploy(scope, "triage", "v2", percent=10)
    large = deploy(scope, "triage", "v2", percent=30)
    callers = [f"caller {number}" for number in range(5000)]

    in_small = {caller for caller in callers if choose_arm(small, caller).name == "canary"}
    in_large = {caller for caller in callers if choose_arm(large, caller).name == "canary"}

    assert len(in_small) == pytest.approx(500, abs=90)
    assert len(in_large) == pytest.approx(1500, abs=130)
    assert in_small < in_large


def test_callers_without_a_key_are_drawn_anew(scope: Scope, releases) -> None:
    deploy(scope, "triage", "v1")
    rollout = deploy(scope, "triage", "v2", percent=50)

    drawn = Counter(choose_arm(rollout, None).label for _ in range(400))

    assert set(drawn) == {"v1", "v2"}


def test_a_rollback_ends_a_canary_first(scope: Scope, releases) -> None:
    deploy(scope, "triage", "v1")
    deploy(scope, "triage", "v2", percent=10)

    back = roll_back(scope, "triage")

    assert [(arm.label, arm.percent) for arm in back.arms] == [("v1", 100)]
    assert ledger_entries(scope, kind="rollback")[0].details["traffic"] == {"v1": "100 %"}


def test_rollbacks_lead_back_one_release_at_a_time(scope: Scope, releases) -> None:
    for label in ("v1", "v2", "v3"):
        deploy(scope, "triage", label)

    assert roll_back(scope, "triage").live.label == "v2"
    assert roll_back(scope, "triage").live.label == "v1"
    with pytest.raises(Conflict, match="first release of `triage` that was live"):
        roll_back(scope, "triage")


def test_an_operator_turns_a_knob_within_its_range(scope: Scope, releases) -> None:
    rollout = deploy(scope, "triage", knobs={"hand_off_below": "0.8"})
    assert rollout.knobs == {"hand_off_below": 0.8}

    with pytest.raises(Invalid, match=r"`hand_off_below` is `1.5`, expected a number from 0"):
        deploy(scope, "triage", knobs={"hand_off_below": "1.5"})
    with pytest.raises(Invalid, match="No knob is called `hand_of_below`") as caught:
        deploy(scope, "triage", knobs={"hand_of_below": "0.5"})
    assert caught.value.hint == "Did you mean `hand_off_below`?"


def test_what_cannot_be_deployed_is_named(scope: Scope, releases) -> None:
    with pytest.raises(Invalid, match="nothing of `triage` is live"):
        deploy(scope, "triage", percent=10)
    with pytest.raises(NotFound, match="it has: v3, v2, v1"):
        deploy(scope, "triage", "v9")
    with pytest.raises(Invalid, match="The share is 0 %"):
        deploy(scope, "triage", percent=0)
    assert rollout_history(scope, "triage") == []
