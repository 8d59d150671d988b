"""Licences of judges: earned against people, lost by any change, and what a gate makes of them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from evals.conftest import ScriptedTarget, rows
from evals.scoring import Declaration
from evals.test_judges import declared, script
from lineside.core import Denied, Invalid, NotFound, Settings, now
from lineside.evals import (
    GateOutcome,
    Run,
    compare,
    judge_gate,
    judge_summary,
    licences,
    summarise,
    verdicts,
)
from lineside.evals.judge_summary import judge_summaries
from lineside.evals.licences import standing
from lineside.evals.licences.licence import labels_of
from lineside.gateway import ModelReply
from lineside.gateway.scripted import ScriptedModel
from lineside.stats import corrected
from lineside.store import Store, open_store
from lineside.trust import Scope, ledger_entries, local_scope
from lineside.usecases import parse_rule

RunCases = Callable[..., Run]
CASES = 80
SCRIPTED = ScriptedModel.answer
OTHER = {"when": {"answer": "x"}, "fail": "nonsense"}


def judge_file(*lines: dict[str, Any]) -> dict[str, bytes]:
    """A judge that says yes unless the topic is `lost_card`."""
    wrong = {"when": {"answer": "lost_card"}, "output": {"reason": "Not that.", "level": "no"}}
    right = {"when": {"default": True}, "output": {"reason": "So it is.", "level": "yes"}}
    return {"judge.jsonl": script(*lines, wrong, right)}


@pytest.fixture
def store(made_home: Path) -> Iterator[Store]:
    """On SQLite: the measuring does not depend on the database."""
    opened = open_store(Settings(home=made_home))
    yield opened
    opened.close()


@pytest.fixture
def scope(store: Store) -> Scope:
    """The owner of a workspace that has a ledger."""
    return local_scope(store)


@pytest.fixture
def judge_run(run_cases: RunCases, target: ScriptedTarget) -> RunCases:
    """Runs 80 cases; the first 30 answers are `lost_card`, which the judge says no to."""

    def run(files: dict[str, bytes] | None = None, *, wrong: int = 30, **more: Any) -> Run:
        target.answers = {f"m{n}": "lost_card" for n in range(1, wrong + 1)}
        target.answers |= more.pop("answers", {})
        arguments = more.pop("arguments", {})
        return run_cases(
            more.pop("cases", rows(CASES)),
            scorers=more.pop("scorers", [declared(**arguments)]),
            scorer_files=files or judge_file(),
            **more,
        )

    return run


def labels(count: int = CASES, *, no: int = 30, but: tuple[int, ...] = ()) -> list[dict[str, str]]:
    """Labels of the first cases: no for as many, yes for the others, the other way for `but`."""
    return [
        {"case": f"c{n}", "label": "no" if (n <= no) != (n in but) else "yes"}
        for n in range(1, count + 1)
    ]


def drawn(*chances: str) -> list[dict[str, str]]:
    """Labels of the first cases as a review exports them."""
    return [
        row | {"chance": chance} for row, chance in zip(labels(len(chances)), chances, strict=True)
    ]


def gate(scope: Scope, run: Run, rule: str, baseline: Run | None = None) -> GateOutcome:
    return judge_gate(scope, run, [parse_rule(rule)], baseline_run=baseline)


def test_a_judge_that_nobody_held_against_people_decides_nothing(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    for rule in ("right >= 0.3", "right >= 0.9"):
        outcome = gate(scope, run, rule)
        assert outcome.verdict.decision == "more"
        assert "judge not licensed: nobody has held `right` against" in outcome.verdict.sentence
        assert "the judge alone said 62.5 %" in outcome.verdict.sentence
        assert f"lineside judges sample right --run {run.id}" in outcome.notes[0]


@pytest.mark.parametrize("goal", ["not_worse", "better"])
def test_two_runs_are_not_decided_by_a_judge_without_a_licence_either(
    scope: Scope, judge_run: RunCases, goal: Literal["not_worse", "better"]
) -> None:
    first, second = judge_run(), judge_run(subject="other", wrong=1)
    told = {"margin": 0.1, "score": "right"}

    alone = verdicts.judge_pair(scope, first.id, second.id, goal=goal, **told)
    guarded = verdicts.judge_pair(
        scope, first.id, second.id, score="latency_ms", margin=1e9, guards={"right": 0.1}
    )

    assert (alone.verdict.decision, guarded.verdict.decision) == ("more", "more")
    said = "Not enough data: judge not licensed: nobody has held `right` against people"
    assert alone.headline.startswith(said)
    assert "the judge alone said +36.2 points" in alone.headline
    assert guarded.headline.startswith(said)
    assert any("lineside judges sample right" in text for text in alone.notes)
    board, points = verdicts.rank_runs(scope, "triage"), verdicts.run_history(scope, "triage")
    noted = [
        board.judge_note,
        points[0].judge_note,
        compare(scope, first.id, second.id, score="right").judge_note,
    ]
    assert noted == ["judge not licensed: nobody has held `right` against people"] * 3

    licences.licence_judge(scope, "right", labels(but=(31,)), run_id=first.id)
    decided = verdicts.judge_pair(scope, first.id, second.id, goal=goal, **told)

    assert decided.verdict.decision == "ship"
    assert "true right" in decided.headline
    assert verdicts.rank_runs(scope, "triage").judge_note is None


def test_lists_of_runs_read_no_result_to_say_what_their_judges_may(
    scope: Scope, judge_run: RunCases, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = judge_run(), judge_run(subject="other", wrong=5)
    counted = judge_summaries(scope.store, first.model_copy(update={"judges": None}))
    monkeypatch.setattr(judge_summary, "queries", None)

    assert judge_summaries(scope.store, first) == counted
    assert counted["right"].judged == CASES
    for score in ("right", "latency_ms"):
        points = verdicts.run_history(scope, "triage", score=score)
        board = verdicts.rank_runs(scope, "triage", score=score)
        notes = {point.judge_note for point in points} | {board.judge_note}
        assert len(points) == len(board.entries) == 2
        assert [bool(note) for note in notes] == [score == "right"]
    # One that was done before that was kept: no judge is asked for a score that no judge gave.
    earlier = second.model_copy(update={"judges": None})
    assert licences.unlicensed(scope, [earlier], "latency_ms") is None
    assert "judges" not in first.model_dump()


def test_cost_per_success_decides_nothing_while_its_successes_are_an_unlicensed_judges(
    scope: Scope, judge_run: RunCases
) -> None:
    """A third of the successes is gone, so that each costs half as much again."""
    first, second = judge_run(wrong=5), judge_run(subject="other", wrong=40)
    asked = {"score": "right", "margin": 0.9, "guards": {"cost_per_success": 0.05}}

    unlicensed = verdicts.judge_pair(scope, first.id, second.id, **asked)
    licences.licence_judge(scope, "right", labels(no=40), run_id=second.id)
    licensed = verdicts.judge_pair(scope, first.id, second.id, **asked)

    guard = unlicensed.verdict.findings[1]
    assert (unlicensed.verdict.decision, guard.decision) == ("more", "more")
    assert "judge not licensed" in guard.sentence
    assert licensed.verdict.decision == "hold"
    assert any("by the word of the judge `right`, not corrected" in note for note in licensed.notes)


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("its twin", None),
        ("another judge", "another `right` judged the baseline"),
        ("another model", "`judge-2` answered for `right`, its licence is for scripted:judge"),
        ("no judge", "a model gave `right` in run"),
    ],
)
def test_two_runs_are_decided_only_where_the_licensed_judge_saw_both(
    scope: Scope, judge_run: RunCases, monkeypatch: pytest.MonkeyPatch, who: str, said: str | None
) -> None:
    more: dict[str, Any] = {"arguments": {"rubric": "Polite?"}} if who == "another judge" else {}
    if who == "no judge":
        more["scorers"] = [Declaration("exact", "right", {"fields": ["topic"]})]
    with monkeypatch.context() as other:
        if who == "another model":
            other.setattr(ScriptedModel, "answer", answer_as_judge_2)
        before = judge_run(subject="live", **more)
    after = judge_run()
    licences.licence_judge(scope, "right", labels(but=(31,)), run_id=after.id)

    outcome = gate(scope, after, "not worse than live by 0.10 on right", baseline=before)
    pair = verdicts.judge_pair(scope, before.id, after.id, score="right", margin=0.1)

    decision = "more" if said else "ship"
    assert (outcome.verdict.decision, pair.verdict.decision) == (decision, decision)
    assert said is None or all(said in text for text in (outcome.verdict.sentence, pair.headline))
    assert bool(compare(scope, before.id, after.id, score="right").judge_note) == bool(said)
    assert gate(scope, after, "right >= 0.4").verdict.decision == "ship"


def test_a_licensed_judge_decides_with_its_error_taken_out(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    licence = licences.licence_judge(scope, "right", labels(60, but=(31,)))

    outcome = gate(scope, run, "right >= 0.4")

    assert (licence.standing, licence.family, licence.run_id) == ("granted", "golden", run.id)
    assert (licence.measured.false_yes, licence.measured.true_no) == (1, 30)
    assert outcome.verdict.decision == "ship"
    corrected = summarise(scope, run).scores["right"].standing
    assert corrected is not None
    assert corrected.corrected is not None
    assert corrected.corrected.method == "prediction_powered"
    assert corrected.corrected.value is not None
    assert corrected.corrected.value < corrected.corrected.judged == 0.625
    assert "the judge alone said 62 %" in outcome.notes[0]
    assert outcome.verdict.findings[0].low == pytest.approx(corrected.corrected.low, abs=1e-6)
    [entry] = ledger_entries(scope, kind="judge.licensed")
    assert (entry.subject, entry.details["name"]) == (licence.id, "right")


async def answer_as_judge_2(self: ScriptedModel, payload: Any, **more: Any) -> ModelReply:
    return replace(await SCRIPTED(self, payload, **more), model="judge-2")


GRADES = [{"bad": "Wrong."}, {"fair": "Near."}, {"good": "Right."}]


def grading(*fair: int) -> dict[str, bytes]:
    """A judge that says good unless the topic is `lost_card`, and fair of some that are not."""
    lines = [({"answer": "lost_card"}, "bad"), *(({"input": f"m{n}"}, "fair") for n in fair)]
    said = [{"when": when, "output": {"reason": "So.", "level": level}} for when, level in lines]
    good = {"when": {"default": True}, "output": {"reason": "So.", "level": "good"}}
    return {"judge.jsonl": script(*said, good)}


def test_grades_are_corrected_by_what_people_said_of_an_earlier_release(
    scope: Scope, judge_run: RunCases
) -> None:
    """People find 4 of the 50 good answers fair, so that the judge's mean is 0.025 too high."""
    words = {"files": grading(79, 80), "arguments": {"levels": GRADES}}
    first = judge_run(**words)
    said = [
        {"case": f"c{n}", "label": "bad" if n <= 30 else "fair" if n in (*range(31, 35), 79, 80)
         else "good"}
        for n in range(1, CASES + 1)
    ]  # fmt: skip
    bar = licences.Bar(specificity=0.7, kappa=0.5)
    licence = licences.licence_judge(scope, "right", said, bar=bar)
    second = judge_run(subject="other", wrong=20, **words)

    stands = summarise(scope, second).scores["right"].standing
    mean = gate(scope, second, "right >= 0.65")
    apart = gate(scope, second, "not worse than live by 0.10 on right", baseline=first)

    assert (licence.standing, licence.measured.false_yes) == ("granted", 4)
    assert stands is not None
    assert stands.corrected is not None
    assert stands.corrected.judged == pytest.approx((60 - 1) / 80)
    assert stands.corrected.value == pytest.approx((60 - 1 - 2) / 80)
    assert stands.sentence.endswith("the judge alone said 74 %")
    [finding] = mean.verdict.findings
    assert (finding.value, finding.low) == (stands.corrected.value, stands.corrected.low)
    assert apart.verdict.decision == "more"
    assert "for its scores have more than two levels" in apart.verdict.sentence


