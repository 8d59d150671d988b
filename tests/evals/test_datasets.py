from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evals.conftest import rows
from lineside.core import Actor, Denied, Invalid, NotFound, now
from lineside.evals import (
    GateOutcome,
    Run,
    datasets,
    get_run,
    judge_gate,
    keep_dataset,
    plan,
    start_run,
)
from lineside.evals.dataset import Dataset
from lineside.store import Store
from lineside.traces import (
    Span,
    give_feedback,
    new_span_id,
    new_trace_id,
    open_traces,
    privacy,
    record_spans,
)
from lineside.trust import Scope, ledger_entries, local_scope
from lineside.usecases import parse_rule, read_folder, register
from web.small_case import write_folder

Read = Callable[..., Dataset]


def test_a_diff_names_added_removed_and_changed_cases(scope: Scope, read: Read) -> None:
    first = keep_dataset(scope, "triage", read(rows(3)))
    changed = rows(4)[1:]
    changed[0]["expected"] = {"topic": "lost_card"}
    second = keep_dataset(scope, "triage", read(changed))

    found = datasets.diff_datasets(scope, first, second)

    assert (found.added, found.removed, found.same) == (["c4"], ["c1"], 1)
    assert [(each.id, each.fields) for each in found.changed] == [
        ("c2", {"expected.topic": ("refund", "lost_card")})
    ]


def test_a_case_with_another_id_is_renamed_and_a_number_is_no_truth_value(
    scope: Scope, read: Read
) -> None:
    cases = rows(2)
    cases[0]["input"]["age"] = 1
    first = keep_dataset(scope, "triage", read(cases))
    cases[1]["id"] = "other"
    cases[0]["expected"] = {"confidence": 1}
    second = keep_dataset(scope, "triage", read(cases))
    cases[0]["expected"] = {"confidence": 1.0}
    third = keep_dataset(scope, "triage", read(cases))

    found = datasets.diff_datasets(scope, first, second)

    assert (found.added, found.removed, found.renamed) == ([], [], {"c2": "other"})
    assert [each.id for each in found.changed] == ["c1"]
    assert [each.id for each in datasets.diff_datasets(scope, second, third).changed] == ["c1"]


def test_a_version_is_found_by_name_and_the_newest_without_a_number(
    scope: Scope, read: Read
) -> None:
    first = keep_dataset(scope, "triage", read(rows(1)))
    second = keep_dataset(scope, "triage", read(rows(2)))

    assert datasets.find_dataset(scope, "triage/golden@1") == first
    assert datasets.find_dataset(scope, "triage/golden") == second
    assert datasets.find_dataset(scope, first.id) == first
    with pytest.raises(NotFound, match="no dataset `triage/golden@9`"):
        datasets.find_dataset(scope, "triage/golden@9")
    with pytest.raises(Invalid, match="expected a number"):
        datasets.find_dataset(scope, "triage/golden@new")


def asked(*messages: str) -> list[dict[str, object]]:
    return [{"id": f"c{at}", "input": {"message": text}} for at, text in enumerate(messages)]


def test_inputs_that_are_nearly_the_same_are_found_and_leaks_come_first(read: Read) -> None:
    long = "My card has not arrived yet although I ordered it more than two weeks ago"
    cases = asked(long, f"{long}!", "Where is my refund?", "where is  my refund?", "Hello")
    cases[0]["split"], cases[1]["split"] = "train", "test"
    cases[2]["expected"], cases[3]["expected"] = {"topic": "refund"}, {"topic": "lost_card"}

    found = datasets.duplicates.duplicates_among(list(read(cases)))

    assert [group.case_ids for group in found.groups] == [["c0", "c1"], ["c2", "c3"]]
    assert [group.is_leak for group in found.groups] == [True, False]
    assert [group.is_contradiction for group in found.groups] == [False, True]
    assert found.groups[1].similarity == 1 > found.groups[0].similarity > 0.9
    assert found.leaks == 1
    exact = datasets.duplicates.duplicates_among(list(read(cases)), at_least=1)
    assert [group.case_ids for group in exact.groups] == [["c2", "c3"]]


