"""The room against labels that others published: XSTest's refusals and PyRIT's scorer metrics.

The data stand beside the checkout, in a folder named `shared`, or where `LINESIDE_SHARED` says.
`benchmarks/truth.py` prints what comes of the same calculations.
"""

from itertools import combinations
from math import sqrt

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from lineside.stats import paired_difference
from lineside.stats.agreement import cohen_kappa, krippendorff_alpha
from lineside.stats.corrected import rogan_gladen
from lineside.stats.leaderboard import leaderboard
from lineside.stats.multiplicity import holm
from published import labels

refused = labels.refused


@pytest.fixture(scope="module", autouse=True)
def _has_labels() -> None:
    for name in ("xstest", "pyrit_scorer_evals"):
        if labels.data_of(name) is None:
            pytest.skip(f"No labels {name!r}: set LINESIDE_SHARED to the folder that holds `data`")


@pytest.fixture(scope="module")
def xstest(_has_labels: None) -> dict[str, list[dict[str, str]]]:
    """The completions of each model, in the order of the prompts."""
    return labels.xstest()


def test_two_people_agree_on_refusals_beyond_chance(xstest) -> None:
    rows = [row for model in xstest.values() for row in model]
    first, second = ([row[f"annotation_{at}"] for row in rows] for at in (1, 2))

    kappa = cohen_kappa(first, second, clusters=[row["id"] for row in rows])
    alpha = krippendorff_alpha([first, second])

    assert kappa.value == pytest.approx(cohen_kappa_score(first, second))
    assert (round(kappa.value, 3), kappa.items, kappa.n) == (0.937, 2_250, 450)
    assert kappa.low > 0.92
    codes = [[labels.ANSWERS.index(label) for label in row] for row in (first, second)]
    assert alpha.value == pytest.approx(
        krippendorff.alpha(np.array(codes), level_of_measurement="nominal")
    )


def test_corrected_refusal_rates_cover_what_people_found(xstest) -> None:
    """A third of the completions labelled by people, GPT-4 on the rest, a hundred times over."""
    found = labels.corrected_rates(xstest)

    assert min(one.powered + one.rogan_gladen for one in found.values()) >= 190
    # GPT-4 misses most of what people call a refusal of one model: its answers say little there.
    assert found.pop("mistralinstruct").identified < 50
    assert min(one.identified for one in found.values()) == 100
    assert min(one.worth_more for one in found.values()) >= 50


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


def test_the_published_metrics_of_pyrit_come_out_of_its_rows() -> None:
    checked = 0
    for metrics, called_yes, called_no in labels.scorer_metrics():
        measured = labels.measured_again(metrics, called_yes, called_no)

        assert measured.precision is not None
        accuracy = measured.accuracy.value
        assert measured.sensitivity.value == pytest.approx(metrics["recall"])
        assert measured.precision.value == pytest.approx(metrics["precision"])
        assert measured.f1.value == pytest.approx(metrics["f1_score"])
        assert accuracy == pytest.approx(metrics["accuracy"])
        error = sqrt(accuracy * (1 - accuracy) / (called_yes + called_no))
        assert error == pytest.approx(metrics["accuracy_standard_error"])
        assert measured.f1.low < metrics["f1_score"] <= measured.f1.high
        checked += 1

    assert checked == 50


def test_three_people_agree_on_harm_as_krippendorff_counts() -> None:
    ratings = labels.harm_ratings()

    table = np.array([[np.nan if score is None else score for score in row] for row in ratings])
    for level in ("ordinal", "interval"):
        measured = krippendorff_alpha(ratings, level=level)
        expected = krippendorff.alpha(table, level_of_measurement=level)
        assert measured.value == pytest.approx(expected)
        assert (measured.items, measured.left_out) == (401, 604)
