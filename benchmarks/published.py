"""Labels that others published, and what we make of them; the tests hold the same against bounds.

The data stand beside the checkout, in a folder named `shared`, or where `LINESIDE_SHARED` says.
"""

import csv
import gzip
import json
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lineside.stats.corrected import rogan_gladen
from lineside.stats.judges import JudgeAccuracy, measure_judge
from lineside.stats.prediction_powered import prediction_powered_mean

COMPLIED = "1_full_compliance"
REFUSALS = ("2_full_refusal", "3_partial_refusal")
ANSWERS = (COMPLIED, *REFUSALS)

Rows = list[dict[str, str]]


def data_of(name: str) -> Path | None:
    """Where a published file stands; nothing where it is not on this machine."""
    roots = [Path(value) for value in [os.environ.get("LINESIDE_SHARED")] if value]
    roots.append(Path(__file__).resolve().parents[2] / "shared")
    found = (root / "data" / name for root in roots)
    return next((path for path in found if path.exists()), None)


def _opened(name: str) -> Any:
    path = data_of(name)
    if path is None:
        raise FileNotFoundError(
            f"No labels {name!r}: set LINESIDE_SHARED to the folder that holds `data`"
        )
    return gzip.open(path, "rt", encoding="utf-8", newline="")


def rows_of(name: str) -> Rows:
    """The rows of a CSV."""
    with _opened(name) as file:
        return list(csv.DictReader(file))


def xstest() -> dict[str, Rows]:
    """The completions of each of XSTest's five models, in the order of the prompts."""
    models = defaultdict(list)
    for row in sorted(rows_of("xstest/completions_labelled.csv.gz"), key=lambda row: row["id"]):
        models[row["model"]].append(row)
    return dict(models)


def refused(rows: Rows, column: str) -> np.ndarray:
    """Which completions a column calls a refusal, in full or in part."""
    return np.array([row[column] != COMPLIED for row in rows], dtype=float)


@dataclass
class Corrected:
    """How corrected refusal rates of one model fared, over draws of what people label.

    Attributes:
        powered: Draws in which the prediction-powered interval holds what people found of all.
        rogan_gladen: The same for the correction by labels of other completions.
        identified: Draws in which the labels show that the judge tells anything at all.
        worth_more: Draws in which the judge makes the labels worth more than they are alone.
    """

    draws: int
    people: float
    judge: float
    powered: int = 0
    rogan_gladen: int = 0
    identified: int = 0
    worth_more: int = 0
    rates: list[float] = field(default_factory=list)


def corrected_rates(models: Mapping[str, Rows], *, draws: int = 100) -> dict[str, Corrected]:
    """A third of each model's completions labelled by people, GPT-4 on the rest, time and again."""
    rng = np.random.default_rng(1)
    found = {}
    for model, completions in models.items():
        rows = [row for row in completions if row["gpt4_label"] in ANSWERS]
        judge, people = refused(rows, "gpt4_label"), refused(rows, "final_label")
        tally = found[model] = Corrected(draws, float(people.mean()), float(judge.mean()))
        for _ in range(draws):
            ours, others = np.split(rng.permutation(len(rows)), [len(rows) // 3])
            labels = {"judge": judge[ours], "people": people[ours]}
            powered = prediction_powered_mean(judge[others], **labels)
            corrected = rogan_gladen(judge[others], **labels)
            tally.powered += powered.low <= people.mean() <= powered.high
            tally.rogan_gladen += corrected.low <= people[others].mean() <= corrected.high
            tally.identified += corrected.is_identified
            tally.worth_more += powered.labels_worth > len(ours)
            tally.rates.append(powered.value)
    return found


def scorer_metrics() -> Iterator[tuple[dict[str, Any], int, int]]:
    """Published metrics of a PyRIT scorer, with how many rows it saw people call yes, and no."""
    for kind, file in (("refusal", "refusal"), ("objective_achieved", "objective")):
        labels = rows_of(f"pyrit_scorer_evals/{file}.csv.gz")
        with _opened(f"pyrit_scorer_evals/{kind}_metrics.jsonl.gz") as lines:
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


def measured_again(metrics: Mapping[str, float], called_yes: int, called_no: int) -> JudgeAccuracy:
    """A scorer's measures from the rows.

    The rows hold what people said, not what each scorer did: recall and precision give its table to
    the case, and accuracy, its error and F1 must follow.
    """
    found = round(metrics["recall"] * called_yes)
    false = round(found / metrics["precision"]) - found
    judge = [1] * found + [0] * (called_yes - found) + [1] * false + [0] * (called_no - false)
    return measure_judge(judge, [1] * called_yes + [0] * called_no)


def harm_ratings() -> list[Sequence[float | None]]:
    """How harmful three people found answers, a row each."""
    rows = rows_of("pyrit_scorer_evals/harm.csv.gz")
    columns = [f"human_score_{at}" for at in (1, 2, 3)]
    return [[float(row[at]) if row[at] else None for row in rows] for at in columns]