def test_a_split_keeps_what_belongs_together_and_stays_as_cases_come(
    scope: Scope, read: Read
) -> None:
    cases = [row | {"cluster": f"talk-{at // 4}"} for at, row in enumerate(rows(200))]
    first = keep_dataset(scope, "triage", read(cases[:160]))
    more = keep_dataset(scope, "triage", read(cases))
    shares = {"train": 80.0, "test": 20.0}

    before = datasets.kept_cases(scope, datasets.split_dataset(scope, first, shares))
    after = datasets.kept_cases(scope, datasets.split_dataset(scope, more, shares))

    splits = {case.id: case.split for case in after}
    assert all(splits[case.id] == case.split for case in before)
    assert len({(case.cluster, case.split) for case in after}) == 50
    assert 100 < datasets.makeup_of(after).splits["train"] < 190
    one = keep_dataset(scope, "triage", read(rows(1)))
    with pytest.raises(Invalid, match="No case of 1 came into"):
        datasets.split_dataset(scope, one, shares)


def test_what_cases_are_made_of_is_counted(read: Read) -> None:
    found = datasets.makeup_of(read(rows(3, slices={"channel": "mail"}, split="test")))
    assert (found.splits, found.slices) == ({"test": 3}, {"channel": {"mail": 3}})
    assert (found.labels, found.one_label) == ({"topic": {"refund": 3}}, ["topic"])


@pytest.fixture
def person(store: Store, tmp_path: Path) -> Scope:
    """The owner at work on a use case that is known."""
    open_traces(store)
    scope = local_scope(store)
    register(scope, read_folder(write_folder(tmp_path / "triage", wrong=0)))
    return scope


def test_held_out_cases_are_run_on_only_after_a_person_opened_them(
    person: Scope, read: Read, target: object
) -> None:
    def run(cases: list[dict[str, Any]], use_case: str = "triage") -> Run:
        version = keep_dataset(person, use_case, read(cases))
        started = start_run(person, use_case=use_case, subject="v1", dataset=version)
        person.store.jobs.result(started.id)
        return started

    cases = rows(4)
    cases[3]["split"] = "exam"
    version = keep_dataset(person, "triage", read(cases))
    datasets.held_out.hold_out(person, version, "exam")
    renamed = [row | {"id": f"new-{row['id']}", "split": "train"} for row in cases]

    assert len(datasets.kept_cases(person, version)) == 3
    with pytest.raises(Denied, match=r"1 of 4 cases are held out: split `exam`"):
        run(renamed)
    with pytest.raises(Denied, match="of `triage/golden`"):
        run(renamed, use_case="elsewhere")
    assert run(cases[:3]).cases_total == 3

    part = {"use_case": "triage", "name": "golden", "split": "exam"}
    program = replace(person, actor=Actor(kind="key", id="k", name="ci"))
    with pytest.raises(Denied, match="`ci` is no person"):
        datasets.held_out.unlock(program, **part, reason="Nightly")
    with pytest.raises(Invalid, match="reason"):
        datasets.held_out.unlock(person, **part, reason=" ")
    datasets.held_out.unlock(person, **part, reason="Exam of v3")

    assert run(renamed).cases_total == 4
    entries = ledger_entries(person, subject="triage")
    assert [entry.kind for entry in entries[-2:]] == ["dataset.held_out", "dataset.unlocked"]
    assert entries[-1].details["reason"] == "Exam of v3"
    assert entries[-1].actor.kind == "person"