def test_a_judge_of_yes_and_no_is_corrected_where_each_case_was_asked_several_times(
    scope: Scope, judge_run: RunCases
) -> None:
    first = judge_run()
    licences.licence_judge(scope, "right", labels(but=(31,)))
    second = judge_run(subject="other", wrong=20, repetitions=2)

    outcome = gate(scope, second, "not worse than live by 0.10 on right", baseline=first)

    stands = summarise(scope, second).scores["right"].standing
    assert stands is not None
    assert stands.corrected is not None
    assert stands.corrected.method == "rogan_gladen"
    assert outcome.verdict.findings[0].value == pytest.approx(0.125 / (30 / 31))


def test_the_error_of_a_judge_is_taken_out_also_where_few_cases_differ(
    scope: Scope, judge_run: RunCases, target: ScriptedTarget
) -> None:
    first = judge_run()
    people = labels(but=(*range(31, 38), 41, 45))
    bar = licences.Bar(specificity=0.5, kappa=0.4)
    licence = licences.licence_judge(scope, "right", people, bar=bar)
    # A list is popped once per ask: one of three answers to m80 is wrong, all others as before.
    second = judge_run(
        subject="other", repetitions=3, answers={"m80": ["lost_card", "refund", "refund"]}
    )

    rule = "not worse than live by 0.10 on right"
    [finding] = gate(scope, second, rule, baseline=first).verdict.findings

    judged = labels_of(scope, licence)
    before = [0.0] * 30 + [1.0] * 50
    expected = corrected.rogan_gladen_difference(
        before,
        [*before[:-1], 2 / 3],
        judge=[item.judge for item in judged],
        people=[float(item.people or 0) for item in judged],
    )
    ends = (finding.value, finding.low, finding.high)
    assert ends == pytest.approx((expected.value, expected.low, expected.high), abs=1e-9)


