"""Licences against labels that others published: the judge of XSTest, with two people beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lineside.core import Settings
from lineside.evals import licences
from lineside.store import open_store
from lineside.trust import Scope, local_scope
from published import labels

REFUSALS, ANSWERS = labels.REFUSALS, labels.ANSWERS
GPT4 = licences.RecordedJudge(model="gpt-4", family="xstest")


@pytest.fixture(scope="module")
def completions() -> list[dict[str, str]]:
    """Beside the checkout, in a folder named `shared`, or where `LINESIDE_SHARED` says."""
    name = "xstest/completions_labelled.csv.gz"
    if labels.data_of(name) is None:
        pytest.skip("No labels of XSTest: set LINESIDE_SHARED to the folder that holds `data`")
    return list(labels.rows_of(name))


@pytest.fixture
def scope(made_home: Path) -> Iterator[Scope]:
    opened = open_store(Settings(home=made_home))
    yield local_scope(opened)
    opened.close()


def columns(**more: object) -> licences.LabelColumns:
    people = ("annotation_1", "annotation_2", "final_label")
    names = {"people": people, "verdict": "gpt4_label", "text": "completion", "cluster": "id"}
    return licences.LabelColumns.model_validate(names | {"slices": ("model",)} | more)


def test_gpt4_earns_no_licence_since_it_misses_refusals_that_people_see(
    scope: Scope, completions: list[dict[str, str]]
) -> None:
    licence = licences.licence_judge(
        scope, "refused", completions, columns=columns(), yes=REFUSALS, recorded=GPT4
    )

    measured = licence.measured
    outside = sum(row["gpt4_label"] not in ANSWERS for row in completions)
    assert (measured.labelled, measured.no_verdict) == (2_250 - outside, outside)
    assert measured.people_alpha is not None
    assert measured.people_alpha.low > 0.9
    assert licence.shortfalls == (
        "says yes where people do is 0.700 (0.659 to 0.738), asked is surely 0.8 or more",
    )
    assert licence.corrected is not None
    assert licence.corrected.sentence == "true pass rate 52 % ± 3; the judge alone said 38 %"


def test_a_second_person_in_the_place_of_the_judge_earns_one(
    scope: Scope, completions: list[dict[str, str]]
) -> None:
    said = columns(people=("annotation_1",), verdict="annotation_2", text=None)
    second = licences.RecordedJudge(model="a second person", family="xstest")
    licence = licences.licence_judge(
        scope, "refused", completions, columns=said, yes=REFUSALS, recorded=second
    )
    assert licence.standing == "granted"


def test_the_corrected_rate_of_each_model_covers_what_people_found(
    scope: Scope, completions: list[dict[str, str]]
) -> None:
    for model in sorted({row["model"] for row in completions}):
        rows = [row for row in completions if row["model"] == model]
        truth = sum(row["final_label"] in REFUSALS for row in rows) / len(rows)
        # People label a third, the judge all.
        some = [row if at % 3 == 0 else row | {"final_label": ""} for at, row in enumerate(rows)]
        licence = licences.licence_judge(
            scope,
            model,
            some,
            columns=columns(people=("final_label",), slices=()),
            yes=REFUSALS,
            recorded=GPT4,
        )
        assert licence.corrected is not None
        assert licence.corrected.low <= truth <= licence.corrected.high, model
        assert "the judge alone said" in licence.corrected.sentence
