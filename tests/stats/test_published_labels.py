"""The room against labels that others published: XSTest's refusals and PyRIT's scorer metrics.

The data stand beside the checkout, in a folder named `shared`, or where `LINESIDE_SHARED` says.
"""

import csv
import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from lineside.stats import paired_difference
from lineside.stats.agreement import cohen_kappa, krippendorff_alpha
from lineside.stats.corrected import rogan_gladen
from lineside.stats.judges import measure_judge
from lineside.stats.leaderboard import leaderboard
from lineside.stats.multiplicity import holm
from lineside.stats.prediction_powered import prediction_powered_mean

COMPLIED = "1_full_compliance"
ANSWERS = {COMPLIED, "2_full_refusal", "3_partial_refusal"}


def published(name: str) -> Path:
    roots = [Path(value) for value in [os.environ.get("LINESIDE_SHARED")] if value]
    roots.append(Path(__file__).parents[3] / "shared")
    for root in roots:
        if (root / "data" / name).exists():
            return root / "data" / name
    pytest.skip(f"No labels {name!r}: set LINESIDE_SHARED to the folder that holds `data`")


def rows_of(name: str) -> list[dict[str, str]]:
    with gzip.open(published(name), "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def refused(rows: list[dict[str, str]], column: str) -> np.ndarray:
    return np.array([row[column] != COMPLIED for row in rows], dtype=float)


@pytest.fixture(scope="module")
def xstest() -> dict[str, list[dict[str, str]]]:
    """The completions of each model, in the order of the prompts."""
    models = defaultdict(list)
    for row in sorted(rows_of("xstest/completions_labelled.csv.gz"), key=lambda row: row["id"]):
        models[row["model"]].append(row)
    return dict(models)


def test_two_people_agree_on_refusals_beyond_chance(xstest) -> None:
    rows = [row for model in xstest.values() for row in model]
    first, second = ([row[f"annotation_{at}"] for row in rows] for at in (1, 2))

    kappa = cohen_kappa(first, second, clusters=[row["id"] for row in rows])
    alpha = krippendorff_alpha([first, second])

    assert kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert (round(kappa.value, 3), kappa.items, kappa.n) == (0.937, 2_250, 450)
    assert kappa.low > 0.92
    codes = [[sorted(ANSWERS).index(label) for label in row] for row in (first, second)]
    assert alpha.value == pytest.approx(
        krippendorff.alpha(np.array(codes), level_of_measurement="nominal")
    )


def test_corrected_refusal_rates_cover_what_people_found(xstest) -> None:
    """A third of the completions labelled by people, GPT-4 on the rest, a hundred times over."""
    rng = np.random.default_rng(1)
    covered, identified, alone = defaultdict(int), defaultdict(int), defaultdict(int)
    for model, completions in xstest.items():
        rows = [row for row in completions if row["gpt4_label"] in ANSWERS]
        judge, people = refused(rows, "gpt4_label"), refused(rows, "final_label")
        for _ in range(100):
            ours, others = np.split(rng.permutation(len(rows)), [len(rows) // 3])
            labels = {"judge": judge[ours], "people": people[ours]}
            powered = prediction_powered_mean(judge[others], **labels)
            corrected = rogan_gladen(judge[others], **labels)
            covered[model] += powered.low <= people.mean() <= powered.high
            identified[model] += corrected.is_identified
            covered[model] += corrected.low <= people[others].mean() <= corrected.high
            alone[model] += powered.labels_worth > len(ours)

    assert min(covered.values()) >= 190
    # GPT-4 misses most of what people call a refusal of one model: its answers say little there.
    assert identified.pop("mistralinstruct") < 50
    assert min(identified.values()) == 100
    assert min(alone.values()) >= 50


def test_a_judge_licensed_on_other_models_is_no_licence_for_this_one(xstest) -> None:
    rows, others = xstest["gpt4"], xstest["llama2new"] + xstest["mistralguard"]

    corrected = rogan_gladen(
        refused(rows, "gpt4_label"),
        judge=refused(others, "gpt4_label"),
        people=refused(others, "final_label"),
        labelled_clusters=[row["id"] for row in others],
    )

    assert corrected.low > refused(rows, "final_label").mean()


def test_the_five_models_differ_after_holm(xstest) -> None:
    scores = {model: refused(rows, "final_label") for model, rows in xstest.items()}
    pairs = list(combinations(scores, 2))
    found = [paired_difference(scores[one], scores[two]) for one, two in pairs]

    expected = []
    for one, two in pairs:
        table = np.zeros((2, 2))
        np.add.at(table, (scores[one].astype(int), scores[two].astype(int)), 1)
        expected.append(mcnemar(table, exact=True).pvalue)
    adjusted = holm([difference.p_value for difference in found])
    assert adjusted == pytest.approx(list(multipletests(expected, method="holm")[1]))
    assert max(adjusted) < 0.05

    board = leaderboard(scores, lower_is_better=True)
    assert [entry.name for entry in board.entries] == [
        "mistralinstruct",
        "gpt4",
        "mistralguard",
        "llama2new",
        "llama2orig",
    ]
    assert all(
        entry.rank_best <= place <= entry.rank_worst
        for place, entry in enumerate(board.entries, start=1)
    )


def scorer_metrics() -> Iterator[tuple[dict[str, Any], int, int]]:
    """Published metrics of a scorer, with how many of the rows it saw people call yes, and no."""
    for kind, file in (("refusal", "refusal"), ("objective_achieved", "objective")):
        labels = rows_of(f"pyrit_scorer_evals/{file}.csv.gz")
        path = published(f"pyrit_scorer_evals/{kind}_metrics.jsonl.gz")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            published_metrics = [json.loads(line)["metrics"] for line in lines]
        for metrics in published_metrics:
            names = {
                f"{name}.csv"
                for name in metrics["dataset_name"].removesuffix(".csv").split(".csv_")
            }
            seen = [int(row["human_score"]) for row in labels if row["source_file"] in names]
            # Older versions of a set had other rows.
            if len(seen) == metrics["num_responses"]:
                yield metrics, sum(seen), len(seen) - sum(seen)


def test_the_published_metrics_of_pyrit_come_out_of_its_rows() -> None:
    """The rows hold what people said, not what each scorer did: recall and precision give its table
    to the case, and accuracy, its error and F1 must follow.
    """
    checked = 0
    for metrics, called_yes, called_no in scorer_metrics():
        found = round(metrics["recall"] * called_yes)
        false = round(found / metrics["precision"]) - found
        judge = [1] * found + [0] * (called_yes - found) + [1] * false + [0] * (called_no - false)

        measured = measure_judge(judge, [1] * called_yes + [0] * called_no)

        assert measured.precision is not None
        accuracy = measured.accuracy.value
        assert measured.sensitivity.value == pytest.approx(metrics["recall"])
        assert measured.precision.value == pytest.approx(metrics["precision"])
        assert measured.f1.value == pytest.approx(metrics["f1_score"])
        assert accuracy == pytest.approx(metrics["accuracy"])
        error = sqrt(accuracy * (1 - accuracy) / len(judge))
        assert error == pytest.approx(metrics["accuracy_standard_error"])
        assert measured.f1.low < metrics["f1_score"] <= measured.f1.high
        checked += 1

    assert checked == 50


def test_three_people_agree_on_harm_as_krippendorff_counts() -> None:
    rows = rows_of("pyrit_scorer_evals/harm.csv.gz")
    columns = [f"human_score_{at}" for at in (1, 2, 3)]
    ratings = [[float(row[at]) if row[at] else None for row in rows] for at in columns]

    table = np.array([[np.nan if score is None else score for score in row] for row in ratings])
    for level in ("ordinal", "interval"):
        measured = krippendorff_alpha(ratings, level=level)
        expected = krippendorff.alpha(table, level_of_measurement=level)
        assert measured.value == pytest.approx(expected)
        assert (measured.items, measured.left_out) == (401, 604)
