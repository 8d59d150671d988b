"""A folder goes down the line: judged, released or refused, and written into the ledger."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lineside.apps import deploy, judge_folder, list_releases, release_folder
from lineside.apps.line import forecast_folder
from lineside.core import Denied
from lineside.trust import Scope, ledger_entries
from lineside.usecases import read_folder


def test_a_good_folder_is_released_and_the_ledger_says_so(scope: Scope, make_folder) -> None:
    outcome = release_folder(scope, read_folder(make_folder()))

    assert (outcome.release.label, outcome.is_new) == ("v1", True)
    assert outcome.release.gate.verdict.decision == "ship"
    (entry,) = ledger_entries(scope, kind="release.created")
    assert entry.subject == outcome.release.id
    assert entry.details["digest"] == outcome.release.digest


def test_an_unchanged_folder_gives_the_same_release(scope: Scope, make_folder) -> None:
    folder = make_folder()
    first = release_folder(scope, read_folder(folder))

    again = release_folder(scope, read_folder(folder))

    assert (again.release.id, again.is_new) == (first.release.id, False)
    assert len(ledger_entries(scope, kind="release.created")) == 1


def test_the_same_content_in_another_place_has_the_same_digest(scope: Scope, make_folder) -> None:
    one = judge_folder(scope, read_folder(make_folder()))
    other = judge_folder(scope, read_folder(make_folder()))
    changed = judge_folder(scope, read_folder(make_folder(note="changed")))

    assert one.candidate.digest == other.candidate.digest != changed.candidate.digest


def test_a_worse_folder_is_refused_with_the_reason(scope: Scope, make_folder) -> None:
    good = release_folder(scope, read_folder(make_folder()))
    deploy(scope, "triage")

    worse = release_folder(scope, read_folder(make_folder(right=60, wrong=40)))

    assert worse.release.status == "refused"
    assert worse.release.baseline_id == good.release.id
    assert worse.release.gate.verdict.decision == "hold"
    assert "60" in worse.release.gate.verdict.sentence
    (entry,) = ledger_entries(scope, kind="release.refused")
    assert entry.details["why"] == worse.release.gate.verdict.sentence


def test_a_release_asks_each_case_as_often_as_its_manifest_says(
    scope: Scope, make_folder: Callable[..., Path]
) -> None:
    path = make_folder()
    manifest = path / "usecase.yaml"
    manifest.write_text(manifest.read_text().replace("tests:\n", "tests:\n  repetitions: 3\n"))
    folder = read_folder(path)

    tested = judge_folder(scope, folder)
    released = release_folder(scope, folder).release
    once = judge_folder(scope, folder, repetitions=1)

    assert released.run_id == tested.run.id
    assert (tested.run.repetitions, once.run.repetitions) == (3, 1)
    assert forecast_folder(scope, folder).repetitions == 3


def test_a_refused_release_cannot_be_deployed(scope: Scope, make_folder) -> None:
    refused = release_folder(scope, read_folder(make_folder(right=50, wrong=50))).release

    with pytest.raises(Denied, match="was refused by its gate"):
        deploy(scope, "triage", refused.id)


def test_too_few_cases_are_neither_shipped_nor_held(scope: Scope, make_folder) -> None:
    tested = judge_folder(scope, read_folder(make_folder(right=9, wrong=1)))

    assert tested.gate.verdict.decision == "more"
    assert tested.gate.verdict.cases_needed


def test_a_second_test_judges_no_case_again_unless_asked_to(scope: Scope, make_folder) -> None:
    folder = read_folder(make_folder())
    first = judge_folder(scope, folder)
    second = judge_folder(scope, folder)
    fresh = judge_folder(scope, folder, fresh=True)

    assert second.run.id == first.run.id != fresh.run.id


def test_releases_are_numbered_from_one_and_listed_newest_first(scope: Scope, make_folder) -> None:
    release_folder(scope, read_folder(make_folder()))
    release_folder(scope, read_folder(make_folder(note="second")))

    assert [release.label for release in list_releases(scope, "triage")] == ["v2", "v1"]


def test_a_key_without_the_right_releases_nothing(scope: Scope, make_folder) -> None:
    weak = Scope(scope.store, scope.workspace, scope.actor, frozenset({"read", "test"}))

    with pytest.raises(Denied, match="lacks the right `release`"):
        release_folder(weak, read_folder(make_folder()))
    assert list_releases(scope, "triage") == []
