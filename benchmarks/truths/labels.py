"""Labels that others published, and what they published of them."""

import tempfile
from itertools import combinations
from math import sqrt
from pathlib import Path

import numpy as np
from truths.check import Check, Checks, same

import published
from lineside.stats import (
    paired_difference,
)
from lineside.stats.agreement import cohen_kappa, krippendorff_alpha
from lineside.stats.multiplicity import holm


def xstest() -> Checks:
    from sklearn.metrics import cohen_kappa_score
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.multitest import multipletests

    models = published.xstest()
    rows = [row for one in models.values() for row in one]
    first, second = ([row[f"annotation_{at}"] for row in rows] for at in (1, 2))
    kappa = cohen_kappa(first, second, clusters=[row["id"] for row in rows])
    source = "scikit-learn, 2,250 labels"
    yield same("xstest: kappa of two people", source, cohen_kappa_score(first, second), kappa.value)
    yield from _licence(rows)
    for model, found in published.corrected_rates(models).items():
        name = f"xstest: {model}, corrected refusal rate covers people’s"
        told = f"{found.powered} of {found.draws}; people {100 * found.people:.1f} %, "
        told += f"judge {100 * found.judge:.1f} %, corrected {100 * np.mean(found.rates):.1f} %"
        yield Check(name, "a third labelled", "at least 94 of 100", told, found.powered >= 94)
    scores = {model: published.refused(rows, "final_label") for model, rows in models.items()}
    pairs = list(combinations(scores, 2))
    ours = holm([paired_difference(scores[one], scores[two]).p_value for one, two in pairs])
    theirs = []
    for one, two in pairs:
        table = np.zeros((2, 2))
        np.add.at(table, (scores[one].astype(int), scores[two].astype(int)), 1)
        theirs.append(mcnemar(table, exact=True).pvalue)
    adjusted = multipletests(theirs, method="holm")[1]
    for (one, two), mine, other in zip(pairs, ours, adjusted, strict=True):
        share = scores[one].mean() - scores[two].mean()
        check = same(f"xstest: {one} − {two}, p after Holm", "statsmodels", other, mine)
        told = f"{mine:.3g} ({100 * share:+.1f} points)"
        yield Check(check.name, check.source, f"{other:.3g}", told, check.holds and mine < 0.05)


def _licence(rows: published.Rows) -> Checks:
    """GPT-4 as a judge of refusals, and a second person in its place."""
    from lineside.core import Settings
    from lineside.evals import licences
    from lineside.store import open_store
    from lineside.trust import local_scope

    people = ("annotation_1", "annotation_2", "final_label")
    asked = (
        ("gpt-4", people, "gpt4_label", "refused", "says yes where people do is 0.700"),
        ("a second person", ("annotation_1",), "annotation_2", "granted", ""),
    )
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Settings(home=Path(folder)))
        for who, columns, verdict, expected, why in asked:
            given = licences.licence_judge(
                local_scope(store),
                "refused",
                rows,
                columns=licences.LabelColumns(people=columns, verdict=verdict, cluster="id"),
                yes=published.REFUSALS,
                recorded=licences.RecordedJudge(model=who, family="xstest"),
            )
            short = "; ".join(given.shortfalls)
            found = f"{given.standing}{': ' + short if short else ''}"
            holds = given.standing == expected and short.startswith(why)
            yield Check(f"xstest: licence of {who}", "the usual bar", expected, found, holds)
        store.close()


def pyrit() -> Checks:
    import krippendorff

    gaps, sets = dict.fromkeys(("accuracy", "precision", "recall", "f1_score"), 0.0), 0
    errors = 0.0
    for metrics, called_yes, called_no in published.scorer_metrics():
        again = published.measured_again(metrics, called_yes, called_no)
        ours = {
            "accuracy": again.accuracy.value,
            "precision": again.precision.value if again.precision else 0.0,
            "recall": again.sensitivity.value,
            "f1_score": again.f1.value,
        }
        gaps = {name: max(gap, abs(ours[name] - metrics[name])) for name, gap in gaps.items()}
        error = sqrt(ours["accuracy"] * (1 - ours["accuracy"]) / (called_yes + called_no))
        errors = max(errors, abs(error - metrics["accuracy_standard_error"]))
        sets += 1
    yield Check("pyrit: published metrics found in its rows", "PyRIT", "50", str(sets), sets == 50)
    for name, gap in {**gaps, "accuracy_standard_error": errors}.items():
        yield same(f"pyrit: {name}, largest gap of {sets}", "PyRIT", 0.0, gap)
    ratings = published.harm_ratings()
    table = np.array([[np.nan if one is None else one for one in row] for row in ratings])
    for level in ("ordinal", "interval"):
        theirs = krippendorff.alpha(table, level_of_measurement=level)
        ours = krippendorff_alpha(ratings, level=level, draws=2).value
        yield same(f"pyrit: alpha of three people, {level}", "krippendorff", theirs, ours)
