"""Licences of judges: earned against people, and lost by any change."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evals.conftest import rows
from evals.licences.labelled import (
    CASES,
    OTHER,
    RunCases,
    drawn,
    gate,
    judge_file,
    labels,
)
from evals.test_judges import script
from lineside.core import Denied, Invalid, NotFound, Settings, now
from lineside.evals import (
    licences,
)
from lineside.evals.licences import standing
from lineside.store import open_store
from lineside.trust import Scope, ledger_entries, local_scope


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"arguments": {"rubric": "Is it polite?"}},
            "prompt, levels or options of `right` changed",
        ),
        (
            {"files": judge_file(OTHER)},
            "changed since",
        ),
    ],
)
def test_a_licence_ends_with_any_change_of_the_judge(
    scope: Scope, judge_run: RunCases, change: dict[str, Any], reason: str
) -> None:
    judge_run()
    licences.licence_judge(scope, "right", labels())
    outcome = gate(scope, judge_run(**change), "right >= 0.4")
    assert outcome.verdict.decision == "more"
    assert reason in outcome.verdict.sentence


def test_a_licence_expires(
    scope: Scope, judge_run: RunCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = judge_run()
    licence = licences.licence_judge(scope, "right", labels(), days=7)
    assert gate(scope, run, "right >= 0.4").verdict.decision == "ship"

    monkeypatch.setattr(standing, "now", lambda: now() + timedelta(days=8))

    sentence = gate(scope, run, "right >= 0.4").verdict.sentence
    assert f"the licence of `right` expired on {licence.expires_at:%Y-%m-%d}" in sentence


def test_a_judge_below_the_bar_is_refused_and_loses_an_older_licence(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    licences.licence_judge(scope, "right", labels())

    refused = licences.licence_judge(scope, "right", labels(but=tuple(range(1, CASES, 5))))

    assert refused.standing == "refused"
    assert any("kappa" in reason for reason in refused.shortfalls)
    assert "missed the bar" in gate(scope, run, "right >= 0.4").verdict.sentence
    assert [item.standing for item in licences.list_licences(scope)] == ["refused", "granted"]
    assert len(ledger_entries(scope, kind="judge.refused")) == 1
    with pytest.raises(NotFound) as caught:
        licences.get_licence(scope, "rihgt")
    assert caught.value.hint == "Did you mean `right`?"


def test_asking_until_a_judge_passes_takes_more_each_time(
    scope: Scope, judge_run: RunCases
) -> None:
    """At a first attempt the second labels would do: 30 of 32, surely more than 0.798."""
    bar = licences.Bar(specificity=0.78)
    run = judge_run()
    wrong, right = tuple(range(31, 42)), (31, 32)

    def attempt(but: tuple[int, ...], **more: Any) -> licences.Licence:
        return licences.licence_judge(scope, "right", labels(but=but), bar=bar, **more)

    first = attempt(wrong)
    assert attempt(wrong).measured.attempts == 1
    second = attempt(right)

    assert (first.measured.attempts, first.sentence.count("attempt")) == (1, 0)
    assert second.standing == "refused"
    assert second.sentence.endswith(
        "; attempt 2: each refusal before raises what kappa and both shares must surely reach, now "
        "at 97.5 %; 9 labels were changed since, 9 to what the judge says"
    )
    (why,) = second.shortfalls
    assert why.startswith("says no where people do is 0.938 (0.77")
    assert "at 97.5 %, asked is surely 0.78 or more" in why
    assert "missed the bar on " in (said := gate(scope, run, "right >= 0.4").verdict.sentence)
    assert " at attempt 2: says no where" in said
    entry = ledger_entries(scope, kind="judge.refused")[-1]
    assert (entry.details["attempt"], entry.details["changed_to_judge"]) == (2, 9)

    reworded = judge_run(arguments={"rubric": "Is it truly right?"}, subject="reworded")
    assert attempt(right, run_id=reworded.id).measured.attempts == 3
    other = judge_run(arguments={"rubric": "Fits?"}, cases=rows(160)[80:], subject="other")
    fresh = [row | {"case": f"c{n}"} for n, row in enumerate(labels(no=30), start=81)]
    elsewhere = licences.licence_judge(scope, "right", fresh, bar=bar, run_id=other.id)
    assert elsewhere.measured.attempts == 1
    assert attempt((), run_id=run.id).is_granted
    assert attempt((31,), run_id=run.id).measured.attempts == 1


def test_a_licence_by_a_lower_bar_does_not_begin_anew(scope: Scope, judge_run: RunCases) -> None:
    judge_run()
    licences.licence_judge(scope, "right", labels(but=tuple(range(31, 42))))
    low = licences.Bar(specificity=0.1, kappa=0.1)

    easy = licences.licence_judge(scope, "right", labels(but=(31, 32, 33)), bar=low)

    assert easy.is_granted
    assert licences.licence_judge(scope, "right", labels(but=(31, 32))).measured.attempts == 3


def test_a_judge_that_refuses_or_leaves_its_schema_earns_no_licence(
    scope: Scope, judge_run: RunCases
) -> None:
    judge_run(judge_file({"when": {"answer": "lost_card"}, "fail": "nonsense"}), wrong=12)
    licence = licences.licence_judge(scope, "right", labels(no=40))
    assert licence.measured.no_verdict == 12
    assert any("answers with a verdict in 0.85" in reason for reason in licence.shortfalls)

    mute = judge_file({"when": {"answer": "lost_card"}, "fail": "nonsense"})
    judge_run(mute, subject="mute", wrong=12)
    with pytest.raises(Invalid, match="verdict on 68 of 80 labelled answers, and people said yes"):
        licences.licence_judge(scope, "right", labels(no=12))

    silent = {"judge.jsonl": script({"when": {"default": True}, "fail": "nonsense"})}
    judge_run(silent, subject="silent")
    with pytest.raises(Invalid, match="gave no verdict on any of the 80"):
        licences.licence_judge(scope, "right", labels())


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        ([{"case": "c1", "label": "yes"}, {"case": "x9", "label": "no"}], "unknown_cases", "`x9`"),
        (labels(no=0), "one_class", "People said yes to all 80 cases"),
        ([{"case": "c1", "label": "yess"}], "bad_label", "Line 2: `label` is `yess`"),
        ([{"case": "c1", "lable": "yes"}], "no_column", "no column `label`"),
        ([{"case": "c1", "label": ""}], "no_labels", "None of the 1 rows has a label: `label`"),
        ([], "no_labels", "have no rows"),
        ([{"case": "c1", "label": "no"}] * 2, "case_labelled_twice", "Line 3: case `c1`"),
        (drawn("1.0", "", "0.25"), "unequal_chances", "Line 2 was drawn with the chance 1 and"),
        (drawn("0.5", "often"), "bad_chance", "Line 3: `chance` is `often`"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_with_the_place(
    scope: Scope, judge_run: RunCases, given: list[Any], code: str, message: str
) -> None:
    judge_run(cases=rows(CASES))
    with pytest.raises(Invalid) as caught:
        licences.licence_judge(scope, "right", given)
    assert (caught.value.code, message in caught.value.message) == (code, True)
    assert caught.value.hint
    assert licences.list_licences(scope) == []


def test_labels_drawn_with_one_chance_are_a_random_sample(
    scope: Scope, judge_run: RunCases
) -> None:
    judge_run()
    # A row that nobody labelled is no label, whatever its chance.
    rest = {"case": "c80", "label": "", "chance": "1.0"}
    assert licences.licence_judge(scope, "right", [*drawn(*["0.75"] * 60), rest]).is_granted


def test_several_people_are_held_against_each_other_too(scope: Scope, judge_run: RunCases) -> None:
    judge_run(cases=rows(CASES, slices={"channel": "mail"}))
    both = [row | {"bob": row["label"], "eve": "yes"} for row in labels()]
    tied = [row | {"eve": "" if n > 3 else "yes", "bob": ""} for n, row in enumerate(both)]

    licence = licences.licence_judge(
        scope, "right", tied, columns=licences.LabelColumns(people=("label", "bob", "eve"))
    )

    # The first four noes meet one yes: people are of two minds.
    assert (licence.measured.people, licence.measured.undecided) == (3, 4)
    assert licence.measured.people_alpha is None or licence.measured.people_alpha.value < 1


@pytest.mark.parametrize(
    ("sways", "reason"),
    [
        (lambda n: n % 4 == 0, "favours longer answers by"),
        (lambda n: n % 4 == 2, "gap in being right by lang"),
        (lambda _n: False, None),
    ],
)
def test_what_sways_a_judge_costs_it_its_licence(
    scope: Scope, sways: Callable[[int], bool], reason: str | None
) -> None:
    """Of the noes, the judge takes those for yes that are long, or those in one language."""
    said = [
        {
            "case": f"a{n}",
            "label": "no" if n % 2 == 0 else "yes",
            "verdict": "yes" if n % 2 or sways(n) else "no",
            "text": "x" * (900 if n % 4 in (0, 1) else 9),
            "lang": "de" if n % 4 in (2, 3) else "en",
        }
        for n in range(400)
    ]
    licence = licences.licence_judge(
        scope,
        "tone",
        said,
        columns=licences.LabelColumns(text="text", slices=("lang",)),
        bar=licences.Bar(specificity=0.4, kappa=0.4),
        recorded=licences.RecordedJudge(model="m-1", family="letters"),
    )
    assert bool(licence.shortfalls) == (reason is not None)
    assert reason is None or any(reason in item for item in licence.shortfalls)


def test_only_who_may_release_may_license(scope: Scope, judge_run: RunCases) -> None:
    judge_run()
    tester = Scope(scope.store, scope.workspace, scope.actor, frozenset({"read", "test"}))
    with pytest.raises(Denied):
        licences.licence_judge(tester, "right", labels())


def test_answers_are_drawn_for_people_without_the_verdict(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    drawn = licences.answers_to_label(scope, "right", count=20)
    assert drawn == licences.answers_to_label(scope, "right", count=20, run_id=run.id)
    assert (len(drawn.answers), drawn.levels) == (20, ["no", "yes"])
    assert {item.answer for item in drawn.answers} <= {"lost_card", "refund"}
    assert [item.case for item in drawn.answers] != sorted(item.case for item in drawn.answers)
    with pytest.raises(Invalid, match="`latency_ms` of run"):
        licences.answers_to_label(scope, "latency_ms")


def test_a_file_of_labels_is_read_as_csv_or_lines_of_json(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("\ufeffcase,label\nc1,yes\n", encoding="utf-8")
    (tmp_path / "l.jsonl").write_text('{"case": "c1", "label": "yes"}\n\n')
    (tmp_path / "bad.jsonl").write_text('{"case": 1}\nx\n')
    assert [dict(row) for row in licences.read_label_rows(tmp_path / "l.csv")] == [
        dict(row) for row in licences.read_label_rows(tmp_path / "l.jsonl")
    ]
    with pytest.raises(Invalid, match=r"`bad.jsonl` line 2 is no JSON"):
        licences.read_label_rows(tmp_path / "bad.jsonl")
    with pytest.raises(Invalid, match="There is no file"):
        licences.read_label_rows(tmp_path / "none.csv")
    # A line separator within an answer ends no line; a cell too many would shift the labels.
    (tmp_path / "u.jsonl").write_text('{"case": "c1", "label": "yes", "answer": "a\u2028b"}\n')
    assert licences.read_label_rows(tmp_path / "u.jsonl")[0]["answer"] == "a\u2028b"
    (tmp_path / "wide.csv").write_text("case,label\nc1,no, yes\n")
    with pytest.raises(Invalid, match=r"`wide.csv` line 2: more cells than the header"):
        licences.read_label_rows(tmp_path / "wide.csv")


def test_a_licence_is_kept_alike_on_both_databases(settings: Settings) -> None:
    opened = open_store(settings)
    try:
        owner = local_scope(opened)
        people = [{"label": "yes" if n % 2 else "no"} for n in range(60)]
        recorded = licences.RecordedJudge(model="judge-1", family="letters", prompt="Polite?")
        said = [row | {"verdict": row["label"]} for row in people]
        given = licences.licence_judge(owner, "polite", said, recorded=recorded)
        assert licences.get_licence(owner, "polite") == given
        assert given.is_granted
    finally:
        opened.close()