def test_a_rate_that_the_labels_leave_open_asks_for_labels(
    scope: Scope, judge_run: RunCases
) -> None:
    run = judge_run()
    licences.licence_judge(scope, "right", labels(60, but=(31,)))
    verdict = gate(scope, run, "right >= 0.6").verdict
    assert (verdict.decision, verdict.cases_needed) == ("more", None)
    assert "more labels, or more cases, would narrow it; the judge alone" in verdict.sentence


def test_a_licence_earned_on_one_run_corrects_the_next_by_the_judges_error(
    scope: Scope, judge_run: RunCases
) -> None:
    first = judge_run()
    licences.licence_judge(scope, "right", labels(but=(31,)))
    second = judge_run(subject="other", wrong=20)

    corrected = summarise(scope, second).scores["right"].standing
    outcome = gate(scope, second, "not worse than live by 0.10 on right", baseline=first)

    assert corrected is not None
    assert corrected.corrected is not None
    assert corrected.corrected.method == "rogan_gladen"
    # 75 % by the judge, which took 1 of 31 noes for a yes.
    assert corrected.corrected.value == pytest.approx((0.75 - 1 / 31) / (30 / 31))
    assert corrected.sentence.endswith("the judge alone said 75 %")
    [finding] = outcome.verdict.findings
    assert finding.value == pytest.approx(0.125 / (30 / 31))
    assert outcome.verdict.decision == "ship"


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


def test_a_judge_that_refuses_or_leaves_its_schema_earns_no_licence(
    scope: Scope, judge_run: RunCases
) -> None:
    judge_run(judge_file({"when": {"answer": "lost_card"}, "fail": "nonsense"}), wrong=12)
    licence = licences.licence_judge(scope, "right", labels(no=40))
    assert licence.measured.no_verdict == 12
    assert any("answers with a verdict in 0.85" in reason for reason in licence.shortfalls)

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
        ([{"case": "c1", "label": ""}], "no_labels", "no row with a label"),
        ([], "no_labels", "no row with a label"),
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