def test_many_candidates_tried_on_one_held_out_part_share_its_error(
    person: Scope, read: Read, target: object
) -> None:
    """Each would ship by itself; what else is asked, and other cases, do not count."""
    cases = [row | {"split": "exam" if n % 2 else "train"} for n, row in enumerate(rows(108))]
    version = keep_dataset(person, "triage", read(cases))
    part = {"use_case": "triage", "name": "golden", "split": "exam"}

    def gate(subject: str, asked: list[dict[str, Any]], **more: Any) -> GateOutcome:
        kept = keep_dataset(person, "triage", read(asked))
        run = start_run(person, use_case="triage", subject=subject, dataset=kept, **more)
        person.store.jobs.result(run.id)
        return judge_gate(person, get_run(person, run.id), [parse_rule("accuracy >= 0.9")])

    assert gate("before", cases).verdict.findings[0].confidence == 0.95
    datasets.held_out.hold_out(person, version, "exam")
    datasets.held_out.unlock(person, **part, reason="Exam")
    exam = [case for case in cases if case["split"] == "exam"]
    gate("elsewhere", [case for case in cases if case["split"] == "train"])

    outcomes = [gate(f"v{number}", exam) for number in range(1, 5)]

    levels = [outcome.verdict.findings[0].confidence for outcome in outcomes]
    assert levels == pytest.approx([0.95, 0.975, 1 - 0.05 / 3, 0.9875])
    assert [outcome.verdict.decision for outcome in outcomes] == ["ship", "ship", "ship", "more"]
    assert outcomes[0].notes == []
    (note,) = outcomes[3].notes
    assert note == (
        "Candidates judged on these held-out cases so far: 4. Of many, one ships by luck sooner or "
        "later, so this one is judged at 98.75 %. Before the next, hold out fresh cases as another "
        "split"
    )
    assert gate("v1", exam).verdict.decision == "ship"
    function = plan.RunPlan(target=plan.RunTarget(is_fixed=False))
    unknown = [gate("function", exam, plan=function) for _ in range(2)]
    assert [outcome.notes[0].split(".")[0][-1] for outcome in unknown] == ["5", "6"]


def test_what_is_held_out_blocks_only_use_cases_that_its_holder_may_test(
    person: Scope, read: Read, target: object
) -> None:
    def limited(*use_cases: str) -> Scope:
        return replace(person, use_cases=frozenset(use_cases))

    def start(scope: Scope, use_case: str) -> Run:
        version = keep_dataset(person, use_case, read(rows(3)))
        return start_run(scope, use_case=use_case, subject="v1", dataset=version)

    first, second, third = (
        keep_dataset(person, "triage", read([row | {"split": "exam"} for row in rows(count)]))
        for count in (1, 2, 3)
    )
    here, there = limited("triage"), limited("elsewhere")
    part = datasets.held_out.hold_out(here, first, "exam")
    assert len(datasets.kept_cases(there, keep_dataset(person, "elsewhere", read(rows(3))))) == 3
    assert start(there, "elsewhere").cases_total == 3
    with pytest.raises(Denied, match="1 of 3 cases are held out: split `exam` of `triage/golden`"):
        start(here, "triage")

    datasets.held_out.hold_out(limited("triage", "elsewhere"), second, "exam")
    with pytest.raises(Denied, match="2 of 3 cases are held out in a use case that") as caught:
        start(there, "elsewhere")
    told = f"{caught.value} {caught.value.hint}"
    assert ("triage" in told, "exam" in told, "golden" in told) == (False, False, True)
    with pytest.raises(Denied, match="may not test"):
        datasets.held_out.hold_out(here, third, "exam")
    datasets.held_out.hold_out(here, second, "exam")
    with pytest.raises(Denied, match="2 of 3 cases are held out"):
        start(there, "elsewhere")
    assert "use_cases" not in part.model_dump()


def test_traces_become_cases_once_and_masked(person: Scope) -> None:
    def answered(message: str, *, topic: str = "card", use_case: str | None = "triage") -> str:
        span = Span(
            trace_id=new_trace_id(),
            span_id=new_span_id(),
            name="answer",
            use_case=use_case,
            session_id="talk-1",
            started_at=now(),
            duration_ms=1.0,
            input={"message": message} if message else None,
            output={"topic": topic},
        )
        record_spans(person, [span]).result()
        return span.trace_id

    first, same = answered("I am ann@example.com"), answered("i am  ANN@example.com")
    wrong, empty = answered("Where is my money?"), answered("")
    give_feedback(person, wrong, correction={"topic": "refund"})
    privacy.mask(person, "email")

    found = datasets.from_traces.add_traces(person, [first, same, wrong, empty])
    again = datasets.from_traces.add_traces(person, [wrong])

    assert found.version is not None
    cases = list(datasets.kept_cases(person, found.version))
    assert [case.source for case in cases] == [first, wrong]
    assert "example.com" not in cases[0].input["message"]
    assert [case.expected for case in cases] == [{"topic": "card"}, {"topic": "refund"}]
    assert cases[0].cluster == "talk-1"
    assert found.known == {same: cases[0].id}
    assert "no recorded input" in found.left_out[empty]
    assert (again.version, again.added) == (found.version, [])
    with pytest.raises(Invalid, match="belongs to no use case"):
        datasets.from_traces.add_traces(person, [answered("Hi", use_case=None)])
