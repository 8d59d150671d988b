"""What people call what was judged."""

import re
from datetime import timedelta
from typing import Any

import pytest

from lineside.apps import judge_folder, naming, release_folder
from lineside.core import now
from lineside.evals import Run, get_run, plan
from lineside.trust import Scope
from lineside.usecases import read_folder

DAY = r"\d{1,2} \w{3} \d\d:\d\d"


def run(subject: str, **more: Any) -> Run:
    given = {
        "id": "run_1", "workspace": "main", "use_case": "triage", "dataset_name": "d",
        "dataset_digest": "x", "scorers": [], "scorer_files": {}, "scorers_digest": "y",
        "repetitions": 1, "status": "done", "cases_total": 1, "cases_done": 1, "cases_failed": 0,
        "failures": {}, "started_at": now(), "created_by": "ann", "subject": subject,
    }  # fmt: skip
    return Run.model_validate(given | more)


def test_a_release_goes_by_its_number_and_what_was_only_tested_by_its_day_and_model(
    scope: Scope, make_folder
) -> None:
    release = release_folder(scope, read_folder(make_folder())).release
    tested = judge_folder(scope, read_folder(make_folder(note="changed"))).run
    turned = run(f'{release.digest}?{{"hand_off_below":0.7}}')

    names = naming.name_subjects(scope, "triage", [get_run(scope, release.run_id), tested, turned])

    assert names[release.digest] == "v1"
    assert names[turned.subject] == "v1 with hand_off_below 0.7"
    assert re.fullmatch(f"candidate of {DAY}", names[tested.subject])


def test_candidates_of_one_minute_are_told_apart_by_their_models_or_their_digests(
    scope: Scope, make_folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming.clock, "day", lambda _at: "27 Nov 11:00")
    tested = [judge_folder(scope, read_folder(make_folder(note=note))).run for note in "ab"]

    names = naming.name_subjects(scope, "triage", tested)

    for run in tested:
        digest = run.subject.removeprefix("sha256:")
        assert names[run.subject] == f"candidate of 27 Nov 11:00 ({digest[:4]})"
    models = {tested[0].subject: "a", tested[1].subject: "b"}
    monkeypatch.setattr(
        naming, "_unreleased", lambda _scope, run, _digest: naming._Called("x", models[run.subject])
    )
    told = naming.name_subjects(scope, "triage", tested)
    assert sorted(told.values()) == ["x, a", "x, b"]


def test_no_two_share_a_name(scope: Scope) -> None:
    at = now()
    runs = [
        run("reply@0123456789ab", started_at=at),
        run("reply@abcdef012345", started_at=at),
        run("reply@2.1", started_at=at),
        run("reply@2.1", started_at=at - timedelta(days=400)),
        run("sha256:one", plan=plan.RunPlan(target=plan.RunTarget(kind="outputs"))),
        run(
            "sha256:two",
            plan=plan.RunPlan(
                target=plan.RunTarget(kind="http", reference=f"http://127.0.0.1/{'a' * 60}")
            ),
        ),
    ]

    names = naming.name_subjects(scope, "triage", runs)

    assert re.fullmatch(rf"reply of {DAY} \(89ab\)", names["reply@0123456789ab"])
    assert names["reply@2.1"] == "reply version 2.1"
    assert re.fullmatch(f"answers on file of {DAY}", names["sha256:one"])
    assert re.fullmatch(rf"http://127\.0\.0\.1/a+… of {DAY}", names["sha256:two"])
    assert len(set(names.values())) == len(names)
