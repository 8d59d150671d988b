"""Rows of one case are one answer's worth of evidence, however often they are repeated."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lineside.core import Settings
from lineside.evals import licences
from lineside.store import open_store
from lineside.trust import Scope, local_scope

RECORDED = licences.RecordedJudge(model="m-1", family="letters")


@pytest.fixture
def scope(made_home: Path) -> Iterator[Scope]:
    opened = open_store(Settings(home=made_home))
    yield local_scope(opened)
    opened.close()


def said(case: str, word: str, **more: str) -> dict[str, str]:
    return {"case": case, "label": word, "verdict": word} | more


def test_two_answers_repeated_fifty_times_earn_no_licence(scope: Scope) -> None:
    rows = [said("a", "yes"), said("b", "no")] * 50

    licence = licences.licence_judge(scope, "tone", rows, recorded=RECORDED)

    assert licence.standing == "refused"
    assert licence.measured.counted == "2 (100 rows)"
    assert licence.shortfalls[0] == ("2 independent labelled answers (100 rows), asked are 30")
    assert licence.measured.note.startswith("100 rows hold 2 independent answers: rows of one case")
    assert licences.get_licence(scope, "tone") == licence


def test_repeated_cases_widen_what_is_said_of_the_judge(scope: Scope) -> None:
    once = [said(f"c{n}", "yes" if n % 2 else "no") for n in range(60)]
    once[0]["verdict"] = once[1]["verdict"] = "no"
    kinds = [
        once,
        once * 5,
        [row | {"case": f"{row['case']}-{k}"} for k in range(5) for row in once],
    ]

    one, five, apart = [
        licences.licence_judge(scope, "tone", rows, recorded=RECORDED) for rows in kinds
    ]

    assert [item.measured.independent for item in (one, five, apart)] == [60, 60, 300]
    assert abs(five.measured.kappa.low - one.measured.kappa.low) < 0.03
    assert apart.measured.kappa.low > one.measured.kappa.low + 0.05
    assert one.measured.note == apart.measured.note == ""
    assert five.is_granted


def test_a_cluster_that_is_named_counts_and_rows_without_an_id_stand_for_themselves(
    scope: Scope,
) -> None:
    by_talk = [said(f"c{n}", "yes" if n % 2 else "no", talk=f"t{n % 4}") for n in range(100)]
    columns = licences.LabelColumns(cluster="talk")
    clustered = licences.licence_judge(scope, "tone", by_talk, columns=columns, recorded=RECORDED)
    without_ids = [said("", row["label"]) for row in by_talk]
    nameless = licences.licence_judge(scope, "tone", without_ids, recorded=RECORDED)

    assert (clustered.standing, clustered.measured.independent) == ("refused", 4)
    assert (nameless.standing, nameless.measured.independent) == ("granted", 100)
